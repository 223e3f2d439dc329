#!/bin/bash
# Sharing modes are the locks of Windows: a disk that another process reads is not merged, and can be read by a third. A
# chain that leads back to itself is called that, not a disk in use, although it is in use by the merge.
# SPDX-License-Identifier: MIT
. "$TOP/tests/windows/lib.bash"

make_chain 64M
expected=$(native_hash disk_2.avhdx)
before=$(cat *.vhdx *.avhdx | cksum)
mkfifo stream
vhdx export -o - disk_2.avhdx >stream 2>reader &
reader=$!
exec 3<stream
head -c 65536 <&3 >/dev/null # it has its layers open now, and waits for a reader of the rest
for layer in disk_2.avhdx disk_1.avhdx; do
    expect 8 vhdx merge $layer
    one_line_of_error
    says err "$layer"
    says err "Sharing violation"
done
[ "$(hash_of disk_2.avhdx)" = "$expected" ] || fail "readers keep readers out"
cat <&3 >/dev/null
exec 3<&-
wait $reader || fail "export: $(cat reader)"
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a refused merge changed something"
expect 0 vhdx merge --into disk.vhdx disk_2.avhdx
both_read disk.vhdx 2.raw

id=7c1f0a3e-0000-4000-8000-00000000beef
expect 0 vhdx create --size 8M --data-write-guid $id ring.vhdx
expect 0 vhdx create --parent ring.vhdx ring_1.avhdx
expect 0 vhdx create --parent ring_1.avhdx --data-write-guid $id new.vhdx
mv new.vhdx ring.vhdx
for c in hash "merge --dry-run" merge; do
    expect 8 vhdx $c ring_1.avhdx
    says err "the chain is a loop"
done
