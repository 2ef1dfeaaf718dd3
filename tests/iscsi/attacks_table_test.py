#!/usr/bin/env python3
"""Every test that the table of attacks in docs/iscsi.md names exists, and every row names one.

    attacks_table_test.py ROOT

A name is `suite.test` of a C++ test, `file_test.py: test` of an end-to-end test, or the folder of a fuzzer.
"""
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
CPP = re.compile(r"^\s*TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
PYTHON = re.compile(r"^\s+def (test\w*)\(", re.M)


def rows(page):
    """(attack, what the target does, tests) of the table below "## Attacks"."""
    part = page.split("\n## Attacks\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return cells[2:]


def existing():
    names = set()
    for place in ("src", "tests"):
        for file in (ROOT / place).rglob("*_test.cc"):
            names.update(f"{suite}.{test}" for suite, test in CPP.findall(file.read_text()))
    for file in (ROOT / "tests").rglob("*_test.py"):
        names.update(f"{file.name}: {test}" for test in PYTHON.findall(file.read_text()))
    names.update(f"tests/fuzz/{f.parent.name}" for f in (ROOT / "tests/fuzz").glob("*/corpus"))
    return names


class AttacksTable(unittest.TestCase):
    def test_names_tests_that_exist(self):
        table, there = rows((ROOT / "docs/iscsi.md").read_text()), existing()
        self.assertGreater(len(table), 20)
        for row in table:
            self.assertEqual(len(row), 3, row)
            named = re.findall(r"`([^`]+)`", row[2])
            self.assertTrue(named, f"no test: {row[0]}")
            for name in named:
                self.assertIn(name, there, row[0])

    def test_there_is_no_isns(self):
        for file in (ROOT / "src").rglob("*"):
            if file.suffix in (".h", ".cc"):
                self.assertNotRegex(file.read_text(), r"(?i)\bisns", file)


if __name__ == "__main__":
    unittest.main()
