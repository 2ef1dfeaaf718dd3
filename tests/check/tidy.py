#!/usr/bin/env python3
"""clang-tidy over src/, remembering what was clean.

    tidy.py ROOT BUILD [--jobs N] FOLDER...

A source file is looked at again when it, anything of ours it includes, its compile command or .clang-tidy changed since it
was last found clean. The build must be up to date: what a file includes is asked of ninja.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TIDY = "clang-tidy-16"
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vds-tidy"


@functools.lru_cache(maxsize=None)
def content(path):
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b"missing"


def dependencies(build):
    """object file -> what it was made of, as ninja recorded it."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout
    deps, current = {}, None
    for line in listed.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = deps.setdefault(line.split(": #deps")[0], [])
    return deps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("folders", nargs="+", help="below ROOT: src, src/base, ...")
    options = parser.parse_args()
    root, build = options.root.resolve(), options.build.resolve()
    deps = dependencies(build)
    version = subprocess.run([TIDY, "--version"], capture_output=True).stdout
    rules = content(str(root / ".clang-tidy"))
    KEPT.mkdir(parents=True, exist_ok=True)

    todo = {}
    for unit in json.loads((build / "compile_commands.json").read_text()):
        path = Path(unit["file"])
        if not any(path.is_relative_to(root / f) for f in options.folders) or path in todo or path.name.endswith("_test.cc"):
            continue
        digest = hashlib.sha256(version + rules + re.sub(re.escape(str(root)), "", unit["command"]).encode())
        found = re.search(r" -o (\S+)", unit["command"])
        # Named from the root, so that another clone of the same text finds what this one remembered.
        for name in sorted(deps.get(found[1] if found else "", [str(path)])):
            full = (build / name).resolve()
            if full.is_relative_to(root):  # generated files lie below the build, which lies below the root
                digest.update(str(full.relative_to(root)).encode() + content(str(full)))
        todo[path] = digest.hexdigest()
    stale = {path: key for path, key in todo.items() if not (KEPT / key).exists()}
    print(f"{len(todo)} files, {len(stale)} to look at", flush=True)

    def look(path):
        began = time.monotonic()
        done = subprocess.run([TIDY, "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option", str(path)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return path, done, time.monotonic() - began

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path, done, seconds in pool.map(look, sorted(stale)):
            if done.returncode == 0:
                (KEPT / stale[path]).touch()
            else:
                bad += 1
                print(done.stdout.strip() or done.stderr.strip()[-2000:], flush=True)
            if seconds > 60:
                print(f"{path.relative_to(root)} took {seconds:.0f} s", flush=True)
    print(f"{bad} files with findings", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
