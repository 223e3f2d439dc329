# Disks whose qemu was killed while it wrote: what qemu reads from them, we read as well, and a repair changes nothing of it.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img qemu-io mkfifo

# judge DISK: against what qemu makes of a copy
judge() {
    cp --sparse=always "$1" theirs.vhdx
    qemu-img check -q -f vhdx -r all theirs.vhdx >/dev/null 2>&1
    qemu-img convert -f vhdx -O raw theirs.vhdx theirs.raw || fail "$1: qemu-img convert"
    rm -rf ours.raw salvaged.raw*
    run export -o ours.raw "$1" 2>notices
    cmp ours.raw theirs.raw || fail "$1: we read something else than qemu"
    run verify "$1" >/dev/null || fail "$1: verify"
    "$VHDX" export --salvage -o salvaged.raw "$1" >/dev/null 2>&1
    cmp salvaged.raw theirs.raw || fail "$1: a salvage reads something else than qemu"

    cp --sparse=always "$1" ours.vhdx
    "$VHDX" repair --no-undo ours.vhdx >/dev/null
    [ $? -le 1 ] || fail "$1: repair"
    [ "$("$VHDX" info "$1" 2>/dev/null | grep 'data write guid')" = "$("$VHDX" info ours.vhdx | grep 'data write guid')" ] ||
        fail "$1: the repair made another disk of it"
    rm -f ours.raw
    run export -o ours.raw ours.vhdx
    cmp ours.raw theirs.raw || fail "$1: repaired, it reads otherwise"

    cp --sparse=always "$1" ours.vhdx
    run create --parent ours.vhdx child.avhdx 2>/dev/null
    run merge --delete child.avhdx >/dev/null 2>&1
    qemu-img check -q -f vhdx ours.vhdx || fail "$1: qemu-img check after a merge into it"
    rm -f ours.raw
    run export -o ours.raw ours.vhdx
    cmp ours.raw theirs.raw || fail "$1: a merge of nothing has changed something"
}

for sample in "${VHDX_SAMPLES:-/nowhere}"/found/qemu72-kill-write-*.vhdx.gz; do
    [ -f "$sample" ] || continue
    gzip -dc "$sample" >sample.vhdx
    judge sample.vhdx
    [ -s notices ] || fail "$sample: nobody was told"
done

# Where the kill hits is chance; what must hold does not depend on it.
mkfifo commands
for round in 1 2 3 4 5 6 7 8 9 10; do
    qemu-img create -q -f vhdx -o block_size=1M disk.vhdx 64M || fail "qemu-img create"
    [ $((round % 2)) = 0 ] && qemu-io -f vhdx -c 'write -q 3M 4k' -c 'write -q 9M 4k' disk.vhdx
    qemu-io -f vhdx disk.vhdx <commands >/dev/null 2>&1 &
    victim=$!
    { for i in $(seq 0 63); do echo "write -q -P $((i + 1)) $(((i * 37) % 64))M 64k"; done; sleep 2; } >commands 2>/dev/null &
    feeder=$!
    sleep "0.0$((round * 7 % 10))$round"
    kill -9 $victim 2>/dev/null
    wait $victim 2>/dev/null
    kill $feeder 2>/dev/null
    wait $feeder 2>/dev/null
    judge disk.vhdx
    rm -f disk.vhdx
done
