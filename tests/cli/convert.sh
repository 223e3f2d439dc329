#!/bin/bash
# Conversions: what comes out reads as what went in; nothing is overwritten or left; what does not go together is bad usage.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 24M
hash=$(hash_of disk_2.avhdx)
before=$(cat *.vhdx *.avhdx 2.raw | cksum)
bad() {
    expect 16 vhdx convert "$@"
    one_line_of_error
}

# Each target from each source, by content and not by name.
expect 0 vhdx convert --verify -o new.vhdx disk_2.avhdx
says out "read back"
[ "$(hash_of new.vhdx)" = "$hash" ] || fail "chain to VHDX"
expect 0 vhdx convert -O vhd --verify -o v.vhd new.vhdx
[ "$(hash_of v.vhd)" = "$hash" ] || fail "VHDX to VHD"
expect 0 vhdx convert -O vhd --fixed --block-size 512K -o f.vhd v.vhd
[ "$(hash_of f.vhd)" = "$hash" ] || fail "VHD to VHD"
cp v.vhd renamed.raw
expect 0 vhdx convert --fixed -o g.vhdx renamed.raw
[ "$(hash_of g.vhdx)" = "$hash" ] || fail "a VHD under another name"
expect 0 vhdx convert -O raw -o r.raw f.vhd
cmp r.raw 2.raw || fail "VHD to raw"
expect 0 vhdx convert --json --block-size 4M --sector-size 4096 -o s.vhdx 2.raw
json_is 'd["source_format"], d["image_format"], d["kind"], d["virtual_size"], d["block_size"], d["logical_sector_size"], d["padded"]' \
    "('raw', 'vhdx', 'dynamic', $((24 << 20)), $((4 << 20)), 4096, 0)"
[ "$(hash_of s.vhdx)" = "$hash" ] || fail "raw to VHDX with large sectors"
expect 0 vhdx verify --data new.vhdx g.vhdx s.vhdx
expect 0 vhdx convert -O vhd -o t.vhd s.vhdx
says err "warning: "
says err "logical sectors have 512 bytes now, 4096 before"

# Streams: raw only, with a size and without.
vhdx convert -q --verify -o p.vhdx - <2.raw || fail "standard input"
cat 2.raw | vhdx convert -q --size 30M --block-size 1M -o q.vhdx - || fail "standard input with a size"
[ "$(hash_of p.vhdx)" = "$hash" ] || fail "a stream"
[ "$(vhdx info --json q.vhdx | tr -d ' ,"' | sed -n 's/^virtual_size://p')" = $((30 << 20)) ] || fail "--size"
expect 0 vhdx verify p.vhdx q.vhdx
vhdx export -q --overwrite -o q.raw q.vhdx && cmp -n $((24 << 20)) q.raw 2.raw || fail "a stream into a larger disk"
expect 8 vhdx convert -o no.vhdx - <new.vhdx
says err "it is a VHDX, and only a raw disk can be read as a stream"
vhdx convert -q -f raw -o inside.vhdx - <new.vhdx || fail "-f raw"
expect 8 vhdx convert --size 1M -o no.vhdx - <2.raw
says err "the source has more than 1048576 bytes"
[ ! -e no.vhdx ] && [ ! -e no.vhdx.unfinished ] || fail "a refused stream left a file"

# Azure: whole MiB, at least 20, and the note says so.
truncate -s 1000000 small.raw
expect 0 vhdx convert --azure --json -o cloud.vhd small.raw
says err "padded with $(((20 << 20) - 1000000)) bytes"
json_is 'd["kind"], d["image_format"], d["virtual_size"], d["file_size"]' "('fixed', 'vhd', $((20 << 20)), $(((20 << 20) + 512)))"

# A dry run says at most what happens, and writes nothing.
expect 0 vhdx convert --dry-run --json -o dry.vhdx disk_2.avhdx
json_is 'd["dry_run"], d["virtual_size"]' "(True, $((24 << 20)))"
have_python && most=$(json 'd["file_size"]')
[ ! -e dry.vhdx ] || fail "a dry run made a file"
! have_python || [ "$(stat -c %s new.vhdx)" -le "$most" ] || fail "the file is larger than the dry run said"

# Nothing is overwritten in silence, and what is there stays until the new disk is complete.
echo precious >file
for how in "" --dry-run; do
    expect 8 vhdx convert $how -o file 2.raw
    one_line_of_error
    [ "$(cat file)" = precious ] || fail "a file was overwritten"
done
expect 8 vhdx convert --overwrite --size 1M -o file - <2.raw
[ "$(cat file)" = precious ] || fail "a failed conversion has replaced a file"
expect 0 vhdx convert --overwrite -o file 2.raw
says err "file is replaced"
[ "$(hash_of file)" = "$hash" ] || fail "--overwrite"
for layer in disk_2.avhdx disk_1.avhdx ./disk.vhdx; do
    expect 8 vhdx convert --overwrite -o $layer disk_2.avhdx
    says err "layer of the chain"
done
expect 8 vhdx convert --overwrite -O raw -o 2.raw 2.raw
[ "$before" = "$(cat disk*.vhdx *.avhdx 2.raw | cksum)" ] || fail "a source changed"

# A merge into a new disk goes the same way: its kind and block size may be chosen, and it is read back.
expect 0 vhdx merge --fixed --block-size 1M --verify -o merged.vhdx disk_2.avhdx
[ "$(hash_of merged.vhdx)" = "$hash" ] || fail "merge -o"
expect 0 vhdx info --json merged.vhdx
json_is 'd["kind"], d["block_size"]' "('fixed', $((1 << 20)))"
expect 0 vhdx merge --dry-run --block-size 16M -o dry.vhdx disk_2.avhdx
for wrong in "--fixed" "--block-size 1M" "--block-size 3M -o n"; do
    expect 16 vhdx merge $wrong disk_2.avhdx
done
for how in "" --dry-run; do
    expect 8 vhdx merge $how -o no.vhdx f.vhd
    says err "it is a VHD disk"
done

# What cannot be.
expect 8 vhdx convert -o no.vhdx nothing
expect 8 vhdx convert -f vhd -o no.vhdx new.vhdx
expect 8 vhdx convert -O vhd --size 2041G -o no.vhd 2.raw
expect 8 vhdx convert --size 1M -o no.vhdx 2.raw
: >empty
expect 8 vhdx convert -o no.vhdx empty
[ ! -e no.vhdx ] && [ ! -e no.vhd ] || fail "a refused conversion left a file"
bad 2.raw
bad -o new2.vhdx
bad -o - 2.raw
bad -O qcow2 -o n 2.raw
bad -O raw --fixed -o n 2.raw
bad -O raw --block-size 2M -o n 2.raw
bad --fixed --dynamic -o n 2.raw
bad --azure -O vhdx -o n 2.raw
bad --azure --dynamic -o n 2.raw
bad --block-size 3M -o n 2.raw
bad --sector-size 1024 -o n 2.raw
bad --dry-run -o n -
bad -f vhd -o n -

# No room: said, and nothing is left.
if mkdir full 2>/dev/null && mount -t tmpfs -o size=2M none full 2>/dev/null; then
    head -c 9000000 /dev/urandom >noise
    for how in "-O vhdx" "-O vhdx --fixed" "-O vhd" "-O raw"; do
        vhdx convert $how -o full/new noise >out 2>err
        status=$? left=$(ls -A full)
        [ "$status" = 8 ] && [ -z "$left" ] || {
            umount full
            fail "on a full volume, $how: status $status, left: $left"
        }
        one_line_of_error
        says err "space"
    done
    umount full
fi
exit 0
