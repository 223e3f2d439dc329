#!/bin/bash
# Where a merge has no room, the refusal names what needs less of it, and what needs none.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*.exe) skip "needs a volume of a given size" ;;
esac
mkdir small
mount -t tmpfs -o size=32M none small 2>/dev/null || skip "a volume cannot be mounted here"
trap 'umount small' EXIT

# The child holds 16 MiB, its base 2 MiB of something else.
truncate -s 64M 0.raw
head -c 2M /dev/urandom | dd of=0.raw bs=1M conv=notrunc iflag=fullblock status=none
cp --sparse=always 0.raw 1.raw
head -c 16M /dev/urandom | dd of=1.raw bs=1M seek=16 conv=notrunc iflag=fullblock status=none
"$GUEST" -b 2 small/base.vhdx 0.raw small/child.avhdx 1.raw || fail "guest"
for dry in "" --dry-run; do
    expect 8 vhdx merge $dry small/child.avhdx
    one_line_of_error
    says err "of free space"
    says err "'--direction up' writes 2 MiB and fits"
    says err "'-o NEW' writes the merged disk to another volume"
done
reads_as small/child.avhdx 1.raw

# Where that is no way either, or not what was asked for, it is not named.
expect 8 vhdx merge --direction down small/child.avhdx
says_not err "--direction up"
fallocate -l $(($(df --output=avail -B 1 small | tail -n 1) - 65536)) small/filler || skip "fallocate"
expect 8 vhdx merge small/child.avhdx
says_not err "--direction up"
says err "'-o NEW'"
rm small/filler

# And they work.
expect 0 vhdx merge --direction up small/child.avhdx
reads_as small/child.avhdx 1.raw
