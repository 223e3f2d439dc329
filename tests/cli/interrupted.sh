#!/bin/bash
# Who is asked to stop, stops, ends with 8 and says what that means. The disk is so large that it cannot be done before.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*.exe) skip "no signals there" ;;
esac

expect 0 vhdx create --size 64T huge.vhdx

# The reader stops reading after the first byte has come, so the signal meets an export at work.
mkfifo pipe
$VHDX export -o - huge.vhdx >pipe 2>err &
exporter=$!
exec 3<pipe
head -c 1 <&3 >/dev/null
kill -TERM $exporter
cat <&3 >/dev/null
wait $exporter
status=$?
[ $status = 8 ] || fail "export ended with $status: $(cat err)"
one_line_of_error
says err "not a whole disk"

# A hash shows no sign of life; it is at work when it has used some time of the processor.
$VHDX hash huge.vhdx >out 2>err &
hasher=$!
[ -e /proc/$hasher/stat ] || { kill -KILL $hasher; skip "needs /proc"; }
until [ "$(awk '{print $14 + $15}' /proc/$hasher/stat)" -gt 5 ]; do
    sleep 0.05
done
kill -TERM $hasher
for _ in $(seq 200); do
    kill -0 $hasher 2>/dev/null || break
    sleep 0.05
done
kill -KILL $hasher 2>/dev/null && fail "hash goes on for 10 seconds after it was asked to stop"
wait $hasher
status=$?
[ $status = 8 ] || fail "hash ended with $status: $(cat err)"
one_line_of_error
says err "nothing was changed"
