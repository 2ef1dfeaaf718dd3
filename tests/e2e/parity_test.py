#!/usr/bin/env python3
"""LUNs of every redundant type under an initiator's load: the array is killed, a drive is lost, and what was flushed is there."""
import os
import signal
import unittest
from pathlib import Path

import harness

LEVELS = (("mirror", 1), ("parity", 1), ("raid6", 2), ("raid10", 1), ("raid50", 1), ("raid60", 2))


class redundant_luns(harness.Scene):
    def test_hold_what_was_flushed_when_the_array_is_killed_and_drives_are_lost(self):
        s = self.service(drives="8x192M")
        luns, books = {}, {}
        for kind, survives in LEVELS:
            lun = luns[kind] = s.create("24M", "--type", kind, "--name", kind)
            self.assertEqual((lun["type"], lun["survives_drive_losses"]), (kind, survives))
            books[kind] = harness.Ledger(self, lun["iscsi_url"], name=kind)
        array = s.array_pid()
        os.kill(array, signal.SIGKILL)
        for book in books.values():
            book.goes_on()
        harness.until(lambda: s.array_pid() != array, "a new array process")
        paths = [Path(d["path"]) for d in s.vds("drive", "list")]
        self.assertEqual(len(paths), 8)
        # In the middle of writes, and with it a drive; then a second one.
        os.kill(s.array_pid(), signal.SIGKILL)
        s.kill()
        self.let_the_array_end(s)
        paths[0].rename(paths[0].with_suffix(".lost"))
        s.start()
        for kind, survives in LEVELS:
            books[kind].goes_on()
            self.assertEqual(books[kind].stop()["errors"], 0)
            books[kind].verify()
        s.stop()
        self.let_the_array_end(s)
        paths[1].rename(paths[1].with_suffix(".lost"))
        s.start()
        for kind, survives in LEVELS:
            if survives == 2:
                books[kind].verify()

    def let_the_array_end(self, s):
        """Whoever served the drives is gone: nothing of this test runs but the initiators."""
        ours = lambda: [p for p, line in harness.processes(self.mark) if "arrayd" in line]
        for pid in ours():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        harness.until(lambda: not ours(), "the end of the array's process")


if __name__ == "__main__":
    harness.main()
