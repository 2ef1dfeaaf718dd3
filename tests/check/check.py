#!/usr/bin/env python3
"""Stages of ./check. Each returns (passed, failed, skipped); the last line printed adds them up.

Everything a stage starts is a descendant of this process (it is their sub-reaper), so what a test leaves behind is found,
ended and counted as a failure. Temporary files live in one folder, which goes at the end.
"""
import argparse
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "check"
JOBS = os.cpu_count() or 2
# Of one thread by design (simulators, tables, headers): nothing there for ThreadSanitizer.
ONE_THREAD = re.compile(r"^(base|integrity|array|array_(parts|rebuild|resize|plex|checksum)|\w+_cut|metadata_damage|parity_lun|fault_matrix|random_life|api_facts|api_seed)_test$")
PR_SET_CHILD_SUBREAPER = 36


class stage_failed(Exception):
    """Nothing to count: the stage could not do its work."""


def say(text):
    print(text, flush=True)


def run(command, log=None, env=None, check=True, timeout=3600):
    """Runs a command; its output goes to `log` (shown when it fails) or straight through."""
    merged = {**os.environ, **(env or {})}
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") if log else open(os.devnull) as out:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, cwd=ROOT, env=merged, timeout=timeout,
                              **({"stdout": out, "stderr": subprocess.STDOUT} if log else {}))
    if check and done.returncode != 0:
        if log:
            lines = log.read_text(errors="replace").splitlines()
            telling = [l for l in lines if re.search(r"error|undefined reference|FAILED:|Error", l)]
            say("\n".join((telling or lines)[-60:]))
        raise stage_failed(f"{' '.join(map(str, command[:3]))} ... ended with {done.returncode}")
    return done.returncode


def configure(kind, *settings, env=None):
    tree = BUILD / kind
    run(["cmake", "-S", ROOT, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", *settings], tree / "configure.log", env)
    return tree


def build(tree, *targets):
    began = time.monotonic()
    run(["cmake", "--build", tree, f"-j{JOBS}", *(["--target", *targets] if targets else [])], tree / "build.log")
    say(f"built in {time.monotonic() - began:.0f} s")


def ctest(tree, *selection, env=None, jobs=JOBS):
    report = tree / "ctest.xml"
    report.unlink(missing_ok=True)
    run(["ctest", "--test-dir", tree, f"-j{jobs}", "--output-on-failure", "--no-tests=error", "--output-junit", report, *selection],
        env=env, check=False)
    if not report.exists():
        raise stage_failed("ctest wrote no report")
    suite = xml.parse(report).getroot()
    # ctest counts a test whose program is missing as "notrun", which junit calls skipped; only an announced skip is one.
    skipped = failed = passed = 0
    for case in suite.iter("testcase"):
        state = case.get("status")
        if state == "run":
            passed += 1
        elif state == "fail":
            failed += 1
        elif state == "notrun" and case.find("skipped") is not None and "SKIP" in (case.find("skipped").get("message") or "").upper():
            skipped += 1
        elif state == "disabled":
            skipped += 1
        else:
            failed += 1
    return passed, failed, skipped


def test_targets(tree, pattern):
    """Tests that are programs of the build (others are scripts that run several), by name, which is the target's, too."""
    listed = subprocess.run(["ctest", "--test-dir", str(tree), "-N"], capture_output=True, text=True).stdout
    known = subprocess.run(["ninja", "-C", str(tree), "-t", "targets", "all"], capture_output=True, text=True).stdout
    programs = set(re.findall(r"^(\w+): phony$", known, re.MULTILINE))
    return [n for n in re.findall(r"Test +#\d+: (\S+)", listed) if pattern.match(n) and n in programs]


# -------------------------------------------------------------------------------------------------------- stages

def style(options):
    """clang-format over every C++ source."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.h", "*.cc", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    # Whose layout is not ours: headers that imitate others, client sources as others write them, generated (golden) ones.
    not_ours = ("src/com/include/", "tests/api/application", "tests/api/seed", "tools/idlc/tests/")
    files = [f for f in listed.stdout.split("\0") if f and (ROOT / f).is_file() and not f.startswith(not_ours)]
    bad = run(["clang-format", "--dry-run", "-Werror", *files], check=False)
    return (0, 1, 0) if bad else (1, 0, 0)


def tests(options):
    """g++: everything built and every test run."""
    tree = configure("gcc")
    build(tree)
    if options.quick:
        return ctest(tree, "-L", "unit")
    return ctest(tree)


ASAN = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=1:disable_coredump=1",
        "UBSAN_OPTIONS": "print_stacktrace=1", "LSAN_OPTIONS": f"suppressions={ROOT}/tests/check/lsan.supp:print_suppressions=0"}
TSAN = {"TSAN_OPTIONS": f"halt_on_error=1:die_after_fork=0:second_deadlock_stack=1:suppressions={ROOT}/tests/check/tsan.supp"}


def asan(options):
    """Every test but those in the guest under AddressSanitizer and UndefinedBehaviorSanitizer."""
    tree = configure("asan", "-DVDS_SANITIZE=asan")
    build(tree)
    return ctest(tree, "-LE", "guest|style|plain", env=ASAN)


def tsan(options):
    """Every test program with threads under ThreadSanitizer."""
    tree = configure("tsan", "-DVDS_SANITIZE=tsan")
    targets = [t for t in test_targets(tree, re.compile(r"^\w+_test$")) if not ONE_THREAD.match(t)]
    if not targets:
        raise stage_failed("no tests")
    build(tree, *targets)
    return ctest(tree, "-R", f"^({'|'.join(targets)})$", env=TSAN)


def fuzz(options):
    """clang: each fuzzer mutates its corpus for a while."""
    tree = configure("fuzz", "-DVDS_FUZZ=ON", "-DCMAKE_C_COMPILER=clang-16", "-DCMAKE_CXX_COMPILER=clang++-16")
    targets = test_targets(tree, re.compile(r"\w+_fuzz$"))
    if not targets:
        raise stage_failed("no fuzzers")
    build(tree, *targets)
    return ctest(tree, "-L", "fuzz")


def tidy(options):
    """clang-tidy over src/."""
    tree = BUILD / "gcc"
    if not (tree / "compile_commands.json").exists():
        configure("gcc")
        build(tree)
    bad = run([sys.executable, ROOT / "tests/check/tidy.py", ROOT, tree, "--jobs", JOBS, "src"], check=False)
    return (0, 1, 0) if bad else (1, 0, 0)


STAGES = {stage.__name__: stage for stage in (style, tests, asan, tsan, fuzz, tidy)}
DEFAULT = tuple(STAGES)
QUICK = ("style", "tests")


# ------------------------------------------------------------------------------------------------- what stays behind

def descendants():
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append((int(entry.name), fields[0]))
            except (OSError, IndexError):
                continue
    found, todo = [], [os.getpid()]
    while todo:
        for pid, state in children.get(todo.pop(), []):
            todo.append(pid)
            if state != "Z":
                found.append(pid)
    return found


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_leftovers():
    """Ends what the stage left running; the names of what it was."""
    named = []
    grace = time.monotonic() + 5  # an orderly end may still be under way
    while descendants() and time.monotonic() < grace:
        reap()
        time.sleep(0.05)
    for pid in descendants():
        try:
            named.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120])
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.1 if named else 0)
    reap()
    return named


def main():
    parser = argparse.ArgumentParser(prog="./check", description="Builds and tests everything.",
                                     epilog="stages: " + "; ".join(f"{n}: {s.__doc__}" for n, s in STAGES.items()))
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}, and of the tests only the unit tests")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"only these stages (default: {' '.join(DEFAULT)})")
    options = parser.parse_args()
    chosen = options.stages or (QUICK if options.quick else DEFAULT)
    for name in chosen:
        if name not in STAGES:
            parser.error(f"no stage {name}")

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    temporary = tempfile.mkdtemp(prefix="vds-check-", dir="/tmp")  # short: unix socket paths end at 107 bytes
    os.chmod(temporary, 0o755)  # tests drop privileges and still need their files
    os.environ.update(TMPDIR=temporary, CCACHE_BASEDIR=str(ROOT), CCACHE_NOHASHDIR="1", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    for name in ("VDS_SOCKET", "XDG_RUNTIME_DIR"):
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    total = [0, 0, 0]
    lines = []
    try:
        for name in chosen:
            began = time.monotonic()
            say(f"\n=== {name}: {STAGES[name].__doc__}")
            try:
                counts = STAGES[name](options)
            except (stage_failed, subprocess.SubprocessError, OSError) as why:
                say(f"{name}: {why}")
                counts = (0, 1, 0)
            left = end_leftovers()
            if left:
                say(f"{name}: left running: " + "; ".join(left))
                counts = (counts[0], counts[1] + 1, counts[2])
            total = [a + b for a, b in zip(total, counts)]
            lines.append(f"  {name:<8} {time.monotonic() - began:6.0f} s  {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
            say(lines[-1])
    finally:
        end_leftovers()
        shutil.rmtree(temporary, ignore_errors=True)
    say("\n=== summary")
    for line in lines:
        say(line)
    say(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
