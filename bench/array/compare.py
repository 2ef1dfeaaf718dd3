#!/usr/bin/env python3
"""compare.py --build DIR [--dir D]: what the array's levels make of their drives, in one run, as ratios.

First the bare drives, by fio (io_uring, the same sizes and depths, files on the same file system), and what ISA-L and memcpy do
in memory; then each level, healthy, degraded and rebuilding. Prints tables; --json FILE writes everything. Nothing is asserted.

  --build DIR     a build with array_bench (RelWithDebInfo)
  --dir DIR       where the drives are made; default /dev/shm (memory)
  --drives N      for the levels that take any number; default 6
  --size MIB      of the LUN on each drive; default 128
  --seconds S     for each load; default 1
  --levels L,...  only these; default all
  --checksums on  of the drives' data; default off
  --json FILE
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

LEVELS = ("simple", "stripe", "mirror", "raid10", "parity", "raid6")
STATES = ("healthy", "degraded", "rebuilding")
UNIT = 65536
# Requests to drives that a random write of 4 KiB makes inevitable: what is read before, what is written.
INEVITABLE = {"simple": (0, 1), "stripe": (0, 1), "mirror": (0, 2), "raid10": (0, 2), "parity": (2, 2), "raid6": (3, 3)}


def members(level, drives):
    """How many drives the LUN has, and how many of them hold data."""
    return {"simple": (1, 1), "mirror": (2, 1), "stripe": (drives, drives), "raid10": (drives // 2 * 2, drives // 2),
            "parity": (drives, drives - 1), "raid6": (drives, drives - 2)}[level]


def fio(folder, count, size, seconds, pattern, block, depth):
    """MB/s and IOPS of `count` bare files at once; None without fio."""
    if not shutil.which("fio"):
        return None
    files = ":".join(str(folder / f"raw{i}") for i in range(count))
    command = ["fio", "--name=raw", f"--filename={files}", f"--size={size * count}M", f"--filesize={size}M", f"--rw={pattern}", f"--bs={block}",
               f"--iodepth={depth}", "--ioengine=io_uring", "--time_based", f"--runtime={seconds}", "--norandommap", "--output-format=json"]
    for direct in ("1", "0"):
        ended = subprocess.run([*command, f"--direct={direct}"], capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            job = json.loads(ended.stdout[ended.stdout.index("{"):])["jobs"][0]
            side = job["write" if "write" in pattern else "read"]
            return {"mb_s": side["bw_bytes"] / 1e6, "iops": side["iops"]}
    print(f"fio failed: {ended.stderr.strip()}", file=sys.stderr)
    return None


def raw_figures(folder, count, options):
    """Of so many drives: by the name of the load that they are compared with."""
    return {name: fio(folder, count, options.size, options.seconds, pattern, block, depth)
            for name, pattern, block, depth in (("rows write", "write", UNIT, 8 * count), ("rows read", "read", UNIT, 8 * count),
                                                ("64k random write", "randwrite", 65536, 16), ("64k random read", "randread", 65536, 16),
                                                ("4k random write", "randwrite", 4096, 32), ("4k random read", "randread", 4096, 32))}


def run(program, *arguments):
    ended = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{program} {' '.join(map(str, arguments))} failed")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def of_raw(row, raw, level, drives):
    """The share of what the drives do bare, after what the level makes inevitable."""
    total, data = members(level, drives)
    if raw is None or row["state"] != "healthy":
        return None
    if row["load"] == "rows write":
        return row["mb_s"] * total / data / raw["mb_s"]
    if row["load"] == "4k random write":
        return row["iops"] * sum(INEVITABLE[level]) / raw["iops"]
    return row["mb_s"] / raw["mb_s"] if "read" in row["load"] else None


def show(rows, raws, drives):
    healthy = {(r["level"], r["load"]): r for r in rows if r["state"] == "healthy"}
    print("| level | state | load | MB/s | IOPS | p50, p99 us | of the drives' | of healthy | drive reads + writes per request | inevitable |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        raw = raws.get(members(r["level"], drives)[0], {}).get(r["load"])
        share = of_raw(r, raw, r["level"], drives)
        base = healthy.get((r["level"], r["load"]))
        against = "" if base is None or base is r else f"{r['mb_s'] / base['mb_s']:.2f}"
        needed = ""
        if r["load"] == "4k random write" and r["state"] == "healthy":
            read, written = INEVITABLE[r["level"]]
            needed = f"{read} + {written}: {(read + written) / (r['reads'] + r['writes']):.0%}"
        print(f"| {r['level']} | {r['state']} | {r['load']} | {r['mb_s']:,.0f} | {r['iops']:,.0f} | {r['p50_us']:.0f}, {r['p99_us']:.0f} | "
              f"{'' if share is None else f'{share:.2f}'} | {against} | {r['reads']:.2f} + {r['writes']:.2f} | {needed} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"))
    parser.add_argument("--drives", type=int, default=6)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--checksums", choices=("on", "off"), default="off")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    program = options.build / "bench/array/array_bench"
    levels = [level for level in LEVELS if level in options.levels.split(",")]
    memory = run(program, "memory")
    print("In memory, one core, GB/s of data: " + ", ".join(f"{m['memory']} {m['gb_s']}" for m in memory) + "\n")
    rows, raws = [], {}
    with tempfile.TemporaryDirectory(prefix="vds-array-bench.", dir=options.dir) as name:
        folder = pathlib.Path(name)
        for level in levels:
            count = members(level, options.drives)[0]
            if count not in raws:
                raws[count] = raw_figures(folder, count, options)
                for file in folder.glob("raw*"):
                    file.unlink()
                print(f"{count} bare drives (fio): " + ", ".join(f"{load} {f['mb_s']:,.0f} MB/s {f['iops']:,.0f} IOPS"
                                                                  for load, f in raws[count].items() if f))
            for state in STATES:
                if state != "healthy" and level in ("simple", "stripe"):
                    continue
                rows += run(program, folder / "array", level, state, "--drives", options.drives, "--size", options.size, "--seconds", options.seconds,
                            "--checksums", options.checksums)
    print()
    show(rows, raws, options.drives)
    if options.json:
        options.json.write_text(json.dumps({"memory": memory, "raw": raws, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
