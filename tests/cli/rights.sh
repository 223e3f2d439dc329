#!/bin/bash
# What a run would be refused for lack of rights, its dry run is refused for too: nobody plans a night on a plan that
# cannot be carried out.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*" "* | *.exe) skip "rights here are those of POSIX" ;;
esac

make_chain 8M
cp disk.vhdx damaged.vhdx
printf X | dd of=damaged.vhdx bs=1 seek=$((0x10010)) conv=notrunc status=none
mkdir vm
mv disk*.*vhdx damaged.vhdx vm
before=$(cat vm/* | cksum)
cp "$VHDX" ./vhdx.copy || skip "the command cannot be copied"

if [ "$(id -u)" = 0 ]; then
    # Root may do everything: somebody else tries. The files are readable, and not writable, for him.
    command -v setpriv >/dev/null || skip "needs setpriv(1)"
    chmod 755 .. . vm
    chmod 644 vm/*
    as_other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    as_other ./vhdx.copy info vm/disk.vhdx >/dev/null 2>&1 || skip "another user cannot read here"
    refused="Permission denied"
else
    chmod 555 vm
    as_other() { "$@"; }
    refused="Permission denied"
fi

try() {
    expect 8 as_other ./vhdx.copy "$@"
    says err "$refused"
    [ ! -s out ] || fail "$*: a plan was printed that cannot be carried out: $(cat out)"
}
if [ "$(id -u)" = 0 ]; then
    for dry in "" --dry-run; do
        try merge $dry vm/disk_2.avhdx
        try merge $dry --into vm/disk.vhdx vm/disk_2.avhdx
        try repair $dry vm/damaged.vhdx
    done
    expect 8 as_other ./vhdx.copy merge --dry-run --json vm/disk_2.avhdx
    json_is 'd["error"]["status"]' READ_ONLY
fi
for dry in "" --dry-run; do
    try merge $dry -o vm/new.vhdx vm/disk_2.avhdx
done
[ "$before" = "$(cat vm/* | cksum)" ] || fail "something changed"
[ "$(id -u)" = 0 ] || chmod 755 vm
