#!/bin/bash
# vhdx serve where it cannot: without nbdkit, with options that exclude each other, with a disk that does not open. What
# it does with nbdkit is in cross/nbd_clients.sh.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

vhdx create --size 4M disk.vhdx || fail "create"
before=$(cksum disk.vhdx)

for options in "disk.vhdx" "disk.vhdx --" "--write --discard . disk.vhdx -- true" "--overlay n.avhdx --discard . disk.vhdx -- true" \
    "--layer x disk.vhdx -- true" "--layer 1 --write disk.vhdx -- true"; do
    # shellcheck disable=SC2086
    expect 16 vhdx serve $options
    one_line_of_error
done

case $VHDX in
*" "*) ;; # needs more than itself on the path
*)
    mkdir empty
    expect 8 env PATH="$PWD/empty" "$VHDX" serve disk.vhdx -- true
    one_line_of_error
    says err "nbdkit, which is the server, is not installed"
    says err "apt-get install nbdkit"
    expect 8 env PATH="$PWD/empty" "$VHDX" serve --json disk.vhdx -- true
    json_is "d['error']['message']" "nbdkit, which is the server, is not installed" ;;
esac
if command -v nbdkit >/dev/null; then
    expect 8 vhdx serve missing.vhdx -- true
    says err missing.vhdx
    expect 8 vhdx serve --layer 7 disk.vhdx -- true
    says err "no layer 7"
fi
[ "$(cksum disk.vhdx)" = "$before" ] || fail "the disk was changed"
