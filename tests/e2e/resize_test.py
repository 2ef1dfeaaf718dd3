#!/usr/bin/env python3
"""LUNs are extended, shrunk and scrubbed while initiators go on."""
import os
import subprocess

import harness

MIB = 1 << 20


class a_lun_in_use(harness.Scene):
    def seen(self, lun):
        """The size that an initiator is told."""
        text = self.run_program("iscsi-readcapacity16", lun["iscsi_url"]).out
        return int(next(l for l in text.splitlines() if l.startswith("Total size")).split(":")[1])

    def test_becomes_larger_and_smaller_and_no_initiator_minds(self):
        for kind in ("mirror", "parity", "stripe"):
            with self.subTest(kind):
                s = self.service(kind, array=kind)
                lun = s.create("64M", "--type", kind)
                free = s.free()
                initiator = harness.Ledger(self, lun["iscsi_url"], name=kind)
                plan = s.vds("lun", "extend", lun["id"], "--by", "100M", "--dry-run")
                self.assertEqual((plan["possible"], plan["size_bytes"]), (True, 164 * MIB))
                self.assertEqual(s.vds("lun", "show", lun["id"])["size_bytes"], 64 * MIB)
                larger = s.vds("lun", "extend", lun["id"], "--by", "100M")
                self.assertEqual((larger["size_bytes"], larger["survives_drive_losses"]), (164 * MIB, lun["survives_drive_losses"]))
                taken = {d["object"]: d["bytes_taken"] for d in plan["steps"] if d["object_type"] == "drive"}
                self.assertEqual({d: free[d] - left for d, left in s.free().items() if left != free[d]}, taken)
                self.assertEqual(self.seen(lun), 164 * MIB)
                initiator.goes_on()
                self.assertGreater(initiator.last()["attentions"], 0, "it was not told that the capacity has changed")
                s.kill_provider()
                self.assertEqual(s.vds("lun", "show", lun["id"])["size_bytes"], 164 * MIB)
                smaller = s.vds("lun", "shrink", lun["id"], "--by", "120M", "--yes")
                self.assertEqual(smaller["size_bytes"], 44 * MIB)
                self.assertEqual(self.seen(lun), 44 * MIB)
                initiator.goes_on()
                self.assertEqual(initiator.stop()["errors"], 0)
                initiator.verify()
                told = [e["event"] for e in s.vds("events", "--since", "0") if e["object"] == lun["id"]]
                self.assertIn("lun_modify", told)

    def test_says_why_it_cannot_be_resized(self):
        s = self.service()
        lun = s.create("64M", "--type", "mirror")
        for command, name in ((("extend", "--by", "1T"), "VDS_E_NOT_ENOUGH_SPACE"), (("shrink", "--by", "64M", "--yes"), "VDS_E_INVALID_SHRINK_SIZE"),
                              (("extend", "--by", "1T", "--dry-run"), "VDS_E_NOT_ENOUGH_SPACE")):
            with self.subTest(" ".join(command)):
                refused = s.vds("lun", command[0], lun["id"], *command[1:], check=False)
                self.assertEqual(refused.status, 1)
                self.assertIn(name, refused.err)
        self.assertEqual(s.vds("lun", "list"), [lun])

    def test_is_larger_or_not_when_the_array_is_killed_in_the_middle(self):
        s = self.service()
        lun = s.create("64M", "--type", "parity")
        size = 64 * MIB
        for _ in range(4):
            op = s.vds("lun", "extend", lun["id"], "--by", "16M", "--no-wait")
            s.kill_provider()
            ended = s.vds("op", "wait", op["id"], check=False)
            now = s.vds("lun", "show", lun["id"])["size_bytes"]
            if ended.status == 0:
                size += 16 * MIB
            else:
                self.assertIn("VDS_E_RETRY", ended.err)
            self.assertEqual(now, size)
            self.assertEqual(self.seen(lun), size)

    def test_is_scrubbed_and_what_a_drive_got_wrong_is_repaired_and_named(self):
        s = self.service(drives="4x128M")
        lun = s.create("24M", "--type", "mirror", "--plexes", "3")
        image = self.folder / "image"
        image.write_bytes(os.urandom(24 * MIB))
        subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, lun["iscsi_url"]], check=True, timeout=120)
        liar = s.vds("drive", "show", lun["drives"][0])
        block = image.read_bytes()[5 * MIB:5 * MIB + 4096]
        with open(liar["path"], "r+b") as drive:
            at = drive.read().find(block)
            self.assertGreater(at, 0)
            drive.seek(at)
            drive.write(os.urandom(4096))
        op = s.vds("lun", "scrub", lun["id"], "--no-wait")
        ended = s.vds("op", "wait", op["id"])
        self.assertEqual((ended["kind"], ended["state"], ended["hresult"]), ("scrub", "done", "0x00000000"))
        self.assertIn("4096 bytes did not agree", ended["phase"])
        self.assertIn(liar["id"], ended["phase"])
        s.vds("lun", "scrub", lun["id"])
        again = [o for o in s.vds("op", "list", "--all") if o["kind"] == "scrub"]
        self.assertEqual([o["phase"] for o in again if o["id"] != op["id"]], ["nothing wrong"])
        for other in lun["drives"][1:]:
            s.vds("drive", "fail", other, "--yes")
        back = self.folder / "back"
        subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=1M", "count=24", f"if={lun['iscsi_url']}", f"of={back}"],
                       check=True, timeout=120, stdout=subprocess.DEVNULL)
        self.assertEqual(back.read_bytes(), image.read_bytes())

    def test_with_checksums_a_wrong_block_is_repaired_or_an_error_and_never_data(self):
        s = self.service(drives="3x128M", arguments=["--checksums"])
        image = self.folder / "image"
        image.write_bytes(os.urandom(24 * MIB))
        block = image.read_bytes()[5 * MIB:5 * MIB + 4096]

        def written(kind):
            lun = s.create("24M", "--type", kind)
            subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, lun["iscsi_url"]], check=True, timeout=120)
            liar = s.vds("drive", "show", lun["drives"][0])
            with open(liar["path"], "r+b") as drive:
                content = drive.read()
                places = [n for n in range(0, len(content), 4096) if content[n:n + 4096] == block]
                self.assertTrue(places)
                for at in places:  # also where a LUN had it that was deleted
                    drive.seek(at)
                    drive.write(bytes(4096))
            return lun, liar["id"]

        def read(lun):
            back = self.folder / "back"
            ended = subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=1M", "count=24", f"if={lun['iscsi_url']}", f"of={back}"],
                                   timeout=120, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return back.read_bytes() if ended.returncode == 0 else None

        lun, liar = written("mirror")
        for _ in range(2):  # whichever copy is asked
            self.assertEqual(read(lun), image.read_bytes())
        s.vds("lun", "scrub", lun["id"])
        self.assertEqual(s.vds("drive", "show", liar)["health"], "failing")
        for other in lun["drives"][1:]:
            s.vds("drive", "fail", other, "--yes")
        self.assertEqual(read(lun), image.read_bytes())
        s.vds("lun", "delete", lun["id"], "--yes")
        alone, _ = written("simple")
        self.assertIsNone(read(alone), "wrong data was given out")


if __name__ == "__main__":
    harness.main()
