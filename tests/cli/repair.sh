#!/bin/bash
# repair: the plan, the statuses, the undo file, what is lost; and that nothing is written when nothing is to be.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 64M

# poke FILE OFFSET HEX...: overwrites bytes.
poke() {
    local file=$1 offset=$2 bytes
    shift 2
    bytes=$(printf '\\x%s' "$@")
    printf '%b' "$bytes" | dd of="$file" bs=1 seek=$((offset)) conv=notrunc status=none || fail "dd"
}

same() {
    cmp -- "$1" "$2" || fail "$1 is not $2"
}

# Nothing to do: 0, and no byte or file more.
cp disk.vhdx sound.vhdx
expect 0 vhdx repair disk.vhdx
says out "Nothing was to be done."
expect 0 vhdx repair --dry-run --salvage --trim disk.vhdx
says out "Nothing would be written."
same disk.vhdx sound.vhdx
[ ! -e disk.vhdx.vhdx-undo ] || fail "an undo file for nothing"

# A damaged header and a damaged region table: shown, corrected with 1, gone; undone byte for byte.
poke disk.vhdx 0x10010 55
poke disk.vhdx 0x40020 12 34
cp disk.vhdx damaged.vhdx
expect 4 vhdx repair --dry-run disk.vhdx
says out "VHDX-HEADER-DAMAGED"
says out "restores: both copies of the region table are good again"
says out "Next: vhdx repair disk.vhdx"
[ "$(awk 'length > 80' out)" = "" ] || fail "lines of more than 80 columns: $(awk 'length > 80' out)"
same disk.vhdx damaged.vhdx
expect 1 vhdx repair disk.vhdx
says out "2 corrected, 0 left."
says out "To take it back: vhdx undo disk.vhdx.vhdx-undo"
expect 0 vhdx verify disk.vhdx
says_not out warning
reads_as disk.vhdx 0.raw
reads_as disk_2.avhdx 2.raw
cp disk.vhdx repaired.vhdx
expect 0 vhdx repair disk.vhdx
same disk.vhdx repaired.vhdx
expect 0 vhdx undo disk.vhdx.vhdx-undo
same disk.vhdx damaged.vhdx

# As JSON; quiet; with an undo file elsewhere, or none.
rm disk.vhdx.vhdx-undo
expect 4 vhdx repair --dry-run --json disk.vhdx
json_is 'sorted({w["id"] for w in d["files"][0]["plan"]})' "['VHDX-HEADER-DAMAGED', 'VHDX-REGION-TABLE-DAMAGED']"
json_is 'd["files"][0]["undo"]' None
mkdir elsewhere
expect 1 vhdx repair --json --undo elsewhere/undo disk.vhdx
json_is 'd["files"][0]["status"], d["files"][0]["undo"]' "('corrected', 'elsewhere/undo')"
json_is '[f["id"] for f in d["files"][0]["findings"] if f["corrected"]]' \
    "['VHDX-HEADER-DAMAGED', 'VHDX-REGION-TABLE-DAMAGED']"
expect 0 vhdx undo elsewhere/undo
same disk.vhdx damaged.vhdx
expect 1 vhdx repair -q --no-undo disk.vhdx
[ ! -s out ] && [ ! -s err ] || fail "a quiet repair prints something: $(cat out err)"
[ ! -e disk.vhdx.vhdx-undo ] || fail "an undo file although none was wanted"

# Another file in the place of the undo file is kept.
cp damaged.vhdx disk.vhdx
head -c 1000 /dev/urandom >disk.vhdx.vhdx-undo
cp disk.vhdx.vhdx-undo theirs
expect 8 vhdx repair disk.vhdx
one_line_of_error
same disk.vhdx damaged.vhdx
same disk.vhdx.vhdx-undo theirs
rm disk.vhdx.vhdx-undo

# A file that was cut: refused without --salvage, then what is lost is named, also in the map.
cp sound.vhdx disk.vhdx
truncate -s $(($(stat -c %s disk.vhdx) - 1048576)) disk.vhdx
cp disk.vhdx cut.vhdx
expect 4 vhdx repair disk.vhdx
says out "VHDX-BAT-BEYOND-END"
says out "Next: vhdx repair --salvage --dry-run disk.vhdx"
same disk.vhdx cut.vhdx
cp sound.vhdx other.vhdx
expect 4 vhdx repair --salvage --dry-run --json disk.vhdx
json_is '(len(d["next"]), d["next"][0].splitlines()[1].strip())' \
    "(1, 'vhdx relink --force --parent disk.vhdx disk_1.avhdx')"
expect 8 vhdx repair --salvage --map other.vhdx disk.vhdx
one_line_of_error
same other.vhdx sound.vhdx
same disk.vhdx cut.vhdx
expect 8 vhdx repair --salvage --no-undo --map missing/map disk.vhdx
one_line_of_error
says err "the disk was not changed"
same disk.vhdx cut.vhdx
expect 4 vhdx repair --salvage disk.vhdx # content was given up
says out "lost or in doubt"
says out "of its content are gone and read as zeros"
tail -n 1 out | grep -q 'e2fsck' || fail "the last line does not say what is to be checked: $(cat out)"
says out "disk.vhdx.vhdx-map"
says out "disk_1.avhdx was made on this disk"
grep -q '  -$' disk.vhdx.vhdx-map || fail "the map names nothing lost: $(cat disk.vhdx.vhdx-map)"
expect 0 vhdx verify disk.vhdx
says out "disk.vhdx.vhdx-map" # remembers what no check finds
expect 0 vhdx verify --json disk.vhdx
json_is 'd["files"][0]["map"]' disk.vhdx.vhdx-map
mv disk.vhdx.vhdx-map remembered
expect 0 vhdx verify disk.vhdx
says_not out "vhdx-map"
mv remembered disk.vhdx.vhdx-map
expect 0 vhdx hash disk.vhdx
cp disk_1.avhdx linked.avhdx
expect 8 vhdx hash disk_1.avhdx # its parent is not the disk that it was made on any more
expect 0 vhdx relink --force --parent disk.vhdx disk_1.avhdx
expect 0 vhdx hash disk_1.avhdx
mv linked.avhdx disk_1.avhdx
expect 0 vhdx undo disk.vhdx.vhdx-undo
same disk.vhdx cut.vhdx

# What may not be written to says so; root meets it too.
cp damaged.vhdx disk.vhdx
chmod 444 disk.vhdx
expect 8 vhdx repair disk.vhdx
one_line_of_error
chmod 644 disk.vhdx
if chattr +i disk.vhdx 2>/dev/null; then
    expect 8 vhdx repair disk.vhdx
    chattr -i disk.vhdx
    one_line_of_error
    says err immutable
fi
same disk.vhdx damaged.vhdx

if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups test -x "$TOP"; then
    mkdir closed
    cp damaged.vhdx closed/disk.vhdx
    chmod 666 closed/disk.vhdx
    chmod a+rx . .. closed
    if setpriv --reuid 65534 --clear-groups test -r closed/disk.vhdx; then
        expect 8 setpriv --reuid 65534 --clear-groups $VHDX repair closed/disk.vhdx
        one_line_of_error
        says err "--undo"
        same closed/disk.vhdx damaged.vhdx
    fi
fi

# Beside a device there is no place for an undo file, or a map.
if device=$(losetup -f --show disk.vhdx 2>/dev/null); then
    expect 8 vhdx repair $device
    losetup -d $device
    one_line_of_error
    says err "--undo"
    same disk.vhdx damaged.vhdx
    device=$(losetup -f --show disk.vhdx)
    expect 1 vhdx repair --undo device-undo $device
    expect 0 vhdx undo device-undo
    losetup -d $device
    same disk.vhdx damaged.vhdx
fi

# The commands that are advised mean the file that they name, whatever its name is.
if [[ $VHDX != *.exe ]]; then
    ln -s "$VHDX" vhdx && PATH=$PWD:$PATH
    for name in 'a b.vhdx' "it's.vhdx" '$HOME`id`.vhdx' 'a;b&c.vhdx' '"q\".vhdx' $'two\nlines.vhdx' -q.vhdx '~.vhdx'; do
        cp -- damaged.vhdx "./$name"
        for command in "verify" "repair --dry-run"; do
            expect $([ "$command" = verify ] && echo 0 || echo 4) vhdx $command -- "$name"
            bash -c "$(sed -n 's/^Next: //p' out)" >out 2>err || [ $? = 4 ] || [ $? = 1 ] || fail "$(cat err)"
            says out VHDX-HEADER-DAMAGED
        done
        says out corrected
        bash -c "$(sed -n 's/^To take it back: //p' out)" >out 2>err || fail "$(cat err)"
        same "./$name" damaged.vhdx
        rm -- "./$name" "./$name.vhdx-undo"
    done
fi

# What is no disk, or not there.
expect 8 vhdx repair theirs
one_line_of_error
expect 8 vhdx repair missing.vhdx
one_line_of_error
