#!/bin/bash
# The tool is killed at each of its writes, flushes and removals: the leaf reads as before, and the same command goes
# on to the end.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"
build_chain 5
leaf=$(hash_of kept/layer5.avhdx)
third=$(hash_of kept/layer3.avhdx)
kills=0 again=0

# check_leaf PATH HASH TARGET: as long as PATH exists it reads as it did; after that the target does.
check_leaf() {
    local path=$1
    [ -e "$path" ] || path=$3
    [ "$(hash_of "$path")" = "$2" ] || fail "$path reads differently $where"
}

# kill_at_each CALLS STEP TARGET CHILD HASH OPTION...: kills a merge of CHILD into TARGET at every STEP-th of these
# system calls, each time in a new chain.
kill_at_each() {
    local calls=$1 step=$2 target=$3 child=$4 hash=$5 total n status
    shift 5
    fresh
    total=$(count_calls "$calls" $VHDX merge -q "$@" --into "work/$target" "work/$child") || exit 1
    [ "$total" -gt 0 ] || fail "the merge makes no calls of $calls"
    for ((n = 1; n <= total; n += step)); do
        where="after a kill at $calls number $n of $total (merge $* $child)"
        fresh
        injected "$calls:signal=KILL:when=$n" $VHDX merge -q "$@" --into "work/$target" "work/$child"
        status=$?
        [ $status = 137 ] || fail "the merge ended with $status instead of being killed: $where"
        kills=$((kills + 1))
        check_leaf "work/$child" "$hash" "work/$target"
        [ "$child" = layer5.avhdx ] || check_leaf work/layer5.avhdx "$leaf" none
        if [ -e "work/$child" ]; then
            expect 0 $VHDX merge -q "$@" --into "work/$target" "work/$child"
        fi
        [ "$(hash_of "work/$target")" = "$hash" ] || fail "the merged disk reads differently $where"
        [ "$child" = layer5.avhdx ] || check_leaf work/layer5.avhdx "$leaf" none
    done
}

kill_at_each pwrite64 1 layer4.avhdx layer5.avhdx "$leaf"
kill_at_each fdatasync 1 layer4.avhdx layer5.avhdx "$leaf"
kill_at_each pwrite64 3 base.vhdx layer3.avhdx "$third" --delete
kill_at_each fdatasync 3 base.vhdx layer3.avhdx "$third" --delete
kill_at_each fsync 1 base.vhdx layer3.avhdx "$third" --delete
kill_at_each unlink 1 base.vhdx layer3.avhdx "$third" --delete
kill_at_each ftruncate 1 base.vhdx layer5.avhdx "$leaf"

# In one and the same chain again and again, each time a little later: what is done already is not done again, so that
# some run comes to its end before the call at which it would be killed.
fresh
total=$(count_calls pwrite64 $VHDX merge -q --into work/base.vhdx work/layer5.avhdx) || exit 1
fresh
for n in $(seq 10); do
    n=$((n * total / 12 + 1))
    where="after one more kill at write $n"
    injected "pwrite64:signal=KILL:when=$n" $VHDX merge -q --into work/base.vhdx work/layer5.avhdx
    status=$?
    [ $status = 0 ] && break
    [ $status = 137 ] || fail "the merge ended with $status instead of being killed $where"
    kills=$((kills + 1)) again=$((again + 1))
    check_leaf work/layer5.avhdx "$leaf" none
done
[ $again -ge 2 ] || fail "the merge was killed only $again times in one chain"
expect 0 $VHDX merge -q --into work/base.vhdx work/layer5.avhdx
[ "$(hash_of work/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently"
[ "$(hash_of work/layer5.avhdx)" = "$leaf" ] || fail "the leaf reads differently"

# What is left of a new disk is no disk, or all of it.
fresh
total=$(count_calls pwrite64 $VHDX merge -q -o work/new.vhdx work/layer5.avhdx) || exit 1
[ "$(hash_of work/new.vhdx)" = "$leaf" ] || fail "the new disk reads differently"
for ((n = 1; n <= total; n += 2)); do
    rm -f work/new.vhdx
    injected "pwrite64:signal=KILL:when=$n" $VHDX merge -q -o work/new.vhdx work/layer5.avhdx
    kills=$((kills + 1))
    if hash=$($VHDX hash work/new.vhdx 2>/dev/null); then
        [ "${hash%% *}" = "$leaf" ] || fail "an unfinished disk is taken for a whole one (killed at write $n of $total)"
    fi
done
echo "$kills kills"
