"""The servers that compare.py compares: how each is started on one core, given LUNs, and watched."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def anonymous_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, build, scratch, core):
        self.build, self.scratch = build, scratch
        self.pinned = ["taskset", "-c", str(core)]
        self.url = self.pid = self.process = None
        self.many = False

    def has_luns(self, load):
        return "luns" not in load or self.many

    def add_luns(self, count):
        pass

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Vds(Server):
    """The whole product: vdsd with an embedded array on file drives in a tmpfs, a simple LUN made through the CLI."""
    def start(self):
        state = self.scratch / "vds"
        state.mkdir()
        self.env = {**os.environ, "VDS_SOCKET": str(state / "vdsd.sock"), "VDS_LOG": "warn"}
        apps = self.build / "src/apps"
        self.process = subprocess.Popen(
            [*self.pinned, str(apps / "vdsd/vdsd"), "--state-dir", str(state / "state"), "--socket", self.env["VDS_SOCKET"],
             "--with-array", str(state / "array"), "--drives", "2x4G", "--iscsi-portal", f"127.0.0.1:{free_port()}"],
            stdout=subprocess.PIPE, text=True, env=self.env)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit("vdsd did not get ready")
        self.url = self.create("bench", "1G")["iscsi_url"]
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            children += (task / "children").read_text().split()
        for child in children:
            if "arrayd" in pathlib.Path(f"/proc/{child}/comm").read_text():
                self.pid = int(child)

    def create(self, name, size):
        return json.loads(subprocess.run(
            [str(self.build / "src/apps/vds/vds"), "--json", "lun", "create", "--size", size, "--type", "simple", "--name", name,
             "--unmask", "*"], env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def add_luns(self, count):
        # As many as there are to be, all of one size: the generator takes the same places on each.
        for i in range(count - 1):
            self.create(f"more-{i}", "1M")
        self.many = True


class Tgt(Server):
    """tgtd, with what it needs to be quick: large segments, immediate data, no R2T, its file on a tmpfs."""
    IQN = "iqn.2026-01.io.vds:tgt"

    def start(self):
        base = self.scratch / "tgt"
        base.mkdir()
        self.env = {**os.environ, "TGT_IPC_SOCKET": str(base / "control")}
        self.control = str(free_port() % 30000)
        port = free_port()
        self.process = subprocess.Popen([*self.pinned, "tgtd", "-f", "-C", self.control, "--iscsi", f"portal=127.0.0.1:{port}"],
                                        env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(100):
            if self.admin("--mode", "sys", "--op", "show", check=False) == 0:
                break
            time.sleep(0.1)
        self.admin("--mode", "target", "--op", "new", "--tid", "1", "-T", self.IQN)
        for key, value in (("MaxRecvDataSegmentLength", "262144"), ("MaxXmitDataSegmentLength", "262144"),
                           ("MaxBurstLength", "1048576"), ("FirstBurstLength", "65536"), ("InitialR2T", "No"),
                           ("ImmediateData", "Yes"), ("MaxOutstandingR2T", "1")):
            self.admin("--mode", "target", "--op", "update", "--tid", "1", "--name", key, "--value", value)
        self.add_lun(1, base / "lun", 1 << 30)
        self.admin("--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL")
        self.url = f"iscsi://127.0.0.1:{port}/{self.IQN}/1"

    def admin(self, *arguments, check=True):
        p = subprocess.run(["tgtadm", "-C", self.control, "--lld", "iscsi", *arguments], env=self.env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        if check and p.returncode != 0:
            raise SystemExit("tgtadm " + " ".join(arguments) + " failed")
        return p.returncode

    def add_lun(self, number, path, size):
        with open(path, "wb") as f:
            f.truncate(size)
        self.admin("--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", str(number), "-b", str(path))

    def add_luns(self, count):
        for i in range(2, count + 1):
            self.add_lun(i, self.scratch / "tgt" / f"lun-{i}", 1 << 20)
        self.many = True


class Ceiling(Server):
    def start(self):
        self.process = subprocess.Popen([*self.pinned, str(self.build / "bench/iscsi/iscsi_ceiling")], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.pid = self.process.pid


def make(name, build, scratch, core):
    if name == "tgt" and shutil.which("tgtd") is None:
        return None
    return {"vds": Vds, "tgt": Tgt, "ceiling": Ceiling}[name](build, scratch, core)
