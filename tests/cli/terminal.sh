#!/bin/bash
# At a terminal: the progress line of every command that has one is wiped before the answer, is never wider than the
# terminal, and is drawn five times a second at most. What the other tests see is no terminal, so a bar that is glued to
# the answer passes all of them. A small terminal in awk shows what a person is left with.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*" "* | *.exe) skip "the terminal here is a POSIX one" ;;
esac
script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "needs script(1)"

# screen COLUMNS: what stands on the screen after the bytes on standard input; "wrapped" where a line ran over the edge
# while a progress line was drawn, and the number of redraws (returns to the first column without a line end).
cat >screen.awk <<'END'
function show(    line, k) {
    line = ""
    for (k = 0; k < wide; k++) line = line (k in at ? at[k] : " ")
    sub(/ +$/, "", line)
    print line (full && line ~ /^(plan|copy|read|finish|search|compare) / ? " WRAPPED" : "")
    split("", at)
    wide = col = full = 0
}
{
    sub(/\r$/, "")
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        if (c == "\r") { col = 0; draws++; continue }
        if (col >= columns) { full = 1; show() }
        at[col++] = c
        if (col > wide) wide = col
    }
    show()
}
END { print draws + 0 >draws_file }
END

# at_terminal COLUMNS COMMAND...: the screen is in the file seen; fails when anything of a bar is left on it.
at_terminal() {
    local columns=$1 began ended most
    shift
    began=$(date +%s%N)
    script -qec "stty cols $columns; $(printf '%q ' "$@")" /dev/null </dev/null >typed 2>&1
    ended=$(date +%s%N)
    awk -v columns="$columns" -v draws_file=draws -f screen.awk typed >seen
    ! grep -qE '\[[#.]+\]|^(plan|copy|read|finish|search|compare) +[0-9]|WRAPPED|[0-9]%.*[0-9] [KMGT]?i?B' seen ||
        { cat seen >&2; fail "$* ($columns columns): a progress line is left on the screen"; }
    # Each redraw returns once, a wiped line twice; a line may be wiped for a message and drawn again.
    most=$(((ended - began) / 200000000 + 12))
    [ "$(cat draws)" -le $most ] || fail "$*: $(cat draws) redraws in $(((ended - began) / 1000000)) ms"
    bars=$((${bars:-0} + $(tr '\r' '\n' <typed | grep -cE '^(plan|copy|read|finish) .*%|^(search|compare) ')))
}

make_chain 64M
for columns in 80 60 30 12; do
    bars=0
    at_terminal $columns "$VHDX" hash disk_2.avhdx
    [ $columns -lt 60 ] || grep -qE '^[0-9a-f]{32}  disk_2.avhdx$' seen || { cat seen >&2; fail "hash"; }
    at_terminal $columns "$VHDX" hash --json disk_2.avhdx
    [ "$(head -n 1 seen)" = "{" ] || { cat seen >&2; fail "hash --json"; }
    at_terminal $columns "$VHDX" verify --chain --data disk_2.avhdx
    at_terminal $columns "$VHDX" verify -v disk_2.avhdx
    at_terminal $columns "$VHDX" merge --dry-run disk_2.avhdx
    [ $columns -lt 80 ] || grep -q '^Would merge ' seen || { cat seen >&2; fail "merge --dry-run"; }
    at_terminal $columns "$VHDX" merge --undo undo --verify disk_2.avhdx
    [ $columns -lt 80 ] || grep -q '^Merged ' seen || { cat seen >&2; fail "merge"; }
    at_terminal $columns "$VHDX" undo undo
    rm undo
    at_terminal $columns "$VHDX" merge -o flat.vhdx disk_2.avhdx
    rm flat.vhdx
    at_terminal $columns "$VHDX" export -v -o raw disk_2.avhdx
    rm raw
    at_terminal $columns "$VHDX" export --salvage -o raw disk_2.avhdx
    rm raw raw.map
    at_terminal $columns "$VHDX" orphans --data .
    cp disk.vhdx damaged.vhdx
    printf X | dd of=damaged.vhdx bs=1 seek=65552 conv=notrunc status=none
    at_terminal $columns "$VHDX" repair --dry-run damaged.vhdx
    at_terminal $columns "$VHDX" repair damaged.vhdx
    rm damaged.vhdx*
    [ $bars -ge 8 ] || fail "only $bars progress lines were drawn: nothing was tested"
done

# Nothing is drawn where it was not wanted.
bars=0
at_terminal 80 "$VHDX" hash --no-progress disk_2.avhdx
at_terminal 80 "$VHDX" hash -q disk_2.avhdx
[ $bars = 0 ] || fail "a progress line was drawn although it was not wanted"
