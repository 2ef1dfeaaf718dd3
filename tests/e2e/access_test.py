#!/usr/bin/env python3
"""Who may: root and the configured group; nobody else, whatever they ask."""
import os
import unittest

import harness

NOBODY = 65534


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class somebody_without_rights(harness.Scene):
    commands = [
        ("service", "status"), ("provider", "list"), ("subsystem", "list"), ("drive", "list"), ("lun", "list"), ("op", "list"),
        ("lun", "create", "--size", "1M"), ("lun", "delete", "x", "--yes"), ("drive", "add", "/nowhere", "--create", "1G"),
        ("provider", "unregister", harness.ARRAY_PROVIDER), ("events", "--no-follow"),
    ]

    def test_is_denied_every_command(self):
        s = self.service()
        s.create("4M", "--name", "x")
        for command in self.commands:
            with self.subTest(" ".join(command)):
                ended = s.vds(*command, check=False, user=NOBODY)
                self.assertEqual(ended.status, 4, ended)
                self.assertEqual(ended.out, "")
        self.assertEqual([l["name"] for l in s.vds("lun", "list")], ["x"])

    def test_is_denied_by_the_service_too_when_the_socket_lets_him_in(self):
        s = self.service()
        s.socket.chmod(0o666)
        for command in self.commands:
            with self.subTest(" ".join(command)):
                ended = s.vds(*command, check=False, user=NOBODY)
                self.assertEqual(ended.status, 4, ended)

    def test_cannot_reach_the_array_past_the_service(self):
        s = self.service()
        s.create("4M")
        for path in self.folder.rglob("*"):
            if path.is_socket() and path != s.socket:
                self.assertEqual(path.stat().st_mode & 0o077, 0, f"{path} is open to others")


if __name__ == "__main__":
    harness.main()
