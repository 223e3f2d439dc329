#!/bin/bash
# Every kind of merge where a file that is held lets nobody look at it, not even the process that holds it: the merge
# must know its own layers by name. What comes out is read by both builds.
# SPDX-License-Identifier: MIT
. "$TOP/tests/windows/lib.bash"

make_named_chain 64M

fresh() {
    rm -rf vm
    mkdir vm
    cp "$folder"/* vm
}

files_are() {
    [ "$(ls vm)" = "$(printf '%s\n' "$@")" ] || fail "the merge left or took files: $(ls vm)"
}

at=$(drive_path vm)

# Into the parent, with paths as the person typed them, and as Explorer writes them.
for child in "vm\\$leaf" "$at\\$leaf" "\\\\?\\$at\\$leaf"; do
    fresh
    expect 0 vhdx merge "$child"
    both_read "vm/$middle" 2.raw
    both_read "vm/$leaf" 2.raw
    cmp "vm/$base" "$folder/$base" || fail "a layer below was written to"
done

# Into the base. The ancestor is named otherwise than its child names it; again, and with the layers' directory given
# under another of its names.
for into in "vm/$base" "${at/Z:/z:}\\größe Ä.VHDX"; do
    fresh
    expect 0 vhdx merge --dry-run --into "$into" "$at\\$leaf"
    says out "(2 layers)"
    expect 0 vhdx merge --into "$into" "$at\\$leaf"
    both_read "vm/$base" 2.raw
    both_read "vm/$leaf" 2.raw
    expect 0 vhdx merge --into "$into" "$at\\$leaf"
    both_read "vm/$base" 2.raw
done
fresh
expect 0 vhdx merge --parent "${at,,}" --into "$at\\$base" "\\\\?\\$at\\$leaf"
both_read "vm/$base" 2.raw

# The middle layer: the leaf above it is linked to the base.
fresh
expect 0 vhdx merge --delete "$at\\$middle"
files_are "$base" "$leaf"
both_read "vm/$base" 1.raw
both_read "vm/$leaf" 2.raw

fresh
expect 0 vhdx merge --delete --into "vm\\$base" "vm\\$leaf"
files_are "$base"
both_read "vm/$base" 2.raw

fresh
before=$(cat vm/* | cksum)
expect 0 vhdx merge -o "$at\\neu ü.vhdx" "vm\\$leaf"
both_read "vm/neu ü.vhdx" 2.raw
rm "vm/neu ü.vhdx"
[ "$before" = "$(cat vm/* | cksum)" ] || fail "merge -o changed an input"
expect 8 vhdx merge -o "$at\\$middle" "vm\\$leaf"
[ "$before" = "$(cat vm/* | cksum)" ] || fail "merge -o onto a layer changed it"

# A sibling is still seen, under whatever name.
expect 0 vhdx create --parent "vm\\$base" "$at\\Geschwister ö.avhdx"
expect 8 vhdx merge --into "$at\\$base" "vm\\$leaf"
says err "Geschwister ö.avhdx"
rm "vm/Geschwister ö.avhdx"

# Upwards: the leaf becomes the base, under its own name or, with removal, under that of the former base; a layer above
# reads the same through it.
fresh
expect 0 vhdx merge --direction up --into "$at\\$base" "vm\\$leaf"
files_are "$base" "$middle" "$leaf"
both_read "vm/$leaf" 2.raw
both_read "vm/$base" 0.raw
fresh
expect 0 vhdx merge --direction up --delete --into "vm\\$base" "$at\\$leaf"
files_are "$base"
both_read "vm/$base" 2.raw
fresh
expect 0 vhdx merge --direction up --delete "$at\\$middle"
files_are "$base" "$leaf"
both_read "vm/$base" 1.raw
both_read "vm/$leaf" 2.raw
fresh
expect 8 vhdx merge --direction up "$at\\$leaf" # its parent has a parent itself
says err "--into"
