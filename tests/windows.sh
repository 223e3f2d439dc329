#!/bin/bash
# The Windows build under Wine, side by side with the native one: windows.sh VHDX.EXE VHDX GUEST
#
# Runs tests/windows, and of tests/cli what says more here than that the same C was compiled twice, with VHDX = the
# Windows program, NATIVE = the native one and GUEST (testdata/guest.c). Wine shows sharing modes, names and paths as
# Windows does; sparse files, cloned ranges and NTFS it does not have. The last line is "N passed, N failed, N skipped";
# without Wine the status is 77 and the last line says so.
# SPDX-License-Identifier: MIT

here=$(cd "$(dirname "$0")" && pwd) || exit 2
exe=$(readlink -f "$1") NATIVE=$(readlink -f "$2") GUEST=$(readlink -f "$3")
for program in "$exe" "$NATIVE" "$GUEST"; do
    [ -e "$program" ] || { echo "a program is missing: windows.sh VHDX.EXE VHDX GUEST"; exit 2; }
done
wine=$(command -v wine || command -v wine64) || { echo "wine is not installed"; exit 77; }
command -v wineserver >/dev/null || { echo "wineserver is not installed"; exit 77; }

work=$(mktemp -d) || exit 2
export NATIVE GUEST WINE=$wine WINEDEBUG=-all WINEPREFIX=$work/prefix
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
# What is left of the server may still be writing its registry.
finish() {
    wineserver -k 2>/dev/null
    wineserver -w 2>/dev/null
    rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
}
trap finish EXIT
mkdir "$work/prefix"
wineserver -p </dev/null >/dev/null 2>&1 # one that stays, or each run waits for it to end
"$wine" "$exe" --version </dev/null >"$work/log" 2>&1 || {
    echo "wine does not run vhdx.exe:"
    cat "$work/log"
    exit 1
}

# Wine has a remark of its own ("wine: Read access denied for device ..."), which is no message of the program. When it
# fails to start a program it ends with 1, which no command here does, and says why: that is kept, and tried again.
# All else that Wine says is shown.
cat >"$work/vhdx.exe" <<WRAPPER
#!/bin/bash
messages=\$(mktemp)
"$wine" "$exe" "\$@" 2>"\$messages"
status=\$?
if [ \$status = 1 ] && grep -q '^wine: failed to ' "\$messages"; then
    cat "\$messages" >>"$work/not_started"
    "$wine" "$exe" "\$@" 2>"\$messages"
    status=\$?
fi
sed '/^wine: Read access denied/d' "\$messages" >&2
rm -f "\$messages"
exit \$status
WRAPPER
chmod +x "$work/vhdx.exe"
export VHDX=$work/vhdx.exe

passed=0 failed=0 skipped=0
run() {
    local good=0 bad=1 left=0
    rm -f "$work/counts"
    COUNTS=$work/counts bash "$here/cli/run.sh" "$@"
    read -r good bad left <"$work/counts"
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
}
run "$here/windows"
run "$here/cli" map_hash_export names siblings missing_parent no_overwrite relink stdout
if [ -s "$work/not_started" ]; then
    echo "Wine did not start the program at once:"
    cat "$work/not_started"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
