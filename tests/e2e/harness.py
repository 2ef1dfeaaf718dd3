"""What the end-to-end tests share: a service of their own to talk to, its command line, and how to find, kill and look at
the processes behind it. Python 3, standard library only.

Everything a test starts carries VDS_E2E=<its name> in its environment, so that what outlives its parent (an array outlives
the service on purpose) is found and ended with the test.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VDS_E2E_BUILD", TOP / "build/check/gcc")).resolve()
SLOW = float(os.environ.get("VDS_E2E_SLOW", "1"))  # sanitizer builds: every limit times this
ARRAY_PROVIDER = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a02"
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def program(relative):
    path = BUILD / relative
    if not path.exists():
        raise AssertionError(f"{path} is not built")
    return str(path)


def vdsd_program():
    return program("src/apps/vdsd/vdsd")


def simd_program():
    return program("src/apps/simd/vds-simd")


def directory_provider():
    return program("tests/e2e/directory_provider")


def vds_program():
    return program("src/apps/vds/vds")


def ledger_program():
    return program("tests/e2e/ledger/iscsi_ledger")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what, seconds=30.0, pause=0.02):
    """Asks until the answer is true (and gives it back); fails with `what` when the time is up."""
    end = time.monotonic() + seconds * SLOW
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOW:.0f} s: {what}")
        time.sleep(pause)


def processes(mark):
    """(pid, command line) of every process that carries this mark in its environment."""
    found = []
    needle = f"VDS_E2E={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
    return found


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def threads(pid):
    return int(re.search(r"Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def resident(pid):
    """Bytes of memory the process has of its own (not shared files)."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


class Ended:
    """How a command ended."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    @property
    def document(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{' '.join(map(str, self.args))}\n  ended with {self.status}\n  {self.out.strip()}\n  {self.err.strip()}"


class Scene(unittest.TestCase):
    """A test with a folder, processes and an end to both."""

    def setUp(self):
        self.mark = f"{os.getpid()}-{self.id().rsplit('.', 1)[-1]}"[:64]
        self.folder = Path(tempfile.mkdtemp(prefix="e2e-"))
        self.folder.chmod(0o755)
        self.environment = {**os.environ, "VDS_E2E": self.mark, "VDS_LOG": os.environ.get("VDS_LOG", "info")}
        self.environment.pop("VDS_SOCKET", None)
        self.addCleanup(self.tear_everything_down)

    def tear_everything_down(self):
        for pid, _ in processes(self.mark):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not [p for p, _ in processes(self.mark) if alive(p)], "processes that SIGKILL does not end")
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        bad = result is not None and any(t is self for t, _ in result.failures + result.errors) or not getattr(outcome, "success", True)
        if bad:
            for log in sorted(self.folder.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()
                print(f"--- {log.name} ({len(lines)} lines)\n" + "\n".join(lines[-60:]), file=sys.stderr)
        if not (bad and os.environ.get("VDS_E2E_KEEP")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def run_program(self, *args, timeout=120, check=True, user=None, **kwargs):
        args = [str(a) for a in args]
        if user is not None:
            args = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *args]
        env = {**self.environment, **kwargs.pop("env", {})}
        done = subprocess.run(args, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, env=env,
                              timeout=timeout * SLOW, **kwargs)
        ended = Ended(args, done.returncode, done.stdout, done.stderr)
        if check and ended.status != 0:
            raise AssertionError(str(ended))
        return ended

    def start_program(self, *args, log, env=None, **kwargs):
        with open(self.folder / log, "ab") as file:
            process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stderr=file,
                                       env={**self.environment, **(env or {})}, **kwargs)
        self.addCleanup(self.let_go, process)
        return process

    @staticmethod
    def let_go(process):
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()

    def service(self, *args, **kwargs):
        return Service(self, *args, **kwargs)


class Service:
    """A vdsd with an array of its own (unless array=None), its socket and its command line."""

    def __init__(self, scene, name="service", array="array", drives="4x256M", port=None, start=True, arguments=(),
                 environment=None):
        self.scene, self.name, self.arguments, self.environment = scene, name, arguments, environment
        self.state = scene.folder / f"{name}-state"
        self.socket = scene.folder / f"{name}.sock"
        self.array = scene.folder / array if array else None
        self.drives = drives
        self.port = port or free_port()
        self.process = None
        if start:
            self.start()

    def start(self, ready_within=60):
        command = [vdsd_program(), "--state-dir", self.state, "--socket", self.socket]
        if self.array:
            command += ["--with-array", self.array, "--iscsi-portal", f"127.0.0.1:{self.port}"]
            if self.drives:
                command += ["--drives", self.drives]
        self.process = self.scene.start_program(*command, *self.arguments, log=f"{self.name}.log", stdout=subprocess.PIPE,
                                                env=self.environment)
        line = []
        reader = threading.Thread(target=lambda: line.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(ready_within * SLOW)
        if line != [b"ready\n"]:
            raise AssertionError(f"vdsd is not ready: {line}, exit status {self.process.poll()}")
        return self

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60 * SLOW)
        assert status == 0, f"vdsd ended with {status} on SIGTERM"

    def vds(self, *args, check=True, json=True, **kwargs):
        """One command line; its document when it succeeds, an Ended when it need not (check=False)."""
        command = vds_program()
        if kwargs.get("user") is not None:
            # Somebody else may not be let into the build tree; a copy beside the socket he can reach.
            command = self.scene.folder / "vds"
            if not command.exists():
                shutil.copy(vds_program(), command)
        ended = self.scene.run_program(command, *(["--json"] if json else []), *args, check=check,
                                       env={"VDS_SOCKET": str(self.socket)}, **kwargs)
        if not check:
            return ended
        return ended.document if json else ended.out

    def create(self, size, *args, **kwargs):
        return self.vds("lun", "create", "--size", size, "--unmask", "*", *args, **kwargs)

    def free(self):
        return {d["id"]: d["free_bytes"] for d in self.vds("drive", "list")}

    def provider(self, id=ARRAY_PROVIDER):
        return next((p for p in self.vds("provider", "list") if p["id"] == id), None)

    def array_pid(self):
        return until(lambda: (self.provider() or {}).get("pid"), "the array's process")

    def kill_provider(self, id=ARRAY_PROVIDER):
        """kill -9; back when its next life is ready. Calls in between may be refused."""
        before = until(lambda: (self.provider(id) or {}).get("pid"), "the provider's process")
        os.kill(before, signal.SIGKILL)
        until(lambda: (p := self.provider(id))["state"] == "ready" and p["pid"] != before, "the provider's next life")

    def subsystem(self, provider=ARRAY_PROVIDER):
        return until(lambda: next((s["id"] for s in self.vds("subsystem", "list") if s["provider"] == provider), None),
                     f"a subsystem of provider {provider}")


class Ledger:
    """An initiator that remembers what was acknowledged: see ledger/iscsi_ledger.cc."""

    def __init__(self, scene, url, name="ledger", arguments=()):
        self.scene, self.url, self.file = scene, url, scene.folder / f"{name}.book"
        self.process = scene.start_program(ledger_program(), "write", url, self.file, *arguments, log=f"{name}.log",
                                           stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        until(lambda: self.flushes() > 0 or self.process.poll() is not None, "the first flushed write")
        assert self.process.poll() is None, "the initiator could not write"

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def last(self):
        return self.lines[-1] if self.lines else {"writes": 0, "flushes": 0, "errors": 0, "reconnects": 0}

    def flushes(self):
        return self.last()["flushes"]

    def goes_on(self, seconds=60):
        """Waits until something more has been written and flushed than when asked."""
        before = self.flushes()
        until(lambda: self.flushes() > before + 1 or self.process.poll() is not None, "more flushed writes", seconds)
        assert self.process.poll() is None, f"the initiator gave up: {self.last()}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60 * SLOW)
        self.reader.join(10)
        assert status == 0, f"the initiator ended with {status}: {self.last()}"
        return self.last()

    def verify(self, url=None):
        return self.scene.run_program(ledger_program(), "verify", url or self.url, self.file)


def main():
    """unittest's main, ending with ctest's code for skipped when every test was skipped."""
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == 0:
        sys.exit(1)
    sys.exit(SKIPPED if len(result.skipped) == result.testsRun else 0)
