#!/bin/sh
# Looks for what building and testing need, and installs what is missing: packages.sh BUILD-DIRECTORY TARGET...
#
# Prints nothing when nothing is missing. Without apt-get, or with NO_INSTALL=1, it only says what to install. What is
# required and cannot be had ends with 1; the optional rest only makes tests skip, and is not asked for twice until
# `make clean`. The one thing easy to get wrong: this must cost no time when all is there, so it never asks dpkg.
# SPDX-License-Identifier: MIT

build=$1
shift
cc=${CC:-cc}
PATH=$PATH:/usr/sbin:/sbin
required= optional=

have_program() { command -v "$1" >/dev/null 2>&1; }
have_header() { $cc -E -x c -include "$1" /dev/null >/dev/null 2>&1; }
need() { required="$required $1"; }
want() { optional="$optional $1"; }

have_program "${cc%% *}" || need gcc
have_program ar || need binutils
have_header stdint.h || need libc6-dev
have_header xxhash.h || need libxxhash-dev
if grep -rqs '^.include <zlib.h>' libvhdx; then
    have_header zlib.h || need zlib1g-dev
fi

for target; do
    case $target in
    test | check-slow | asan | coverage)
        have_header criterion/criterion.h || need libcriterion-dev ;;
    esac
    case $target in
    test)
        have_program pkg-config || want pkg-config
        have_program c++ || want g++
        have_program qemu-img || want qemu-utils
        have_program vhdiinfo || want libvhdi-utils
        have_program 7zz || want 7zip
        have_program strace || want strace
        have_program valgrind || want valgrind
        have_program mkntfs || want ntfs-3g
        have_program mkfs.xfs || want xfsprogs
        have_program mkfs.vfat || want dosfstools
        have_program mcopy || want mtools
        have_program mkfs.exfat || want exfatprogs
        have_program fls || want sleuthkit
        have_program pvcreate || want lvm2
        have_program openssl || want openssl
        have_program debugfs || want e2fsprogs
        have_program sfdisk || want fdisk
        have_program sgdisk || want gdisk
        have_program mandoc || want mandoc
        have_program setfacl || want acl
        have_program setfattr || want attr
        have_program jq || want jq
        have_program nbdkit || want nbdkit
        have_header nbdkit-plugin.h || want nbdkit-plugin-dev
        have_program nbdinfo || want libnbd-bin
        have_program python3 || want python3
        have_program clang-format-14 || want clang-format-14
        have_program script || want bsdutils
        have_program setpriv || want util-linux
        have_header libvhdi.h || want libvhdi-dev ;;
    plugin)
        have_header nbdkit-plugin.h || need nbdkit-plugin-dev ;;
    demo)
        have_program debugfs || want e2fsprogs
        have_program sfdisk || want fdisk ;;
    bench)
        have_program qemu-img || want qemu-utils
        have_program strace || want strace
        [ -x /usr/bin/time ] || want time ;;
    coverage)
        have_program gcovr || need gcovr ;;
    fuzz)
        have_program clang || need clang ;;
    windows | check-windows)
        have_program x86_64-w64-mingw32-gcc || need gcc-mingw-w64-x86-64-win32
        [ -e /usr/x86_64-w64-mingw32/include/zlib.h ] || need libz-mingw-w64-dev ;;
    ci)
        have_program clang || want clang
        have_program x86_64-w64-mingw32-gcc || want gcc-mingw-w64-x86-64-win32
        [ -e /usr/x86_64-w64-mingw32/include/zlib.h ] || want libz-mingw-w64-dev
        have_program mandoc || want mandoc ;;
    esac
done

# What could not be had before is not tried again.
given_up=$build/packages-given-up
wanted=
for package in $optional; do
    grep -qsx "$package" "$given_up" || wanted="$wanted $package"
done
missing=$(printf '%s\n' $required $wanted | sort -u | tr '\n' ' ')
[ -z "${missing% }" ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    [ -t 0 ] && as_root=sudo
fi
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 \
        -o DPkg::Lock::Timeout=120 "$@" >>"$build/packages.log" 2>&1
}
install() { apt install -y --no-install-recommends "$@"; }

mkdir -p "$build"
if [ -n "$NO_INSTALL" ] || ! have_program apt-get || { [ -n "$as_root" ] && ! have_program sudo; }; then
    echo "not installed; as root: apt-get install ${missing% }"
    [ -z "$required" ] || exit 1
    exit 0
fi

echo "installing: $missing"
if ! install $missing; then
    apt update
    if [ -n "$required" ] && ! install $required; then
        echo "cannot install:$required (see $build/packages.log); try: apt-get install$required"
        exit 1
    fi
    for package in $wanted; do
        install "$package" || { echo "cannot install $package: tests that need it are skipped"
                                echo "$package" >>"$given_up"; }
    done
fi
exit 0
