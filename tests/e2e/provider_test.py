#!/usr/bin/env python3
"""The example provider, written with the provider SDK, behind a service: registered, killed, told wrong things."""
from pathlib import Path

import harness


class a_provider_of_directories(harness.Scene):
    def setUp(self):
        super().setUp()
        self.s = self.service(array=None, drives=None)

    def register(self, *arguments, name="shelf", check=True):
        return self.s.vds("provider", "register", name, harness.directory_provider(), *arguments, check=check)

    def provider(self, name="shelf"):
        return next((p for p in self.s.vds("provider", "list") if p["name"] == name), None)

    def test_is_registered_by_name_and_makes_luns_that_survive_its_death(self):
        told = self.register(f"{self.folder}/a:64M", f"{self.folder}/b:32M")
        self.assertEqual(self.provider()["id"], told["id"])
        self.assertEqual([d["size_bytes"] for d in self.s.vds("drive", "list")], [64 << 20, 32 << 20])
        lun = self.s.vds("lun", "create", "--size", "40M", "--unmask", "iqn.2024-01.test:a")
        self.assertEqual((lun["size_bytes"], lun["unmasking_list"]), (40 << 20, "iqn.2024-01.test:a"))
        self.assertEqual((self.folder / "a" / f"{lun['id']}.lun").stat().st_size, 40 << 20)
        full = self.s.vds("lun", "create", "--size", "40M", check=False)
        self.assertEqual(full.status, 1)
        self.assertIn("VDS_E_NOT_ENOUGH_SPACE", full.err)

        self.s.kill_provider(self.provider()["id"])
        self.assertEqual(self.provider()["restarts"], 1)
        self.assertEqual([l["id"] for l in self.s.vds("lun", "list")], [lun["id"]])
        self.s.vds("lun", "delete", lun["id"], "--yes")
        self.assertEqual([d["free_bytes"] for d in self.s.vds("drive", "list")], [64 << 20, 32 << 20])
        self.assertEqual([f.name for f in (self.folder / "a").iterdir()], [])

        self.s.vds("provider", "unregister", "shelf")
        self.assertIsNone(self.provider())
        self.assertEqual(self.register(f"{self.folder}/a:64M")["id"], told["id"])

    def test_killed_while_it_makes_a_lun_leaves_all_or_nothing(self):
        self.register(f"{self.folder}/a:4G")
        for size in ("64M", "256M", "512M"):
            op = self.s.vds("lun", "create", "--size", size, "--no-wait")
            self.s.kill_provider(self.provider()["id"])
            ended = self.s.vds("op", "wait", op["id"], check=False)
            luns = self.s.vds("lun", "list")
            files = sorted(f.name for f in (self.folder / "a").iterdir())
            if ended.status == 0:
                self.assertEqual(len(luns), 1)
            else:
                self.assertIn("VDS_E_RETRY", ended.err)
                self.assertEqual(luns, [])
            self.assertEqual(files, [f"{l['id']}.lun" for l in luns])
            for l in luns:
                self.s.vds("lun", "delete", l["id"], "--yes")

    def test_that_cannot_start_says_why(self):
        ended = self.register("nonsense", check=False)
        self.assertEqual(ended.status, 1)
        self.assertIn("'nonsense' is not PATH:SIZE", ended.err)
        shown = self.provider()
        self.assertEqual(shown["state"], "backing_off")
        self.assertIn("'nonsense' is not PATH:SIZE", shown["last"])

    def test_has_only_the_memory_and_the_files_it_is_given(self):
        # AddressSanitizer reserves more address space than any machine has memory: then the most that can be given.
        mebibytes = 3000 if harness.SLOW == 1 else 1 << 26
        (self.folder / "conf").write_text(f"[limits]\nprovider_memory = {mebibytes}\nprovider_files = 99\n")
        s = self.service("limited", array=None, drives=None, arguments=["--config", self.folder / "conf"])
        s.vds("provider", "register", "shelf", harness.directory_provider(), f"{self.folder}/a:1G")
        (shown,) = s.vds("provider", "list")
        limits = Path(f"/proc/{shown['pid']}/limits").read_text()
        self.assertRegex(limits, r"Max open files +99 +99 ")
        self.assertRegex(limits, rf"Max address space +{mebibytes << 20} +{mebibytes << 20} ")


if __name__ == "__main__":
    harness.main()
