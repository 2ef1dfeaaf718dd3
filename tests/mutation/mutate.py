#!/usr/bin/env python3
"""Deliberate bugs, one at a time: each has to turn a test red.

    mutate.py [NAME...]        all, or these; a copy of the tree is built in a temporary folder (MUTATE_DIR: there, and kept)

Each NAME.patch beside this file is put on the copy, the tests named below are built and run, and the patch is taken off again.
Without a patch all of them have to pass. CMAKE names another cmake.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CMAKE = os.environ.get("CMAKE", "cmake")
PROGRAMS = {
    "array_parts_test": "src/array", "array_test": "src/array", "parity_lun_test": "src/array", "power_cut_test": "tests/crash",
    "parity_cut_test": "tests/crash", "rebuild_cut_test": "tests/crash", "metadata_damage_test": "tests/crash",
    "fault_matrix_test": "tests/sim", "random_life_test": "tests/sim",
}
MUTATIONS = {  # tests that may notice, quick ones first
    "skip-a-flush": ["power_cut_test", "random_life_test", "fault_matrix_test"],
    "ignore-fua": ["power_cut_test", "random_life_test", "fault_matrix_test"],
    "drop-a-journal-record": ["random_life_test", "fault_matrix_test", "parity_cut_test"],
    "parity-column-off-by-one": ["parity_lun_test", "random_life_test", "fault_matrix_test"],
    "believe-a-stale-drive": ["array_parts_test", "random_life_test", "fault_matrix_test"],
    "reservation-not-recorded": ["random_life_test", "rebuild_cut_test"],
    "skip-resync": ["power_cut_test", "random_life_test", "fault_matrix_test"],
    "one-mirror-half-only": ["array_test", "random_life_test", "fault_matrix_test"],
    "superblock-checksum-not-looked-at": ["array_parts_test", "metadata_damage_test"],
    "replay-in-wrong-order": ["random_life_test", "fault_matrix_test", "parity_cut_test"],
}


def copy(to):
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def build(tree, programs):
    env = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    done = subprocess.run([CMAKE, "--build", "build", "--target", *programs], cwd=tree, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:] + done.stderr)


def red(tree, program):
    with open(tree / f"{program}.log", "wb") as log:
        try:
            return subprocess.run([tree / "build" / PROGRAMS[program] / program], stdout=log, stderr=log, timeout=300).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def apply(tree, name, *how):
    subprocess.run(["patch", "-p1", "-s", *how, "-i", str(HERE / f"{name}.patch")], cwd=tree, check=True)


def main(tree, names):
    copy(tree)
    subprocess.run([CMAKE, "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug"], cwd=tree, check=True,
                   stdout=subprocess.DEVNULL)
    wanted = sorted({p for n in names for p in MUTATIONS[n]})
    build(tree, wanted)
    broken = [p for p in wanted if red(tree, p)]
    if broken:
        sys.exit("red without any mutation: " + ", ".join(broken))
    unnoticed = []
    for name in names:
        began = time.monotonic()
        apply(tree, name)
        try:
            build(tree, MUTATIONS[name])
            noticed = [p for p in MUTATIONS[name] if red(tree, p)]
        finally:
            apply(tree, name, "-R")
        blind = [p for p in MUTATIONS[name] if p not in noticed]
        print(f"| {name} | {', '.join(noticed) or 'NOBODY'} | {', '.join(blind) or '-'} |", flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if not noticed:
            unnoticed.append(name)
    if unnoticed:
        sys.exit("nobody noticed: " + ", ".join(unnoticed))


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(MUTATIONS)
    if os.environ.get("MUTATE_DIR"):
        main(Path(os.environ["MUTATE_DIR"]).resolve(), chosen)
    else:
        with tempfile.TemporaryDirectory(prefix="vds-mutate-") as folder:
            main(Path(folder), chosen)
