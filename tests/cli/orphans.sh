#!/bin/bash
# vhdx orphans: what it says of a small volume; that its advice, typed as it is, leads to a volume on which everything belongs together, with
# the content of every disk that a machine uses unchanged; reports of several hosts.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
have_python || skip "needs python3"
case $VHDX in
*" "* | *.exe) skip "the advice is for a POSIX shell and names the command 'vhdx'" ;;
esac

# machine FILE NAME PATH: a configuration of Server 2012 R2.
machine() {
    mkdir -p "$(dirname "$1")"
    cat >"$1" <<XML
<?xml version="1.0" encoding="UTF-16" standalone="yes"?>
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">$3</pathname><type type="string">VHD</type>
  </drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
  <global_settings><snapshots><list><size type="integer">0</size></list></snapshots></global_settings>
  <manifest><size type="integer">0</size></manifest>
  <properties><global_id type="string">$4</global_id><name type="string">$2</name>
    <type_id type="string">Virtual Machines</type_id><version type="integer">1280</version></properties>
</configuration>
XML
}

# web: two layers, a moved base, a leftover of its own content and an empty one. mail: a long forgotten chain. lone: nobody's.
plant() {
    rm -rf vol
    mkdir -p vol/web vol/mail vol/lone vol/bases
    make_chain 16M
    mv disk.vhdx "vol/web/it's web.vhdx"
    (cd vol/web && vhdx create --parent "it's web.vhdx" used.avhdx && vhdx create --parent "it's web.vhdx" "left over.avhdx") ||
        fail "create"
    mv disk_1.avhdx vol/web/full.avhdx
    expect 0 vhdx relink --parent "vol/web/it's web.vhdx" vol/web/full.avhdx
    machine vol/web/vm.xml web 'D:\VMs\web\used.avhdx' 282874FC-59D6-4F30-BC04-5FDD909C82E0
    make_chain 16M
    expect 0 vhdx merge -o vol/mail/mail-base.vhdx disk_2.avhdx
    (cd vol/mail && vhdx create --parent mail-base.vhdx disk_1.avhdx && vhdx create --parent disk_1.avhdx disk_2.avhdx) ||
        fail "create"
    mv vol/mail/mail-base.vhdx vol/bases
    rm disk.vhdx disk_1.avhdx disk_2.avhdx
    machine vol/mail/vm.xml mail 'D:\VMs\mail\disk_2.avhdx' 382874FC-59D6-4F30-BC04-5FDD909C82E0
    (cd vol/lone && vhdx create --size 16M template.vhdx) || fail "create"
}

plant
expect 4 vhdx orphans --json vol
json_is '{f["path"]: f["status"] for f in d["files"]}["vol/web/used.avhdx"]' in-use-by-vm
json_is "{f['path']: f['status'] for f in d['files']}[\"vol/web/it's web.vhdx\"]" in-use-by-vm
json_is '{f["path"]: f["status"] for f in d["files"]}["vol/web/left over.avhdx"]' orphan
json_is '{f["path"]: f["status"] for f in d["files"]}["vol/web/full.avhdx"]' orphan
json_is '{f["path"]: f["status"] for f in d["files"]}["vol/mail/disk_1.avhdx"]' parent-moved
json_is '{f["path"]: f["status"] for f in d["files"]}["vol/lone/template.vhdx"]' standalone
json_is '[f["vms"] for f in d["files"] if f["path"].endswith("used.avhdx")][0]' "['web']"
json_is '[sorted(f["children"]) for f in d["files"] if f["path"].endswith("web.vhdx")][0][0]' vol/web/full.avhdx
json_is '["vol/mail/disk_2.avhdx", "vol/mail/disk_1.avhdx", "vol/bases/mail-base.vhdx"] in d["chains"]' True
json_is 'any("relink" in a for f in d["files"] for a in f["advice"])' True
json_is '"delete" in str([f["advice"] for f in d["files"]])' False

# The same in lines.
expect 4 vhdx orphans --json-lines vol
python3 -c 'import json
kinds = [json.loads(line)["record"] for line in open("out", encoding="utf-8")]
assert kinds.count("file") == 8 and kinds.count("family") == 3, kinds' || fail "lines"

# It only reads, and people read it.
find vol -type f -exec cksum {} + | sort >before
expect 4 vhdx orphans -v --data --complete vol
find vol -type f -exec cksum {} + | sort >after
cmp before after || fail "something was written"
says out "left over.avhdx"

# follow OPTION...: takes all steps but those for Hyper-V, as they are printed, until a search finds nothing wrong.
follow() {
    local round
    hash_of vol/web/used.avhdx >web.hash
    vhdx hash --parent vol/bases/mail-base.vhdx --parent vol/mail vol/mail/disk_2.avhdx | cut -d' ' -f1 >mail.hash
    mkdir -p bin
    ln -sf "$VHDX" bin/vhdx
    for round in 1 2 3; do
        vhdx orphans "$@" --json vol >out 2>err
        case $? in
        0) break ;;
        4) ;;
        *) fail "orphans: $(cat err)" ;;
        esac
        python3 -c 'import json
for family in json.load(open("out", encoding="utf-8"))["families"]:
    for step in family["steps"]:
        if step["kind"] in ("relink", "copy", "quarantine", "delete"):
            print(step["text"])' >steps
        [ -s steps ] || break
        PATH=$PWD/bin:$PATH bash -e steps >steps.out 2>&1 || fail "the steps: $(cat steps steps.out)"
    done
    # Now nothing is wrong; the machine that runs on a forgotten chain is offered a merge.
    json_is '[s["text"] for f in d["families"] for s in f["steps"] if s["kind"] == "merge"]' \
        "[\"vhdx merge --into 'vol/bases/mail-base.vhdx' 'vol/mail/disk_2.avhdx'\"]"
    vhdx merge --into vol/bases/mail-base.vhdx vol/mail/disk_2.avhdx >merge.out 2>&1 || fail "merge: $(cat merge.out)"
    expect 0 vhdx orphans "$@" vol
    [ "$(hash_of vol/web/used.avhdx)" = "$(cat web.hash)" ] || fail "web reads otherwise"
    [ "$(hash_of vol/mail/disk_2.avhdx)" = "$(cat mail.hash)" ] || fail "mail reads otherwise"
}

follow
[ -e vol/vhdx-quarantine/web/full.avhdx ] || fail "the leftover was not put aside"
[ "$(hash_of vol/web/full-content.vhdx)" = "$(vhdx hash --parent vol/web vol/vhdx-quarantine/web/full.avhdx | cut -d' ' -f1)" ] ||
    fail "what the leftover held was not kept"

# From inside: the same place for what is put aside, and lines for Hyper-V that have a path of its host, or none.
plant
cd vol || exit 1
expect 4 vhdx orphans --json .
json_is '[s["text"] for f in d["families"] for s in f["steps"] if s["kind"] == "quarantine" and "full" in s["text"]][0].split(" && ")[0]' \
    "mkdir -p 'vhdx-quarantine/web'"
expect 0 vhdx relink --parent bases/mail-base.vhdx mail/disk_1.avhdx
expect 4 vhdx orphans --json .
json_is '[s["text"].split("-Path ")[1] for f in d["families"] for s in f["steps"] if "Set-VM" in s["text"]]' \
    "[\"'D:\\\\VMs\\\\bases\\\\mail-base.vhdx'\"]"
expect 0 vhdx merge --config mail --dry-run --into bases/mail-base.vhdx mail/disk_2.avhdx
says out "-Path 'D:\\VMs\\bases\\mail-base.vhdx'"
[ "$(grep -c Set-VMHardDiskDrive out)" = 1 ] || fail "a machine is told twice: $(cat out)"
cd ..

# With everything searched and compared, what is redundant may go, and what is not may not.
plant
follow --data --complete
[ ! -e "vol/web/left over.avhdx" ] || fail "a redundant leaf is still there"
[ -e vol/vhdx-quarantine/web/full.avhdx ] || fail "a leaf with content of its own did not survive"

# A configuration that cannot be read keeps everything where it is.
plant
printf '\x14\x20\x28\x01 broken' >vol/lone/282874FC-59D6-4F30-BC04-5FDD909C82E0.vmcx
expect 4 vhdx orphans --data --complete --json vol
json_is '[s["kind"] for f in d["families"] for s in f["steps"] if s["kind"] in ("delete", "quarantine")]' '[]'
rm vol/lone/*.vmcx

# Another host's machine uses what this host's do not: its report tells.
mkdir -p other
machine other/vm.xml other '\\nas\share\web\full.avhdx' 482874FC-59D6-4F30-BC04-5FDD909C82E0
expect 4 vhdx orphans --json other
cp out b.json
expect 4 vhdx orphans --json vol
cp out a.json
expect 4 vhdx orphans --from-json a.json b.json --json
json_is '[f["status"] for f in d["files"] if f["path"] == "vol/web/full.avhdx"]' "['in-use-by-vm']"
json_is '[f["status"] for f in d["files"] if f["path"] == "vol/web/left over.avhdx"]' "['orphan']"
expect 8 vhdx orphans --from-json vol/lone/template.vhdx
one_line_of_error

# Layers below a checkpoint that nothing names: the merge that is offered keeps the checkpoint and the machine as they are.
mkdir -p deep/Snapshots
make_chain 16M
mv disk.vhdx disk_1.avhdx disk_2.avhdx deep
(cd deep && vhdx create -q --parent disk_2.avhdx disk_3.avhdx && vhdx create -q --parent disk_3.avhdx disk_4.avhdx) || fail "create"
machine deep/vm.xml deep 'D:\VMs\deep\disk_4.avhdx' 782874FC-59D6-4F30-BC04-5FDD909C82E0
machine deep/Snapshots/s.xml deep 'D:\VMs\deep\disk_3.avhdx' 882874FC-59D6-4F30-BC04-5FDD909C82E0
sed -i 's/Virtual Machines</Snapshots</' deep/Snapshots/s.xml
sed -i '/<snapshots>/s/>0</>1</' deep/vm.xml
sed -i 's/<properties>/<properties><!-- -->/' deep/Snapshots/s.xml
expect 0 vhdx orphans --json deep
json '[s["text"] for f in d["families"] for s in f["steps"] if s["kind"] == "merge"][0]' >step
says step "vhdx merge --into 'deep/disk.vhdx' 'deep/disk_2.avhdx'"
hash_of deep/disk_3.avhdx >three.hash
hash_of deep/disk_4.avhdx >four.hash
mkdir -p bin
ln -sf "$VHDX" bin/vhdx
PATH=$PWD/bin:$PATH bash -e step >step.out 2>&1 || fail "the step: $(cat step step.out)"
rm deep/disk_1.avhdx deep/disk_2.avhdx # they are part of the base now
[ "$(hash_of deep/disk_3.avhdx)" = "$(cat three.hash)" ] || fail "the checkpoint reads otherwise"
[ "$(hash_of deep/disk_4.avhdx)" = "$(cat four.hash)" ] || fail "the machine's disk reads otherwise"
expect 0 vhdx orphans deep

# A report judged again says what the search said: also of names with a '\\', and of what was compared.
mkdir -p 'again/a\b'
(cd 'again/a\b' && vhdx create -q --size 16M base.vhdx && vhdx create -q --parent base.vhdx left.avhdx &&
    cp base.vhdx copy.vhdx && vhdx create -q --size 16M ../other.vhdx) || fail "create"
machine again/vm.xml web 'D:\VMs\again\other.vhdx' 682874FC-59D6-4F30-BC04-5FDD909C82E0
for options in "" "--data --complete"; do
    expect 4 vhdx orphans $options --json again
    cp out again.json
    json '[(f["path"], f["status"], f["comparison"], f["advice"]) for f in d["files"]]' >first
    json '[s["kind"] for f in d["families"] for s in f["steps"]]' >first.kinds
    expect 4 vhdx orphans ${options:+--complete} --from-json again.json --json
    json '[(f["path"], f["status"], f["comparison"], f["advice"]) for f in d["files"]]' >second
    json '[s["kind"] for f in d["families"] for s in f["steps"]][1:]' >second.kinds # the first says where to type them
    cmp first second || fail "a report is judged otherwise: $(cat first second)"
    cmp first.kinds second.kinds || fail "a report leads to other steps: $(cat first.kinds second.kinds)"
done
grep -q delete first.kinds || fail "nothing redundant was found: $(cat first)"
rm again/other.vhdx # it may be any of the others, under another name
expect 4 vhdx orphans --data --complete --json again
json_is '[s["kind"] for f in d["families"] for s in f["steps"] if s["kind"] == "delete"]' '[]'
json_is '["disks that web names were not found" in f["blockers"] for f in d["families"]]' '[True]'

# A file that the search could not know of lies where one is to be moved: the command says that it did not.
plant
mkdir -p vol/vhdx-quarantine/web/full.avhdx
expect 4 vhdx orphans --json vol
json '[s["text"] for f in d["families"] for s in f["steps"] if s["kind"] == "quarantine" and "full.avhdx" in s["text"]][0]' >step
mv vol/vhdx-quarantine/web/full.avhdx vol/vhdx-quarantine/web/x
echo precious >vol/vhdx-quarantine/web/full.avhdx
bash -e step 2>step.err && fail "the command believes that it moved a file"
[ -e vol/web/full.avhdx ] || fail "a file is gone"
[ "$(cat vol/vhdx-quarantine/web/full.avhdx)" = precious ] || fail "a file was replaced"

# Where a path is here can be said; a machine's configuration may be elsewhere.
mkdir -p x/one/web x/two/web conf
(cd x/one/web && vhdx create --size 16M d.vhdx) && cp x/one/web/d.vhdx x/two/web/d.vhdx
machine conf/vm.xml web 'D:\web\d.vhdx' 582874FC-59D6-4F30-BC04-5FDD909C82E0
expect 4 vhdx orphans --config conf --map 'D:\=x/two' --json x
json_is '[f["status"] for f in d["files"]]' "['duplicate', 'in-use-by-vm']"

expect 8 vhdx orphans nowhere
one_line_of_error
