#!/bin/bash
# Output that cannot be written is a failure, whatever the command; and a report for a closed standard output never ends
# up in a disk.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
[ -e /dev/full ] || skip "needs /dev/full"

make_chain 8M
for c in "info disk.vhdx" "info --json disk.vhdx" "map disk.vhdx" "map --json disk.vhdx" "hash disk.vhdx" \
    --help "info --help" --version "merge --dry-run disk_2.avhdx" "export -o - disk.vhdx"; do
    vhdx $c >/dev/full 2>err
    [ $? = 8 ] || fail "vhdx $c on a full disk did not end with 8"
    [ "$(wc -l <err)" = 1 ] || fail "vhdx $c on a full disk: $(cat err)"
    says err "standard output"
done
vhdx export -o - disk.vhdx 2>err | head -c 100 >/dev/null
[ "${PIPESTATUS[0]}" = 8 ] || fail "a reader that went away did not make export end with 8"

case $VHDX in
*.exe) exit 0 ;;
esac
vhdx create -v --size 8M closed.vhdx >&- 2>err
[ $? = 8 ] || fail "a closed standard output did not end with 8"
expect 0 vhdx info closed.vhdx
expect 0 vhdx create --size 8M open.vhdx
[ "$(hash_of closed.vhdx)" = "$(hash_of open.vhdx)" ] || fail "text got into the disk"
vhdx merge disk_2.avhdx >&- 2>&- <&-
reads_as disk_2.avhdx 2.raw
