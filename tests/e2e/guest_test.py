#!/usr/bin/env python3
"""The Linux kernel's own initiator uses a LUN as a disk. See tests/guest."""
import subprocess
import sys

import harness

GUEST = harness.TOP / "tests/guest/guest"
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
        status, text = self.talk(command, "== waiting for another LUN", lambda: s.create("64M", "--type", "mirror", "--name", "second"))
        if status == harness.SKIPPED:
            self.skipTest("no root file system with sg3-utils here")
        self.assertEqual(status, 0)
        self.assertIn("== all answered", text)

    def test_keeps_a_file_system_mounted_while_its_lun_grows(self):
        s = self.service(drives="3x256M")
        lun = s.create("64M", "--type", "parity")
        target, number = lun["iscsi_url"].split("/")[3:5]
        status, text = self.talk([GUEST, *WITH, "-t", "300", harness.TOP / "tests/guest/iscsi_resize.sh", f"10.0.2.2:{s.port}", target, number,
                                  "iqn.2026-01.org.vds:guest"], "== waiting to be larger", lambda: s.vds("lun", "extend", lun["id"], "--by", "96M"))
        self.assertEqual(status, 0)
        self.assertIn(f"== now {160 << 20} bytes", text)
        self.assertIn("== all there", text)

    def talk(self, command, cue, act):
        """Runs it; does something when it says so. Its status and what it printed."""
        lines = []
        with subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", env=self.environment) as guest:
            for line in guest.stdout:
                lines.append(line)
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
