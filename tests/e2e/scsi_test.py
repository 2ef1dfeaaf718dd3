#!/usr/bin/env python3
"""What initiators ask of a LUN of the array outlives the array's process: reservations, saved mode pages; and libiscsi's whole suite on LUNs of several types."""
import shutil
import subprocess
import unittest

import harness

A, B = "iqn.2026-01.org.vds:host-a", "iqn.2026-01.org.vds:host-b"
GOOD, CONFLICT = "0", "18"


class what_a_lun_keeps(harness.Scene):
    def setUp(self):
        super().setUp()
        self.s = self.service(drives="3x256M")
        self.lun = self.s.create("32M", "--type", "mirror", "--name", "kept")

    def scsi(self, who, cdb, out=None, into=0):
        """(status, sense code, data) of one command."""
        extra = ["--out", out] if out else ["--in", into] if into else []
        status, _, code, data = self.run_program(harness.program("tests/e2e/cdb/iscsi_cdb"), self.lun["iscsi_url"], who, cdb, *extra).out.split()
        return status, code, bytes.fromhex(data) if data != "-" else b""

    def reserve_out(self, who, action, key, action_key, kind=0, flags=0):
        return self.scsi(who, f"5f{action:02x}{kind:02x}0000000000" + "1800", out=f"{key:016x}{action_key:016x}00000000{flags:02x}000000")[0]

    def keys(self):
        data = self.scsi(A, "5e000000000000" + "040000", into=1024)[2]
        return [int.from_bytes(data[i:i + 8], "big") for i in range(8, len(data), 8)]

    def write(self, who):
        return self.scsi(who, "2a000000000000000100", out="55" * 512)[0]

    def kill_the_array(self):
        self.s.kill_provider()
        harness.until(lambda: subprocess.run(["iscsi-inq", self.lun["iscsi_url"]], capture_output=True, check=False).returncode == 0, "its portal")

    def test_reservations_with_aptpl_survive_kill_9_and_others_do_not(self):
        self.assertEqual(self.reserve_out(A, 0, 0, 0xA1, flags=1), GOOD)
        self.assertEqual(self.reserve_out(A, 1, 0xA1, 0, kind=3), GOOD)
        self.assertEqual(self.write(B), CONFLICT)
        self.kill_the_array()
        self.assertEqual(self.keys(), [0xA1])
        self.assertEqual(self.write(B), CONFLICT)
        self.assertEqual(self.write(A), GOOD)
        self.assertEqual(self.reserve_out(A, 0, 0xA1, 0xA2), GOOD)  # APTPL=0
        self.kill_the_array()
        self.assertEqual(self.keys(), [])
        self.assertEqual(self.write(B), GOOD)

    def test_a_saved_write_cache_setting_survives_kill_9(self):
        def wce():
            return self.scsi(A, "1a080800ff00", into=255)[2][4 + 2] >> 2 & 1

        self.assertEqual(wce(), 1)
        self.assertEqual(self.scsi(A, "151100001800", out="00000000" + "0812" + "00" * 18)[0], GOOD)
        self.assertEqual(wce(), 0)
        self.kill_the_array()
        self.assertEqual(wce(), 0)

    def test_what_a_deleted_lun_kept_is_gone_with_it(self):
        self.assertEqual(self.reserve_out(A, 0, 0, 0xA1, flags=1), GOOD)
        self.s.vds("lun", "delete", "kept", "--yes")
        self.lun = self.s.create("32M", "--type", "mirror", "--name", "kept")
        self.assertEqual(self.keys(), [])


@unittest.skipUnless(shutil.which("iscsi-test-cu"), "no iscsi-test-cu here")
class libiscsi(harness.Scene):
    def test_whole_suite_passes_on_luns_of_four_types_at_once_over_two_paths(self):
        s = self.service(drives="5x256M")
        luns = [s.create("64M", "--type", kind, "--name", kind) for kind in ("mirror", "raid6", "parity", "raid10")]
        numbers = [int(lun["iscsi_url"].rsplit("/", 1)[1]) for lun in luns]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 4)))
        url = luns[0]["iscsi_url"]
        ended = self.run_program(harness.TOP / "tests/iscsi/libiscsi.py", "--skips", harness.TOP / "docs/iscsi.md", "--on", "array", "--copies", 4, url, url,
                                 check=False, timeout=500)
        print(ended.out)
        self.assertEqual(ended.status, 0, ended)


if __name__ == "__main__":
    harness.main()
