#!/bin/bash
# Runs all tests that `make test` has built and says what came of it.
#
# Called by the Makefile with VHDX, GUEST, THREADS (programs), BUILD, ASAN_BUILD (directories of objects), SUITES, FUZZERS,
# SONAME, CC, CXX. ONLY="PART..." picks parts: unit fault crash judge advice asan threads cli asan-cli cross fault-scripts corpus
# layering format headers circles symbols abi install manuals valgrind. Everything a part prints goes to BUILD/results/PART.log
# and is shown when it fails. The last line is "N passed, N failed, N skipped"; the status is 0 when nothing failed. Each skipped test
# is named with its reason; a part that cannot run here counts as one skipped test.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
[ -n "$BUILD" ] || { echo "tests/run.sh is called by make test, which says where things are"; exit 2; }
results=$PWD/$BUILD/results
rm -rf "$results"
mkdir -p "$results"
export PATH=$PATH:/usr/sbin:/sbin
passed=0 failed=0 skipped=0
skips=()
broken=()
# Seconds for one program: slow campaigns take hours, and are worth them.
limit=1200
[ -z "$VHDX_SLOW" ] || limit=86400

wanted() { [ -z "$ONLY" ] || [[ " $ONLY " == *" $1 "* ]]; }

# tally PART PASSED FAILED SKIPPED
tally() {
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    local line
    line=$(printf '%-14s %4d passed' "$1" "$2")
    [ "$3" = 0 ] || line+=$(printf ', %d FAILED' "$3")
    [ "$4" = 0 ] || line+=$(printf ', %d skipped' "$4")
    line+="  ($((SECONDS - started)) s)"
    echo "$line"
    if [ "$3" != 0 ]; then
        broken+=("$1")
        sed 's/^/    /' "$results/$1.log" | grep -vE '^ *(ok |\[(RUN |PASS|SKIP|----)\])' | head -n "${SHOWN:-120}"
    fi
}

skip_part() {
    printf '%-14s skipped\n' "$1"
    skipped=$((skipped + 1))
    skips+=("$1: $2")
}

# check PART COMMAND...: one test that passes when the command does.
check() {
    local part=$1
    shift
    wanted "$part" || return
    started=$SECONDS
    "$@" >"$results/$part.log" 2>&1
    local status=$?
    if [ $status = 77 ]; then
        skip_part "$part" "$(tail -n 1 "$results/$part.log")"
    elif [ $status = 0 ]; then
        tally "$part" 1 0 0
    else
        tally "$part" 0 1 0
    fi
}

# criterion PART PROGRAM ARGUMENT...: takes the counts from Criterion's closing line; skipped tests are not in it.
criterion() {
    local part=$1 log=$results/$1.log good bad
    shift
    started=$SECONDS
    local scratch
    scratch=$(mktemp -d) || return 1
    TMPDIR=$scratch timeout -k 5 "$limit" "$@" --verbose --color=never >"$log" 2>&1 </dev/null || ended=$?
    read -r good bad < <(sed -nE 's/.*Synthesis: Tested: [0-9]+//p' "$log" | tr -dc '0-9 \n' |
        awk '{ print $1, $2 + $3 }')
    if [ -z "$good" ]; then
        echo "the program ended with status ${ended:-0} before its tests did" >>"$log"
        good=0 bad=1
    fi
    # A test that leaves something behind fills the machine of whoever runs it often.
    if [ -n "$(ls -A "$scratch")" ]; then
        echo "FAILED: left in the temporary directory: $(cd "$scratch" && find . -mindepth 1 | head -n 5 | tr '\n' ' ')" >>"$log"
        bad=$((bad + 1))
    fi
    chmod -R u+w "$scratch" && rm -rf "$scratch"
    counted=("$good" "$bad")
    ended=
    while read -r name; do
        # The same tests skip for the same reasons under sanitizers: counted, not listed again.
        [[ $part == asan-* ]] || skips+=("$part: $name")
        counted[2]=$((${counted[2]:-0} + 1))
    done < <(sed -nE 's/^\[SKIP\] (.*)$/\1/p' "$log")
}

program() {
    wanted "$1" || return
    counted=()
    criterion "$1" "$BUILD/test-$1"
    tally "$1" "${counted[0]}" "${counted[1]}" "${counted[2]:-0}"
    # What crash and fault tests say of their reach.
    sed -nE 's/^\[----\] ([0-9]+) states, ([0-9]+) of second runs.*/\1 \2/p' "$results/$1.log" |
        awk '{ states += $1; second += $2 } END { if (states) print "    " states " states after power cuts, and " second " after cuts in their second runs" }'
    sed -nE 's/^\[----\] ([0-9]+ rounds, .*)$/    \1/p' "$results/$1.log"
    sed -nE 's/^\[----\] ([0-9]+) faults$/\1/p' "$results/$1.log" |
        awk '{ faults += $1 } END { if (faults) print "    " faults " faults" }'
}

# The same programs with sanitizers. A leak does not fail a Criterion test, so reports go to files, and one that says
# more than that an absurd allocation was refused is a failure.
sanitizer_options() {
    export ASAN_OPTIONS=log_path=$results/report.$1:detect_leaks=1:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1 VHDX_SANITIZED=1
}

# A leak without a frame of ours is the test framework's own: it forgets a message now and then.
reported() {
    local report
    for report in "$results/report.$1".*; do
        [ -e "$report" ] && grep -qE 'ERROR: |runtime error: ' "$report" || continue
        grep -q 'ERROR: LeakSanitizer' "$report" && ! grep -qE ' (docs|fuzz|libvhdx|tests|tools)/' "$report" && continue
        return 0
    done
    return 1
}

sanitized() {
    wanted asan || return
    local suite
    for suite in $SUITES; do
        counted=()
        sanitizer_options "$suite"
        criterion "asan-$suite" "$ASAN_BUILD/test-$suite"
        cat "$results/report.$suite".* >>"$results/asan-$suite.log" 2>/dev/null
        if reported "$suite" && [ "${counted[1]}" = 0 ]; then
            counted=("$((counted[0] - 1))" 1 "${counted[2]}")
        fi
        tally "asan-$suite" "${counted[0]}" "${counted[1]}" "${counted[2]:-0}"
    done
    unset ASAN_OPTIONS UBSAN_OPTIONS VHDX_SANITIZED
}

# The command line tests once more with a tool that watches itself.
sanitized_tool() {
    wanted asan-cli && [ -x "$ASAN_BUILD/vhdx" ] || return
    sanitizer_options cli
    VHDX=$PWD/$ASAN_BUILD/vhdx scripts asan-cli tests/cli
    unset ASAN_OPTIONS UBSAN_OPTIONS VHDX_SANITIZED
}

# scripts PART DIRECTORY
scripts() {
    wanted "$1" || return
    compgen -G "$2/*.sh" | grep -qv '/run\.sh$' || return
    started=$SECONDS
    COUNTS=$results/$1.counts bash tests/cli/run.sh "$2" >"$results/$1.log" 2>&1
    local good=0 bad=1 left=0
    read -r good bad left <"$results/$1.counts" || echo "the runner itself failed" >>"$results/$1.log"
    if reported cli && [ "$1" = asan-cli ] && [ "$bad" = 0 ]; then
        cat "$results"/report.cli.* >>"$results/$1.log"
        good=$((good - 1)) bad=1
    fi
    tally "$1" "$good" "$bad" "$left"
    [ "$1" = asan-cli ] || while read -r line; do
        skips+=("$1: $line")
    done < <(sed -n 's/^SKIP //p' "$results/$1.log")
}

# The stored inputs of each fuzz target, under sanitizers; a target is one test.
corpora() {
    wanted corpus || return
    local good=0 bad=0 name
    started=$SECONDS
    : >"$results/corpus.log"
    for name in $FUZZERS; do
        [ -x "$ASAN_BUILD/replay-$name" ] || continue
        local inputs=() directory
        for directory in "fuzz/corpus/$name" "fuzz/corpus/fuzz_$name"; do
            [ -d "$directory" ] && inputs+=("$directory"/*)
        done
        if [ -e "${inputs[0]}" ]; then
            if timeout -k 5 300 "$ASAN_BUILD/replay-$name" "${inputs[@]}" >"$results/corpus-$name.log" 2>&1; then
                good=$((good + 1))
            else
                bad=$((bad + 1))
                { echo "FAIL $name"; tail -n 60 "$results/corpus-$name.log"; } >>"$results/corpus.log"
            fi
        else
            skip_part "corpus-$name" "fuzz/corpus/$name is empty"
        fi
    done
    [ $((good + bad)) = 0 ] || tally corpus $good $bad 0
}

manuals() {
    command -v mandoc >/dev/null || { echo "mandoc is not installed"; return 77; }
    mandoc -T lint -W warning docs/man/*.1
}

# Memory that is read before it is written is what the sanitizers do not see. Slow, so only plain use of the tool,
# and the stored fuzz inputs.
under_valgrind() {
    command -v valgrind >/dev/null || { echo "valgrind is not installed"; return 77; }
    local options=(-q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite)
    local work at status=0
    work=$(mktemp -d) || return 1
    run() {
        valgrind "${options[@]}" "$VHDX" "$@" >"$work/out" 2>"$work/err" </dev/null
        local ended=$?
        if [ $ended = 99 ] || [ $ended -ge 8 ]; then
            echo "vhdx $* ended with $ended"
            cat "$work/err"
            status=1
        fi
    }
    run create --size 64M "$work/base.vhdx"
    run create --parent "$work/base.vhdx" "$work/child.avhdx"
    run info --chain "$work/child.avhdx"
    run map "$work/child.avhdx"
    run hash "$work/child.avhdx"
    run merge "$work/child.avhdx"
    run export -o "$work/raw" "$work/base.vhdx"
    local offset damaged=$work/damaged.vhdx
    # A header, its twin, both region tables, the metadata table, an entry of the BAT; then all of them.
    for offset in 65560 "65560 131100" "196640 262180" 2097155 3145732 "65560 196640 2097155 3145732 3145744"; do
        cp "$work/base.vhdx" "$damaged"
        for at in $offset; do printf '\007\007' | dd of="$damaged" bs=1 seek="$at" conv=notrunc status=none; done
        run verify --data --chain "$damaged"
        run repair --dry-run --salvage "$damaged"
        run export --salvage --overwrite -o "$work/raw" "$damaged"
        run repair --salvage "$damaged"
        [ ! -e "$damaged.vhdx-undo" ] || run undo "$damaged.vhdx-undo"
        rm -f "$damaged"*
    done
    rm -rf "$work"
    local name
    for name in $FUZZERS; do
        local inputs=()
        mapfile -t inputs < <(find "fuzz/corpus/$name" -type f 2>/dev/null | sort | head -n 200)
        if [ ${#inputs[@]} -gt 0 ] && [ -x "$BUILD/replay-$name" ]; then
            valgrind "${options[@]}" "$BUILD/replay-$name" "${inputs[@]}" >"$results/valgrind-$name" 2>&1 || {
                tail -n 40 "$results/valgrind-$name"
                status=1
            }
        fi
    done
    return $status
}

# Several threads at once, watched by ThreadSanitizer. It needs its memory where newer kernels may have put something
# else; without randomized addresses it gets it.
threads() {
    local plain=()
    setarch -R true 2>/dev/null && plain=(setarch -R)
    TSAN_OPTIONS=halt_on_error=1:exitcode=66 timeout -k 5 600 "${plain[@]}" "$THREADS"
}

for suite in $SUITES; do
    program "$suite"
done
sanitized
if [ -x "$THREADS" ]; then
    check threads threads
fi
if [ -x "$VHDX" ]; then
    [ ! -x "$BUILD/test-judge" ] || TEST_JUDGE=$PWD/$BUILD/test-judge check advice bash tests/judge/advice.sh
    scripts cli tests/cli
    scripts fault-scripts tests/fault
    scripts cross tests/cross
fi
sanitized_tool
corpora
check layering bash tests/layering.sh
check format bash tests/format.sh
check headers bash tests/headers.sh
if [ -e "$BUILD/libvhdx.a" ]; then
    check circles bash tests/circles.sh "$BUILD/libvhdx"
    check symbols bash tests/symbols.sh "$BUILD/libvhdx.a" "$BUILD/$SONAME"
    check abi bash tests/abi/check.sh "$BUILD/$SONAME"
fi
if [ -x "$VHDX" ]; then
    check install bash tests/install.sh
    check valgrind under_valgrind
fi
if compgen -G 'docs/man/*.1' >/dev/null; then
    check manuals manuals
fi

echo
if [ ${#skips[@]} -gt 0 ]; then
    echo "Skipped:"
    printf '  %s\n' "${skips[@]}"
fi
if [ ${#broken[@]} -gt 0 ]; then
    echo "Failed: ${broken[*]} (logs in $BUILD/results)"
fi
[ $((passed + failed)) -gt 0 ] || echo "nothing was run"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
