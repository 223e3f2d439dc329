#!/bin/bash
# Runs shell tests: run.sh DIRECTORY [NAME...]
#
# A test is NAME.sh; it passes when it ends with the status in NAME.exit (0 when there is no such file) and, when there
# is a NAME.out, prints exactly that on standard output. Status 77 skips it, and its last line says why. Each test runs
# under bash in a fresh directory of its own, which is also its TMPDIR, with
#   VHDX  the tool                      GUEST         makes chains with content (testdata/guest.c)
#   TOP   the top of the source tree    VHDX_SAMPLES  disks of other software, may be unset
# and without a terminal. Prints a line a test; "passed failed skipped" counts go into the file $COUNTS if that is set.
# SPDX-License-Identifier: MIT

directory=$(cd "$1" && pwd) || exit 2
shift
here=$(cd "$(dirname "$0")" && pwd)
export TOP=${here%/tests/cli}
export VHDX=${VHDX:-$TOP/build/vhdx}
export GUEST=${GUEST:-$(ls -t "$TOP"/build/main-*/guest 2>/dev/null | head -n 1)}
export LC_ALL=C.UTF-8 TZ=UTC PATH=$PATH:/usr/sbin:/sbin
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

run_one() {
    local script=$1 name work want status reason=
    name=$(basename "$script" .sh)
    work=$(mktemp -d "${TMPDIR:-/tmp}/vhdx-$name.XXXXXX") || return 2
    mkdir "$work/run"
    want=$(cat "${script%.sh}.exit" 2>/dev/null || echo 0)
    (cd "$work/run" && TMPDIR=$work/run timeout -k 5 "${TEST_TIMEOUT:-300}" bash "$script") \
        </dev/null >"$work/out" 2>"$work/err"
    status=$?
    if [ $status = 77 ] && [ "$want" != 77 ]; then
        printf 'SKIP %s: %s\n' "$name" "$(cat "$work/err" "$work/out" | tail -n 1)"
        rm -rf "$work"
        return
    fi
    if [ $status = 124 ]; then
        reason="took longer than ${TEST_TIMEOUT:-300} s"
    elif [ "$status" != "$want" ]; then
        reason="exit status $status, expected $want"
    elif [ -e "${script%.sh}.out" ] && ! diff -u "${script%.sh}.out" "$work/out" >"$work/diff"; then
        reason="output differs"
    fi
    if [ -z "$reason" ]; then
        printf 'ok %s\n' "$name"
    else
        { printf 'FAIL %s: %s\n' "$name" "$reason"
          if [ -s "$work/diff" ]; then cat "$work/diff"; else tail -n 30 "$work/out"; fi
          tail -n 30 "$work/err"; } | sed '2,$s/^/    /'
    fi
    chmod -R u+w "$work" && rm -rf "$work"
}
export -f run_one

cd / || exit 2
if [ $# -gt 0 ]; then
    scripts=("${@/#/$directory/}")
    scripts=("${scripts[@]/%/.sh}")
else
    scripts=("$directory"/*.sh)
fi
list=()
for s in "${scripts[@]}"; do
    [ -e "$s" ] && [ "$(basename "$s")" != run.sh ] && list+=("$s")
done
[ ${#list[@]} -gt 0 ] || exit 0

# A test's lines come out together: each run collects its own.
one() {
    local text
    text=$(run_one "$1")
    printf '%s\n' "$text"
}
export -f one
output=$(printf '%s\0' "${list[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'one "$0"')

printf '%s\n' "$output"
passed=$(grep -c '^ok ' <<<"$output")
skipped=$(grep -c '^SKIP ' <<<"$output")
failed=$((${#list[@]} - passed - skipped))
[ -n "$COUNTS" ] && echo "$passed $failed $skipped" >"$COUNTS"
[ $failed = 0 ]
