#!/usr/bin/env python3
"""Holds the tree against its own rules: who may include whom, what every folder has, what no file may name.

    layers_test.py ROOT

Reads ROOT/src/layers.txt ("folder: folders it may include"; the most specific line wins) against every #include "..."
under src/. An include that names no folder of layers.txt must be generated or lie beside the file that names it.
"""
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SOURCES = (".h", ".cc", ".cpp", ".c", ".inc")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# Written by tools/idlc below the build tree: which layer each belongs to. No folder of src/ may hold files of these names.
GENERATED = {"vds": "com"}
# Longer than 600 lines with a reason.
LONG = set()
# A place on somebody's machine, a piece of paper beside the tree, a package registry's host: none means anything to a reader.
FOREIGN = re.compile(
    r"(?<![\w.-])/(?:work|farm)/"
    r"|/tmp/(?:brief|vb)\b"
    r"|\bissue #?\d+\b"
    r"|\b(?:deb|registry|pypi|files|proxy|static|index|security)\.[a-z0-9-]+(?:\.[a-z]+)?\.(?:org|io|com|dev)\b"
)


def tracked():
    out = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True)
    if out.returncode == 0 and out.stdout:
        return [ROOT / name for name in out.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    skip = ("/build", "/.git/")  # an unpacked archive
    return [p for p in ROOT.rglob("*") if p.is_file() and not any(s in str(p.relative_to(ROOT.parent)) for s in skip)]


def read_layers(text):
    layers = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, allowed = line.partition(":")
        layers[name.strip()] = allowed.split()
    return layers


def layer_of(path, layers):
    """The longest folder named in layers.txt that holds this path (relative to src/), or None."""
    parts = path.split("/")
    for n in range(len(parts) - 1, 0, -1):
        folder = "/".join(parts[:n])
        if folder in layers:
            return folder
    return None


def violations(files, layers):
    """files: {path relative to src: text}. Yields one sentence for each include that layers.txt does not allow."""
    for path, text in sorted(files.items()):
        here = layer_of(path, layers)
        if here is None:
            yield f"src/{path}: its folder is not in layers.txt"
            continue
        allowed = {here, *layers[here]}
        # "array" in a line stands for the folder and what lies below it, unless that has a line of its own.
        for include in INCLUDE.findall(text):
            if include.startswith(("/", "..")) or "/../" in include:
                yield f'src/{path}: "{include}": include paths start at src/'
                continue
            top = include.split("/")[0]
            target = layer_of(include, layers) or GENERATED.get(top)
            if target is None:
                continue  # a generated header or one beside the file; that it exists is the compiler's to say
            if target not in allowed:
                yield f'src/{path}: "{include}": {here} may not include {target}'


class the_rules(unittest.TestCase):
    def test_an_upward_include_is_found(self):
        layers = read_layers("base:\nrt: base\napps/vdsd: rt base\n")
        bad = list(violations({"base/a.h": '#include "rt/task.h"\n'}, layers))
        self.assertEqual(bad, ['src/base/a.h: "rt/task.h": base may not include rt'])
        self.assertEqual(list(violations({"rt/a.h": '#include "base/a.h"\n#include "rt/b.h"\n'}, layers)), [])
        self.assertEqual(len(list(violations({"rt/a.h": '#include "apps/vdsd/x.h"\n'}, layers))), 1)
        self.assertEqual(len(list(violations({"rt/a.h": '#include "../base/x.h"\n'}, layers))), 1)
        self.assertEqual(len(list(violations({"new/a.h": ""}, layers))), 1)

    def test_the_order_of_layers_has_no_circle(self):
        layers = read_layers("a: b\nb: c\nc: a\n")
        self.assertTrue(circle(layers))
        self.assertFalse(circle(read_layers("a: b\nb: c\nc:\n")))


def circle(layers):
    done, doing = set(), []

    def visit(name):
        if name in doing:
            return doing[doing.index(name):]
        if name in done:
            return None
        doing.append(name)
        for below in layers.get(name, []):
            found = visit(below)
            if found:
                return found
        doing.pop()
        done.add(name)
        return None

    return next((c for c in map(visit, layers) if c), None)


class the_tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.layers = read_layers((SRC / "layers.txt").read_text())
        cls.files = tracked()

    def test_every_include_points_down(self):
        sources = {str(p.relative_to(SRC)): p.read_text(errors="replace")
                   for p in SRC.rglob("*") if p.suffix in SOURCES and p.is_file()}
        self.assertEqual(list(violations(sources, self.layers)), [])

    def test_layers_form_no_circle(self):
        self.assertIsNone(circle(self.layers))

    def test_every_folder_under_src_says_what_it_is_for(self):
        # A folder of public headers (include/...) is described by the folder that owns it.
        folders = {parent for p in self.files if SRC in p.parents and p.suffix in SOURCES
                   for parent in [p.parent] if "include" not in parent.relative_to(SRC).parts}
        bare = []
        for folder in sorted(folders):
            named = [folder, *folder.parents]
            named = named[:named.index(SRC)]
            # A sub-folder may be described in its parent's README; a layer itself must have one.
            if not any((f / "README.md").is_file() for f in named):
                bare.append(str(folder.relative_to(ROOT)))
        self.assertEqual(bare, [])
        for layer in self.layers:
            if (SRC / layer / "CMakeLists.txt").is_file():
                self.assertTrue((SRC / layer / "README.md").is_file(), f"src/{layer} has no README.md")

    def test_no_file_speaks_of_anything_but_the_project(self):
        bad = []
        for path in self.files:
            if path == Path(__file__).resolve():
                continue
            data = path.read_bytes()
            if b"\0" in data[:8192]:
                continue
            for n, line in enumerate(data.decode(errors="replace").splitlines(), 1):
                if FOREIGN.search(line):
                    bad.append(f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}")
        self.assertEqual(bad, [])

    def test_no_source_file_is_longer_than_it_should_be(self):
        long = []
        for path in self.files:
            if path.suffix in (".h", ".cc") and SRC in path.parents:
                lines = path.read_text(errors="replace").count("\n")
                if lines > 600 and str(path.relative_to(SRC)) not in LONG:
                    long.append(f"{path.relative_to(ROOT)}: {lines} lines: look for the second concept in it")
        self.assertEqual(long, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[1:], verbosity=2)
