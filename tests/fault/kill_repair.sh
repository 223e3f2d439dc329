#!/bin/bash
# The tool is killed at each write, flush and change of length of repairs, and of the undo of repairs, or finds the volume
# full: the same command goes on to the end, the map names all that was given up, whenever that was, and undo leads back to the damaged file
# byte for byte: at once, after the second repair, and after an undo that was killed itself.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"

mib=1048576
truncate -s 64M raw0
random_bytes raw0 1 0 5000000
random_bytes raw0 2 $((30 * mib)) 3000000
truncate -s 64M empty
"$GUEST" -b 1 plain.vhdx raw0 || fail "guest"
"$GUEST" -b 1 -d dirty.vhdx raw0 || fail "guest"
# A BAT of more pages than one entry of the log can hold.
truncate -s 80G wide
random_bytes wide 3 0 3000000
random_bytes wide 4 $((70000 * mib)) 3000000
"$GUEST" -b 1 wide.vhdx wide || fail "guest"
rm wide

zeros() { dd if=/dev/zero of=disk bs=4096 seek="$1" count="$2" oflag=seek_bytes iflag=count_bytes conv=notrunc status=none; }
poke() { printf '%b' "$2" | dd of=disk bs=1 seek="$1" conv=notrunc status=none; }

headers() { zeros 65536 131072; }
tables() { zeros 196608 131072; poke 65556 X; }
cut() { truncate -s -2M disk; poke 65556 X; }
replay() { poke 65556 X; zeros $((2 * mib)) 8; }
# An entry on each page of the BAT names a block that is not there.
far_entries() {
    local page
    for ((page = 0; page < 150; page++)); do poke $((3 * mib + 4096 * page)) '\x06\0\0\0\0\x01'; done
}

# What reading gives: all bytes, or of the wide disk where they lie, which takes less time.
content_of() {
    case $name in
    *wide*) vhdx map "$1" | cksum ;;
    *) hash_of "$1" ;;
    esac
}

kills=0
# reference SOURCE DAMAGE OPTION...: what an undisturbed repair makes of it, and how many calls that takes.
reference() {
    local source=$1 damage=$2
    shift 2
    cp --sparse=always "$source" disk
    $damage
    cp --sparse=always disk damaged
    rm -f disk.vhdx-undo disk.vhdx-map
    vhdx repair "$@" disk >out 2>err
    ended=$? # 4: something was given up, and is listed
    [ $ended = 1 ] || { [ $ended = 4 ] && [ "$*" = --salvage ] && [ -e disk.vhdx-map ]; } ||
        { cat out err; fail "the repair ended with $ended"; }
    content=$(content_of disk)
    rm -f map
    [ ! -e disk.vhdx-map ] || mv disk.vhdx-map map
}

back() {
    expect 0 vhdx undo disk.vhdx-undo
    cmp disk damaged || fail "undo does not lead back $where"
}

again() {
    cp --sparse=always damaged disk
    rm -f disk.vhdx-undo disk.vhdx-map
}

# What the comments say differs from run to run.
same_map() {
    diff <(grep -v '^#' map) <(grep -v '^#' disk.vhdx-map)
}

goes_on() {
    vhdx repair "$@" disk >out 2>err
    local status=$?
    [ $status = 1 ] || [ $status = 0 ] || [ $status = "$ended" ] || { cat out err; fail "the second repair ended with $status $where"; }
    [ "$(content_of disk)" = "$content" ] || fail "the disk reads differently $where"
    [ ! -e map ] || same_map || fail "the map is not complete $where: $(cat disk.vhdx-map)"
}

kill_at_each() {
    local calls=$1 step=$2 total n status
    shift 2
    again
    strace -f -o trace -e trace="$calls" $VHDX repair -q "$@" disk >out 2>err # ends with 1
    total=$(grep -cE "^[0-9]+ +$calls\(" trace)
    [ "$total" -gt 0 ] || return 0
    for ((n = 1; n <= total; n += step)); do
        where="after a kill at $calls number $n of $total (repair $* of $name)"
        again
        injected "$calls:signal=KILL:when=$n" $VHDX repair -q "$@" disk
        status=$?
        [ $status = 137 ] || fail "the repair ended with $status instead of being killed: $where"
        kills=$((kills + 1))
        if [ -e disk.vhdx-undo ]; then
            cp --sparse=always disk killed
            cp disk.vhdx-undo killed-undo
            if vhdx undo disk.vhdx-undo >out 2>err; then
                cmp disk damaged || fail "undo does not lead back $where"
            else
                grep -q 'holds nothing\|no undo file' err && cmp disk damaged || fail "no undo $where: $(cat err)"
            fi
            cp --sparse=always killed disk
            cp killed-undo disk.vhdx-undo
        fi
        goes_on "$@"
        if [ -e disk.vhdx-undo ]; then back; else cmp disk damaged || fail "no undo file $where"; fi
    done
    # The undo is killed, and given again.
    again
    vhdx repair -q "$@" disk
    cp --sparse=always disk repaired
    strace -f -o trace -e trace="$calls" $VHDX undo -q disk.vhdx-undo >out 2>err || fail "undo: $(cat err)"
    total=$(grep -cE "^[0-9]+ +$calls\(" trace)
    for ((n = 1; n <= total; n += step)); do
        where="after a kill at $calls number $n of $total (undo of $name)"
        cp --sparse=always repaired disk
        injected "$calls:signal=KILL:when=$n" $VHDX undo -q disk.vhdx-undo
        status=$?
        [ $status = 137 ] || fail "the undo ended with $status instead of being killed: $where"
        kills=$((kills + 1))
        back
    done
}

# The volume is full from one write on: refused in one line that says what to do; nothing was changed, or undo leads back.
full_at_each() {
    local total n status
    again
    strace -f -o trace -e trace=pwrite64 $VHDX repair -q "$@" disk >out 2>err # ends with 1
    total=$(grep -cE '^[0-9]+ +pwrite64\(' trace)
    for ((n = 1; n <= total; n += step)); do
        where="on a volume that is full at write $n of $total (repair $* of $name)"
        again
        injected "pwrite64:error=ENOSPC:when=$n+" $VHDX repair -q "$@" disk
        status=$?
        [ $status = 8 ] || fail "the repair ended with $status $where"
        one_line_of_error
        says err "free space"
        kills=$((kills + 1))
        if cmp -s disk damaged; then
            grep -q 'changed\|to go on' err || fail "it does not say that nothing was changed $where: $(cat err)"
        else
            says err "vhdx undo disk.vhdx-undo"
            cp --sparse=always disk stopped
            cp disk.vhdx-undo stopped-undo
            back
            cp --sparse=always stopped disk
            cp stopped-undo disk.vhdx-undo
        fi
        goes_on "$@"
        back
    done
}

# campaign SOURCE DAMAGE OPTION...; a kill at every step-th write.
step=1
campaign() {
    local source=$1 damage=$2
    name="$damage of $source"
    reference "$@"
    shift 2
    kill_at_each pwrite64 "$step" "$@"
    kill_at_each fdatasync 1 "$@"
    kill_at_each ftruncate 1 "$@"
    full_at_each "$@"
}

campaign plain.vhdx headers --salvage
campaign plain.vhdx tables
campaign dirty.vhdx replay
campaign dirty.vhdx cut --salvage
[ -n "${VHDX_SLOW:-}" ] || step=9
campaign wide.vhdx far_entries --salvage
echo "$kills kills and full volumes"
