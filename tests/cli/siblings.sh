#!/bin/bash
# A merge that would make another disk invalid is refused and names that disk; --force-siblings goes on with a warning.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
expect 0 vhdx create --parent disk.vhdx other.avhdx
before=$(cat *.vhdx *.avhdx | cksum)
for option in "" --dry-run; do
    expect 8 vhdx merge $option --into disk.vhdx disk_2.avhdx
    [ ! -s out ] || fail "a refused merge prints: $(cat out)"
    tail -n 1 err >last
    says last other.avhdx
    says last --force-siblings
done
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a refused merge changed something"
expect 0 vhdx merge -o new.vhdx disk_2.avhdx
rm new.vhdx
expect 0 vhdx merge --json --force-siblings --into disk.vhdx disk_2.avhdx
says err "vhdx: warning: "
says err other.avhdx
json_is 'any("other.avhdx" in w for w in d["warnings"])' True
reads_as disk_2.avhdx 2.raw

# Siblings that lie elsewhere are seen where they are looked for: in a directory with all below it, or in a report, also of another
# host. The layers themselves are none, whatever their paths there.
mkdir -p golden a b/deep
vhdx create -q --size 8M golden/g.vhdx && vhdx create -q --parent golden/g.vhdx a/a.vhdx &&
    vhdx create -q --parent golden/g.vhdx b/deep/b.vhdx || fail create
expect 4 vhdx orphans --json b
cp out b.json
expect 4 vhdx orphans --json a golden
cp out own.json
expect 0 vhdx merge --dry-run a/a.vhdx
says out "beside the layers only (--siblings)"
for place in . b b.json; do
    expect 8 vhdx merge --dry-run --siblings "$place" a/a.vhdx
    says err "b.vhdx is another child"
    expect 8 vhdx merge --siblings golden --siblings "$place" a/a.vhdx
    expect 0 vhdx merge --dry-run --force-siblings --siblings "$place" a/a.vhdx
    says err "b.vhdx would become invalid"
done
sed 's|"[^"]*/a/a.vhdx"|"/far/away/a.vhdx"|' own.json >far.json # as another host sees it
for place in a golden own.json far.json; do
    expect 0 vhdx merge --dry-run --siblings "$place" a/a.vhdx
    says out "beside the layers and in $place"
done
mv b/deep b/vhdx-quarantine
expect 0 vhdx merge --dry-run --siblings b a/a.vhdx

# A disk on another host that hangs on the child reads on through it, unless that goes.
vhdx create -q --parent a/a.vhdx b/upper.avhdx || fail create
expect 4 vhdx orphans --json b
sed 's|"[^"]*/b/upper.avhdx"|"/far/away/upper.avhdx"|; s|"b/upper.avhdx"|"/far/away/upper.avhdx"|' out >upper.json
rm b/upper.avhdx
expect 0 vhdx merge --dry-run --siblings upper.json a/a.vhdx
expect 8 vhdx merge --dry-run --delete --siblings upper.json a/a.vhdx
says err "upper.avhdx"

# What cannot be read there may be another child, and a place must be there.
head -c 3000000 /dev/zero | tr '\0' '\1' >b/broken.avhdx
printf vhdxfile | dd of=b/broken.avhdx conv=notrunc status=none
expect 8 vhdx merge --dry-run --siblings b a/a.vhdx
says err "broken.avhdx is damaged"
expect 8 vhdx merge --dry-run --siblings nowhere a/a.vhdx
one_line_of_error
expect 8 vhdx merge --dry-run --siblings a/a.vhdx a/a.vhdx
expect 16 vhdx merge -o new.vhdx --siblings b a/a.vhdx
