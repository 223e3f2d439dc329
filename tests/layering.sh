#!/bin/bash
# Arrows between the rooms go down only: each room may include from the rooms named after it, and from no other, and of
# those only the headers that are their doors.
# tools/ sees the public header and its own. No line of C is wider than 120 columns. Prints a line for each arrow that
# goes elsewhere and for each line that is too wide, and ends with 1. At the top lies what belongs there and nothing else.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
declare -A may=(
    [base]="base"
    [format]="format base"
    [io]="io base"
    [undo]="undo io base"
    [guest]="guest base"
    [vhd]="vhd format io base"
    [image]="image undo vhd format io base"
    [config]="config io base"
    [chain]="chain image undo format io base"
    [evidence]="evidence image guest format io base"
    [build]="build evidence chain image vhd format io base"
    [estate]="estate config base"
    [rebuild]="rebuild evidence image guest format io base"
    [diff]="diff chain image io base"
    [edit]="edit chain image guest undo format io base"
    [merge]="merge edit build chain image undo format io base"
    [compact]="compact merge chain image guest undo format io base"
    [findings]="findings base"
    [manifest]="manifest io base"
    [verify]="verify manifest findings rebuild evidence chain image guest vhd format io base"
    [salvage]="salvage rebuild evidence chain image guest format io base"
    [plan]="plan salvage findings rebuild evidence image guest format io base"
    [repair]="repair plan verify findings salvage rebuild evidence chain image guest undo format io base"
    [live]="live evidence chain image format io base"
    [orphans]="orphans estate config chain image format io base"
)

# The headers of a room that other rooms may include. Those of base are all doors.
declare -A doors=(
    [format]="bat bat_page bitmap file_id geometry header layout locator log_entry merge_mark metadata region security vhd"
    [io]="io new_file overlay pages patient rescue_map thread"
    [undo]="undo_apply undo_save"
    [vhd]="vhd_file vhd_runs"
    [guest]="anchors content filesystems free_space gpt_bytes partitions proof_ext4 proof_lvm proof_ntfs proof_xfs two_views"
    [image]="bat_walk bat_window claims create exam header_update image journal linkage log_needed log_replay log_scan mark
             payload protect region_look region_move runs space survey traces writing"
    [config]="config config_find machines"
    [chain]="beside chain export fork layered link merge_trace neighbours relink resolve"
    [evidence]="absent clue lead log_witnesses lost_entries old_bits region_doubt sizes told"
    [build]="build"
    [estate]="accounts estate trial"
    [rebuild]="rebuild"
    [diff]="diff"
    [edit]="grow resize set"
    [merge]="copy merge"
    [compact]="compact"
    [findings]="findings"
    [manifest]="manifest"
    [verify]="check_content mismatch proof repair_class verify"
    [salvage]="salvage"
    [plan]="audit repair_plan"
    [repair]="forecast repair"
    [live]="live"
    [orphans]="orphans"
)
status=0
complain() {
    echo "$1"
    status=1
}

# is_door ROOM NAME: whether files of ROOM ("" = above all rooms) may include NAME.
is_door() {
    local target=${2%%/*} header=${2#*/}
    [[ $1 == "$target" || $target == base ]] || [[ " $(echo ${doors[$target]}) " == *" ${header%.*} "* ]]
}

# Prints "FILE:LINE NAME" for each include of the files given.
includes() {
    [ $# -gt 0 ] && grep -HnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][^">]+' "$@" /dev/null |
        sed -E 's/^([^:]*:[0-9]+):[^"<]*["<]/\1 /'
}

# A log or a disk that was left at the top is committed sooner or later.
top=" LICENSE Makefile README.md docs fuzz include libvhdx testdata tests tools "
tracked=$(git ls-files 2>/dev/null | cut -d/ -f1 | sort -u)
for name in ${tracked:-$(ls)}; do
    [[ $name == .* || $top == *" $name "* || ( -z $tracked && $name == build ) ]] ||
        complain "$name: does not belong to the top of the source tree"
done

shopt -s nullglob
for directory in libvhdx/*/; do
    room=$(basename "$directory")
    [ -n "${may[$room]}" ] || { complain "libvhdx/$room: a room that tests/layering.sh does not know"; continue; }
    while read -r place name; do
        case $name in
        vhdx.h) ;;
        */*)
            target=${name%%/*}
            if [ -d "libvhdx/$target" ] && [[ " ${may[$room]} " != *" $target "* ]]; then
                complain "$place: $room must not include $name"
            elif [ -d "libvhdx/$target" ] && ! is_door "$room" "$name"; then
                complain "$place: $name is not a door of its room"
            elif [[ $name == ../* ]]; then
                complain "$place: include from the top of libvhdx, not $name"
            fi ;;
        *)
            [ -e "$directory$name" ] && complain "$place: write \"$room/$name\", not \"$name\"" ;;
        esac
    done < <(includes "$directory"*.c "$directory"*.h)
done

# api*.c stand above all rooms and come through their doors as well.
while read -r place name; do
    [[ $name != */* ]] || is_door "" "$name" || complain "$place: $name is not a door of its room"
done < <(includes libvhdx/*.c libvhdx/*.h)

# The library names operations, not options of the command, whose words are in tools/advice.c. What a search proposes
# (estate/advice_*.c) is commands, and these sentences of searches still name options.
while read -r place; do
    complain "$place names an option of the command"
done < <(grep -nE '"[^"]*('"'"'?vhdx (info|map|hash|export|create|merge|compact|relink|set|resize|convert|diff|repair|undo|verify|config|orphans|serve)\>|[ '"'"'(]--[a-z])' \
    $(ls libvhdx/*/*.c libvhdx/*/*.def libvhdx/*.c | grep -v '^libvhdx/estate/advice_') |
    grep -vE '^libvhdx/orphans/(report_read|scan).c:|cp --sparse=never' | cut -d: -f1,2)

# The command has words of its own for every advice that the library has words for.
while read -r name; do
    complain "tools/advice.c: no words for VHDX_ADVICE_$name"
done < <(comm -23 <(sed -nE 's/^VX_ADVICE\(([A-Z_]+), ".*/\1/p' libvhdx/base/advice.def | sort) \
    <(sed -nE 's/^ *\{VHDX_ADVICE_([A-Z_]+),.*/\1/p' tools/advice.c | sort))

# The name of a file says which file is meant.
while read -r name; do
    complain "$name: the name of more than one file of the library"
done < <(find libvhdx -name '*.[ch]' -printf '%f\n' | sort | uniq -d)

# Each .c file includes its own header first, so that headers are complete; platform files share the room's.
for source in libvhdx/*/*.c; do
    own=${source#libvhdx/}
    own=${own%.c}.h
    [ -e "libvhdx/$own" ] || continue
    first=$(includes "$source" | head -n 1 | cut -d' ' -f2)
    [ "$first" = "$own" ] || complain "$source: includes \"$first\" first, not \"$own\""
done

while read -r place name; do
    if [ -e "libvhdx/$name" ] || [[ $name == *libvhdx* || $name == ../* ]]; then
        complain "$place: the tool looks behind vhdx.h with $name"
    fi
done < <(includes tools/*.c tools/*.h)

# The public header needs nothing of ours.
while read -r place name; do
    [[ $name == std*.h ]] || complain "$place: vhdx.h must not need $name"
done < <(includes include/vhdx.h)

while read -r place; do
    complain "$place: wider than 120 columns"
done < <(find include libvhdx tools fuzz tests testdata docs -name '*.[ch]' -exec \
    awk 'length > 120 { print FILENAME ":" FNR }' {} +)
exit $status
