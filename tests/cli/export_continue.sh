#!/bin/bash
# An export that is cut off keeps what it has, says how it goes on, and goes on; it is never continued with another disk.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
expect 16 vhdx export --continue -o - disk_2.avhdx
expect 16 vhdx export --continue --salvage -o x.raw disk_2.avhdx
expect 16 vhdx export --map m -o - disk_2.avhdx
expect 8 vhdx export --continue -o x.raw disk_2.avhdx
says err x.raw.map
printf 'something else\n' >x.raw.map
expect 8 vhdx export --continue -o x.raw disk_2.avhdx
says err "no map of an export that was cut off"

# As after a run that came to 4 MiB: what is behind it in the file counts for nothing.
ids=$(vhdx info disk_2.avhdx)
state() { # DONE
    printf '# Mapfile. Created by vhdx export\n# content %s\n# file %s\n# current_pos  current_status\n0x%X  ?\n' \
        "$(sed -n 's/^data write guid: *//p' <<<"$ids")" "$(sed -n 's/^file write guid: *//p' <<<"$ids")" $1
    printf '#      pos        size  status\n0x0  0x%X  +\n0x%X  0x%X  ?\n' $1 $1 $((8388608 - $1))
}
head -c 4M 2.raw >x.raw
head -c 3M /dev/urandom >>x.raw
state 4194304 >x.raw.map
expect 0 vhdx export --continue -o x.raw disk_2.avhdx
says err "continuing at 50 %"
cmp x.raw 2.raw || fail "what was continued is not the disk"
[ ! -e x.raw.map ] || fail "the state is left behind"
head -c 4M 2.raw >x.raw
state 4194304 >other.map
expect 0 vhdx export --json --continue --map other.map -o x.raw disk_2.avhdx
cmp x.raw 2.raw || fail "what was continued by another map is not the disk"

# Another disk, or this one after it was written to.
head -c 4M 2.raw >x.raw
cp x.raw kept
state 4194304 >x.raw.map
expect 8 vhdx export --continue -o x.raw disk_1.avhdx
says err "of another disk"
expect 0 vhdx merge -q disk_2.avhdx
expect 8 vhdx export --continue -o x.raw disk_1.avhdx
cmp x.raw kept || fail "a refused export has written"
state 4194304 | sed 's/0x400000  +/0x500000  +/' >x.raw.map
expect 8 vhdx export --continue -o x.raw disk_2.avhdx
says err "no map of an export"

# Cut off by a signal at work.
case $VHDX in
*.exe) exit 0 ;; # no signals there
esac
rm -f ./*.raw* ./*.*vhdx
for mib in 256 1024; do
    rm -f big*
    head -c ${mib}M /dev/urandom >1.raw
    truncate -s ${mib}M 0.raw
    "$GUEST" big.vhdx 0.raw big_1.avhdx 1.raw || fail "guest"
    $VHDX export --no-progress -o big.raw big_1.avhdx >out 2>err &
    exporter=$!
    while kill -0 $exporter 2>/dev/null; do
        [ "$(stat -c %s big.raw 2>/dev/null || echo 0)" -gt $((mib * 1048576 / 3)) ] &&
            kill -TERM $exporter 2>/dev/null && break
        sleep 0.01
    done
    wait $exporter
    status=$?
    [ $status = 8 ] && break
done
[ $status = 8 ] || skip "the export cannot be interrupted in time"
says err "'vhdx export --continue -o big.raw big_1.avhdx' goes on"
grep -q '^0x0  0x[0-9A-F]*00000  +$' big.raw.map || fail "the map says: $(cat big.raw.map)"
expect 0 vhdx export --continue -o big.raw big_1.avhdx
says err "continuing at "
cmp big.raw 1.raw || fail "what was continued is not the disk"
[ ! -e big.raw.map ] || fail "the state is left behind"
