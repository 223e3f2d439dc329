#!/bin/bash
# Follows what the command advises: a random disk of the judge with random damages, verify, the command that it names,
# and so on, until nothing is advised any more. It must end with a disk that verify has no error for, or with a salvage
# whose map lists every range. No advised command may fail, and none may come round again.
# VHDX, TEST_JUDGE (the program of the judge); ROUNDS, FIRST (seed).
# SPDX-License-Identifier: MIT
set -u
rounds=${ROUNDS:-${VHDX_SLOW:+2000}} first=${FIRST:-20260000}
rounds=${rounds:-40}
: "${VHDX:?}" "${TEST_JUDGE:?}"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
mkdir bin && ln -s "$VHDX" bin/vhdx && PATH=$PWD/bin:$PATH
failed=0
declare -A ends

complain() { # seed message
    printf 'seed %s: %s\n  steps: %s\n' "$1" "$2" "$trail"
    sed 's/^/    | /' out err | head -40
    failed=$((failed + 1))
}

run() { # command line
    trail+="$1 "
    eval "$1" >out 2>err </dev/null
    status=$?
    trail+="[$status]; "
}

next_of() { sed -n 's/^Next: //p' out | head -n 1; }

# Everything that is not good is listed, and what is listed adds up to the disk.
map_is_whole() {
    local at=0 offset length rest head=
    while read -r offset length rest; do
        [[ $offset == \#* ]] && continue
        [ -n "$head" ] || { head=seen; continue; } # the line of where ddrescue stands
        [ $((offset)) = $at ] && [ $((length)) -gt 0 ] || return 1
        at=$((at + length))
    done <leaf.vhdx.raw.map
    [ $at = "$(stat -c %s leaf.vhdx.raw)" ]
}

follow() {
    local seed=$1 seen= command="vhdx verify --chain leaf.vhdx" step
    trail=
    for step in 1 2 3 4 5 6 7 8 9 10 11 12; do
        run "$command"
        case $command in
        *export*)
            [ $status = 0 ] || [ $status = 4 ] || { complain "$seed" "the advised export failed"; return; }
            [ ! -e leaf.vhdx.raw ] || map_is_whole || { complain "$seed" "the map is not whole"; return; }
            ends[export]=$((${ends[export]:-0} + 1))
            return
            ;;
        *verify*)
            if [ $status = 8 ] && grep -qE "export --salvage" err; then
                command="vhdx export --salvage -o leaf.vhdx.raw leaf.vhdx"
                continue
            fi
            [ $status = 0 ] || [ $status = 4 ] || { complain "$seed" "verify failed"; return; }
            ;;
        *)
            [ $status = 0 ] || [ $status = 1 ] || [ $status = 4 ] ||
                { complain "$seed" "an advised command failed"; return; }
            ;;
        esac
        next=$(next_of)
        if [ -n "$next" ]; then
            case " $seen" in *" <$next>"*) complain "$seed" "'$next' is advised again"; return ;; esac
            seen+=" <$next>"
            command=$next
        elif [[ $command == *verify* ]]; then
            [ $status = 0 ] || { complain "$seed" "errors, and nothing is advised"; return; }
            ends[clean]=$((${ends[clean]:-0} + 1))
            return
        elif [[ $command == *--dry-run* ]]; then
            complain "$seed" "a dry run that leads nowhere"
            return
        else
            command="vhdx verify --chain leaf.vhdx"
        fi
    done
    complain "$seed" "no end"
}

for ((i = 0; i < rounds; i++)); do
    rm -f ./*.vhdx*
    VHDX_JUDGE_SEED=$((first + i)) VHDX_JUDGE_ROUNDS=1 VHDX_JUDGE_DUMP=. "$TEST_JUDGE" --filter 'judge/no_*' \
        >judged 2>&1
    [ -e leaf.vhdx ] || { echo "no disk was made"; exit 2; }
    follow $((first + i))
done
for end in "${!ends[@]}"; do printf '%s: %s of %s\n' "$end" "${ends[$end]}" "$rounds"; done
[ $failed = 0 ] || echo "$failed of $rounds failed"
[ $failed = 0 ]
