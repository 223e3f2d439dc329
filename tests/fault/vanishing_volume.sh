#!/bin/bash
# The volume goes away under a merge that is at work, as when a disk is pulled: all that was not flushed is lost, and
# everything fails from then on. The merge says so and ends; when the volume is back, the leaf reads as before and the
# same command completes it. The file system's own shutdown call plays the disk.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"
need_volumes
have_python || skip "needs python3 for the shutdown of a file system"

MIB=1048576
truncate -s 64M raw0
random_bytes raw0 1 0 3000000
cp --sparse=always raw0 raw1
random_bytes raw1 2 $((4 * MIB)) $((30 * MIB))
"$GUEST" -b 2 base.vhdx raw0 child.avhdx raw1 || fail "no chain"
leaf=$(hash_of child.avhdx)

# Without flushing its journal (2): as hard as a file system can go.
shut_down() {
    python3 -c 'import fcntl, os, struct
fcntl.ioctl(os.open("mnt", os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' 2>/dev/null
}

# again: the volume as it is after the shutdown.
remount() {
    unmount_volume
    mount -o loop image mnt || fail "the volume cannot be mounted again"
}

try_at() {
    local n=$1 tracer tool status
    shift
    where="(merge $*, volume gone at write $n)"
    mount_volume ext4 200M
    cp --sparse=always base.vhdx child.avhdx mnt
    sync
    rm -f trace
    strace -f -o trace -e trace=pwrite64 -e inject="pwrite64:signal=STOP:when=$n" $VHDX merge -q "$@" mnt/child.avhdx >out 2>err &
    tracer=$!
    for _ in $(seq 200); do
        tool=$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' trace 2>/dev/null)
        [ -z "$tool" ] && kill -0 $tracer 2>/dev/null || break
        sleep 0.05
    done
    [ -n "$tool" ] || fail "the merge ended before the volume went $where: $(cat err)"
    shut_down || { kill -CONT $tool; wait $tracer; skip "this kernel's ext4 cannot be shut down"; }
    kill -CONT "$tool"
    wait $tracer
    status=$?
    [ $status = 8 ] || fail "the merge ended with $status, not 8 $where: $(cat err)"
    one_line_of_error
    says err "again"
    remount
    [ "$(hash_of mnt/child.avhdx)" = "$leaf" ] || fail "the leaf reads differently $where"
    expect 0 $VHDX merge -q "$@" mnt/child.avhdx
    [ "$(hash_of mnt/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
    unmount_volume
}

for n in 3 9 40 100; do
    try_at $n
    try_at $n --reclaim --window 4M
done
