#!/usr/bin/env python3
"""compare.py --build DIR: our iSCSI target, tgt and the ceiling under the same loads, in one run, on one machine.

Each server is pinned to one core, the load generator to another. All storage is memory (a tmpfs; the ceiling's own). For each
load the servers take turns, so that a slow minute of the machine meets all of them. Prints ratios as a table; --json FILE
writes everything. Nothing is asserted.

  --build DIR     a build with vdsd, vds-arrayd, vds, iscsi_load and iscsi_ceiling (RelWithDebInfo)
  --dir DIR       a directory on a tmpfs for the drives; default /dev/shm
  --seconds S     for each measurement; default 2
  --rows WORDS    only loads whose name has one of these words (comma-separated; "others" are iscsi-perf and qemu-img, "idle"
                  the idle sessions)
  --only NAMES    only these servers: vds, tgt, ceiling
  --luns N        the loads on N LUNs too; default 1000, 0 leaves them out
  --sessions N    idle sessions to hold; default 1000, 0 leaves them out
  --lock FILE     hold this file's lock (flock) while measuring, less than a minute at a time, if other work on the machine
                  waits for it
  --json FILE     write the results there
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import idle
import servers


def loads():
    for what in ("read", "write"):
        flag = ["--write"] if what == "write" else []
        for connections in (1, 4, 16):
            for depth in (1, 8, 32, 128) if connections == 1 else (32,):
                yield (f"4k-{what} qd{depth} c{connections}",
                       ["--size", "4096", "--depth", str(depth), "--connections", str(connections), *flag])
        for size, name in ((65536, "64k"), (1048576, "1m")):
            for connections, depth in ((1, 8), (1, 32), (4, 8)):
                yield (f"{name}-{what} seq qd{depth} c{connections}",
                       ["--size", str(size), "--sequential", "--depth", str(depth), "--connections", str(connections), *flag])
        yield (f"64k-{what} seq digests qd32 c1",
               ["--size", "65536", "--sequential", "--depth", "32", "--header-digest", "--data-digest", *flag])


def measure(load, server, arguments, seconds, core):
    """One run of the generator, with the CPU time that the server took between the generator's two marks."""
    command = ["taskset", "-c", str(core), str(load), server.url, "--seconds", str(seconds), *arguments]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    cpu = {}
    result = None
    for line in p.stdout:
        if line.startswith("{"):
            result = json.loads(line)
        else:
            cpu[line.strip()] = servers.cpu_seconds(server.pid)
    if p.wait() != 0 or result is None:
        return {"failed": p.stderr.read().strip() or f"exit status {p.returncode}"}
    used = cpu["end"] - cpu["begin"]
    result["server_busy"] = round(used / result["seconds"], 2)
    result["cpu_s_per_million"] = round(used / max(1, result["commands"]) * 1e6, 2)
    return result


def others(server, core):
    """What other people's load generators reach; they limit themselves first."""
    found = {}
    pinned = ["taskset", "-c", str(core)]
    if shutil.which("iscsi-perf"):
        out = subprocess.run([*pinned, "iscsi-perf", "-r", "-m", "32", "-b", "8", "-t", "3", server.url], capture_output=True, text=True,
                             timeout=60, check=False).stdout
        if got := re.findall(r"iops average (\d+)", out):
            found["iscsi-perf 4k random read qd32, IOPS"] = int(got[-1])
    if shutil.which("qemu-img"):
        count = 100000
        out = subprocess.run([*pinned, "qemu-img", "bench", "-f", "raw", "-t", "none", "-c", str(count), "-d", "32", "-s", "4096",
                              server.url], capture_output=True, text=True, timeout=60, check=False).stdout
        if got := re.search(r"completed in ([\d.]+) seconds", out):
            found["qemu-img bench 4k sequential read qd32, IOPS"] = round(count / float(got.group(1)))
    return found


class Lock:
    """Held over several loads, but given to whoever waits for it once in a while: between `begin`s, never within one."""
    HOLD = 50

    def __init__(self, path):
        self.file = open(path, "a") if path else None
        self.since = None

    def begin(self, seconds):
        if self.file is None or (self.since is not None and time.monotonic() - self.since + seconds < self.HOLD):
            return
        self.end()
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.since = time.monotonic()

    def end(self):
        if self.since is not None:
            fcntl.flock(self.file, fcntl.LOCK_UN)
            self.since = None


def ratio(a, b, digits=2):
    return "-" if not a or not b else f"{a / b:.{digits}f}"


def cells(name, by_server):
    vds, tgt, ceiling = (by_server.get(s, {}) for s in ("vds", "tgt", "ceiling"))
    value = "mb_per_s" if "seq" in name else "iops"
    unit = "MB/s" if "seq" in name else "IOPS"
    def show(r):
        if "failed" in r:
            return "failed"
        return f"{r[value]:,.0f}" if r else "-"
    return [name, unit, show(vds), show(tgt), show(ceiling), ratio(vds.get(value), tgt.get(value), 1),
            ratio(vds.get(value), ceiling.get(value)), *(str(r.get("p50_us", "-")) for r in (vds, tgt, ceiling)),
            *(str(r.get("p99_us", "-")) for r in (vds, tgt, ceiling)),
            *(str(r.get("cpu_s_per_million", "-")) for r in (vds, tgt, ceiling))]


HEAD = ["load", "", "vds", "tgt", "ceiling", "vds/tgt", "vds/ceiling", "p50 us: vds", "tgt", "ceiling", "p99 us: vds", "tgt", "ceiling",
        "CPU s/M: vds", "tgt", "ceiling"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--dir", default="/dev/shm")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rows", default="")
    parser.add_argument("--only", default="vds,tgt,ceiling")
    parser.add_argument("--luns", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--lock", default="")
    parser.add_argument("--json", default="")
    o = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    wanted = o.only.split(",")
    words = [w for w in o.rows.split(",") if w]
    load = o.build / "bench/iscsi/iscsi_load"
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("compare.py: two cores are needed, one for the server and one for the load")
    report = {"date": time.strftime("%Y-%m-%d"), "machine": servers.machine(), "kernel": platform.release(),
              "loads": {}, "others": {}, "idle": {}}
    lock = Lock(o.lock)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="vds-bench.", dir=o.dir))
    try:
        with contextlib.ExitStack() as stack:
            running = {}
            for name in wanted:
                server = servers.make(name, o.build, scratch, cores[0])
                if server is None:
                    print(f"{name}: not installed, left out", file=sys.stderr)
                    continue
                stack.callback(server.stop)
                server.start()
                running[name] = server
            # Blocks that were never written cost nothing to read.
            lock.begin(15)
            for server in running.values():
                measure(load, server, ["--write", "--sequential", "--size", "1048576", "--depth", "8"], 2, cores[1])
            print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD), flush=True)
            def row(name, arguments):
                if words and not any(w in name for w in words):
                    return
                lock.begin(len(running) * (o.seconds + 1))
                got = {s: measure(load, server, arguments, o.seconds, cores[1]) for s, server in running.items()
                       if server.has_luns(name)}
                report["loads"][name] = got
                for s, r in got.items():
                    if "failed" in r:
                        print(f"{name}: {s}: {r['failed']}", file=sys.stderr)
                print("| " + " | ".join(cells(name, got)) + " |", flush=True)
            for name, arguments in loads():
                row(name, arguments)
            if not words or "others" in words:
                for s, server in running.items():
                    if s == "ceiling":
                        continue  # they ask for more than it knows
                    lock.begin(20)
                    report["others"][s] = others(server, cores[1])
                    print(f"{s}: {json.dumps(report['others'][s])}", flush=True)
            if o.sessions and (not words or "idle" in words):
                for s, server in running.items():
                    lock.begin(40)
                    report["idle"][s] = idle.measure(server, o.sessions)
                    print(f"idle, {o.sessions} sessions: {s}: {json.dumps(report['idle'][s])}", flush=True)
            if o.luns and (not words or any("luns" in w for w in words)):
                lock.end()
                for server in running.values():
                    server.add_luns(o.luns)
                for what in ("read", "write"):
                    for connections in (1, 4):
                        row(f"4k-{what} {o.luns} luns qd32 c{connections}",
                            ["--depth", "32", "--connections", str(connections), "--luns", str(o.luns),
                             *(["--write"] if what == "write" else [])])
    finally:
        lock.end()
        shutil.rmtree(scratch, ignore_errors=True)
        if o.json:
            pathlib.Path(o.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
