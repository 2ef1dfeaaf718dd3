#!/usr/bin/env python3
"""The Linux kernel's own initiator uses a LUN as a disk. See tests/guest."""
import os
import subprocess
import sys

import harness

GUEST = harness.TOP / "tests/guest/guest"
INITIATOR = "iqn.2026-01.org.vds:guest"
STORAGE = "open-iscsi e2fsprogs xfsprogs btrfs-progs multipath-tools nftables fio"
STORAGE_MODULES = "iscsi_tcp sd_mod ext4 xfs btrfs dm_multipath dm_round_robin dm_service_time nf_tables"
WITH = ["-p", "open-iscsi e2fsprogs", "-m", "iscsi_tcp sd_mod"]


class the_linux_kernel(harness.Scene):
    def test_makes_a_file_system_on_a_lun_and_finds_it_again(self):
        s = self.service(drives="3x512M")
        lun = s.create("192M", "--type", "mirror")
        target, number = lun["iscsi_url"].split("/")[3:5]
        ended = self.run_program(GUEST, *WITH, "-t", "240", harness.TOP / "tests/guest/iscsi_ext4.sh",
                                 f"10.0.2.2:{s.port}", target, number, timeout=400, check=False)
        print(ended.out)
        self.assertEqual(ended.status, 0, ended)
        self.assertIn("== all there", ended.out)
        self.assertIn(f"{192 << 20} bytes", ended.out)

    def test_finds_what_a_disk_array_offers_and_a_lun_that_appears_under_it(self):
        s = self.service(drives="2x512M")
        first = s.create("64M", "--type", "mirror")
        target, number = first["iscsi_url"].split("/")[3:5]
        command = [GUEST, "-p", "open-iscsi sg3-utils", "-m", "iscsi_tcp sd_mod sg", "-t", "300", harness.TOP / "tests/guest/iscsi_scsi.sh",
                   f"10.0.2.2:{s.port}", target, number, "iqn.2026-01.org.vds:guest"]
        status, text = self.talk(command, [("== waiting for another LUN", lambda: s.create("64M", "--type", "mirror", "--name", "second"))])
        if status == harness.SKIPPED:
            self.skipTest("no root file system with sg3-utils here")
        self.assertEqual(status, 0)
        self.assertIn("== all answered", text)

    def test_keeps_a_file_system_mounted_while_its_lun_grows(self):
        s = self.service(drives="3x256M")
        lun = s.create("64M", "--type", "parity")
        target, number = lun["iscsi_url"].split("/")[3:5]
        status, text = self.talk([GUEST, *WITH, "-t", "300", harness.TOP / "tests/guest/iscsi_resize.sh", f"10.0.2.2:{s.port}", target, number,
                                  "iqn.2026-01.org.vds:guest"], [("== waiting to be larger", lambda: s.vds("lun", "extend", lun["id"], "--by", "96M"))])
        self.assertEqual(status, 0)
        self.assertIn(f"== now {160 << 20} bytes", text)
        self.assertIn("== all there", text)

    def storage(self, script, *args, cues=()):
        """Runs a script that needs the larger root file system; skipped where that cannot be had, and where nobody asked for it: an
        emulated machine with nothing beside it takes minutes for these."""
        if not os.environ.get("VDS_GUEST_STORAGE"):
            self.skipTest("set VDS_GUEST_STORAGE=1 to run it")
        status, text = self.talk([GUEST, "-p", STORAGE, "-m", STORAGE_MODULES, "-t", "900", harness.TOP / "tests/guest" / script, *args], cues)
        if status == harness.SKIPPED:
            self.skipTest("no root file system with the tools of storage here")
        self.assertEqual(status, 0)
        self.assertIn("== all there", text)
        return text

    def test_loses_no_byte_to_connections_that_are_cut_and_has_xfs_and_btrfs(self):
        s = self.service(drives="3x512M")
        target, number = s.create("320M", "--type", "mirror")["iscsi_url"].split("/")[3:5]
        text = self.storage("iscsi_cuts.sh", f"10.0.2.2:{s.port}", target, number, INITIATOR)
        for done in ("cut 3 is mended", "ext4 has every byte", "xfs has every byte", "btrfs has every byte"):
            self.assertIn(f"== {done}", text)

    def test_has_two_paths_and_goes_on_when_either_is_lost(self):
        s = self.service(drives="3x512M")
        lun = s.create("96M", "--type", "mirror")
        iqn, number = lun["iscsi_url"].split("/")[3:5]
        target = next(t for t in s.vds("target", "list") if t["iscsi_name"] == iqn)
        group = s.vds("portal-group", "create", target["id"])
        other = f"127.0.0.1:{harness.free_port()}"
        s.vds("portal", "add", other, "--group", group["id"])
        text = self.storage("iscsi_multipath.sh", f"10.0.2.2:{s.port}", f"10.0.2.2:{other.split(':')[1]}", iqn, number, INITIATOR, cues=[
            ("== waiting for the other portal to go", lambda: s.vds("portal", "status", other, "offline")),
            ("== waiting for the other portal to come back", lambda: s.vds("portal", "status", other, "online"))])
        for done in ("both carry", "the other path was lost and is back", "the first path was lost and is back"):
            self.assertIn(f"== {done}", text)
        # The kernel's initiator heard the request and logged out: nobody had to be dropped.
        log = "".join(f.read_text(errors="replace") for f in self.folder.glob("*.log"))
        self.assertIn(f"{INITIATOR} is asked to log out", log)
        self.assertNotIn("did not log out in time", log)

    def talk(self, command, cues):
        """Runs it; does something when it says so. Its status and what it printed."""
        lines = []
        with subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", env=self.environment) as guest:
            for line in guest.stdout:
                lines.append(line)
                for cue, act in cues:
                    if line.startswith(cue):
                        act()
        print("".join(lines))
        return guest.returncode, "".join(lines)

    def test_logs_in_with_chap_and_only_with_the_right_secrets(self):
        s = self.service(drives="2x256M")
        initiator, secret, mutual = "iqn.2026-01.org.vds:guest", "guest-secret-0001", "what-we-prove-01"
        s.vds("lun", "create", "--size", "16M", "--unmask", initiator)
        target = s.vds("target", "list")[0]
        for text, args in ((secret, []), (mutual, ["--mutual"])):
            file = self.folder / "secret"
            file.write_text(text)
            s.vds("chap", "set", target["id"], "--initiator", initiator, "--secret-file", file, *args)
        ended = self.run_program(GUEST, *WITH, "-t", "240", harness.TOP / "tests/guest/iscsi_chap.sh", f"10.0.2.2:{s.port}",
                                 target["iscsi_name"], secret, mutual, initiator, timeout=400, check=False)
        print(ended.out)
        self.assertEqual(ended.status, 0, ended)
        self.assertIn("== all as it should be", ended.out)


if __name__ == "__main__":
    # Building the root file system needs root and a mirror; only that is a reason to skip.
    prepared = subprocess.run([GUEST, *WITH, "--prepare"], stdin=subprocess.DEVNULL)
    if prepared.returncode == harness.SKIPPED:
        print("skipped: this machine cannot run a guest")
        sys.exit(harness.SKIPPED)
    harness.main()
