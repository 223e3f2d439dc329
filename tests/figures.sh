#!/bin/bash
# Prints the figures of docs/architecture.md: for each room of the library its files, lines, functions and their lengths,
# and the share of comments; and how many names are public or cross files and rooms. Run by hand after `make`.
#   tests/figures.sh build/VARIANT/libvhdx     where the objects of the library are
# Needs universal-ctags and python3.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
objects=${1:-$(ls -d build/main-*/libvhdx 2>/dev/null | head -n 1)}
[ -d "$objects" ] || { echo "usage: $0 DIRECTORY OF OBJECTS" >&2; exit 2; }
export objects

python3 - <<'END'
import glob, os, re, subprocess


def lengths(files):
    """Lines of each function, from its name to its closing brace."""
    out = subprocess.run(["ctags", "-x", "--languages=C", "--langmap=C:.c.h", "--c-kinds=f", "--_xformat=%n %e %N %F", *files], capture_output=True, text=True)
    if out.returncode != 0:
        raise SystemExit("universal-ctags is needed: " + out.stderr.strip())
    pairs = [line.split() for line in out.stdout.splitlines()]
    return sorted(int(p[1]) - int(p[0]) + 1 for p in pairs if len(p) > 3 and p[1].isdigit())


def comment_share(files):
    comments = filled = 0
    for name in files:
        inside = False
        for line in open(name, encoding="utf-8"):
            text = line.strip()
            filled += text != ""
            comments += text != "" and (inside or text.startswith("/*"))
            if inside or text.startswith("/*"):
                inside = "*/" not in text
    return 100 * comments // max(filled, 1)


def row(title, files):
    sizes = [sum(1 for _ in open(f, encoding="utf-8")) for f in files]
    found = lengths([f for f in files if not f.endswith(".def")]) or [0]
    at = lambda share: found[min(len(found) - 1, int(share * len(found)))]
    print("| %s | %d | %s | %d | %d | %d | %d | %d | %d | %d %% |" % (
        title, len(files), format(sum(sizes), ","), len(found), at(0.5), at(0.9), found[-1],
        sum(s > 400 for s in sizes), max(sizes), comment_share(files)))


def sources(directory):
    return sorted(f for e in ("c", "h", "def") for f in glob.glob(directory + "/*." + e))


print("| room | files | lines | functions | median | p90 | longest | files over 400 | largest file | comments |")
print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
rooms = sorted(os.path.basename(os.path.dirname(d)) for d in glob.glob("libvhdx/*/"))
everything = []
for room in rooms:
    row(room, sources("libvhdx/" + room))
    everything += sources("libvhdx/" + room)
top = sources("libvhdx") + ["include/vhdx.h"]
row("api, vhdx.h", top)
row("**library**", everything + top)
row("tools", sources("tools"))

# Names, from the symbols of the objects.
definer, users = {}, {}
objects = os.environ["objects"]
for path in glob.glob(objects + "/**/*.o", recursive=True):
    name = os.path.relpath(path, objects)[:-2]
    if not os.path.exists("libvhdx/" + name + ".c"):
        continue
    for line in subprocess.run(["nm", path], capture_output=True, text=True).stdout.splitlines():
        kind, symbol = line.split()[-2:]
        if kind in "TDBRVWC":
            definer[symbol] = name
        elif kind == "U":
            users.setdefault(symbol, set()).add(name)
room_of = lambda name: os.path.dirname(name) or "api"
public = [s for s in definer if s.startswith("vhdx_")]
internal = [s for s in definer if not s.startswith("vhdx_")]
crossing = [s for s in internal if any(room_of(u) != room_of(definer[s]) for u in users.get(s, ()))]
unused = [s for s in internal if not users.get(s)]
print("\npublic names: %d; internal names that several files may see: %d, used outside of their room: %d, by no other "
      "file: %d" % (len(public), len(internal), len(crossing), len(unused)))
over = [f for f in everything + sources("libvhdx") if sum(1 for _ in open(f, encoding="utf-8")) > 600]
print("files over 600 lines: %s" % (", ".join(over) or "none"))
END
