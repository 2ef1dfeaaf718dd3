#!/usr/bin/env python3
"""idlc --backend NAME --out DIR FILE.idl...: reads the API description and lets one back end write files from it."""
import argparse
import importlib
import os
import sys

import grammar
import model
from lexer import IdlError


def load(paths):
    """The model of the given files; raises IdlError."""
    parsed = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            parsed.append(grammar.parse(f.read(), path))
    return model.build(parsed)


def main(argv):
    parser = argparse.ArgumentParser(prog="idlc", description=__doc__)
    parser.add_argument("--backend", required=True, help="a module of tools/idlc/backends")
    parser.add_argument("--out", required=True, help="directory for what is generated")
    parser.add_argument("files", nargs="+", metavar="FILE.idl")
    arguments = parser.parse_args(argv)
    try:
        backend = importlib.import_module("backends." + arguments.backend)
    except ModuleNotFoundError as error:
        if error.name != "backends." + arguments.backend:
            raise
        parser.error("there is no back end '%s'" % arguments.backend)
    try:
        loaded = load(arguments.files)
        os.makedirs(arguments.out, exist_ok=True)
        backend.generate(loaded, arguments.out)
    except (IdlError, OSError) as error:
        print("idlc: %s" % error if isinstance(error, OSError) else error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
