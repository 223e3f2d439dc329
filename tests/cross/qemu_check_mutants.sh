#!/bin/bash
# Mutants of a disk that qemu made: where qemu-img check finds something wrong, so does verify. (The other way round is not asked for: docs/findings.md
# lists what qemu-img does not look at.)
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
command -v qemu-img >/dev/null || skip "needs qemu-img"

truncate -s 16M src.raw
seq 400000 | dd of=src.raw conv=notrunc status=none
qemu-img convert -O vhdx -o block_size=1M src.raw sound.vhdx >qemu.out 2>&1 || skip "qemu-img makes no VHDX: $(cat qemu.out)"
expect 0 vhdx verify sound.vhdx
says out "sound.vhdx: clean"

# mutant OFFSET VALUE: that byte (octal) in a copy
mutant() {
    cp --sparse=always sound.vhdx mutant.vhdx
    printf '%b' "\\0$2" | dd of=mutant.vhdx bs=1 seek=$(($1)) conv=notrunc status=none
}

bad=0
for offset in 0 5 0x10004 0x10040 0x20004 0x20009 0x30000 0x30010 0x30020 0x40004 0x200000 0x200002 0x200008 0x20000b \
    0x300000 0x300008 0x30000a 0x300020 0x300030 0x300038 0x300050 0x310000 0x310003 0x310004 0x310008 0x310020; do
    for value in 377 001; do
        mutant $offset $value
        cmp -s sound.vhdx mutant.vhdx && continue
        vhdx verify --json mutant.vhdx >out 2>err
        status=$?
        [ $status = 0 ] || [ $status = 4 ] || fail "verify ended with $status at $offset"
        qemu-img check mutant.vhdx >qemu.out 2>&1 && continue
        bad=$((bad + 1))
        grep -qE '"severity": "(error|warning)"' out || fail "$offset = $value: qemu-img says '$(head -n 1 qemu.out)', verify nothing"
    done
done
[ $bad -gt 10 ] || fail "qemu-img minds only $bad mutants: they prove nothing"
