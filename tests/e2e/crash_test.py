#!/usr/bin/env python3
"""Processes killed at the worst moment: what initiators and clients notice, and what is there afterwards."""
import os
import shutil
import signal

import harness


class Crash(harness.Scene):
    def each_is_done_or_undone(self, s, ops, free_before):
        """ops[n] was to make the LUN n<n>: it ended well and the LUN is there, or it did not and nothing is left."""
        for op in ops:
            harness.until(lambda: s.vds("op", "show", op)["state"] == "done", f"the end of {op}")
        done = {f"n{n}" for n, op in enumerate(ops) if s.vds("op", "show", op)["hresult"] == "0x00000000"}
        self.assertEqual({l["name"] for l in s.vds("lun", "list")}, done)
        for name in done:
            s.vds("lun", "delete", name, "--yes")
        harness.until(lambda: s.free() == free_before, "every extent given back", 10)


class killing_the_service(Crash):
    def test_is_not_noticed_by_an_initiator(self):
        s = self.service()
        lun = s.create("32M", "--type", "mirror")
        array = s.array_pid()
        initiator = harness.Ledger(self, lun["iscsi_url"])
        for _ in range(3):
            s.kill()
            initiator.goes_on()
            s.start()
            initiator.goes_on()
            self.assertEqual(s.array_pid(), array, "the array's process is adopted, not replaced")
            self.assertEqual(s.vds("lun", "list"), [lun])
        told = initiator.stop()
        self.assertEqual((told["errors"], told["attentions"]), (0, 0))
        initiator.verify()

    def test_leaves_a_running_operation_to_be_found_and_ended_honestly(self):
        s = self.service(drives="2x2G")
        before = s.free()
        ops = [s.vds("lun", "create", "--size", "64M", "--type", "mirror", "--name", f"n{n}", "--no-wait")["id"] for n in range(4)]
        s.kill()
        s.start()
        self.each_is_done_or_undone(s, ops, before)

    def test_loses_no_lun_when_its_own_database_is_lost_too(self):
        s = self.service()
        lun = s.create("16M", "--name", "kept")
        s.stop()
        shutil.rmtree(s.state)
        s.start()
        self.assertEqual(harness.until(lambda: s.vds("lun", "list"), "the LUN"), [lun])


class killing_the_array(Crash):
    def test_loses_nothing_that_was_flushed_and_initiators_come_back(self):
        s = self.service()
        lun = s.create("32M", "--type", "mirror")
        initiator = harness.Ledger(self, lun["iscsi_url"])
        for _ in range(3):
            array = s.array_pid()
            os.kill(array, signal.SIGKILL)
            initiator.goes_on()
            harness.until(lambda: s.array_pid() != array, "a new array process")
        self.assertEqual(initiator.stop()["errors"], 0)
        self.assertEqual(harness.until(lambda: s.vds("lun", "list"), "the LUN"), [lun])
        initiator.verify()
        told = s.provider()
        self.assertGreaterEqual(told["restarts"], 1, told)

    def test_and_the_service_while_operations_run_leaves_each_done_or_undone(self):
        s = self.service(drives="2x2G")
        before = s.free()
        ops = [s.vds("lun", "create", "--size", "64M", "--name", f"n{n}", "--no-wait")["id"] for n in range(6)]
        os.kill(s.array_pid(), signal.SIGKILL)
        s.kill()
        s.start()
        self.each_is_done_or_undone(s, ops, before)


class moving_the_drives(harness.Scene):
    def test_to_another_service_brings_luns_ids_and_data_along(self):
        old = self.service("old", array="old-array")
        lun = old.create("32M", "--type", "mirror", "--name", "moved")
        initiator = harness.Ledger(self, lun["iscsi_url"])
        initiator.goes_on()
        initiator.stop()
        paths = [d["path"] for d in old.vds("drive", "list")]
        old.stop()
        new = self.service("new", array="new-array", drives=None)
        for n, path in enumerate(paths):
            moved = self.folder / f"moved{n}"
            shutil.move(path, moved)
            new.vds("drive", "add", moved)
        found = harness.until(lambda: new.vds("lun", "list"), "the LUN")
        same = ("id", "name", "type", "size_bytes", "serial", "drives", "plexes", "unmasking_list")
        self.assertEqual({k: found[0][k] for k in same}, {k: lun[k] for k in same})
        harness.until(lambda: new.vds("lun", "show", lun["id"])["health"] == "healthy", "all plexes together")
        initiator.verify(new.vds("lun", "show", lun["id"])["iscsi_url"])


if __name__ == "__main__":
    harness.main()
