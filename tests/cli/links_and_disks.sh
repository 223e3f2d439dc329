# What a slip of the name or a symbolic link must not cost: a disk under a raw image, a sibling beside the real file.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
expect 0 vhdx create --size 8M store.vhdx
mkdir real
mv store.vhdx real/base.vhdx
ln -s real/base.vhdx base.vhdx
expect 0 vhdx create --parent real/base.vhdx real/sibling.avhdx
expect 0 vhdx create --parent base.vhdx child.avhdx
before=$(cksum <real/base.vhdx)
expect 8 vhdx merge child.avhdx
says err "sibling.avhdx"
expect 8 vhdx export --overwrite -o real/sibling.avhdx child.avhdx
says err "VHDX disk"
[ "$before" = "$(cksum <real/base.vhdx)" ] || fail "a refused command has written"
rm real/sibling.avhdx
expect 0 vhdx merge -q child.avhdx
expect 0 vhdx merge -q --direction up child.avhdx
