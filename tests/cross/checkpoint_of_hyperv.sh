# A real checkpoint layer of Hyper-V 2019 whose parent is lost: an empty parent of the right identity stands in. Before
# the merge libvhdi must
# read the chain as we do, afterwards the parent alone must read the same.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
[ -n "${VHDX_SAMPLES:-}" ] || skip "VHDX_SAMPLES is not set"
name=hyperv2019-checkpoint-8G.avhdx
[ -r "$VHDX_SAMPLES/$name.gz" ] || fail "$name.gz is not in VHDX_SAMPLES"
need_libvhdi

gzip -dc "$VHDX_SAMPLES/$name.gz" | dd of=child.avhdx bs=64K conv=sparse iflag=fullblock status=none
truncate -s "$(gzip -dc "$VHDX_SAMPLES/$name.gz" | wc -c)" child.avhdx
file=$(sha256 <child.avhdx)

mkdir elsewhere
run create --size 8G --data-write-guid ff34003b-11ed-4cf8-a166-b2be05e20b80 elsewhere/parent.vhdx
run create --size 8G elsewhere/stranger.vhdx
"$VHDX" info --chain child.avhdx >out 2>&1 && fail "the chain opens although the parent is lost"
"$VHDX" hash child.avhdx >out 2>&1 && fail "the child reads although the parent is lost"
hash=$("$VHDX" hash --parent elsewhere child.avhdx | cut -d' ' -f1)
[ -n "$hash" ] || fail "the child cannot be read with its parent"
run export --parent elsewhere/parent.vhdx -o before.raw child.avhdx
./vhdi_compare before.raw child.avhdx elsewhere/parent.vhdx || fail "libvhdi reads the chain otherwise"
[ "$(sha256 <child.avhdx)" = "$file" ] || fail "reading has changed the child"

run merge --parent elsewhere child.avhdx
[ "$(hash_of elsewhere/parent.vhdx)" = "$hash" ] || fail "the merged disk reads otherwise"
./vhdi_compare before.raw elsewhere/parent.vhdx || fail "libvhdi reads the merged disk otherwise"
[ "$("$VHDX" hash --parent elsewhere child.avhdx | cut -d' ' -f1)" = "$hash" ] ||
    fail "the child reads otherwise after the merge"
if command -v qemu-img >/dev/null; then
    qemu-img check -q -f vhdx elsewhere/parent.vhdx || fail "qemu-img check of the merged disk"
fi
