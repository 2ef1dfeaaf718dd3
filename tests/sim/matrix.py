#!/usr/bin/env python3
"""What an array does with each fault in each activity, found out by running it: docs/fault-matrix.md.

    matrix.py PROGRAM [--lives=N]            holds the page against the program (a test of ctest)
    matrix.py PROGRAM --write [--lives=N]    runs, and writes the page

PROGRAM is fault_matrix_test of a build tree. Whatever the page promises up to the redundancy has to be found again; beyond it
nothing is promised but that no byte is wrong, and that the program itself holds.
"""
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/fault-matrix.md"
LEVELS = {  # name: how the page calls it, how many drives it survives
    "simple": ("Simple, on one drive", 0), "span": ("Span of two drives", 0), "stripe": ("Stripe of three drives", 0),
    "mirror2": ("Mirror of two", 1), "mirror3": ("Mirror of three", 2), "raid5": ("RAID 5 on four drives", 1),
    "raid6": ("RAID 6 on five drives", 2), "raid10": ("RAID 10 on four drives", 1), "raid50": ("RAID 50 on six drives", 1),
    "raid60": ("RAID 60 on eight drives", 2),
}
KINDS = {
    "none": "none", "gone": "gone", "read-errors": "read errors", "write-errors": "write errors", "stale": "gone, and back",
    "power-cut": "power cut", "hung": "hung", "corruption": "corruption",
}
ACTIVITIES = {
    "idle": "idle", "reading": "reading", "small-writes": "small writes", "full-rows": "full rows", "rebuilding": "rebuilding",
    "resyncing": "resynchronising",
}
INTRO = """# Fault matrix

What becomes of a LUN's data for each level, number of faults, kind of fault and activity. Found out by running the array on simulated
drives (`tests/sim/fault_matrix_test.cc`) and written by `tests/sim/matrix.py --write`: {lives} lives for each of {cells} cells. A test holds the
page to the code, with fewer lives.

- *correct*: every request succeeded, every read showed what was acknowledged (after a power cut also something that was being written).
- *honest error*: at least one life had a request that failed, or a start that was refused; whatever was read was right.
- There is no third: a wrong byte fails the test.

Up to what a level survives (the first rows of each table) everything has to be *correct*. In the last rows, one fault more, nothing is promised but
honesty.{exceptions}

| kind | what happens to each of the drives |
| --- | --- |
| gone | it answers nothing any more, from some request on; nor is it there at the next start |
| read errors | some blocks cannot be read; half of the time at the same place on all of them. Some are cured by writing, some are not |
| write errors | writes and flushes fail |
| gone, and back | it misses writes, comes back, and is there at the next start with what it had |
| power cut | in the middle of a request; unflushed sectors survive by chance. Then that many drives are not there |
| corruption | bits of up to 24 neighbouring sectors flip on the medium while it is at rest; half of the time at the same place on all of them. Nobody is told |
| hung | it answers, and does what it was told, after three times the deadline |

*Rebuilding*: with faults, the first one is a drive that is gone and that a spare takes over, and the others strike meanwhile; with one fault, the
kind strikes the spare. Without faults, and where nothing can be lost, a working drive is being replaced. *Resynchronising*: after a power cut
during writes, from the first request of the start on. Each life ends with further writes and a restart, judged again.

"""


def run(program, lives):
    done = subprocess.run([program, "--report", *([f"--lives={lives}"] if lives else [])], capture_output=True, text=True)
    cells = {}
    for line in done.stdout.splitlines():
        if line.startswith("cell|"):
            _, name, result, count = line.split("|")
            cells[tuple(name.split("/"))] = result
            lives = int(count)
    if done.returncode != 0 or not cells:
        sys.exit(re.sub(r"^cell\|.*\n", "", done.stdout, flags=re.M) + done.stderr)
    return cells, lives


def page(cells, lives):
    bad = sorted("/".join(c) for c, result in cells.items() if int(c[1]) <= LEVELS[c[0]][1] and result != "correct")
    exceptions = " Today it is not in: " + ", ".join(bad) + "." if bad else ""
    text = INTRO.format(lives=lives, cells=len(cells), exceptions=exceptions)
    for level, (title, survives) in LEVELS.items():
        text += f"## {title}\n\nSurvives {survives}.\n\n| faults | kind | " + " | ".join(ACTIVITIES.values()) + " |\n"
        text += "|" + " --- |" * (len(ACTIVITIES) + 2) + "\n"
        rows = sorted({(c[1], list(KINDS).index(c[2])) for c in cells if c[0] == level})
        for faults, kind in rows:
            name = list(KINDS)[kind]
            found = [cells[level, faults, name, activity] for activity in ACTIVITIES]
            text += f"| {faults} | {KINDS[name]} | " + " | ".join(found) + " |\n"
        text += "\n"
    return text.rstrip("\n") + "\n"


def read(text):
    titles = {title: level for level, (title, _) in LEVELS.items()}
    kinds = {said: kind for kind, said in KINDS.items()}
    cells, level = {}, None
    for line in text.splitlines():
        if line.startswith("## "):
            level = titles[line[3:]]
        elif level and re.match(r"\| \d", line):
            faults, kind, *found = [part.strip() for part in line.strip("|").split("|")]
            cells.update({(level, faults, kinds[kind], a): f for a, f in zip(ACTIVITIES, found)})
    return cells


def main(arguments):
    lives = next((a.split("=")[1] for a in arguments if a.startswith("--lives=")), None)
    program = next(a for a in arguments if not a.startswith("--"))
    now, lives = run(program, lives)
    if "--write" in arguments:
        PAGE.write_text(page(now, lives))
        return
    written = read(PAGE.read_text())
    broken = []
    for cell, result in now.items():
        name = "/".join(cell)
        if cell not in written:
            broken.append(f"{name}: not on the page")
        elif int(cell[1]) <= LEVELS[cell[0]][1] and written[cell] == "correct" != result:
            broken.append(f"{name}: the page says correct, found: {result}")
    broken += ["/".join(c) + ": on the page, and not tried" for c in written if c not in now]
    if broken:
        sys.exit("\n".join([*broken, "the code changed: tests/sim/matrix.py PROGRAM --write"]))
    print(f"{len(now)} cells as the page says")


if __name__ == "__main__":
    main(sys.argv[1:])
