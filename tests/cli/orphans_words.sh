#!/bin/bash
# vhdx orphans, as people read it: no praise for what is not known, the most dangerous first, machines in the heads, and what a
# comparison has found.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

# machine FILE NAME PATH ID
machine() {
    mkdir -p "$(dirname "$1")"
    cat >"$1" <<XML
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">$3</pathname><type type="string">VHD</type>
  </drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_><manifest/>
  <properties><global_id type="string">$4</global_id><name type="string">$2</name></properties>
</configuration>
XML
}
id=282874FC-59D6-4F30-BC04-5FDD909C82E

# An empty mount point is not in order.
mkdir -p empty/deep
expect 4 vhdx orphans empty
says out "No virtual disk was found below empty. Is the volume mounted?"
says_not out "everything belongs together"
expect 4 vhdx orphans --json empty

# Without any configuration nothing is praised; with one, what it does not name stands apart.
mkdir -p vol/web vol/old
vhdx create -q --size 16M vol/old/old-server.vhdx || fail create
expect 0 vhdx orphans vol
says out "Named by no machine"
says out "No configuration was found"
says_not out "Nothing is wrong with"
says_not out "everything belongs together"
vhdx create -q --size 16M vol/web/web.vhdx || fail create
machine vol/web/vm.xml web 'D:\VMs\web\web.vhdx' ${id}0
expect 0 vhdx orphans vol
says out "Nothing is wrong with"
says out "web: web.vhdx"
says out "old-server.vhdx"
says out "1 is named by no machine"
[ "$(grep -n old-server.vhdx out | cut -d: -f1)" -gt "$(grep -n 'Named by no machine' out | cut -d: -f1)" ] || fail "apart"
rm -r vol/old
expect 0 vhdx orphans vol
says out "everything belongs together"

# The most dangerous first, whatever the paths; headed by the machine.
mkdir -p vol/a vol/b vol/z
(cd vol/a && vhdx create -q --size 16M a.vhdx && vhdx create -q --parent a.vhdx left.avhdx &&
    cd ../b && vhdx create -q --size 16M b.vhdx && vhdx create -q --parent b.vhdx gone.avhdx && rm b.vhdx &&
    cd ../z && vhdx create -q --size 16M base.vhdx && vhdx create -q --parent base.vhdx newer.avhdx) || fail create
machine vol/z/vm.xml mail 'D:\VMs\z\base.vhdx' ${id}1
expect 4 vhdx orphans vol
[ "$(head -n 1 out | cut -d' ' -f1-2)" = "mail: base.vhdx" ] || fail "the first is not the most dangerous: $(head -n 1 out)"
line() {
    grep -n -m 1 "$1" out | cut -d: -f1
}
[ "$(line gone.avhdx)" -lt "$(line left.avhdx)" ] || fail "a lost parent comes after a leftover"
expect 4 vhdx orphans -q --html page.html vol
grep -q '<h3>mail: base.vhdx</h3>' page.html || fail "the page does not name the machine"
[ "$(grep -o '<h3>[^<]*' page.html | head -n 1)" = "<h3>mail: base.vhdx" ] || fail "the page begins with something else"

# What was compared is said, also where nothing can be proposed; the name is not that of the copy.
rm -r vol/z vol/a vol/b
cp vol/web/web.vhdx "vol/web/Copy of web.vhdx"
head -c 3000000 vol/web/web.vhdx | tr '\0' '\1' >vol/broken.vhdx
printf vhdxfile | dd of=vol/broken.vhdx conv=notrunc status=none
expect 4 vhdx orphans --data vol
says out "compared: all bytes are equal"
grep -q '^web: web.vhdx' out || fail "headed by the copy: $(cat out)"
grep -A 20 '^web: web.vhdx' out | grep -q "Nothing here is proposed to be moved" || fail "no word on the copy"
