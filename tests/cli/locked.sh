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
