#!/usr/bin/env python3
"""libiscsi's whole test suite (iscsi-test-cu) against one LUN, with nothing taken for a pass that is none.

    libiscsi.py --skips docs/iscsi.md --on memory|array [--copies N] [--long] URL [URL of a second path]

A test that ends with "passed" and said that it was skipped, or that the target does not implement or support something, has tested
nothing. Those must be exactly the ones that the table "Skipped" of docs/iscsi.md lists for this kind of LUN; a test that is listed and
runs is as wrong as one that is skipped and is not listed. --copies: N suites at once, each on a LUN of its own (URL's number and those
after it). --long: with Sanitize.Reset, which takes minutes and needs a LUN that is slow to overwrite. Exit status 77: no iscsi-test-cu.
"""
import argparse
import re
import shutil
import subprocess
import sys
import threading

LONG = {"Sanitize.Reset"}
# Of 1.19: skips itself without a word in the suite, and run alone asserts the answer before it can have come.
BROKEN = {"iSCSITMF.LUNResetSimpleAsync"}
# These reset the target, and with it what other suites are doing: with several copies they run alone, afterwards.
TARGET_WIDE = {"Reserve6.TargetColdReset", "Reserve6.TargetWarmReset", "PreventAllow.ColdReset", "PreventAllow.WarmReset"}
NOT_TESTED = re.compile(r"SKIP|not implemented|not support|unavailable|not available", re.IGNORECASE)


def accepted(path, kind):
    """{test: reason} from the rows "| Suite.Test | memory, array | reason |"."""
    rows = {}
    for line in open(path, encoding="utf-8"):
        row = re.match(r"\| `(\w+\.[\w-]+)` \| ([\w, ]+) \| (.+) \|$", line.strip())
        if row and kind in row[2].split(", "):
            rows[row[1]] = row[3]
    return rows


def all_tests():
    lines = subprocess.run(["iscsi-test-cu", "-l"], capture_output=True, text=True, check=False).stdout.splitlines()
    return [line[4:] for line in lines if line.startswith("ALL.") and line.count(".") == 2]


def run(urls, tests, out):
    command = ["iscsi-test-cu", "-d", "-S", "-f", "-v", "-t", ",".join("ALL." + t for t in tests), *urls]
    out["text"] = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=900, check=False).stdout


def verdicts(text):
    """{test: (verdict, what it said)}"""
    found, suite = {}, None
    parts = re.split(r"^(Suite: \S+|  Test: \S+) *(?:\.\.\.)?", text.split("Run Summary:")[0], flags=re.MULTILINE)
    for head, body in zip(parts[1::2], parts[2::2]):
        name = head.split()[1]
        if head.startswith("Suite"):
            suite = name
            continue
        # What comes after the verdict belongs to the preparation of the next test.
        end = re.search(r"(?<![\[\w])(passed|FAILED)(?=\s|$)(?!\])", body)
        said = body[:end.start()] if end else body
        verdict = "failed" if not end or end[1] == "FAILED" else "skipped" if NOT_TESTED.search(said) else "passed"
        found[f"{suite}.{name}"] = (verdict, body.strip())
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--skips", required=True)
    parser.add_argument("--on", required=True)
    parser.add_argument("--tests", help="only those, with commas between")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("urls", nargs="+")
    args = parser.parse_args()
    if not shutil.which("iscsi-test-cu"):
        print("no iscsi-test-cu here")
        return 77
    tests = args.tests.split(",") if args.tests else [t for t in all_tests() if t not in BROKEN and (args.long or t not in LONG)]
    expected = {t: why for t, why in accepted(args.skips, args.on).items() if t in tests}
    unlisted = (BROKEN | LONG) - accepted(args.skips, "none").keys()
    if unlisted:
        print(f"not run, and not listed in {args.skips}: {unlisted}")
        return 1
    together = [t for t in tests if args.copies == 1 or t not in TARGET_WIDE]
    outs, threads = [], []
    for copy in range(args.copies):
        urls = [re.sub(r"\d+$", lambda n, copy=copy: str(int(n[0]) + copy), url) for url in args.urls]
        outs.append({"text": "", "tests": together})
        threads.append(threading.Thread(target=run, args=(urls, together, outs[-1])))
        threads[-1].start()
    for t in threads:
        t.join()
    alone = [t for t in tests if t not in together]
    if alone:
        outs.append({"text": "", "tests": alone})
        run(args.urls, alone, outs[-1])
    wrong = 0
    for copy, out in enumerate(outs):
        found = verdicts(out["text"])
        count = {v: sum(1 for w, _ in found.values() if w == v) for v in ("passed", "failed", "skipped")}
        print(f"{'alone' if copy == args.copies else f'copy {copy}'}: {len(found)} tests: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
        for test in out["tests"]:
            verdict, said = found.get(test, ("missing", ""))
            listed = test in expected
            if verdict == ("skipped" if listed else "passed"):
                continue
            wrong += 1
            print(f"  {test}: {verdict}{', but listed as skipped' if listed else ''}\n    " + "\n    ".join(said.splitlines()[:8]))
        if not found:
            print(out["text"][-2000:])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
