#!/usr/bin/env python3
"""How much of the parsers the fuzzers reach: builds them with clang's coverage, runs them, prints a line for each file.

    tests/fuzz/coverage.py [--seconds N] [--build DIR] [--least PERCENT] [--missed] [FUZZER...]

Every corpus is replayed as it stands; with --seconds each fuzzer first mutates its corpus for so long, into a folder
beside the build, and what it found counts, too (-merge keeps of it what reaches more). --missed prints the lines that nobody reached; --least fails
when a file is below. Needs clang-16 and llvm-16.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What reads bytes of an initiator, and who feeds it.
FUZZERS = ["iscsi_pdu_fuzz", "iscsi_text_fuzz", "iscsi_chap_fuzz", "iscsi_session_fuzz", "scsi_cdb_fuzz", "lun_settings_fuzz"]
FOLDERS = ["src/iscsi/pdu", "src/iscsi/session", "src/iscsi/scsi"]
FLAGS = "-fprofile-instr-generate -fcoverage-mapping"


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, **more)


def build(tree, fuzzers):
    run("cmake", "-S", ROOT, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DVDS_FUZZ=ON",
        "-DCMAKE_C_COMPILER=clang-16", "-DCMAKE_CXX_COMPILER=clang++-16", f"-DCMAKE_C_FLAGS={FLAGS}",
        f"-DCMAKE_CXX_FLAGS={FLAGS}", stdout=subprocess.DEVNULL)
    run("cmake", "--build", tree, "-j2", "--target", *fuzzers, stdout=subprocess.DEVNULL)


def exercise(tree, fuzzer, seconds):
    """Runs one fuzzer; returns its profile."""
    name = fuzzer.removesuffix("_fuzz")
    corpus, program = ROOT / "tests/fuzz" / name / "corpus", tree / "tests/fuzz" / name / fuzzer
    found, kept, profile = tree / "found" / name, tree / "kept" / name, tree / f"{fuzzer}.profraw"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    nowhere = os.environ | {"LLVM_PROFILE_FILE": os.devnull}
    for folder in (found, kept):
        folder.mkdir(parents=True, exist_ok=True)
    if seconds:
        run(program, f"-max_total_time={seconds}", f"-artifact_prefix={tree}/", found, corpus, env=nowhere, **quiet)
        run(program, "-merge=1", f"-artifact_prefix={tree}/", kept, corpus, found, env=nowhere, **quiet)
    inputs = sorted(p for folder in (corpus, kept) for p in folder.rglob("*") if p.is_file())
    run(program, *inputs, env=os.environ | {"LLVM_PROFILE_FILE": str(profile)}, **quiet)
    return profile, len(inputs)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=int, default=0)
    options.add_argument("--build", type=Path, default=ROOT / "build/coverage")
    options.add_argument("--least", type=float, default=0)
    options.add_argument("--missed", action="store_true")
    options.add_argument("fuzzers", nargs="*", default=FUZZERS)
    o = options.parse_args()
    tree = o.build.resolve()
    build(tree, o.fuzzers)
    profiles, inputs = zip(*(exercise(tree, f, o.seconds) for f in o.fuzzers))
    merged = tree / "fuzz.profdata"
    run("llvm-profdata-16", "merge", "-o", merged, *profiles)
    programs = [tree / "tests/fuzz" / f.removesuffix("_fuzz") / f for f in o.fuzzers]
    objects = [programs[0], *(a for p in programs[1:] for a in ("-object", p))]
    sources = [ROOT / f for f in FOLDERS]
    export = run("llvm-cov-16", "export", "-summary-only", f"-instr-profile={merged}", *objects, *sources, stdout=subprocess.PIPE)
    low = 0
    print(f"{len(o.fuzzers)} fuzzers, {sum(inputs)} inputs" + (f", {o.seconds} s of mutation each" if o.seconds else ""))
    for file in sorted(json.loads(export.stdout)["data"][0]["files"], key=lambda f: f["filename"]):
        name, lines = Path(file["filename"]).relative_to(ROOT), file["summary"]["lines"]
        if lines["count"] == 0 or name.match("*_test.cc") or "testing" in name.parts:
            continue
        low += lines["percent"] < o.least
        print(f"{lines['percent']:6.1f} %  {lines['covered']:4}/{lines['count']:<4}  {name}")
    if o.missed:
        shown = run("llvm-cov-16", "show", f"-instr-profile={merged}", *objects, *sources, stdout=subprocess.PIPE, text=True)
        here = ""
        for line in shown.stdout.splitlines():
            if line.startswith("/"):
                here = Path(line.rstrip(":")).relative_to(ROOT)
            number, count, text = (line.split("|", 2) + ["", ""])[:3]
            if count.strip() == "0":
                print(f"{here}:{number.strip()}:{text}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
