# Chains as disks for other people's programs: copied, mapped, written through NBD; a real file system in a child, used
# and trimmed; the server killed under load; a full volume.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need_plugin nbdinfo nbdcopy qemu-img qemu-io mke2fs e2fsck debugfs openssl
need_guest
export PATH=$PATH:/usr/sbin:/sbin

quietly() {
    "$@" >output 2>&1 || { cat output; fail "$*"; }
}

sound() { # DISK
    "$VHDX" verify --chain -q "$1" >output 2>&1 || { cat output; fail "vhdx verify $1"; }
}

# ---- reading: what clients copy is what the chain holds; older layers and a damaged chain too ----
truncate -s 80M 0.raw
put 0.raw 1 1234567 9000000
cp --sparse=always 0.raw 1.raw
put 1.raw 2 20000256 5000
put 1.raw 3 40000000 12000000
"$GUEST" base.vhdx 0.raw leaf.avhdx 1.raw || fail "guest"
before=$(cat base.vhdx leaf.avhdx | sha256)
quietly nbdkit -U - -r "$plugin" leaf.avhdx --run 'nbdcopy "$uri" copy.raw'
cmp copy.raw 1.raw || fail "nbdcopy got something else"
quietly nbdkit -U - -r "$plugin" leaf.avhdx layer=1 --run 'nbdcopy "$uri" copy.raw'
cmp copy.raw 0.raw || fail "nbdcopy got something else of the older layer"
quietly nbdkit -U - -r "$plugin" leaf.avhdx --run 'qemu-img convert -f raw -O qcow2 "$uri" copy.qcow2'
qemu-img compare -q copy.qcow2 1.raw || fail "qemu-img got something else"
quietly "$VHDX" serve leaf.avhdx -- nbdcopy '$uri' copy.raw
cmp copy.raw 1.raw || fail "vhdx serve gave something else"
[ "$(cat base.vhdx leaf.avhdx | sha256)" = "$before" ] || fail "reading has changed the files"

# ---- what must not be written is not ----
nbdkit -U - "$plugin" base.vhdx --run 'qemu-io -f raw -c "write 0 4k" "$uri"' >output 2>&1 && fail "a parent was written"
grep -q leaf.avhdx output || fail "the child is not named: $(cat output)"
quietly "$VHDX" serve --discard . leaf.avhdx -- qemu-io -f raw -c 'write -P 1 0 1M' -c 'read -P 1 0 1M' '$uri'
quietly "$VHDX" serve --overlay over.avhdx leaf.avhdx -- qemu-io -f raw -c 'write -P 7 100k 1M' '$uri'
[ "$(cat base.vhdx leaf.avhdx | sha256)" = "$before" ] || fail "an overlay has changed the chain"
ls discard-* >/dev/null 2>&1 && fail "what was to be discarded is still there"
cp --sparse=always 1.raw over.raw
dd if=/dev/zero bs=1k count=1024 status=none | tr '\0' '\7' | dd of=over.raw bs=1k seek=100 conv=notrunc status=none
[ "$(hash_of over.avhdx)" = "$("$VHDX" hash over.avhdx | cut -d' ' -f1)" ]
run export -o over.out over.avhdx
cmp over.out over.raw || fail "the overlay reads as something else"
sound over.avhdx
rm over.avhdx over.raw over.out

# ---- writing: a whole disk, and parts of a child ----
quietly "$VHDX" serve --write leaf.avhdx -- nbdcopy 0.raw '$uri'
run export -o written.raw leaf.avhdx
cmp written.raw 0.raw || fail "the leaf is not what was written"
sound leaf.avhdx

# ---- a file system in a child: made, used, trimmed; its own check and ours ----
mkdir tree
for i in 1 2 3 4 5 6 7 8; do
    random "$i" 1500000 >"tree/file $i ü"
done
truncate -s 200M fs.raw
quietly mke2fs -q -F -t ext4 -d tree fs.raw
run create --size 200M --block-size 1M fs.vhdx
run create --parent fs.vhdx fs.avhdx
quietly "$VHDX" serve --write fs.avhdx -- nbdcopy --flush fs.raw '$uri'
run export -o fs.out fs.avhdx
cmp fs.out fs.raw || fail "the file system is not what was written"
quietly e2fsck -f -n fs.out
size=$(stat -c %b fs.avhdx)
quietly "$VHDX" serve --write fs.avhdx -- qemu-io -f raw -c 'discard 0 200M' -c flush '$uri'
sound fs.avhdx
[ "$(stat -c %b fs.avhdx)" -lt $((size / 4)) ] || fail "a trim of the whole disk gives nothing back"
truncate -s 200M zero.raw
[ "$("$VHDX" export -o - fs.avhdx | cmp - zero.raw 2>&1)" = "" ] || fail "a trimmed disk holds something"

# ---- killed while it writes: what was flushed is there, the chain opens, no error is found ----
run create --size 64M --block-size 1M killed.vhdx
run create --parent killed.vhdx killed.avhdx
for round in 1 2 3 4 5 6; do
    rm -f socket pid
    nbdkit -U socket -P pid "$plugin" killed.avhdx || fail "nbdkit does not start"
    quietly qemu-io -f raw -c "write -P $round $((round * 3))M 2M" -c flush "nbd+unix:///?socket=socket"
    qemu-io -f raw -c "write -P 99 30M 20M" -c "write -P 98 0 1M" -c flush -c "write -P 97 20M 30M" \
        "nbd+unix:///?socket=socket" >/dev/null 2>&1 &
    client=$!
    sleep "0.0$round"
    kill -9 "$(cat pid)"
    wait $client
    for i in $(seq 1 "$round"); do
        [ $((i * 3)) -ge 20 ] && continue
        quietly nbdkit -U - -r "$plugin" killed.avhdx \
            --run "qemu-io -r -f raw -c 'read -P $i $((i * 3))M 2M' \"\$uri\""
        grep -q 'verification failed' output && fail "round $round: what was flushed in round $i is lost"
    done
    sound killed.avhdx
done

# ---- a full volume is an error of the write, and no more ----
[ "$(id -u)" = 0 ] || exit 0
truncate -s 24M volume.img
quietly mke2fs -q -F -t ext4 volume.img
mkdir volume
mount -o loop volume.img volume 2>/dev/null || exit 0
trap 'umount -l volume' EXIT
run create --size 64M --block-size 1M volume/full.vhdx
nbdkit -U - "$plugin" volume/full.vhdx --run 'qemu-io -f raw -c "write -P 5 0 8M" -c flush -c "write -P 6 8M 40M" "$uri";
    qemu-io -f raw -c "read -P 5 0 8M" "$uri"' >output 2>&1
grep -q 'No space left' output || fail "a full volume is not told: $(cat output)"
grep -q 'verification failed' output && fail "what was written before is lost"
sound volume/full.vhdx
umount volume
trap - EXIT
