# What the scripts beside this share; they run the real tool under strace, which kills it or makes system calls fail.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

case $VHDX in
*.exe) skip "no strace there" ;;
esac
command -v strace >/dev/null || skip "strace is not installed"
command -v openssl >/dev/null || skip "openssl is not installed"
[ -x "${GUEST:-}" ] || skip "the program that plays the machine (GUEST) is not there"
strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"

# A sanitized tool looks for leaks at its end, which it cannot do while it is traced.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

# Hundreds of flushes: in memory where that can be had.
if [ -d /dev/shm ] && scratch=$(mktemp -d /dev/shm/vhdx-fault.XXXXXX 2>/dev/null); then
    trap 'rm -rf "$scratch"' EXIT
    cd "$scratch" || exit 1
fi

# random_bytes RAW SEED OFFSET COUNT: writes bytes that follow from the seed.
random_bytes() {
    openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$2")" -iv 0 -in /dev/zero 2>/dev/null | head -c "$4" |
        dd of="$1" bs=64K seek="$3" oflag=seek_bytes iflag=fullblock conv=notrunc status=none || fail "dd"
}

# build_chain LAYERS: base.vhdx and layer1.avhdx to layerN.avhdx in the directory "kept", a copy of which each attempt
# gets. Each layer changes a part of a disk of 40 MiB, also in a block that the base has not; the last two make the
# disk larger.
build_chain() {
    local layers=$1 n arguments=(base.vhdx raw0)
    truncate -s 40M raw0
    random_bytes raw0 1 0 1500000
    random_bytes raw0 2 8388608 300000
    for n in $(seq "$layers"); do
        cp --sparse=always "raw$((n - 1))" "raw$n"
        random_bytes "raw$n" "1$n" $((n * 300032)) 200192
        random_bytes "raw$n" "2$n" $((36 * 1048576 + n * 20480)) 4096
        dd if=/dev/zero of="raw$n" bs=512 seek=$((n * 1000)) count=300 conv=notrunc status=none
        [ "$n" -lt $((layers - 1)) ] || truncate -s +1M "raw$n"
        arguments+=("layer$n.avhdx" "raw$n")
    done
    mkdir kept
    (cd kept && ln -s ../raw* . && "$GUEST" "${arguments[@]}" && rm raw*) || fail "no chain"
}

# A new chain in the directory "work".
fresh() {
    rm -rf work
    cp -r --sparse=always kept work
}

# count_calls NAMES COMMAND...: how many such system calls the command makes; it must succeed.
count_calls() {
    local names=$1
    shift
    strace -f -o trace -e trace="$names" "$@" >/dev/null 2>err || fail "$* under strace: $(cat err)"
    grep -cE "^[0-9]+ +($(tr , '|' <<<"$names"))\(" trace
    return 0
}

# injected WHAT COMMAND...: its exit status. The shell's remark about a killed command is lost. strace counts each
# name by itself.
injected() {
    local what=$1
    shift
    (
        strace -f -o /dev/null -e inject="$what" "$@" >out 2>err
        exit $?
    ) 2>/dev/null
}

# ---- volumes ----

# Skips unless file systems in files can be mounted here.
need_volumes() {
    [ "$(id -u)" = 0 ] || skip "only root may mount volumes"
    command -v mkfs.ext4 >/dev/null || skip "mkfs.ext4 is not there (e2fsprogs)"
    trap 'unmount_volume; rm -rf "${scratch:-}"' EXIT
    mkdir mnt
    truncate -s 8M image
    mkfs.ext4 -q -F image && mount -o loop image mnt 2>/dev/null || skip "no loop devices to mount here"
    unmount_volume
}

# mount_volume KIND SIZE: an empty file system of that kind at mnt, without shared extents.
mount_volume() {
    rm -f image
    truncate -s "$2" image
    case $1 in
    ext4) mkfs.ext4 -q -F -m 0 image ;;
    xfs) mkfs.xfs -q -f -m reflink=0 image ;;
    esac >/dev/null 2>&1 || fail "mkfs.$1"
    mount -o loop image mnt || fail "mount"
}

unmount_volume() {
    ! mountpoint -q mnt || umount mnt || { sleep 1; umount mnt; } || umount -l mnt
}
