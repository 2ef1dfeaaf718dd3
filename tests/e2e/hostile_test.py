#!/usr/bin/env python3
"""Providers that lie, hang and die, beside one that does not: each lie costs its caller an HRESULT in bounded time, the other
provider's callers nothing, and `vds provider list` says what happened."""
import os
import signal
import threading
import time

import harness

SIM = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a12"
SIM_CLASS = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a11"
BOUND = 30  # seconds within which even a call that hangs is answered


class Bystander(threading.Thread):
    """Somebody who works with the honest array all the while: lists, creates, deletes; remembers the slowest answer."""

    def __init__(self, s, subsystem):
        super().__init__(daemon=True)
        self.s, self.subsystem = s, subsystem
        self.ending, self.failed, self.rounds, self.slowest = threading.Event(), None, 0, 0.0

    def run(self):
        try:
            while not self.ending.is_set():
                began = time.monotonic()
                lun = self.s.create("4M", "--subsystem", self.subsystem)
                if lun["id"] not in [l["id"] for l in self.s.vds("lun", "list")]:
                    raise AssertionError("a LUN that is not listed")
                self.s.vds("lun", "delete", lun["id"], "--yes")
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.rounds += 1
        except Exception as why:  # handed to the test, which raises it
            self.failed = why

    def stop(self):
        self.ending.set()
        self.join(120)
        if self.failed:
            raise AssertionError(f"the other provider's caller noticed: {self.failed}") from self.failed
        return self


class a_provider(harness.Scene):
    def setUp(self):
        super().setUp()
        self.s = self.service(drives="2x256M")
        self.honest = self.s.subsystem()
        self.script = self.folder / "script"

    def tell(self, text):
        fresh = self.folder / "script.new"
        fresh.write_text(text + "\n")
        fresh.replace(self.script)

    def register(self, text=""):
        """Makes the sim known to the service, saying `text` from the start."""
        self.tell(text)
        starter = self.folder / "sim"
        starter.write_text(f'#!/bin/sh\nexec "{harness.simd_program()}" --script "{self.script}" --id {SIM} --clsid {SIM_CLASS} "$@"\n')
        starter.chmod(0o755)
        self.s.vds("provider", "register", "sim", starter, "--id", SIM, "--clsid", SIM_CLASS, "--no-wait")

    def ready(self):
        harness.until(lambda: (self.s.provider(SIM) or {}).get("state") == "ready", "the sim to be ready", 60)
        return self.s.subsystem(SIM)

    def create(self, subsystem, *args):
        began = time.monotonic()
        ended = self.s.vds("lun", "create", "--size", "1M", "--subsystem", subsystem, *args, check=False, timeout=BOUND + 90)
        ended.took = time.monotonic() - began
        return ended

    def test_that_keeps_to_the_rules_is_one_among_others(self):
        self.register("luns 2")
        subsystem = self.ready()
        self.assertEqual(len(self.s.vds("lun", "list")), 2)
        made = self.create(subsystem)
        self.assertEqual(made.status, 0, made)
        self.assertEqual(len(self.s.vds("lun", "list")), 3)
        self.s.vds("lun", "delete", made.document["id"], "--yes")

    # What CreateLun may be told, and what its caller hears.
    lies = [
        ("on CreateLun return 0", {"E_UNEXPECTED"}),
        ("async wrong_type", {"E_UNEXPECTED"}),
        ("async null_object", {"E_UNEXPECTED"}),
        ("async garbage", {"0xdeadbeef", "VDS_E_BAD_PROVIDER_DATA", "VDS_E_PROVIDER_FAILURE"}),
        ("async garbage_success", {"E_UNEXPECTED"}),
        ("async failed_with_object", {"VDS_E_IO_ERROR"}),
        ("async wait_fails", {"E_NOTIMPL", "VDS_E_PROVIDER_FAILURE", "VDS_E_ASYNC_OBJECT_FAILURE"}),
        ("on CreateLun return 0x8004242b", {"VDS_E_IO_ERROR"}),
        ("on CreateLun return 0xdeadbeef", {"0xdeadbeef", "VDS_E_PROVIDER_FAILURE", "VDS_E_BAD_PROVIDER_DATA"}),
        ("on CreateLun return 0x1badf00d", {"E_UNEXPECTED"}),
    ]

    def test_that_lies_about_a_creation_costs_the_caller_an_error_code(self):
        self.register()
        subsystem = self.ready()
        bystander = Bystander(self.s, self.honest)
        bystander.start()
        for lie, names in self.lies:
            with self.subTest(lie):
                self.tell(lie)
                ended = self.create(subsystem)
                self.assertEqual(ended.status, 1, ended)
                self.assertTrue(any(n.lower() in ended.err.lower() for n in names), ended)
                self.assertLess(ended.took, BOUND * harness.SLOW)
        self.tell("")
        self.assertEqual(self.create(subsystem).status, 0, "an honest call afterwards")
        self.assertGreater(bystander.stop().rounds, 0)
        self.assertEqual([o for o in self.s.vds("op", "list") if o["state"] != "done" and o["kind"] == "create_lun"], [])

    def test_whose_percent_runs_backwards_shows_one_that_does_not(self):
        self.register("async backwards\ncreate_ms 3000")
        op = self.create(self.ready(), "--no-wait").document["id"]
        seen = []
        while True:
            now = self.s.vds("op", "show", op)
            if now["state"] == "done":
                break
            seen.append(now["percent"])
        self.assertEqual(seen, sorted(seen))
        self.assertTrue(all(p < 100 for p in seen), seen)
        self.assertEqual((now["percent"], now["hresult"]), (100, "0x00000000"))

    def test_that_never_finishes_holds_nobody_but_who_waits(self):
        self.register("async never")
        subsystem = self.ready()
        bystander = Bystander(self.s, self.honest)
        bystander.start()
        ops = [self.create(subsystem, "--no-wait").document["id"] for _ in range(5)]
        waited = self.s.vds("op", "wait", ops[0], "--timeout", "1", check=False)
        self.assertNotEqual(waited.status, 0)
        self.assertEqual({self.s.vds("op", "show", op)["state"] for op in ops} - {"running"}, set())
        bystander.stop()
        # Its end is the process's end: then each operation ends, saying so.
        os.kill(self.s.provider(SIM)["pid"], signal.SIGKILL)
        for op in ops:
            ended = harness.until(lambda: (lambda o: o if o["state"] == "done" else None)(self.s.vds("op", "show", op)), "its end", 60)
            self.assertNotEqual(ended["hresult"], "0x00000000")

    def test_that_hangs_in_a_call_is_given_up_in_bounded_time(self):
        self.register()
        subsystem = self.ready()
        bystander = Bystander(self.s, self.honest)
        bystander.start()
        self.tell("on CreateLun hang")
        ended = self.create(subsystem)
        self.assertEqual(ended.status, 1, ended)
        self.assertTrue(any(n in ended.err for n in ("RPC_E_TIMEOUT", "VDS_E_PROVIDER_FAILURE", "VDS_E_TIMEOUT")), ended)
        self.assertLess(ended.took, (BOUND + 60) * harness.SLOW)
        self.tell("")
        self.assertLess(bystander.stop().slowest, BOUND * harness.SLOW)
        self.ready()

    def test_that_crashes_in_a_call_is_restarted_and_its_end_is_told(self):
        self.register()
        subsystem = self.ready()
        bystander = Bystander(self.s, self.honest)
        bystander.start()
        first = self.s.provider(SIM)["pid"]
        self.tell("on CreateLun crash")
        ended = self.create(subsystem)
        self.assertEqual(ended.status, 1, ended)
        self.assertTrue(any(n in ended.err for n in ("RPC_E_DISCONNECTED", "VDS_E_PROVIDER_FAILURE", "RPC_S_SERVER_UNAVAILABLE")), ended)
        self.tell("")
        again = self.ready()
        self.assertEqual(again, subsystem, "the same ids in its next life")
        told = self.s.provider(SIM)
        self.assertNotEqual(told["pid"], first)
        self.assertGreaterEqual(told["restarts"], 1)
        self.assertEqual(self.create(again).status, 0)
        bystander.stop()

    def test_that_crashes_between_calls_is_restarted_with_growing_pauses(self):
        self.register("crash_after_ms 50")
        seen = {}

        def backing_off():
            told = self.s.provider(SIM)
            seen[told["restarts"]] = told
            return told if told["state"] == "backing_off" and told["restarts"] >= 2 else None

        told = harness.until(backing_off, "a pause before the next try", 90)
        self.assertTrue(told["last"], told)
        self.assertIsNotNone(told["retry"])
        self.assertEqual(self.s.vds("lun", "list"), [])
        self.tell("")
        self.ready()

    def test_that_refuses_to_load_is_left_out_and_said_so(self):
        for lie in ("on OnLoad return 0x80042401", "on OnLoad crash", "on start return 0x80004005"):
            with self.subTest(lie):
                self.register(lie)
                told = harness.until(lambda: (lambda p: p if p and p["state"] in ("backing_off", "refused") and p["last"] else None)(
                    self.s.provider(SIM)), "the refusal", 60)
                self.assertNotEqual(told["state"], "ready")
                self.s.create("4M", "--name", "beside", "--subsystem", self.honest)
                self.s.vds("lun", "delete", "beside", "--yes")
                self.s.vds("provider", "unregister", SIM)

    def test_that_hangs_while_loading_delays_nobody(self):
        self.register("on OnLoad hang")
        began = time.monotonic()
        self.s.create("4M", "--subsystem", self.honest)
        self.s.stop()
        self.s.start()
        self.s.create("4M", "--subsystem", self.honest)
        self.assertLess(time.monotonic() - began, BOUND * harness.SLOW)
        self.assertNotEqual(self.s.provider(SIM)["state"], "ready")

    def test_whose_answers_grow_without_end_is_refused_or_cut(self):
        for lie in ("enum endless\nluns 1", "enum nulls", "enum too_many", "enum stuck", "name_length 40000000\nluns 1"):
            with self.subTest(lie):
                before = harness.resident(self.s.pid)
                self.register(lie)
                harness.until(lambda: (lambda p: p if p and (p["last"] or p["state"] == "ready") else None)(self.s.provider(SIM)),
                              "an answer about it", 60)
                self.s.create("4M", "--name", "beside", "--subsystem", self.honest)
                self.s.vds("lun", "delete", "beside", "--yes")
                self.assertLess(harness.resident(self.s.pid) - before, (512 << 20) * harness.SLOW)
                self.s.vds("provider", "unregister", SIM)

    def test_that_hangs_in_a_query_does_not_hold_up_lists(self):
        self.register("luns 3")
        self.ready()
        self.tell("on IVdsLun::GetProperties hang\non IVdsSubSystem::QueryLuns hang\non IVdsSubSystem::GetProperties hang")
        began = time.monotonic()
        self.assertEqual(len(self.s.vds("lun", "list")), 3)
        self.assertLess(time.monotonic() - began, 5 * harness.SLOW, "lists are answered from the model")


if __name__ == "__main__":
    harness.main()
