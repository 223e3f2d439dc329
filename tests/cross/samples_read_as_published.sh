# Disks that Windows, Hyper-V and qemu wrote, dirty logs included: content as published with them (SHA-256), files
# untouched.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
[ -n "${VHDX_SAMPLES:-}" ] || skip "VHDX_SAMPLES is not set"

while read -r name want log; do
    [ -r "$VHDX_SAMPLES/$name.gz" ] || fail "$name.gz is not in VHDX_SAMPLES"
    gzip -dc "$VHDX_SAMPLES/$name.gz" | dd of="$name" bs=64K conv=sparse iflag=fullblock status=none
    truncate -s "$(gzip -dc "$VHDX_SAMPLES/$name.gz" | wc -c)" "$name"
    chmod a-w "$name"
    file=$(sha256 <"$name")
    run info --json "$name" >info.json
    grep -q "\"log\": *\"$log\"" info.json || fail "$name: the log is not $log"
    got=$("$VHDX" export -o - "$name" | sha256)
    [ "$got" = "$want" ] || fail "$name: content is $got, not $want"
    [ "$(sha256 <"$name")" = "$file" ] || fail "$name: reading has changed the file"
    rm -f "$name"
done <<'END'
windows10-dynamic-10M.vhdx 8e2b5e9265d694b42b81819e3bff29770eff4ed0f4f9f311693ff3dbdc93efac clean
windows10-fixed-10M.vhdx bc0be4623b15aa84216fb31ba24e3b621ec7f1c72d198c990ac0eced222d9f62 clean
windows10-dirty-log-1G.vhdx 3ba3b309425b7ff5e8e0199edceed95226250f880c53b24e8eae93865f3fad5e dirty
hyperv2012-dynamic-1G.vhdx d3d112d8dab7fd360609f7d5a7b769904b7a2a7d7b6b8c535f65a23293c05478 clean
windows2016-swap-10G.vhdx 60dd30b4c74361427d1089510cabb36e2eeda0cc4747f467ea43173acd358c49 clean
qemu-dirty-log-10G.vhdx 179cefe8b0587f123393eedf2aa7aa8d25798591178e6bc3950a09762f38f96f dirty
END
