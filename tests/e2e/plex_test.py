#!/usr/bin/env python3
"""Copies of LUNs are added and removed while initiators go on."""
import harness

MIB = 1 << 20


class a_lun_in_use(harness.Scene):
    def test_gets_a_copy_and_lives_on_it_alone_when_the_other_is_taken_away(self):
        s = self.service()
        lun = s.create("32M", "--type", "simple")
        free = s.free()
        initiator = harness.Ledger(self, lun["iscsi_url"])
        initiator.goes_on()
        mirrored = s.vds("plex", "add", lun["id"])
        self.assertEqual((mirrored["type"], mirrored["health"], mirrored["transition_state"], mirrored["plexes"], mirrored["survives_drive_losses"]),
                         ("mirror", "healthy", "stable", 2, 1))
        self.assertEqual([l["id"] for l in s.vds("lun", "list")], [lun["id"]], "what became the plex is still a LUN")
        plexes = s.vds("plex", "list", lun["id"])
        self.assertEqual(plexes[0]["drives"], lun["drives"])
        self.assertEqual({d: free[d] - left for d, left in s.free().items() if left != free[d]}, {plexes[1]["drives"][0]: 32 * MIB})
        s.kill_provider()
        self.assertEqual([p["id"] for p in s.vds("plex", "list", lun["id"])], [p["id"] for p in plexes])
        # After a crash the copies are made equal first; one that is taken away meanwhile could be the better one: it is refused.
        harness.until(lambda: s.vds("lun", "show", lun["id"])["health"] == "healthy", "the copies are equal")
        alone = s.vds("plex", "remove", lun["id"], plexes[0]["id"], "--yes")
        self.assertEqual((alone["type"], alone["plexes"], alone["drives"]), ("simple", 1, plexes[1]["drives"]))
        self.assertEqual([p["id"] for p in s.vds("plex", "list", lun["id"])], [plexes[1]["id"]])
        initiator.goes_on()
        self.assertEqual(initiator.stop()["errors"], 0)
        initiator.verify()
        kinds = {o["kind"] for o in s.vds("op", "list", "--all")}
        self.assertTrue({"add_lun_plex", "remove_lun_plex"} <= kinds, kinds)
        told = [e["event"] for e in s.vds("events", "--since", "0") if e["object"] == lun["id"]]
        self.assertIn("lun_modify", told)

    def test_takes_the_plexes_of_another_lun_which_is_gone_then(self):
        s = self.service()
        lun, source = s.create("32M", "--type", "mirror"), None
        others = [d["id"] for d in s.vds("drive", "list") if d["id"] not in lun["drives"]]
        source = s.create("48M", "--type", "mirror", "--drives", ",".join(others))
        initiator = harness.Ledger(self, lun["iscsi_url"])
        larger = s.vds("plex", "add", lun["id"], source["id"], "--yes")
        self.assertEqual((larger["plexes"], larger["survives_drive_losses"], larger["size_bytes"]), (4, 3, 32 * MIB))
        self.assertEqual([l["id"] for l in s.vds("lun", "list")], [lun["id"]])
        told = [e["event"] for e in s.vds("events", "--since", "0") if e["object"] == source["id"]]
        self.assertIn("lun_depart", told)
        for drive in lun["drives"]:
            s.vds("drive", "fail", drive, "--yes")
        initiator.goes_on()
        self.assertEqual(initiator.stop()["errors"], 0)
        initiator.verify()

    def test_says_why_a_plex_cannot_come_or_go_and_leaves_nothing_behind(self):
        s = self.service()
        lun = s.create("32M", "--type", "simple")
        other = next(d["id"] for d in s.vds("drive", "list") if d["id"] not in lun["drives"])
        smaller = s.create("16M", "--type", "simple", "--drives", other)
        only = s.vds("plex", "list", lun["id"])[0]["id"]
        before = s.vds("lun", "list")
        for command in (("add", lun["id"], smaller["id"]), ("add", lun["id"], "--drives", lun["drives"][0]), ("remove", lun["id"], only)):
            with self.subTest(" ".join(command)):
                refused = s.vds("plex", *command, "--yes", check=False)
                self.assertEqual(refused.status, 1)
                self.assertIn("VDS_E_INVALID_OPERATION", refused.err)
                self.assertEqual(s.vds("lun", "list"), before)

    def test_has_its_copy_or_not_and_no_half_one_when_the_array_is_killed_in_the_middle(self):
        s = self.service()
        lun = s.create("32M", "--type", "simple")
        initiator = harness.Ledger(self, lun["iscsi_url"])
        initiator.goes_on()
        op = s.vds("plex", "add", lun["id"], "--no-wait")
        s.kill_provider()
        ended = s.vds("op", "wait", op["id"], check=False)
        now = s.vds("lun", "show", lun["id"])
        if ended.status == 0:
            self.assertEqual(now["plexes"], 2)
        harness.until(lambda: s.vds("lun", "show", lun["id"])["health"] == "healthy", "the copy is whole")
        for drive in lun["drives"] if now["plexes"] == 2 else []:
            s.vds("drive", "fail", drive, "--yes")
        initiator.goes_on()
        initiator.stop()
        initiator.verify()


if __name__ == "__main__":
    harness.main()
