#!/bin/bash
# Each write, flush and change of size of a merge fails, with a full disk or an error: status 8 and what to do, the
# leaf reads as before, and the next run completes it.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"
build_chain 2
leaf=$(hash_of kept/layer2.avhdx)
faults=0

# fail_each CALLS ERROR [+]: with "+" all later ones fail too.
fail_each() {
    local calls=$1 error=$2 more=${3:-} total n status
    fresh
    total=$(count_calls "$calls" $VHDX merge -q --into work/base.vhdx work/layer2.avhdx) || exit 1
    [ "$total" -gt 0 ] || fail "the merge makes no calls of $calls"
    for ((n = 1; n <= total; n++)); do
        where="after $error at $calls number $n of $total"
        fresh
        injected "$calls:error=$error:when=$n$more" $VHDX merge -q --into work/base.vhdx work/layer2.avhdx
        status=$?
        [ $status = 8 ] || fail "the merge ended with $status instead of 8 $where: $(cat err)"
        tail -n 1 err | grep -q '^vhdx: .*again' || fail "the error does not say how to go on $where: $(cat err)"
        faults=$((faults + 1))
        [ "$(hash_of work/layer2.avhdx)" = "$leaf" ] || fail "the leaf reads differently $where"
        expect 0 $VHDX merge -q --into work/base.vhdx work/layer2.avhdx
        [ "$(hash_of work/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
        [ "$(hash_of work/layer2.avhdx)" = "$leaf" ] || fail "the leaf reads differently after the second run, $where"
    done
}

fail_each pwrite64 ENOSPC +
fail_each pwrite64 EIO
fail_each fdatasync EIO
fail_each ftruncate ENOSPC
echo "$faults faults"
