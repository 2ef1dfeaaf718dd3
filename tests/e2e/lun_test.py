#!/usr/bin/env python3
"""A LUN from its creation to its end, by the command line and by a program on vds.h, used by initiators that are not ours."""
import concurrent.futures
import hashlib
import os
import re
import unittest

import harness

IQN_A, IQN_B = "iqn.2026-01.org.vds:host-a", "iqn.2026-01.org.vds:host-b"


class a_lun(harness.Scene):
    def setUp(self):
        super().setUp()
        self.s = self.service()

    def test_is_created_shown_listed_and_deleted(self):
        free = self.s.free()
        lun = self.s.create("64M", "--type", "mirror", "--name", "first")
        self.assertEqual((lun["name"], lun["type"], lun["size_bytes"]), ("first", "mirror", 64 << 20))
        self.assertEqual((lun["status"], lun["health"], lun["unmasking_list"]), ("online", "healthy", "*"))
        self.assertEqual((lun["plexes"], len(lun["drives"]), lun["survives_drive_losses"]), (2, 2, 1))
        self.assertRegex(lun["iscsi_url"], rf"^iscsi://127\.0\.0\.1:{self.s.port}/iqn\.[^/]+/\d+$")
        self.assertEqual(self.s.vds("lun", "list"), [lun])
        self.assertEqual(self.s.vds("lun", "show", "first"), lun)
        self.assertEqual(self.s.vds("lun", "show", lun["id"][:8]), lun)
        self.s.vds("lun", "delete", "first", "--yes")
        self.assertEqual(self.s.vds("lun", "list"), [])
        harness.until(lambda: self.s.free() == free, "deleting gives back what creating took", 10)

    def test_of_every_type_carries_data(self):
        for kind, survives in (("simple", 0), ("span", 0), ("stripe", 0), ("mirror", 1), ("parity", 1), ("raid6", 2), ("raid10", 1)):
            with self.subTest(kind):
                lun = self.s.create("48M", "--type", kind, "--name", kind)
                self.assertEqual((lun["type"], lun["survives_drive_losses"]), (kind, survives))
                self.round_trip(lun, 48 << 20)

    def test_mirror_takes_an_image_from_qemu_img_and_gives_it_back(self):
        lun = self.s.create("100M", "--type", "mirror", "--plexes", "3")
        self.assertEqual((lun["plexes"], lun["survives_drive_losses"]), (3, 2))
        self.round_trip(lun, 100 << 20)

    def round_trip(self, lun, size):
        image, back = self.folder / f"{lun['name']}.raw", self.folder / f"{lun['name']}.back"
        image.write_bytes(os.urandom(size))
        self.run_program("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, lun["iscsi_url"])
        self.run_program("qemu-img", "convert", "-f", "raw", "-O", "raw", lun["iscsi_url"], back)
        self.run_program("qemu-img", "compare", "-f", "raw", "-F", "raw", image, lun["iscsi_url"])
        self.assertEqual(hashlib.sha256(image.read_bytes()).digest(), hashlib.sha256(back.read_bytes()).digest())

    def test_is_what_the_example_program_makes_through_vds_h(self):
        made = self.run_program(harness.program("tests/e2e/create_lun"), env={"VDS_SOCKET": str(self.s.socket)})
        luns = self.s.vds("lun", "list")
        self.assertEqual(len(luns), 1, made)
        self.assertIn(luns[0]["id"], made.out.lower())

    def test_looks_the_same_to_the_initiator_and_to_the_service_and_after_a_restart(self):
        lun = self.s.create("16M", "--name", "steady")

        def seen():
            pages = {page: self.run_program("iscsi-inq", "-e", "1", "-c", page, lun["iscsi_url"]).out for page in ("128", "131")}
            return {**pages, "standard": self.run_program("iscsi-inq", lun["iscsi_url"]).out,
                    "size": self.run_program("iscsi-readcapacity16", lun["iscsi_url"]).out}

        before = seen()
        self.assertIn(lun["serial"], before["128"])
        self.assertIn(str(16 << 20), before["size"])
        self.s.stop()
        self.s.start()
        self.assertEqual(self.s.vds("lun", "show", "steady"), lun)
        self.assertEqual(seen(), before)

    def test_does_not_exist_for_an_initiator_that_it_is_not_unmasked_to(self):
        shared = self.s.create("8M", "--name", "shared")
        private = self.s.vds("lun", "create", "--size", "8M", "--name", "private", "--unmask", IQN_A)
        nobodys = self.s.vds("lun", "create", "--size", "8M", "--name", "nobodys")
        self.assertEqual(nobodys["unmasking_list"], "")
        portal = f"iscsi://127.0.0.1:{self.s.port}"

        def visible(initiator):
            text = self.run_program("iscsi-ls", "-s", "-i", initiator, portal).out
            return {int(n) for n in re.findall(r"Lun:(\d+)", text)}

        number = {l["name"]: int(l["iscsi_url"].rsplit("/", 1)[1]) for l in (shared, private, nobodys)}
        self.assertEqual(visible(IQN_A), {number["shared"], number["private"]})
        self.assertEqual(visible(IQN_B), {number["shared"]})
        refused = self.run_program("iscsi-readcapacity16", "-i", IQN_B, private["iscsi_url"], check=False)
        self.assertNotEqual(refused.status, 0, refused)
        self.s.vds("lun", "unmask", "private", IQN_B)
        self.assertEqual(visible(IQN_B), {number["shared"], number["private"]})
        self.s.vds("lun", "mask", "private", IQN_A)
        self.assertEqual(visible(IQN_A), {number["shared"]})

    def test_says_why_it_cannot_be_made(self):
        rows = [
            (("--size", "1T"), 1, "VDS_E_NOT_ENOUGH_SPACE"),
            (("--size", "10M", "--type", "mirror", "--plexes", "9"), 1, "VDS_E_NOT_ENOUGH_DRIVE"),
            (("--size", "10M", "--type", "raid60"), 1, "VDS_E_NOT_ENOUGH_DRIVE"),
            (("--size", "10M", "--drives", "no-such-drive"), None, ""),
            (("--size", "ten"), 2, ""),
            ((), 2, ""),
        ]
        for arguments, status, name in rows:
            with self.subTest(" ".join(arguments)):
                ended = self.s.vds("lun", "create", *arguments, check=False)
                self.assertNotEqual(ended.status, 0)
                if status is not None:
                    self.assertEqual(ended.status, status, ended)
                self.assertIn(name, ended.err)
        self.assertEqual(self.s.vds("lun", "list"), [])
        self.assertEqual([o for o in self.s.vds("op", "list") if o["state"] != "done"], [])

    def test_fills_the_array_to_the_last_extent_and_not_further(self):
        last = self.s.create("max", "--type", "span")
        ended = self.s.vds("lun", "create", "--size", "64M", "--type", "simple", check=False)
        self.assertEqual(ended.status, 1, ended)
        self.assertIn("VDS_E_NOT_ENOUGH_SPACE", ended.err)
        self.s.vds("lun", "delete", last["id"], "--yes")
        self.s.create("64M")

    def test_is_made_by_many_clients_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            luns = list(pool.map(lambda n: self.s.create("4M", "--name", f"lun-{n}"), range(24)))
        self.assertEqual(len({l["id"] for l in luns}), 24)
        self.assertEqual(len({l["iscsi_url"] for l in luns}), 24)
        self.assertEqual({l["id"] for l in self.s.vds("lun", "list")}, {l["id"] for l in luns})

    def test_of_the_same_key_is_made_once(self):
        first = self.s.create("4M", "--key", "once")
        again = self.s.create("4M", "--key", "once")
        self.assertEqual(first["id"], again["id"])
        self.assertEqual(len(self.s.vds("lun", "list")), 1)


class a_drive(harness.Scene):
    def test_is_added_used_and_removed_while_the_array_runs(self):
        s = self.service(drives=None)
        self.assertEqual(s.vds("drive", "list"), [])
        for n in range(2):
            s.vds("drive", "add", self.folder / f"drive{n}", "--create", "128M")
        drives = s.vds("drive", "list")
        self.assertEqual({d["size_bytes"] for d in drives}, {128 << 20})
        self.assertEqual({d["path"] for d in drives}, {str(self.folder / f"drive{n}") for n in range(2)})
        lun = s.create("32M", "--type", "mirror")
        used = s.vds("drive", "remove", drives[0]["id"], check=False)
        self.assertEqual(used.status, 1, used)
        s.vds("lun", "delete", lun["id"], "--yes")
        s.vds("drive", "remove", drives[0]["id"])
        self.assertEqual([d["id"] for d in s.vds("drive", "list")], [drives[1]["id"]])

    def test_with_somebody_elses_signature_is_taken_only_by_force(self):
        s = self.service(drives="1x128M")
        foreign = self.folder / "foreign"
        with open(foreign, "wb") as file:
            file.truncate(128 << 20)
        self.run_program("mkfs.ext4", "-q", "-F", foreign)
        before = foreign.read_bytes()
        refused = s.vds("drive", "add", foreign, check=False)
        self.assertEqual(refused.status, 1, refused)
        self.assertEqual(foreign.read_bytes(), before, "a refused drive is not touched")
        s.vds("drive", "add", foreign, "--force")
        self.assertEqual(len(s.vds("drive", "list")), 2)


class the_command_line(harness.Scene):
    def test_says_that_there_is_no_service(self):
        ended = self.run_program(harness.vds_program(), "lun", "list", check=False,
                                 env={"VDS_SOCKET": str(self.folder / "nobody.sock")})
        self.assertEqual(ended.status, 3, ended)

    def test_follows_events(self):
        s = self.service(drives="1x64M")
        lun = s.create("4M")
        # Events follow the change, on their own way.
        harness.until(lambda: lun["id"] in self.run_program(
            harness.vds_program(), "events", "--since", "0", "--no-follow", "--json-lines",
            env={"VDS_SOCKET": str(s.socket)}).out, "the event of the new LUN", 10)


if __name__ == "__main__":
    harness.main()
