#!/bin/bash
# The documents of verify, repair, undo and export --salvage, key by key and type by type, over disks damaged in many ways;
# the exit status that goes with each; and what a failure prints.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
have_python || skip "python3 is not installed"
make_chain 64M

cat >check.py <<'END'
import json, sys

def need(ok, what):
    if not ok:
        sys.exit(what)

def whole(value):
    return type(value) is int and value >= 0

def finding(f):
    need(set(f) == {"id", "severity", "structure", "offset", "index", "count", "found", "expected", "message", "advice",
                    "repairable", "repair", "corrected", "spec"}, "keys of a finding: %s" % sorted(f))
    need(f["id"].startswith("VHDX-") and type(f["message"]) is str and f["message"], "id or message")
    need(f["severity"] in ("info", "warning", "error"), "severity")
    need(type(f["structure"]) is str and type(f["spec"]) is str, "structure, spec")
    for key in "offset", "index", "found", "expected":
        need(f[key] is None or whole(f[key]), key)
    need(whole(f["count"]) and f["count"] > 0, "count")
    need(f["advice"] is None or type(f["advice"]) is str, "advice")
    need(f["repair"] in ("none", "lossless", "salvage") and f["repairable"] == (f["repair"] != "none"), "repair")
    need(type(f["corrected"]) is bool, "corrected")

def one_file(f, command, status):
    keys = {"path", "status", "findings", "left_out", "lost", "map", "bytes_missing"}
    if f["status"] == "unreadable":
        keys |= {"reason"} | ({"advice"} if status >= 8 else set())
    if command.startswith("repair"):
        keys |= {"undo"} | ({"plan"} if command == "repair-dry" and status < 8 else set())
    if command.startswith("verify"):
        keys |= {"content", "opens"}
    need(set(f) == keys, "keys of a file: %s" % sorted(f))
    need(type(f["path"]) is str and whole(f["left_out"]), "path, left_out")
    need(f["status"] in ("clean", "corrected", "errors", "unreadable"), "status")
    for one in f["findings"]:
        finding(one)
    rank = [("error", "warning", "info").index(one["severity"]) for one in f["findings"]]
    need(rank == sorted(rank), "the worst is not first")
    end = 0
    for lost in f["lost"]:
        need(set(lost) == {"offset", "length", "reason", "doubtful"} and lost["length"] > 0, "a lost range")
        need(type(lost["doubtful"]) is bool, "doubtful")
        need(lost["offset"] >= end and type(lost["reason"]) is str and lost["reason"], "order or reason of lost ranges")
        end = lost["offset"] + lost["length"]
    for key in "undo", "map":
        need(f.get(key) is None or type(f[key]) is str, key)
    for write in f.get("plan", []):
        need(set(write) == {"write", "offset", "length", "id", "salvage", "gives_back", "gives_up"}, "keys of a write")
        need(write["write"] in ("bytes", "size") and whole(write["offset"]) and whole(write["length"]), "a write")
        need(type(write["salvage"]) is bool and type(write["gives_back"]) is str, "what a write gives")
        need(write["gives_up"] is None or write["salvage"], "a write that gives something up without salvage")
    errors = [one for one in f["findings"] if one["severity"] == "error" and not one["corrected"]]
    if command == "verify" and f["status"] != "unreadable":
        need((f["status"] == "errors") == bool(errors), "status of the file")
    if command == "repair" and status < 8:
        given_up = f["status"] == "corrected" and f["map"]
        need(status == (4 if given_up else {"clean": 0, "corrected": 1, "errors": 4, "unreadable": 4}[f["status"]]),
             "status %d" % status)
        need(not f["lost"] or status == 4, "content was given up, and the status is %d" % status)
        need(f["status"] != "corrected" or not errors, "corrected, with errors")
    if command == "repair-dry" and status < 8:
        need(status == (4 if errors or f["plan"] else 0), "status %d of a dry run" % status)

command, status = sys.argv[1], int(sys.argv[2])
with open("out", encoding="utf-8") as f:
    d = json.load(f)
if command == "undo":
    need({"format", "undo", "files", "bytes_restored", "ended", "cut_off", "next", "warnings"} == set(d), "keys: %s" % sorted(d))
    need(whole(d["files"]) and whole(d["bytes_restored"]) and d["ended"] is True and d["cut_off"] is False, "undo")
elif command == "export":
    need({"format", "path", "output", "map", "pieces", "virtual_size", "good", "doubtful", "lost", "missing", "parent_missing",
          "ranges_complete", "ranges", "next", "warnings"} == set(d), "keys: %s" % sorted(d))
    need(d["good"] + d["doubtful"] + d["lost"] + d["missing"] == d["virtual_size"], "the sum of all ranges")
    need(status == (0 if d["good"] == d["virtual_size"] and not d["pieces"] else 4), "status %d" % status)
else:
    need(d["format"] == 1, "format")
    need(("error" in d) == (status >= 8), "error and status %d" % status)
    need(set(d) - {"error"} == {"files", "format"} | ({"machines", "next", "warnings"} if command.startswith("repair") else set()),
         "keys: %s" % sorted(d))
    for one in d["files"]:
        one_file(one, command, status)
    bad = any(one["status"] in ("errors", "unreadable") for one in d["files"])
    if command == "verify" and status < 8:
        need(status == (4 if bad else 0), "status %d" % status)
END

# document COMMAND-AS-IN-CHECK COMMAND...: its document is as it should be, and messages stay where they belong.
document() {
    local kind=$1 ended
    shift
    "$@" >out 2>err
    ended=$?
    [ $ended -lt 16 ] || fail "$* ended with $ended"
    if [ $ended -ge 8 ]; then
        [ "$(grep -vc '^vhdx: warning' err)" = 1 ] || fail "$*: not one line of error: $(cat err)"
    fi
    python3 check.py "$kind" $ended || { cat out err; fail "$* ($ended): see above"; }
}

poke() { printf '%b' "$2" | dd of=d.vhdx bs=1 seek=$(($1)) conv=notrunc status=none || fail dd; }
noise() { awk -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%c", 33 + i * 7919 % 90 }' | dd of=d.vhdx bs=64K seek=$(($1)) oflag=seek_bytes conv=notrunc status=none; }
bat=0x300000
damages=(true "poke 0x10010 X" "noise 0x10000 131072" "noise 0 520" "noise 0x30000 4096" "noise 0x30000 131072" "noise 0x200000 8"
    "noise 0x200000 4096" "noise 0x210000 4096" "noise $bat 64" "noise $bat 65536" "noise 0x100000 65536" "poke $bat+5 XX"
    "poke $bat+8 \\06\\0\\060" "truncate -s -1M d.vhdx" "truncate -s 3M d.vhdx" "truncate -s 2100000 d.vhdx" "truncate -s 70000 d.vhdx"
    "truncate -s 100 d.vhdx" "truncate -s 0 d.vhdx" "noise 0 1048576" "noise 0 4194304")
turn=0
for disk in disk.vhdx disk_1.avhdx; do
    for damage in "${damages[@]}"; do
        turn=$((turn + 1)) # of the child a sample
        [ -n "${VHDX_SLOW:-}" ] || [ $disk = disk.vhdx ] || [ $((turn % 4)) = 0 ] || continue
        cp $disk d.vhdx
        $damage
        cp d.vhdx damaged.vhdx
        document verify vhdx verify --json d.vhdx
        document verify vhdx verify --json --chain --data d.vhdx
        document repair-dry vhdx repair --json --dry-run --salvage d.vhdx
        document repair vhdx repair --json d.vhdx
        document repair vhdx repair --json --salvage d.vhdx
        [ ! -e d.vhdx.vhdx-undo ] || document undo vhdx undo --json d.vhdx.vhdx-undo
        cmp d.vhdx damaged.vhdx || fail "$damage: undo does not lead back"
        vhdx export --salvage --json -o raw d.vhdx >out 2>err
        ended=$?
        [ $ended = 8 ] || python3 check.py export $ended || fail "export of $damage, $ended: $(cat out)"
        cmp d.vhdx damaged.vhdx || fail "$damage: export has written"
        rm -f raw raw.* d.vhdx-undo d.vhdx.vhdx-*
    done
done

# Failures: a document of repair too; and nothing on standard output without --json.
echo "no disk" >text
for file in text missing.vhdx .; do
    document verify vhdx verify --json $file
    document repair vhdx repair --json $file
    for command in verify "repair" "repair -q" undo "export --salvage -o raw"; do
        expect 8 vhdx $command $file
        one_line_of_error
    done
done
expect 16 vhdx repair --salvage --undo x --map x disk.vhdx
one_line_of_error

# Output that cannot be written: 8, and the disk is repaired all the same.
if [ -e /dev/full ]; then
    cp disk.vhdx d.vhdx
    poke 0x10010 X
    cp d.vhdx damaged.vhdx
    for command in verify "verify --json" "repair --dry-run" "repair --json" "export --salvage --overwrite -o raw"; do
        vhdx $command d.vhdx >/dev/full 2>err
        [ $? = 8 ] || fail "$command on a full standard output"
        [ "$(wc -l <err)" = 1 ] || fail "$command on a full standard output: $(cat err)"
    done
    expect 0 vhdx verify d.vhdx
    says_not out warning
    expect 0 vhdx undo -q d.vhdx.vhdx-undo
    cmp d.vhdx damaged.vhdx || fail "undo does not lead back"
fi
