#!/bin/bash
# The page of vhdx orphans --html: names of files stay text, the browser is told to run this script and no other, nothing is
# loaded from elsewhere, and a file that is no such page is not overwritten. Where there is a browser the page is opened in it.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

mkdir -p "d/büro & co"
evil='d/<script>alert(1)<:script>"onload='"'x.avhdx"
expect 0 vhdx create -q --size 1G d/base.vhdx
expect 0 vhdx create -q --parent d/base.vhdx "$evil"
expect 0 vhdx create -q --parent d/base.vhdx "d/büro & co/b.avhdx"
expect 0 vhdx create -q --size 1G d/lost.vhdx
expect 0 vhdx create -q --parent d/lost.vhdx d/alone.avhdx
rm d/lost.vhdx

expect 4 vhdx orphans -q --html page.html d
[ ! -s out ] || fail "-q printed something: $(cat out)"
says page.html '&lt;script&gt;alert(1)&lt;:script&gt;&quot;onload=&#39;x.avhdx'
says page.html 'büro &amp; co'
says page.html 'parent-missing'
says page.html 'lost.vhdx</span><span class="pill bad">not found</span>'
says_not page.html '<script>alert'
[ "$(grep -o '<script' page.html | wc -l)" = 1 ] || fail "more than one script"
[ "$(tail -n 1 page.html)" = "</html>" ] || fail "the page has no end"
grep -nE '(src|srcset|action)=|url\(|@import|https?://|[ "]on[a-z]+=' page.html && fail "the page names something outside of it"

# hash_of_part TAG: of what stands between the tags, as a policy writes it.
hash_of_part() {
    local part=part.$1 byte escapes=
    awk -v open="<$1>" -v close_tag="</$1>" 'BEGIN { RS = "\0"; ORS = "" }
        { s = index($0, open) + length(open); print substr($0, s, index($0, close_tag) - s) }' page.html >"$part"
    [ -s "$part" ] || fail "no $1 in the page"
    for byte in $(sha256sum "$part" | cut -c 1-64 | sed 's/../0x& /g'); do escapes+=$(printf '\\x%02x' "$byte"); done
    printf "sha256-%s" "$(printf "$escapes" | base64)"
}
says page.html "style-src '$(hash_of_part style)'"
says page.html "script-src '$(hash_of_part script)'"
says page.html "default-src 'none'"

# Yesterday's page may be overwritten, an empty file too; a disk may not.
expect 4 vhdx orphans -q --html page.html d
: >empty.html
expect 4 vhdx orphans -q --html empty.html d
before=$(cksum <d/base.vhdx)
expect 8 vhdx orphans --html d/base.vhdx d
one_line_of_error
says err 'choose another name for --html'
[ "$before" = "$(cksum <d/base.vhdx)" ] || fail "--html changed a disk"
expect 8 vhdx orphans -q --html nowhere/page.html d
one_line_of_error
if [ -e /dev/full ]; then
    expect 8 vhdx orphans -q --html /dev/full d
    one_line_of_error
fi

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || exit 0
# The script marks the page as live: it ran, so the policy fits it.
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --dump-dom "file://$PWD/page.html" \
    >dom 2>browser || { cat browser; skip "the browser does not run here"; }
says dom '<html lang="en" class="live">'
grep -q 'id="f0" data-s="[a-z-]*"' dom || fail "no disk in what the browser shows"
