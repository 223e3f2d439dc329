#!/bin/bash
# Prints what a program compiled with vhdx.h relies on, one fact a line: list.sh [HEADER]
#   function NAME: PROTOTYPE          callback NAME: PROTOTYPE
#   struct NAME SIZE                  member NAME.MEMBER OFFSET SIZE: TYPE
#   enum NAME SIZE                    value NAME.VALUE NUMBER
#   macro NAME TEXT
# A C program is generated from the header, and the compiler tells the numbers; awk reads declarations only as plain as
# those of this header are, and stops at others. Numbers are those of machines with pointers of 8 bytes.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/../.." || exit 2
header=${1:-include/vhdx.h}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# Only the lines of the header itself, one declaration a line: { ; } of structs and enums stay inside it.
${CC:-cc} -std=c11 -E "$header" | awk -v own="$header" '
    /^# [0-9]+ "/ { inside = $3 == "\"" own "\""; next }
    inside && NF' | tr '\n\t' '  ' | sed -E 's/  +/ /g' | awk '
    {
        text = $0
        depth = 0
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            depth += (c == "{") - (c == "}")
            line = line c
            if (c == ";" && depth == 0) { sub(/^ +/, "", line); print line; line = "" }
        }
    }' >"$work/declarations"

awk -v HEADER="$(realpath "$header")" '
    function trim(s) { gsub(/^ +| +$/, "", s); return s }
    function quoted(s) { gsub(/"/, "\\\"", s); return "\"" s "\"" }
    function unknown(s) { print "list.sh cannot read: " s > "/dev/stderr"; failed = 1 }
    # One member: its type as text, then its name; "int (*read)(...)" and "char path[16]" are members too.
    function member(owner, text,    name, type, parts, count, i) {
        if (match(text, /\(\*[a-z0-9_]+\)\(/)) {
            name = substr(text, RSTART + 2, RLENGTH - 4)
            type = text
        } else {
            count = split(text, parts, ",")
            match(parts[1], /[a-z0-9_]+(\[[^]]*\])?$/)
            type = trim(substr(parts[1], 1, RSTART - 1))
            parts[1] = substr(parts[1], RSTART)
            for (i = 1; i <= count; i++) {
                name = trim(parts[i])
                gsub(/^\*+|\[.*/, "", name)
                emit(owner, name, type)
            }
            return
        }
        emit(owner, name, type)
    }
    function emit(owner, name, type) {
        printf "    printf(\"member %s.%s %%zu %%zu: %%s\\n\", offsetof(%s, %s), sizeof(((%s *)0)->%s), %s);\n", \
            owner, name, owner, name, owner, name, quoted(type)
    }
    BEGIN { printf "#include <stdio.h>\n#include <stddef.h>\n#include \"%s\"\nint main(void)\n{\n", HEADER }
    { sub(/^__attribute__\(\(visibility\("default"\)\)\) */, "") }
    /^typedef struct [a-z0-9_]+ [a-z0-9_]+;$/ { next }
    /^typedef (struct|enum) [a-z0-9_]+ \{/ {
        kind = $2
        name = $3
        body = $0
        sub(/^[^{]*\{/, "", body)
        sub(/\}[^}]*$/, "", body)
        printf "    printf(\"%s %s %%zu\\n\", sizeof(%s));\n", kind, name, name
        count = split(body, items, kind == "struct" ? ";" : ",")
        for (i = 1; i <= count; i++) {
            item = trim(items[i])
            if (item == "")
                continue
            if (kind == "struct") {
                member(name, item)
            } else {
                sub(/ *=.*/, "", item)
                printf "    printf(\"value %s.%s %%lld\\n\", (long long)%s);\n", name, item, item
            }
        }
        next
    }
    /^typedef .*\(\*[a-z0-9_]+\)\(/ {
        match($0, /\(\*[a-z0-9_]+\)/)
        printf "    puts(\"callback %s: \" %s);\n", substr($0, RSTART + 2, RLENGTH - 3), quoted($0)
        next
    }
    /^[a-z].*[ *]vhdx_[a-z0-9_]+\(/ {
        match($0, /vhdx_[a-z0-9_]+\(/)
        printf "    puts(\"function %s: \" %s);\n", substr($0, RSTART, RLENGTH - 1), quoted($0)
        next
    }
    { unknown($0) }
    END { print "    return 0;\n}"; exit failed }' "$work/declarations" >"$work/abi.c" || exit 2
# The macros; those that guard or that the compiler alone sees say nothing to a program.
sed -nE 's/^#define (VHDX_[A-Z0-9_]+) (.*)$/macro \1 \2/p' "$header" | grep -vE '^macro VHDX_(H|API|VERSION_[A-Z]+) ?' |
    sed 's/ *$//'
${CC:-cc} -std=c11 -w -o "$work/abi" "$work/abi.c" && "$work/abi"
