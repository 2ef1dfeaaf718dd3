"""Writes the model itself as model.json: for looking at it, and for the test that holds it against the facts."""
import json

from backends import write


def generate(model, outdir):
    write(outdir, "model.json", json.dumps(model, indent=1) + "\n")
