#!/usr/bin/env python3
"""Drives and the box they are in: found, named, failed, replaced, while initiators go on."""
import os
import subprocess

import harness


class a_box(harness.Scene):
    def test_keeps_the_name_it_was_given_wherever_its_drives_are_opened(self):
        s = self.service()
        s.vds("subsystem", "rename", s.subsystem(), "rack 7")
        self.assertEqual(s.vds("subsystem", "list")[0]["name"], "rack 7")
        s.stop()
        s.start()
        self.assertEqual(s.vds("subsystem", "show", "rack 7")["name"], "rack 7")

    def test_shows_which_drive_is_meant(self):
        s = self.service()
        drive = s.vds("drive", "list")[1]
        s.vds("drive", "locate", drive["id"])
        lit = [d["id"] for d in s.vds("drive", "list") if "locating" in d["flags"]]
        self.assertEqual(lit, [drive["id"]])
        told = [e for e in s.vds("events", "--since", "0") if e["event"] == "drive_modify" and e["object"] == drive["id"]]
        self.assertEqual(len(told), 1)
        s.vds("drive", "locate", drive["id"], "off")
        self.assertEqual(s.vds("drive", "show", drive["id"]), drive)


class a_plan(harness.Scene):
    def test_shows_what_would_be_done_and_does_nothing(self):
        s = self.service()
        free = s.free()
        plan = s.vds("lun", "create", "--size", "64M", "--type", "mirror", "--dry-run")
        self.assertTrue(plan["possible"])
        self.assertEqual((plan["type"], plan["size_bytes"]), ("mirror", 64 << 20))
        self.assertEqual((s.vds("lun", "list"), s.free()), ([], free))
        taken = {d["object"]: d["bytes_taken"] for d in plan["steps"] if d["object_type"] == "drive"}
        lun = s.create("64M", "--type", "mirror")
        self.assertEqual({d: free[d] - left for d, left in s.free().items() if left != free[d]}, taken)
        self.assertEqual(plan["steps"][0]["survives_drive_losses_after"], lun["survives_drive_losses"])
        plan = s.vds("lun", "delete", lun["id"], "--dry-run")
        self.assertEqual({d["object"]: d["bytes_freed"] for d in plan["steps"] if d["object_type"] == "drive"}, taken)
        self.assertEqual(s.vds("lun", "list"), [lun])
        refused = s.vds("lun", "create", "--size", "1T", "--dry-run", check=False)
        self.assertEqual(refused.status, 1)
        self.assertIn("VDS_E_NOT_ENOUGH_SPACE", refused.err)

    def test_what_an_array_does_by_itself_is_among_the_operations(self):
        s = self.service()
        lun = s.create("64M")
        s.vds("lun", "delete", lun["id"], "--yes")
        wipe = next(o for o in s.vds("op", "list", "--all") if o["kind"] == "wipe")
        self.assertIn(wipe["object"], lun["drives"])
        self.assertEqual(wipe["owner"], "array")
        ended = s.vds("op", "wait", wipe["id"])
        self.assertEqual((ended["state"], ended["percent"], ended["hresult"]), ("done", 100, "0x00000000"))


class a_drive_that_is_declared_failed(harness.Scene):
    def test_costs_initiators_nothing_while_there_is_another_copy(self):
        s = self.service()
        mirror = s.create("32M", "--type", "mirror", "--name", "copies")
        parity = s.create("32M", "--type", "parity", "--name", "sums")
        on_all = next(iter(set(mirror["drives"]) & set(parity["drives"])))
        books = [harness.Ledger(self, l["iscsi_url"], name=l["name"]) for l in (mirror, parity)]
        s.vds("drive", "fail", on_all, "--yes")
        for b in books:
            b.goes_on()
        self.assertEqual((s.vds("drive", "show", on_all)["status"], s.vds("drive", "show", on_all)["health"]), ("failed", "failed"))
        for l in s.vds("lun", "list"):
            self.assertEqual((l["status"], l["health"], l["survives_drive_losses"]), ("online", "failed_redundancy", 0))
        self.assertEqual(s.vds("subsystem", "list")[0]["health"], "degraded")
        told = [e["event"] for e in s.vds("events", "--since", "0")]
        self.assertIn("subsystem_modify", told)
        # It is never believed again, whatever happens to the array.
        s.kill_provider()
        for b in books:
            b.goes_on()
            self.assertEqual(b.stop()["errors"], 0)
            b.verify()
        harness.until(lambda: s.vds("drive", "show", on_all)["status"] == "offline", "a drive that is left aside")

    def test_is_refused_while_a_lun_would_lose_its_data(self):
        s = self.service()
        flat = s.create("32M", "--type", "simple", "--name", "flat")
        refused = s.vds("drive", "fail", flat["drives"][0], "--yes", check=False)
        self.assertEqual(refused.status, 1)
        self.assertIn("flat", refused.err)
        self.assertEqual(s.vds("drive", "show", flat["drives"][0])["status"], "online")
        s.vds("drive", "fail", flat["drives"][0], "--yes", "--force")
        self.assertEqual(s.vds("lun", "show", "flat")["health"], "failed")
        self.assertEqual(s.vds("lun", "show", "flat")["status"], "failed")


class losing_a_drive(harness.Scene):
    """Written by one initiator, read by another; the array is killed in the middle of what it does about it."""

    def write(self, lun):
        image = self.folder / "image"
        image.write_bytes(os.urandom(24 << 20))
        subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, lun["iscsi_url"]], check=True, timeout=120)
        return image

    def same(self, lun, image):
        back = self.folder / "back"
        subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=1M", "count=24", f"if={lun['iscsi_url']}", f"of={back}"],
                       check=True, timeout=120, stdout=subprocess.DEVNULL)
        self.assertEqual(back.read_bytes(), image.read_bytes())

    def test_brings_the_hot_spare_in_and_then_another_may_go(self):
        for kind in ("mirror", "parity"):
            with self.subTest(kind):
                s = self.service(kind, array=kind, drives="5x128M")
                spare = s.vds("drive", "list")[4]["id"]
                s.vds("drive", "spare", spare)
                lun = s.create("64M", "--type", kind)
                self.assertNotIn(spare, lun["drives"])
                image = self.write(lun)
                s.vds("drive", "fail", lun["drives"][0], "--yes")
                s.kill_provider()
                harness.until(lambda: s.vds("lun", "show", lun["id"])["health"] == "healthy", "the spare in its place")
                now = s.vds("lun", "show", lun["id"])
                self.assertIn(spare, now["drives"])
                self.assertNotIn(lun["drives"][0], now["drives"])
                self.assertEqual(now["survives_drive_losses"], 1)
                s.vds("drive", "fail", lun["drives"][1], "--yes")
                self.same(lun, image)

    def test_a_drive_is_replaced_while_initiators_go_on(self):
        s = self.service(drives="4x128M")
        lun = s.create("64M", "--type", "mirror")
        old = lun["drives"][0]
        new = next(d["id"] for d in s.vds("drive", "list") if d["id"] not in lun["drives"])
        refused = s.vds("drive", "replace", old, lun["drives"][1], check=False)
        self.assertIn("VDS_E_INVALID_OPERATION", refused.err)
        initiator = harness.Ledger(self, lun["iscsi_url"])
        s.vds("drive", "replace", old, new)
        s.kill_provider()
        harness.until(lambda: old not in s.vds("lun", "show", lun["id"])["drives"], "everything on the new drive")
        initiator.goes_on()
        self.assertIn(new, s.vds("lun", "show", lun["id"])["drives"])
        s.vds("drive", "remove", old)
        self.assertEqual(initiator.stop()["errors"], 0)
        initiator.verify()

    def test_one_that_was_left_behind_is_used_again_where_there_is_no_other(self):
        s = self.service(drives="2x128M")
        lun = s.create("64M", "--type", "mirror")
        image = self.write(lun)
        old = lun["drives"][0]
        s.vds("drive", "fail", old, "--yes")
        refused = s.vds("drive", "online", old, "--yes", check=False)
        self.assertIn("VDS_E_NOT_SUPPORTED", refused.err)
        s.kill_provider()
        self.assertEqual(s.vds("drive", "show", old)["status"], "offline")
        again = s.vds("drive", "online", old, "--yes")
        self.assertEqual(again["replaced"], old)
        s.kill_provider()
        harness.until(lambda: s.vds("lun", "show", lun["id"])["health"] == "healthy", "both copies")
        self.assertEqual(set(s.vds("lun", "show", lun["id"])["drives"]), {lun["drives"][1], again["id"]})
        harness.until(lambda: len(s.vds("drive", "list")) == 2, "the old one forgotten")
        s.vds("drive", "fail", lun["drives"][1], "--yes")
        self.same(lun, image)

    def test_is_recovered_on_any_drive_with_room_when_asked(self):
        s = self.service(drives="4x128M")
        lun = s.create("64M", "--type", "mirror")
        image = self.write(lun)
        s.vds("drive", "fail", lun["drives"][0], "--yes")
        self.assertEqual(s.vds("lun", "show", lun["id"])["health"], "failed_redundancy")
        self.assertEqual(s.vds("lun", "recover", lun["id"])["health"], "healthy")
        s.vds("drive", "fail", lun["drives"][1], "--yes")
        self.same(lun, image)


class recovering(harness.Scene):
    def test_ends_when_the_copies_are_equal_again(self):
        s = self.service()
        lun = s.create("128M", "--type", "mirror")
        initiator = harness.Ledger(self, lun["iscsi_url"])
        for _ in range(2):
            s.kill_provider()
            self.assertEqual(s.vds("lun", "recover", lun["id"])["health"], "healthy")
            initiator.goes_on()
        self.assertEqual(initiator.stop()["errors"], 0)
        initiator.verify()
        ended = [o for o in s.vds("op", "list", "--all") if o["kind"] == "recover_lun"]
        self.assertEqual([o["hresult"] for o in ended], ["0x00000000"] * 2)

    def test_is_refused_where_there_is_no_copy(self):
        s = self.service()
        s.create("16M", "--type", "stripe", "--name", "flat")
        refused = s.vds("lun", "recover", "flat", check=False)
        self.assertEqual(refused.status, 1)
        self.assertIn("VDS_E_INVALID_OPERATION", refused.err)


if __name__ == "__main__":
    harness.main()
