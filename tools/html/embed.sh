#!/bin/sh
# Makes C of the page's style and script: each as a string, and its SHA-256 as the page's Content-Security-Policy names it, so that a
# browser runs exactly this script and no other. Usage: embed.sh DIRECTORY OUTPUT,
# which lies in build/.
# SPDX-License-Identifier: MIT
set -e

constant() {
    printf 'const char %s[] =\n' "$1"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$2"
    printf '    ;\n'
    # The hash in hexadecimal, as bytes (by octal escapes, which every printf knows), in base 64.
    hash=$(for byte in $(sha256sum "$2" | cut -c 1-64 | sed 's/../0x& /g'); do printf '\\%03o' "$byte"; done)
    # shellcheck disable=SC2059
    printf 'const char %s_hash[] = "sha256-%s";\n' "$1" "$(printf "$hash" | base64)"
}

{
    printf '/* Made by embed.sh from page.css and page.js. */\n#include "../tools/html_page.h"\n\n'
    constant html_style "$1/page.css"
    constant html_script "$1/page.js"
} >"$2.new"
mv "$2.new" "$2"
