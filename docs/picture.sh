#!/bin/bash
# Makes docs/orphans.png, the picture of the report in README.md: bash docs/picture.sh [PICTURE]. A volume of machines with their usual troubles is
# made in a temporary directory, searched, and the page is taken by a headless Chromium. Look at the outcome before it is committed.
# Easy to get wrong: needs what `make` and `make test ONLY=cli` build (the command, and the guest that writes into disks).
# SPDX-License-Identifier: MIT

set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
picture=$(realpath "${1:-$top/docs/orphans.png}")
vhdx=$(realpath "${VHDX:-$top/build/vhdx}")
guest=${GUEST:-$(ls -t "$top"/build/main-*/guest | head -n 1)}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/VMs"
cd "$work"
number=0

# layer RAW FROM: RAW shows what FROM shows (nothing: zeros) and some MiB of its own.
layer() {
    if [ -n "$2" ]; then cp --sparse=always "$2" "$1"; else truncate -s 1G "$1"; fi
    dd if=/dev/urandom of="$1" bs=1M seek=$((number * 37 % 900)) count=$((8 + number * 13 % 60)) conv=notrunc status=none
}

# chain FOLDER DISK...: each disk on the one before.
chain() {
    local folder=$1 raw=1 from='' words=()
    shift
    mkdir -p "$folder"
    for disk; do
        number=$((number + 1))
        layer "$work/$raw.raw" "$from"
        from=$work/$raw.raw
        words+=("$folder/$disk" "$from")
        raw=$((raw + 1))
    done
    "$guest" -i "$number" "${words[@]}"
    rm "$work"/*.raw
}

# machine NAME DISK: without checkpoints.
machine() {
    local id
    number=$((number + 1))
    id=$(printf '5B3C%04X-0000-4000-8000-0000000000%02X' $number $number)
    mkdir -p "VMs/$1/Virtual Machines"
    cat >"VMs/$1/Virtual Machines/$id.xml" <<XML
<configuration><_d422512d-2bf2-4752-809d-7b82b5fcb1b4_><controller0><drive0>
<pathname type="string">D:\\VMs\\$1\\$2</pathname><type type="string">VHD</type></drive0></controller0>
</_d422512d-2bf2-4752-809d-7b82b5fcb1b4_>
<global_settings><snapshots><list><size type="integer">0</size></list></snapshots></global_settings><manifest/>
<properties><global_id type="string">$id</global_id><name type="string">$1</name>
<type_id type="string">Virtual Machines</type_id><version type="integer">1280</version></properties></configuration>
XML
}

chain VMs/archive archive.vhdx archive_before-update.avhdx archive_now.avhdx
chain fork 1.vhdx 2.avhdx 3.avhdx
mv fork/3.avhdx VMs/archive/archive_Tuesday-AutoRecovery.avhdx
"$vhdx" relink -q --force --parent VMs/archive/archive_before-update.avhdx VMs/archive/archive_Tuesday-AutoRecovery.avhdx
machine archive archive_now.avhdx

chain VMs/mail mail.vhdx mail_1.avhdx mail_2.avhdx
mkdir VMs/templates
mv VMs/mail/mail.vhdx VMs/templates/mail-base.vhdx
machine mail mail_2.avhdx

chain VMs/database database.vhdx database_1.avhdx
machine database database.vhdx

chain VMs/print print.vhdx print_1.avhdx
rm VMs/print/print.vhdx
machine print print_1.avhdx

chain VMs/files files.vhdx
cp VMs/files/files.vhdx 'VMs/files/Copy of files.vhdx'
machine files files.vhdx

for name in build01 build02 dc01 dc02 intranet proxy radius wsus; do
    chain "VMs/$name" "$name.vhdx" "${name}_1.avhdx"
    machine "$name" "${name}_1.avhdx"
done
chain VMs/wsl ext4.vhdx

"$vhdx" orphans -q --html page.html VMs || [ $? = 4 ]
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size=1180,1700 --screenshot="$picture" "file://$work/page.html" 2>/dev/null
[ -s "$picture" ] && echo "$picture was made: look at it"
