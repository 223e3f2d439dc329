# A disk as people have them (GPT, a partition, a file system with files) is damaged in many ways, and what should survive is looked up
# with The Sleuth Kit, which knows nothing of us. Nothing is mounted. Two things are asked of every way:
#   - every range that the map calls good reads as it did before the damage (else the map lies, which is worse than a loss);
#   - so many of the files are there, byte for byte, as the table in docs/findings.md says.
# And of a repair: that a second one does nothing, and that undo gives the damaged file back.
# A way is a function w_NAME that damages a copy; the table at the end says what must come of it. The one thing easy to get wrong: a test that only
# looks at files would not see a map that calls everything good.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need fls icat sfdisk mke2fs openssl
need_guest

# ---- the disks -------------------------------------------------------------------------------------------------------

mib=$((1024 * 1024))
first=2048 # sector where the partition begins
megabytes=94

gpt() {
    truncate -s 96M "$1"
    echo "label: gpt
start=$first, size=$((megabytes * 2048)), type=0FC63DAF-8483-4772-8E79-3D69D8477DE4" | sfdisk -q "$1" || fail sfdisk
}
lay_in() { dd if="$1" of="$2" bs=1M seek=1 conv=notrunc,sparse status=none; }

mkdir -p files/letters
random 1 3000000 >files/program.bin
random 2 700001 >files/photo.jpg
for i in $(seq 1 40); do seq "$i" 3000 >"files/letters/$i.txt"; done

gpt ext4.raw
mke2fs -q -t ext4 -d files -L demo fs.raw ${megabytes}M >mke2fs.log 2>&1 || fail mke2fs
lay_in fs.raw ext4.raw
gpt later.raw
cp fs.raw fs2.raw
random 3 500000 >new.bin
debugfs -w fs2.raw >/dev/null 2>&1 <<END
write new.bin new.bin
END
lay_in fs2.raw later.raw

have_ntfs=
if command -v mkntfs >/dev/null && command -v ntfscp >/dev/null; then
    have_ntfs=yes
    gpt ntfs.raw
    truncate -s ${megabytes}M ntfs.fs
    mkntfs -q -Q -F -p $first -H 255 -S 63 ntfs.fs >/dev/null 2>&1 || fail mkntfs
    for i in 1 2 3 4 5 6 7 8 9; do
        random "1$i" 300000 >"$i.dat"
        ntfscp -q -f ntfs.fs "$i.dat" "$i.dat" 2>/dev/null || fail ntfscp
    done
    lay_in ntfs.fs ntfs.raw
fi

"$GUEST" -b 2 plain.vhdx ext4.raw || fail guest
"$GUEST" -b 2 -s shuffled.vhdx ext4.raw || fail guest
"$GUEST" -b 2 -f fixed.vhdx ext4.raw || fail guest
"$GUEST" -b 2 -d dirty.vhdx ext4.raw || fail guest
"$GUEST" -b 2 base.vhdx ext4.raw child.avhdx later.raw || fail guest
[ -z "$have_ntfs" ] || "$GUEST" -b 2 -f ntfs.vhdx ntfs.raw || fail guest
# A disk whose log remembers how its BAT came to be, as that of a machine does: our own writer filled it.
truncate -s 96M empty.raw
mkdir machine
"$GUEST" -b 2 machine/logged.vhdx empty.raw machine/filler.avhdx ext4.raw || fail guest
run merge machine/filler.avhdx >/dev/null
mv machine/logged.vhdx .

# ---- damage ----------------------------------------------------------------------------------------------------------

zero() { dd if=/dev/zero of="$1" bs=64K seek="$2" count="$3" oflag=seek_bytes iflag=count_bytes conv=notrunc status=none; }
garbage() { random 99 "$3" | dd of="$1" bs=64K seek="$2" oflag=seek_bytes iflag=fullblock conv=notrunc status=none; }
poke() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# entry FILE N: BAT entry N as a number.
entry() { od -An -t u8 -j $((bat + $2 * 8)) -N 8 "$1" | tr -d ' '; }
put_entry() {
    local value=$3 bytes= i
    for i in 1 2 3 4 5 6 7 8; do
        bytes+=$(printf '\\x%02x' $((value & 255)))
        value=$((value >> 8))
    done
    poke "$1" $((bat + $2 * 8)) "$bytes"
}
metadata=$((2 * mib)) bat=$((3 * mib)) log=$mib

w_one_header() { zero d.vhdx 65536 4096; }
w_both_headers_zero() { zero d.vhdx 65536 131072; }
w_both_headers_flipped() { poke d.vhdx $((65536 + 20)) X; poke d.vhdx $((131072 + 20)) X; }
w_identifier() { garbage d.vhdx 0 520; }
w_one_region_table() { garbage d.vhdx 196608 65536; }
w_both_region_tables() { zero d.vhdx 196608 131072; }
w_first_mib() { zero d.vhdx 0 $mib; }
w_first_two_mib() { garbage d.vhdx 0 $((2 * mib)); }
w_metadata_signature() { garbage d.vhdx $metadata 8; }
w_metadata_count() { poke d.vhdx $((metadata + 10)) '\x00\x00'; }
w_metadata_table() { zero d.vhdx $metadata 65536; }
w_metadata_items() { zero d.vhdx $((metadata + 65536)) 4096; }
w_items_in_one_place() { poke d.vhdx $((metadata + 32 + 32 + 16)) "$(dd if=d.vhdx bs=1 skip=$((metadata + 32 + 16)) count=4 status=none |
    od -An -t x1 | sed 's/ /\\x/g')"; }
w_items_nowhere() {
    local i
    for i in 0 1 2 3 4; do poke d.vhdx $((metadata + 32 + i * 32 + 16)) '\xf0\xff\xff\xff'; done
}
w_metadata_region() { garbage d.vhdx $metadata $mib; }
w_first_three_mib() { zero d.vhdx 0 $((3 * mib)); }
w_bat_zero() { zero d.vhdx $bat $mib; }
w_bat_garbage() { garbage d.vhdx $bat $mib; }
w_all_tables() { zero d.vhdx 0 $((4 * mib)); }
w_entry_beyond_end() { put_entry d.vhdx 0 $((1000 * mib + 6)); }
w_two_entries_one_place() { put_entry d.vhdx 4 "$(entry d.vhdx 0)"; }
w_entry_state_four() { put_entry d.vhdx 0 $(($(entry d.vhdx 0) - 2)); }
w_nothing() { :; }
w_header_and_log() { zero d.vhdx 65536 4096; }
w_log_torn() { garbage d.vhdx $((log + 4096 + 2048)) 4; }
w_cut_in_the_middle() { truncate -s $(($(stat -c %s d.vhdx) - 5 * mib)) d.vhdx; }
w_cut_last_bytes() { truncate -s $(($(stat -c %s d.vhdx) - 4096)) d.vhdx; }
w_bad_sectors() {
    garbage d.vhdx $((8 * mib)) 65536
    printf '0x0 +\n0 %d +\n%d 65536 -\n%d 0x40000000 +\n' $((8 * mib)) $((8 * mib)) $((8 * mib + 65536)) >bad.map
}
w_bad_sectors_in_bat() {
    garbage d.vhdx $bat 4096
    printf '0 +\n0 %d +\n%d 4096 ?\n%d 0x40000000 +\n' $bat $bat $((bat + 4096)) >bad.map
}
w_parent_gone() { mv base.vhdx away.vhdx; }
w_parent_headers() { zero base.vhdx 65536 131072; }
w_child_headers() { zero d.vhdx 65536 131072; }
w_child_metadata() { zero d.vhdx $((metadata + 65536)) 40; }
w_bitmap_lost() { put_entry d.vhdx 2048 0; }

# ---- judgement -------------------------------------------------------------------------------------------------------

# good_is_good RAW MAP ORIGINAL
good_is_good() {
    local offset length status
    while read -r offset length status; do
        [ "$status" = + ] || continue
        cmp -s -i $((offset)):$((offset)) -n $((length)) "$1" "$3" ||
            fail "$way: the map calls $offset+$length good, but it differs"
    done < <(sed -e '/^#/d' "$2" | sed 1d)
}

# sum RAW MAP STATUS: bytes of that status.
sum() { sed -e '/^#/d' "$1" | sed 1d | while read -r _ length status; do [ "$status" != "$2" ] || echo $((length)); done |
    awk '{ s += $1 } END { print s + 0 }'; }

# files_of RAW: "HASH PATH" of every file that can be read.
files_of() {
    fls -F -r -p -o $first "$1" 2>/dev/null | sed -nE 's/^r\/r ([0-9-]+):\t(.*)$/\1 \2/p' | grep -v '\$' |
        while read -r inode path; do
            printf '%s %s\n' "$(icat -o $first "$1" "$inode" 2>/dev/null | md5sum | cut -d' ' -f1)" "$path"
        done | sort
}
for raw in ext4 later ${have_ntfs:+ntfs}; do
    files_of $raw.raw >$raw.files
    [ "$(wc -l <$raw.files)" -ge 9 ] || fail "sleuthkit sees no files in $raw.raw"
done

ways=0
damage() {
    cp --sparse=always "$disk" d.vhdx
    cp --sparse=always base.vhdx base.keep
    rm -f bad.map away.vhdx d.vhdx.vhdx-map
    "w_$name"
}

# intact RAW: how many files of the original are in it, byte for byte.
intact() {
    if cmp -s "$1" $original.raw; then # then sleuthkit sees the same in it
        wc -l <$original.files
    else
        files_of "$1" >out.files
        comm -12 $original.files out.files | wc -l
    fi
}

# came_back RAW SURVIVED WANTED: "all": every byte of the disk; else at least so many files.
came_back() {
    if [ "$3" = all ]; then
        cmp -s "$1" $original.raw || { cat out err; fail "$way: not the whole disk came back"; }
    elif [ "$2" -lt "$3" ]; then
        cat out err
        fail "$way: only $2 of $(wc -l <$original.files) files came back, not $3"
    fi
}

# A second repair finds nothing to do, and undo gives the damaged file back.
twice_and_back() {
    [ "${1:-}" != --bad-ranges ] || shift 2 # what was bad has been written
    mended=$(sha256 <d.vhdx)
    "$VHDX" repair --salvage --no-undo "$@" d.vhdx >out2 2>&1
    [ "$mended" = "$(sha256 <d.vhdx)" ] || { cat out out2; fail "$way: a second repair writes"; }
    [ ! -e d.vhdx.vhdx-undo ] || run undo d.vhdx.vhdx-undo >out2 2>&1
    [ "$damaged" = "$(sha256 <d.vhdx)" ] || { cat out out2; fail "$way: undo does not lead back"; }
    rm -f d.vhdx.vhdx-undo
}

# The same damage once more, mended in place, then read by the strict reader.
repaired=
by_repair() {
    local wanted=$1 ended
    shift
    repaired=-
    [ "$wanted" != - ] || return 0
    local damaged mended
    damage
    damaged=$(sha256 <d.vhdx)
    "$VHDX" repair --salvage "$@" d.vhdx >out 2>err
    ended=$?
    [ $ended = 1 ] || [ $ended = 4 ] || [ "$name $ended" = "nothing 0" ] || { cat out err; fail "$way: repair ended with $ended"; }
    "$VHDX" export --overwrite -o out.raw d.vhdx >>out 2>>err || { cat out err; fail "$way: the repaired disk cannot be read"; }
    repaired=$(intact out.raw)
    came_back out.raw "$repaired" "$wanted"
    twice_and_back "$@"
    mv base.keep base.vhdx
}

# way NAME DISK ORIGINAL STATUS SALVAGED REPAIRED [ARGUMENT...]: what export --salvage ends with and brings back, and what repair does; each "all" or
# a number of files; "-": not tried, because repair does not do this.
way() {
    local name=$1 disk=$2 original=$3 status=$4 least=$5 wanted=$6 ended survived
    shift 6
    way="$name of $disk"
    grep -q "^| \`$name\`:" "$TOP/docs/findings.md" || fail "$way: no row in docs/findings.md"
    damage
    local before after
    before=$(sha256 <d.vhdx)
    "$VHDX" export --salvage --overwrite -o out.raw "$@" d.vhdx >out 2>err
    ended=$?
    after=$(sha256 <d.vhdx)
    mv base.keep base.vhdx
    [ "$before" = "$after" ] || fail "$way: the damaged disk was written to"
    [ $ended = "$status" ] || { cat out err; fail "$way: ended with $ended, not $status"; }
    good_is_good out.raw out.raw.map $original.raw
    survived=$(intact out.raw)
    came_back out.raw "$survived" "$least"
    local lost doubtful missing
    lost=$(sum out.raw.map -) doubtful=$(sum out.raw.map '*') missing=$(sum out.raw.map '?')
    by_repair "$wanted" "$@"
    printf '| %-22s | %-14s | %2d of %2d | %9d | %9d | %9d | %2s |\n' "$name" "$disk" "$survived" \
        "$(wc -l <$original.files)" "$lost" "$doubtful" "$missing" "$repaired"
    rm -f out.raw out.raw.map out.raw.pieces bad.map away.vhdx d.vhdx.vhdx-map
    ways=$((ways + 1))
}

way nothing plain.vhdx ext4 0 all all
way one_header plain.vhdx ext4 0 all all
way both_headers_zero plain.vhdx ext4 0 all all
way both_headers_flipped plain.vhdx ext4 0 all all
way identifier plain.vhdx ext4 0 all all
way one_region_table plain.vhdx ext4 0 all all
way both_region_tables plain.vhdx ext4 0 all all
way first_mib shuffled.vhdx ext4 0 all all
way first_two_mib plain.vhdx ext4 0 all all
way metadata_signature plain.vhdx ext4 0 all all
way metadata_count plain.vhdx ext4 0 all all
way metadata_table plain.vhdx ext4 0 all all
way items_in_one_place plain.vhdx ext4 0 all all
way items_nowhere plain.vhdx ext4 0 all all
way metadata_items plain.vhdx ext4 0 all all
way metadata_region shuffled.vhdx ext4 4 all all
way first_three_mib plain.vhdx ext4 4 all all
way bat_zero logged.vhdx ext4 0 all all
way bat_garbage logged.vhdx ext4 0 all all
way bat_zero fixed.vhdx ext4 4 all all
way bat_garbage fixed.vhdx ext4 4 all all
way bat_zero plain.vhdx ext4 4 0 0
way all_tables fixed.vhdx ext4 4 all all
way entry_beyond_end plain.vhdx ext4 4 all all
way entry_state_four plain.vhdx ext4 4 all all
way two_entries_one_place plain.vhdx ext4 4 all all
way nothing dirty.vhdx ext4 0 all all
way header_and_log dirty.vhdx ext4 0 all all
way both_headers_zero dirty.vhdx ext4 4 all all
way log_torn dirty.vhdx ext4 4 all all
way cut_in_the_middle plain.vhdx ext4 4 42 42
way cut_last_bytes plain.vhdx ext4 4 42 42
way bad_sectors plain.vhdx ext4 4 41 41 --bad-ranges bad.map
way bad_sectors_in_bat logged.vhdx ext4 0 all all --bad-ranges bad.map
way nothing child.avhdx later 0 all all
way child_headers child.avhdx later 0 all all
way child_metadata child.avhdx later 4 all all --parent base.vhdx
way parent_gone child.avhdx later 4 0 -
way parent_headers child.avhdx later 4 all - --parent base.vhdx
way bitmap_lost child.avhdx later 4 all all
if [ -n "$have_ntfs" ]; then
    way first_three_mib ntfs.vhdx ntfs 4 all all
    way bat_zero ntfs.vhdx ntfs 4 all all
    way cut_in_the_middle ntfs.vhdx ntfs 4 9 9
fi
[ $ways -ge 25 ] || fail "only $ways ways"
