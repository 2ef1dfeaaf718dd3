#!/usr/bin/env python3
"""The power goes while the real daemons work: their drives forget what was not flushed, and more.

Each drive is a file that QEMU's storage daemon serves (over NBD and nbdfuse, as a file again), logging every write and flush
(blklogwrites). The cut kills
the daemons at one instant. Each drive is then made anew from its log: everything up to its last flush and every FUA write is
there; of each later write nothing, all of it, or some of its sectors (a seed decides, differently for each drive). The
daemons are started on what is left; an initiator's book outside says what must be there.

  VDS_POWER_CUTS=N   cuts of each LUN type (default 2)     VDS_SEED=N   repeats the choices of a run
"""
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import unittest

import harness

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4
LOG_MAGIC = 0x6A736677736872
CUTS = int(os.environ.get("VDS_POWER_CUTS", "2"))
SEED = int(os.environ.get("VDS_SEED", random.SystemRandom().randrange(1 << 32)))


def entries(log):
    """(first byte, bytes, flags, where its data is in the log) of each write, in the order of the log (dm-log-writes format)."""
    magic, _version, _count, sector = struct.unpack("<QQQI", os.pread(log, 28, 0))
    assert magic == LOG_MAGIC, hex(magic)
    at = sector
    while True:  # not as far as the count says: it is written without an order
        first, sectors, flags, _ = struct.unpack("<QQQQ", os.pread(log, 32, at))
        if (first, sectors, flags) == (0, 0, 0):
            return
        at += sector
        data = at
        if not flags & DISCARD:
            at += sectors * sector
        yield first * sector, sectors * sector, flags, data


def after_the_cut(log_path, image_path, chance):
    """Applies to the image what the drive of that log may still have after losing power. Returns (kept for sure, doubtful)."""
    log, image = os.open(log_path, os.O_RDONLY), os.open(image_path, os.O_WRONLY)
    try:
        known = list(entries(log))
        last_flush = max((n for n, e in enumerate(known) if e[2] & FLUSH), default=-1)
        for n, (at, size, flags, data) in enumerate(known):
            sure = n <= last_flush or flags & FUA
            fate = "whole" if sure else chance.choice(("nothing", "whole", "torn"))
            content = bytes(size) if flags & DISCARD else os.pread(log, size, data)
            for s in range(0, size, SECTOR if fate == "torn" else max(size, 1)):
                if fate == "whole" or (fate == "torn" and chance.random() < 0.5):
                    os.pwrite(image, content[s:s + SECTOR] if fate == "torn" else content, at + s)
        return last_flush + 1, len(known) - last_flush - 1
    finally:
        os.close(log)
        os.close(image)


class Drives:
    """Files at fixed paths, which the storage daemon serves from behind until the power goes."""

    def __init__(self, scene, count, size):
        self.scene, self.size = scene, size
        self.paths = [scene.folder / f"drive{n}" for n in range(count)]
        for path in self.paths:
            with open(path, "wb") as file:
                file.truncate(size)
        self.daemon = None

    def serve(self):
        socket = self.scene.folder / "drives.sock"
        socket.unlink(missing_ok=True)
        command = ["qemu-storage-daemon", "--nbd-server", f"addr.type=unix,addr.path={socket}"]
        self.images = []
        for n, path in enumerate(self.paths):
            image, log = self.scene.folder / f"image{n}", self.scene.folder / f"log{n}"
            shutil.copy(path, image)  # what the drive holds now; sparse stays sparse
            log.write_bytes(b"")
            os.truncate(log, 8 << 30)
            self.images.append((image, log))
            command += ["--blockdev", f"driver=file,node-name=file{n},filename={image},discard=unmap",
                        "--blockdev", f"driver=file,node-name=log{n},filename={log}",
                        "--blockdev", f"driver=blklogwrites,node-name=drive{n},file=file{n},log=log{n},log-sector-size={SECTOR},"
                                      "log-super-update-interval=1,discard=unmap",
                        "--export", f"type=nbd,id=export{n},node-name=drive{n},name=drive{n},writable=on"]
            self.scene.addCleanup(subprocess.run, ["umount", "--lazy", path], stderr=subprocess.DEVNULL, check=False)
        self.before = [self.scene.folder / f"before{n}" for n in range(len(self.paths))]
        for (image, _), before in zip(self.images, self.before):
            shutil.copy(image, before)
        self.daemon = self.scene.start_program(*command, log="drives.log")
        harness.until(lambda: socket.exists() or self.daemon.poll() is not None, "the storage daemon")
        mounts = [self.scene.start_program("nbdfuse", path, f"nbd+unix:///drive{n}?socket={socket}", log="drives.log")
                  for n, path in enumerate(self.paths)]
        def ended(): return any(p.poll() is not None for p in (self.daemon, *mounts))
        harness.until(lambda: ended() or all(os.path.ismount(p) for p in self.paths), "the drives being served")
        if ended():
            words = (self.scene.folder / "drives.log").read_text().strip().splitlines()
            raise unittest.SkipTest(f"no drives that forget: {words[-1] if words else 'they ended'}")

    def cut(self):
        """After everybody who had them open is gone: what he had sent is in the logs, as soon as they stand still."""
        def logged():
            return [os.stat(log).st_blocks for _, log in self.images]
        seen = []
        def still():
            seen.append(logged())
            return len(seen) > 10 and all(s == seen[-1] for s in seen[-10:])
        harness.until(still, "the drives at rest")
        self.daemon.kill()  # not asked to end: it would flush
        self.daemon.wait()

    def come_back(self, chance):
        """Says of each drive how much was sure and how much was not."""
        told = []
        for path, before, (_, log) in zip(self.paths, self.before, self.images):
            subprocess.run(["umount", "--lazy", path], check=True)
            shutil.copy(before, path)
            told.append(after_the_cut(log, path, chance))
        return told


@unittest.skipUnless(shutil.which("qemu-storage-daemon") and shutil.which("nbdfuse") and os.path.exists("/dev/fuse")
                     and os.geteuid() == 0, "needs qemu-storage-daemon, nbdfuse, FUSE and root")
class power_cut(harness.Scene):
    drives, size = 3, 512 << 20

    def make_luns_until(self, s, stopped, done, prefix):
        """Makes and deletes LUNs all the time; `done` has the names that were told to be there."""
        n = 0
        while not stopped.is_set():
            n += 1
            name = f"{prefix}-{n}"
            if s.vds("lun", "create", "--size", "1M", "--name", name, check=False, timeout=60).status != 0:
                continue
            done[name] = "there"
            if n % 2:
                done[name] = "going"
                if s.vds("lun", "delete", name, "--yes", check=False, timeout=60).status == 0:
                    done[name] = "gone"

    def cut_after_cut(self, type_name, losable):
        chance = random.Random(f"{SEED} {type_name}")
        print(f"{type_name}: VDS_SEED={SEED}")
        drives = Drives(self, self.drives, self.size)
        drives.serve()
        s = self.service(drives=None)
        for path in drives.paths:
            s.vds("drive", "add", path)
        expected, books = {}, {}
        for cut in range(CUTS):
            name = f"book{cut}"
            lun = s.create("16M", "--type", type_name, "--name", name)
            initiator = harness.Ledger(self, lun["iscsi_url"], name)
            books[name] = initiator
            stopped = threading.Event()
            maker = threading.Thread(target=self.make_luns_until, args=(s, stopped, expected, f"m{cut}"))
            maker.start()
            for _ in range(chance.randrange(1, 6)):
                initiator.goes_on()
            array = [p for p, c in harness.processes(self.mark) if "vds-arrayd" in c]
            s.process.send_signal(signal.SIGSTOP)  # so that it starts no array anew
            for pid in array:
                os.kill(pid, signal.SIGKILL)
            initiator.process.kill()
            s.kill()
            stopped.set()
            for pid, command in harness.processes(self.mark):
                if command.startswith(harness.vds_program()):  # it would wait for the service to come back
                    os.kill(pid, signal.SIGKILL)
            maker.join()
            harness.until(lambda: not any(harness.alive(p) for p in array), "the end of the array's process")
            drives.cut()
            told = drives.come_back(chance)
            print(f"  cut {cut}: writes kept for sure and in doubt, by drive: {told}")
            self.assertTrue(any(sure for sure, _ in told))
            lost = chance.sample(range(len(drives.paths)), losable) if cut + 1 == CUTS else []
            for n in lost:  # and drives that do not survive the cut
                drives.paths[n].rename(drives.paths[n].with_suffix(".lost"))
            s.start()
            harness.until(lambda: s.vds("lun", "show", lun["id"], check=False).status == 0, "the LUN")
            for name, book in books.items():
                book.verify(s.vds("lun", "show", name)["iscsi_url"])
            names = {l["name"] for l in s.vds("lun", "list")}
            for name, fate in expected.items():
                if fate != "going":
                    self.assertEqual(name in names, fate == "there", f"{name} was told to be {fate}")
            if cut + 1 == CUTS:
                break
            harness.until(lambda: all(l["health"] == "healthy" for l in s.vds("lun", "list")), "all LUNs whole again")
            array = s.array_pid()
            s.stop()
            harness.until(lambda: not harness.alive(array), "the end of the array's process")
            drives.serve()
            s.start()


def add(type_name, losable):
    def test(self):
        self.cut_after_cut(type_name, losable)
    setattr(power_cut, f"test_{type_name}_holds_what_was_flushed", test)


for kind, may_be_lost in (("simple", 0), ("mirror", 1), ("parity", 1)):
    add(kind, may_be_lost)


if __name__ == "__main__":
    harness.main()
