#!/bin/bash
# Who is asked to stop in the middle of a merge (SIGINT, SIGTERM) stops cleanly: status 8, a word on how to go on, the
# leaf reads as before, and the same command completes it. And what happens when two meet at one chain: a second merge,
# or a reader, is refused while the first is at work; a merge is refused while a reader has the chain open.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"

truncate -s 48M raw0
random_bytes raw0 1 0 9000448
cp --sparse=always raw0 raw1
random_bytes raw1 2 4194304 25000448
mkdir kept
"$GUEST" -b 2 kept/base.vhdx raw0 kept/child.avhdx raw1 || fail "no chain"
leaf=$(hash_of kept/child.avhdx)

completes() {
    [ "$(hash_of work/child.avhdx)" = "$leaf" ] || fail "the leaf reads differently $where"
    expect 0 $VHDX merge -q "$@" work/child.avhdx
    [ "$(hash_of work/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
}

for signal in INT TERM; do
    for n in 1 12 40; do
        where="after SIG$signal at write $n"
        fresh
        injected "pwrite64:signal=$signal:when=$n" $VHDX merge -q work/child.avhdx
        status=$?
        [ $status = 8 ] || fail "the merge ended with $status, not 8, $where: $(cat err)"
        one_line_of_error
        says err cancelled
        says err "run the same command again"
        completes
    done
done

# at_work COMMAND...: starts it, slowed down, and waits until it writes. Its process is $merger.
at_work() {
    strace -f -o slow -e trace=pwrite64 -e inject=pwrite64:delay_enter=30000 "$@" >slow.out 2>slow.err &
    merger=$!
    until [ -e slow ] && [ "$(grep -c pwrite64 slow)" -gt 8 ]; do
        kill -0 $merger 2>/dev/null || fail "the slow merge has ended: $(cat slow.err)"
        sleep 0.05
    done
}

where="beside a second process"
fresh
at_work $VHDX merge -q work/child.avhdx
expect 8 $VHDX merge work/child.avhdx
one_line_of_error
says err " vhdx (process "
expect 8 $VHDX merge --direction up work/child.avhdx
says err " vhdx (process "
expect 8 $VHDX hash work/child.avhdx
says err " vhdx (process "
kill -0 $merger 2>/dev/null || fail "the first merge was too fast for this test"
wait $merger || fail "the first merge failed: $(cat slow.err)"
[ "$(hash_of work/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
completes

# The reader has the chain open until somebody takes its output.
where="beside a reader"
fresh
mkfifo pipe
$VHDX export -q -o - work/child.avhdx >pipe 2>reader.err &
reader=$!
exec 3<pipe
head -c 4096 <&3 >first
for command in "merge" "merge --direction up" "merge --reclaim"; do
    expect 8 $VHDX $command work/child.avhdx
    one_line_of_error
    says err " vhdx (process "
done
cat first - <&3 >read.raw
wait $reader || fail "the reader failed: $(cat reader.err)"
cmp read.raw raw1 || fail "the reader has read something else"
completes
