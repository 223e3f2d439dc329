#!/bin/bash
# Every command that README.md and the manual pages show is run, page by page, in the order of the page, in a directory
# with the files that the pages speak of. A command is a line that begins with "$ "; all must end with 0. So are the
# examples of the help texts. Commands of
# make are checked to have a target and are not run from inside make.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*" "* | *.exe) skip "the examples are for a POSIX shell and name the command 'vhdx'" ;;
esac

make_chain 64M
here=$PWD
mkdir bin
ln -s "$VHDX" bin/vhdx
library=$TOP/build/libvhdx.a # the plain build: a sanitized one links only with its own flags
[ -r "$library" ] || library=$(dirname "$(readlink -f "$VHDX")")/libvhdx.a
printf '#!/bin/sh\necho "-I%s/include %s -lpthread -lz"\n' "$TOP" "$library" >bin/pkg-config
chmod +x bin/pkg-config
PATH=$here/bin:$PATH
command -v cc >/dev/null && have_cc=yes || have_cc=
plugin=$(dirname "$(readlink -f "$VHDX")")/nbdkit-vhdx-plugin.so
command -v nbdkit nbdinfo nbdcopy >/dev/null && [ -e "$plugin" ] && have_nbd=yes || have_nbd=

machine() {
    cat <<'END'
<?xml version="1.0" encoding="UTF-16" standalone="yes"?>
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">D:\VMs\page\disk_2.avhdx</pathname><type type="string">VHD</type>
  </drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
  <manifest/>
  <properties><name type="string">Mail</name><version type="integer">1280</version>
    <global_id type="string">282874FC-59D6-4F30-BC04-5FDD909C82E0</global_id></properties>
</configuration>
END
}

run_page() {
    local page=$1 count=0 line
    rm -rf page
    mkdir page
    cp disk.vhdx disk_1.avhdx disk_2.avhdx page
    machine >page/machine.xml
    cd page || exit 1
    sed -n '/^```c$/,/^```$/{/^```/d;p}' "$page" >program.c
    grep -E '^( *|\.Dl )\$ ' "$page" | sed -E 's/^( *|\.Dl )\$ //; s/\\&//g' >../commands
    while IFS= read -r line; do
        count=$((count + 1))
        case $line in
        make | "make "*)
            make -n -C "$TOP" ${line#make} PREFIX="$here/prefix" >../example.out 2>&1 ;;
        cc*)
            [ -n "$have_cc" ] && [ -e "$library" ] || continue
            eval "$line" >../example.out 2>&1 && ./a.out disk.vhdx >>../example.out 2>&1 ;;
        *nbd*)
            [ -n "$have_nbd" ] || continue
            bash -o pipefail -c "${line//nbdkit-vhdx-plugin.so/$plugin}" >../example.out 2>&1 ;;
        *)
            bash -o pipefail -c "$line" >../example.out 2>&1 ;;
        esac || {
            cat ../example.out >&2
            fail "$(basename "$page"): $line"
        }
    done <../commands
    cd "$here" || exit 1
    [ $count -gt 0 ] || fail "$(basename "$page") shows no command"
}

# Help texts: the lines below "Examples:".
commands=$(vhdx --help | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p')
says_examples=
for command in $commands; do
    vhdx "$command" --help | sed -n '/^Examples:$/,/^$/s/^  \(vhdx .*\)$/$ \1/p' >"help-of-$command"
    [ -s "help-of-$command" ] || continue
    says_examples+=" $command"
    run_page "$here/help-of-$command"
done
[[ " $says_examples " == *" merge "* ]] || fail "the help of merge shows no example (commands: $commands)"

for page in "$TOP/README.md" "$TOP"/docs/man/*.1; do
    run_page "$page"
done
