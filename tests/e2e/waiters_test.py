#!/usr/bin/env python3
"""Ten thousand Wait calls at once cost the service no thread, little memory, and are all answered."""
import json
import os
import subprocess

import harness
from hostile_test import SIM, SIM_CLASS

CONNECTIONS, EACH = 100, 100


class ten_thousand_waiters(harness.Scene):
    def test_cost_no_thread_and_are_all_answered(self):
        s = self.service(array=None)
        script = self.folder / "script"
        script.write_text("create_ms 600000\n")
        starter = self.folder / "sim"
        starter.write_text(f'#!/bin/sh\nexec "{harness.simd_program()}" --script "{script}" --id {SIM} --clsid {SIM_CLASS} "$@"\n')
        starter.chmod(0o755)
        s.vds("provider", "register", "sim", starter, "--id", SIM, "--clsid", SIM_CLASS)
        harness.until(lambda: (s.provider(SIM) or {}).get("state") == "ready", "the sim")
        op = s.vds("lun", "create", "--size", "1M", "--no-wait")["id"]
        threads, memory = harness.threads(s.pid), harness.resident(s.pid)
        waiters = self.start_program(harness.program("tests/e2e/waiters/waiters"), s.socket, op, CONNECTIONS, EACH,
                                     log="waiters.log", stdout=subprocess.PIPE, text=True)
        self.assertEqual(json.loads(waiters.stdout.readline() or "{}"), {"outstanding": CONNECTIONS * EACH})
        more_threads = harness.threads(s.pid) - threads
        per_waiter = (harness.resident(s.pid) - memory) / (CONNECTIONS * EACH)
        print(f"{CONNECTIONS * EACH} waiters: {harness.threads(s.pid)} threads ({more_threads:+d}), {per_waiter:.0f} bytes of memory each")
        self.assertLessEqual(more_threads, 4)
        self.assertLess(harness.threads(s.pid), 40)
        self.assertEqual(s.vds("op", "show", op)["state"], "running", "others are served meanwhile")
        s.vds("op", "cancel", op)
        answered = json.loads(waiters.stdout.readline() or "{}")
        self.assertEqual(answered, {"answered": CONNECTIONS * EACH, "well": 0})
        self.assertEqual(waiters.wait(30 * harness.SLOW), 0)


if __name__ == "__main__":
    harness.main()
