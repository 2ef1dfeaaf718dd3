#!/usr/bin/env python3
"""Targets, portals, portal groups and CHAP as an administrator sets them up and as initiators that are not ours meet them."""
import os
import signal
import unittest

import harness

IQN_A, IQN_B = "iqn.2026-01.org.vds:host-a", "iqn.2026-01.org.vds:host-b"
SECRET, OTHER, MUTUAL = "a secret of host a", "not the right one", "the target's own one"


class a_target(harness.Scene):
    def setUp(self):
        super().setUp()
        self.s = self.service()
        self.at = f"127.0.0.1:{self.s.port}"

    def secret(self, text):
        file = self.folder / "secret"
        file.write_text(text + "\n")
        return file

    def chap(self, *args, secret):
        return self.s.vds("chap", "set", *args, "--secret-file", self.secret(secret))

    def reads(self, url, initiator=IQN_A, user=None, secret=None, target_user=None, target_secret=None):
        """Whether an initiator can log in and read the capacity."""
        env = {}
        if secret:
            env.update(LIBISCSI_CHAP_USERNAME=user or initiator, LIBISCSI_CHAP_PASSWORD=secret)
        if target_secret:
            env.update(LIBISCSI_CHAP_TARGET_USERNAME=target_user, LIBISCSI_CHAP_TARGET_PASSWORD=target_secret)
        return self.run_program("iscsi-readcapacity16", "-i", initiator, url, check=False, env=env).status == 0

    def discovered(self, at, initiator=IQN_A, secret=None):
        env = dict(LIBISCSI_CHAP_USERNAME=initiator, LIBISCSI_CHAP_PASSWORD=secret) if secret else {}
        ended = self.run_program("iscsi-ls", "-i", initiator, f"iscsi://{at}/", check=False, env=env)
        lines = [l for l in ended.out.splitlines() if l.startswith("Target:")]
        return {l.split()[0].removeprefix("Target:") for l in lines} if ended.status == 0 else None

    def url(self, name):
        return self.s.vds("lun", "show", name)["iscsi_url"]

    def test_shows_what_is_associated_with_it_to_whom_it_is_unmasked(self):
        first = self.s.vds("target", "list")[0]
        target = self.s.vds("target", "create", "second", "--iqn", "iqn.2026-01.org.vds:second")
        self.assertEqual(target["iscsi_name"], "iqn.2026-01.org.vds:second")
        for name, host in (("a", IQN_A), ("b", IQN_B)):
            self.s.vds("lun", "create", "--size", "16M", "--name", name, "--unmask", host)
        self.s.vds("target", "associate", "b", "second")
        self.assertIn("/iqn.2026-01.org.vds:second/", self.url("b"))
        self.assertEqual([self.reads(self.url(n), i) for n in "ab" for i in (IQN_A, IQN_B)], [True, False, False, True])
        self.assertEqual(self.discovered(self.at, IQN_A), {first["iscsi_name"]})
        self.assertEqual(self.discovered(self.at, IQN_B), {target["iscsi_name"]})
        self.assertEqual(self.s.vds("target", "delete", "second", "--yes", check=False).status, 1)
        self.s.vds("target", "associate", "b", first["id"], "second")
        self.assertEqual(self.discovered(self.at, IQN_B), {first["iscsi_name"], target["iscsi_name"]})
        self.s.vds("target", "associate", "b", "--none")
        self.assertEqual(self.discovered(self.at, IQN_B), set())
        self.s.vds("target", "delete", "second", "--yes")
        self.assertEqual([t["id"] for t in self.s.vds("target", "list")], [first["id"]])

    def test_demands_the_secret_and_proves_itself_and_does_so_after_a_kill(self):
        target = self.s.vds("target", "list")[0]
        self.s.create("16M", "--name", "data")
        self.assertTrue(self.reads(self.url("data")))
        self.chap(target["id"], "--initiator", IQN_A, secret=SECRET)
        self.chap(target["id"], "--initiator", IQN_A, "--mutual", secret=MUTUAL)
        self.assertTrue(self.s.vds("target", "show", target["id"])["chap_enabled"])
        iqn, url = target["iscsi_name"], self.url("data")

        def check():
            self.assertTrue(self.reads(url, secret=SECRET))
            self.assertTrue(self.reads(url, secret=SECRET, target_user=iqn, target_secret=MUTUAL))
            self.assertFalse(self.reads(url, secret=SECRET, target_user=iqn, target_secret=OTHER + OTHER))
            self.assertFalse(self.reads(url, secret=OTHER))
            self.assertFalse(self.reads(url))
            self.assertFalse(self.reads(url, IQN_B, secret=SECRET))
            self.assertFalse(self.reads(url, IQN_B, user=IQN_A, secret=SECRET))
            self.assertEqual(self.discovered(self.at, secret=SECRET), {iqn})
            self.assertIsNone(self.discovered(self.at))
            self.assertIsNone(self.discovered(self.at, secret=OTHER))

        check()
        os.kill(self.s.array_pid(), signal.SIGKILL)
        harness.until(lambda: self.reads(url, secret=SECRET), "the array is back")
        check()
        self.s.vds("chap", "clear", target["id"], "--initiator", IQN_A)
        harness.until(lambda: self.reads(url), "no secret is needed any more")
        for log in self.folder.glob("*.log"):
            for secret in (SECRET, MUTUAL):
                self.assertNotIn(secret, log.read_text(errors="replace"))

    def test_takes_its_secret_in_the_url_too(self):
        target = self.s.vds("target", "list")[0]
        self.s.create("16M", "--name", "data")
        self.chap(target["id"], secret="without-blanks-1")
        url = self.url("data").replace("iscsi://", f"iscsi://{IQN_A}%without-blanks-1@")
        self.run_program("iscsi-inq", "-i", IQN_A, url)

    def test_is_reached_by_portals_that_come_and_go(self):
        first = self.s.vds("target", "list")[0]
        self.s.create("16M", "--name", "data")
        more = f"127.0.0.1:{harness.free_port()}"
        group = self.s.vds("portal-group", "create", first["id"])
        self.assertEqual(group["tag"], 2)
        portal = self.s.vds("portal", "add", more, "--group", group["id"])
        self.assertEqual((portal["address"], portal["status"]), (more, "online"))
        url = self.url("data")
        there = url.replace(self.at, more)
        self.assertTrue(self.reads(there))
        shown = self.run_program("iscsi-ls", "-i", IQN_A, f"iscsi://{more}/").out
        self.assertIn(f"Portal:{self.at},1", shown)
        self.assertIn(f"Portal:{more},2", shown)
        other = self.s.vds("target", "create", "only there", "--no-portals", "--iqn", "iqn.2026-01.org.vds:there")
        mine = self.s.vds("portal-group", "create", other["id"])
        self.s.vds("portal-group", "add-portal", mine["id"], more)
        self.s.vds("target", "associate", "data", first["id"], other["id"])
        self.assertEqual(self.discovered(self.at), {first["iscsi_name"]})
        self.assertEqual(self.discovered(more), {first["iscsi_name"], other["iscsi_name"]})
        self.s.kill_provider()
        harness.until(lambda: self.reads(there), "the array is back, with its portals")
        self.assertEqual(self.s.vds("portal", "remove", more, "--yes", check=False).status, 1)
        self.s.vds("portal", "status", more, "offline")
        self.assertFalse(self.reads(there))
        self.s.vds("portal", "status", more, "online")
        self.assertTrue(self.reads(there))
        self.s.vds("portal", "remove", more, "--yes", "--force")
        self.assertFalse(self.reads(there))
        self.assertTrue(self.reads(url))
        self.assertEqual(len(self.s.vds("portal", "list")), 1)

    def test_is_the_same_when_the_service_is_killed_in_between(self):
        made = self.s.vds("target", "create", "steady")

        def known():  # in what order is nobody's promise
            return [sorted(self.s.vds(n, "list"), key=lambda v: v["id"]) for n in ("target", "portal", "portal-group")]

        before = known()
        self.s.kill()
        self.s.start()
        harness.until(lambda: len(self.s.vds("target", "list")) == 2, "the targets are known again")
        self.assertEqual(known(), before)
        kinds = {o["kind"] for o in self.s.vds("op", "list", "--all")}
        self.assertLessEqual({"create_target", "create_portal_group", "add_portal"}, kinds)
        self.s.vds("target", "delete", made["id"], "--yes")
        self.assertEqual(len(self.s.vds("target", "list")), 1)


if __name__ == "__main__":
    harness.main()
