#!/bin/bash
# Compares what two builds of the command say: compare_json.sh OLD NEW [IMAGES]. Each runs with --json on the disks of
# VHDX_SAMPLES and on IMAGES (500) damaged disks that the judge's builder makes from seeds 1, 2, ...; documents and exit
# statuses are compared member by member. Prints a line for each kind of difference (command, member, finding) with its
# number and the first example, and ends with 1 when there is any. For changes that are meant to change nothing: run it
# by hand, with the binary of the commit before. Writes to no disk but copies of its own.
# SPDX-License-Identifier: MIT

[ $# -ge 2 ] || { echo "usage: $0 OLD NEW [IMAGES]" >&2; exit 2; }
old=$(realpath "$1") new=$(realpath "$2") images=${3:-500}
cd "$(dirname "$0")/.." || exit 2
judge=$(ls -t build/main-*/test-judge 2>/dev/null | head -n 1)
[ -n "$judge" ] || { echo "$0: no test-judge: 'make compile' first" >&2; exit 2; }
judge=$(realpath "$judge")
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export work old new images judge

python3 - <<'END'
import gzip, json, os, re, shutil, subprocess, sys

work, old, new, judge = (os.environ[n] for n in ("work", "old", "new", "judge"))
samples = os.environ.get("VHDX_SAMPLES")
kinds = {}     # (command, what): [number, example]
documents = 0


def note(command, what, where, a, b):
    row = kinds.setdefault((command, what), [0, "%s: %.150s -> %.150s" % (where, a, b)])
    row[0] += 1


def run(binary, command, directory):
    done = subprocess.run([binary] + command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    try:
        document = json.loads(done.stdout or b"null")
    except ValueError:
        document = {"no JSON": done.stdout.decode(errors="replace")}
    return done.returncode, document


def key_of(item):
    return item.get("id") if isinstance(item, dict) and isinstance(item.get("id"), str) else None


def compare(name, path, where, a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        found = ":" + a["id"] if isinstance(a.get("id"), str) and a["id"] == b.get("id") and "-" in a["id"] else ""
        for key in sorted(a.keys() | b.keys()):
            if key not in a or key not in b:
                note(name, "%s%s.%s %s" % (path, found, key, "is gone" if key in a else "is new"), where,
                     a.get(key), b.get(key))
            else:
                compare(name, path + found + "." + key, where, a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list):
        ids_a, ids_b = [key_of(i) for i in a], [key_of(i) for i in b]
        if ids_a != ids_b and any(ids_a + ids_b):
            for one in sorted(set(filter(None, ids_a + ids_b))):
                if ids_a.count(one) != ids_b.count(one):
                    note(name, "%s %s: %s" % (path, one, "fewer" if ids_a.count(one) > ids_b.count(one) else "more"),
                         where, ids_a.count(one), ids_b.count(one))
            for one in sorted(set(ids_a) & set(ids_b), key=str):
                for x, y in zip([i for i in a if key_of(i) == one], [i for i in b if key_of(i) == one]):
                    compare(name, path + "[]", where, x, y)
        elif len(a) != len(b):
            note(name, path + " has another length", where, a, b)
        else:
            for x, y in zip(a, b):
                compare(name, path + "[]", where, x, y)
    elif a != b:
        note(name, path, where, a, b)


def both(command, directory, where):
    global documents
    results = [run(binary, command, directory) for binary in (old, new)]
    documents += 1
    name = " ".join(c for c in command if not c.startswith("/") and "." not in c)
    if results[0][0] != results[1][0]:
        note(name, "exit status %d -> %d" % (results[0][0], results[1][0]), where, "", "")
    compare(name, "", where, results[0][1], results[1][1])


def disk(name, directory, where):
    for command in (["info", "--chain"], ["verify"], ["map"], ["merge", "--dry-run"], ["repair", "--dry-run"],
                    ["repair", "--salvage", "--dry-run"]):
        both(command + ["--json", name], directory, where)


def the_samples():
    directory = os.path.join(work, "samples")
    os.mkdir(directory)
    for base, _, names in os.walk(samples):
        for name in names:
            if name.endswith(".gz"):
                with gzip.open(os.path.join(base, name)) as packed, open(os.path.join(directory, name[:-3]), "wb") as out:
                    shutil.copyfileobj(packed, out)
    for name in sorted(os.listdir(directory)):
        if re.search(r"\.a?vhdx?$", name):
            disk(name, directory, name)
        else:
            both(["config", "--json", name], directory, name)
    both(["orphans", "--json", "."], directory, "samples")
    shutil.rmtree(directory)


def the_built(seed):
    directory = os.path.join(work, str(seed))
    os.mkdir(directory)
    subprocess.run([judge, "--filter", "judge/no_*"], env=dict(os.environ, VHDX_JUDGE_SEED=str(seed),
                   VHDX_JUDGE_ROUNDS="1", VHDX_JUDGE_DUMP=directory), capture_output=True)
    if os.path.exists(os.path.join(directory, "truth.raw")):
        os.remove(os.path.join(directory, "truth.raw"))
    if os.path.exists(os.path.join(directory, "leaf.vhdx")):
        disk("leaf.vhdx", directory, "seed %d" % seed)
        both(["orphans", "--json", "."], directory, "seed %d" % seed)
    shutil.rmtree(directory)


if samples:
    the_samples()
for seed in range(1, int(os.environ["images"]) + 1):
    the_built(seed)
print("%d pairs of documents, %d kinds of differences" % (documents, len(kinds)))
for (command, what), (number, example) in sorted(kinds.items(), key=lambda row: -row[1][0]):
    print("%6d  vhdx %s  %s\n        %s" % (number, command, what, example))
sys.exit(1 if kinds else 0)
END
