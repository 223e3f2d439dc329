#!/bin/bash
# A disk that somebody else holds is refused with 8 and a message that says so; nothing is changed.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
command -v flock >/dev/null || skip "needs flock(1)"
case $VHDX in
*.exe) skip "flock(1) means nothing to a Windows program" ;;
esac

make_chain 8M
before=$(cat *.vhdx *.avhdx | cksum)
case $VHDX in
*" "*) ;; # a wrapper has the file open, too
*)
    # Who has it open is said, by name and number; a program that only has it open is not accused where another one holds
    # the lock.
    expect 8 flock -x disk_1.avhdx $VHDX hash disk_2.avhdx
    if [ -r /proc/self/fdinfo/0 ]; then
        sleep 60 <disk_1.avhdx &
        reader=$!
        exec 9<disk_1.avhdx
        flock -x 9
        bash -c 'exec -a holder sleep 60' 9<&9 & # the lock goes on in it
        holder=$!
        exec 9<&-
        for command in "hash disk_2.avhdx" "info disk_1.avhdx" "merge disk_2.avhdx" "repair disk_1.avhdx"; do
            expect 8 vhdx $command
            one_line_of_error
            says err "(process $holder)" # bash until it has become sleep
            says_not err "$reader"
            expect 8 vhdx $command --json
            json_is 'd["error"]["status"], "process" in d["error"]["message"]' "('BUSY', True)"
        done
        kill $holder $reader
        wait $holder $reader 2>/dev/null
    fi
    ;;
esac
for layer in disk.vhdx disk_1.avhdx disk_2.avhdx; do
    for lock in -s -x; do
        expect 8 flock $lock $layer $VHDX merge --into disk.vhdx disk_2.avhdx
        one_line_of_error
        says err "$layer"
    done
    expect 8 flock -x $layer $VHDX hash disk_2.avhdx
    one_line_of_error
    says err "$layer"
    expect 0 flock -s $layer $VHDX hash disk_2.avhdx # readers do not keep readers out
done
expect 8 flock -x disk.vhdx $VHDX info disk.vhdx
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a refused merge changed something"
expect 0 vhdx merge --into disk.vhdx disk_2.avhdx
