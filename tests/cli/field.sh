#!/bin/bash
# Disks of field reports, each with its truth: a plain repair changes nothing that a salvage gets, and keeps what verify has promised; what
# a salvage calls good is true; the bytes are those that a perfect tool would give.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
field=${VHDX_SAMPLES:-nowhere}/../reviews/field
[ -e "$field/stale-log.vhdx.gz" ] || skip "no field reports"
have_python || skip "needs python3"
sum_of() { sha256sum <"$1" | cut -d' ' -f1; }

# Problems that verify gives to a plain repair, or 0.
promises() {
    json 'sum(f["severity"] != "info" and f["repair"] == "lossless" for f in d["files"][0]["findings"])'
}

# check NAME TRUTH VERIFY REPAIR [doubted]: statuses; `doubted`: nothing leads to the truth, so nothing is called good.
check() {
    vhdx verify --json disk.vhdx >out 2>err
    [ $? = "$3" ] || fail "$1: verify: $(cat out)"
    vhdx export --salvage -q --overwrite -o before.raw disk.vhdx 2>err
    [ $? -le 4 ] || fail "$1: export --salvage: $(cat err)"
    if [ -n "${5:-}" ]; then
        ! grep '^0x.* 0x.*+$' before.raw.map || fail "$1: called good, and is not"
    else
        [ "$(sum_of before.raw)" = "$2" ] || fail "$1: a salvage gets other bytes"
    fi
    cp --sparse=always disk.vhdx whole.vhdx
    vhdx repair --no-undo --json disk.vhdx >out 2>err
    [ $? = "$4" ] || fail "$1: repair: $(cat out)"
    [ "$4" != 1 ] || json_is 'd["files"][0]["lost"]' '[]'
    vhdx verify --json disk.vhdx >out 2>err
    [ "$(promises)" = 0 ] || fail "$1: promised, and not kept: $(cat out)"
    vhdx export --salvage -q --overwrite -o after.raw disk.vhdx 2>err
    cmp before.raw after.raw || fail "$1: a plain repair has changed what a salvage gets"
    grep '^0x.* 0x.*+$' before.raw.map >good
    grep '^0x.* 0x.*+$' after.raw.map >good.after
    python3 - <<'END' || fail "$1: trusted less after a plain repair"
def ranges(name):
    return [(int(a, 16), int(a, 16) + int(n, 16)) for a, n, _ in map(str.split, open(name))]
after = ranges("good.after")
raise SystemExit(any(not any(a <= x and y <= b for a, b in after) for x, y in ranges("good")))
END
    mv whole.vhdx disk.vhdx
    vhdx repair --salvage --no-undo --json disk.vhdx >out 2>err
    local status=$?
    json_is "(len(d['files'][0]['lost']) > 0) <= ($status == 4)" True
    if [ -n "${5:-}" ]; then
        json_is "sum(x['length'] for x in d['files'][0]['lost']) == $(stat -c %s before.raw)" True
        return
    fi
    vhdx export -q --overwrite -o after.raw disk.vhdx 2>err || fail "$1: after repair --salvage: $(cat err)"
    cmp before.raw after.raw || fail "$1: repair --salvage gives other bytes"
    rm -f disk.vhdx*
}

R=be66f03c68c51cdbf44e627df74d55b8d9daefadf5815892286f2ce3e30c88d7
while read -r name truth verify repair doubted; do
    gunzip -c "$field/$name.vhdx.gz" >disk.vhdx
    check "$name" $truth $verify $repair $doubted
    rm -f disk.vhdx*
done <<END
region-bat-long $R 4 1
region-overlap $R 4 1
region-bat-far $R 4 1
stale-log 52980e56cd67ddde232d8cbedff6b215a5df1728be3c8a3f99ed9a6a32484c27 0 1
size-too-small $R 4 1
qemu727-slots 90364d1e9e6e0ced0953215821f4c736b18d833b309cd84dbf4433024af46bbd 0 0
qemu727-shifted acbd04ed88db394ca5e63b59203ddbc31e37cdf9332408639a4985dd28e2427c 4 4 doubted
bat-state-2-place $R 0 0
bat-page-lost f818772887ed4769e1a5324efec4ca9903c18492fe2278f03a8df62c4d93649d 4 4
END

# A page of a fixed disk's BAT: each block has one place.
tar -xzSf "$field/fixed-bat-page-lost.tar.gz"
mv fixed-bat-page-lost/disk.vhdx disk.vhdx
expect 4 vhdx verify disk.vhdx
expect 1 vhdx repair --no-undo disk.vhdx
vhdx export -q -o - disk.vhdx >out.raw 2>err || fail "export: $(cat err)"
[ "$(sum_of out.raw)" = e3044ea4584cd9d75f397c425fdd76ef0aa1219e171816bf92474389c963aac7 ] || fail "fixed-bat-page-lost"
rm -f disk.vhdx out.raw

# A parent whose id alone has changed: what was asked, and what it says.
tar -xzSf "$field/fslogix-only-id.tar.gz"
expect 4 vhdx verify --chain fslogix-only-id/RW.vhdx
tr -s ' \n' ' ' <out >unwrapped # prose is wrapped to the terminal
says unwrapped "only its id differs"
expect 8 vhdx relink --parent fslogix-only-id/Profile_user.vhdx fslogix-only-id/RW.vhdx
says err "only its id differs"

# A qemu that was killed before it had logged anything: all is there, and a plain repair clears the log.
for killed in "$VHDX_SAMPLES"/found/qemu72-kill-write-*.vhdx.gz; do
    [ -e "$killed" ] || continue
    gunzip -c "$killed" >disk.vhdx
    before=$(hash_of disk.vhdx 2>err)
    expect 0 vhdx info disk.vhdx
    expect 1 vhdx repair --no-undo disk.vhdx
    [ "$(hash_of disk.vhdx)" = "$before" ] || fail "$killed reads otherwise after a repair"
    expect 0 vhdx verify disk.vhdx
done
