#!/usr/bin/env python3
"""Every kind of operation is cancelled at every step of it (steps/lasting_steps.h): the process stands still before the
n-th step, another client cancels, and it goes on.

What the cancel answers decides what the operation ends with and what there is afterwards, and which answer comes where is
what docs/design/operations.md ("What cancel does") says.

  VDS_STRESS_STEPS=all   every kind; otherwise some
  VDS_STRESS_KIND=TEXT   only kinds whose name has it
"""
import collections
import json
import os
import unittest

import harness
import scene
import steps
from kinds import KINDS
from scene import key_id

ALL = os.environ.get("VDS_STRESS_STEPS") == "all"
ONLY = os.environ.get("VDS_STRESS_KIND", "")
STOPS, TOO_LATE, RETRY, NOT_SUPPORTED = "stops", "VDS_E_CANCEL_TOO_LATE", "VDS_E_RETRY", "VDS_E_NOT_SUPPORTED"
CANCELED = "VDS_E_OPERATION_CANCELED"


class cancelled_before_every_step(scene.Stepped):
    def under_way(self, kind, known):
        return next((o for o in self.operations() if o["id"] not in known and o["kind"] == kind.operation), None)

    def cancel_once(self, kind, process, at):
        """(the cancel's answer, or None when there was no such step any more; how the client ended; the operation)"""
        page = self.pages[process]
        known = {o["id"] for o in self.operations()}
        key = f"{process} {at}"
        page.arm(steps.PAUSE, at)
        client = self.start_client(*self.words(kind.do), *(("--key", key) if kind.keyed else ()))
        answer = None
        if self.step_or_end(page, client):
            # To list operations, the array is asked for its own work, too; it stands still, and the list takes its time.
            operation = key_id(key) if kind.keyed else (self.under_way(kind, known) or {}).get("id")
            self.assertIsNotNone(operation, page.step)
            cancelled = self.s.vds("op", "cancel", operation, check=False)
            answer = STOPS if cancelled.status == 0 else json.loads(cancelled.err)["error"]["name"]
            page.set("go", 1)
        ended = self.end_client(client, 120 * harness.SLOW)
        self.rest()
        return answer, ended, self.under_way(kind, known)

    def expected(self, kind, process, at):
        """The answers that the page on operations allows."""
        if process == "vdsd" and at == 1:
            return {STOPS}  # being journaled: its provider never hears of it
        if process == "vdsd":
            return {TOO_LATE}  # its end is being written down
        if kind.cancel == "before its record is committed":
            return {STOPS, TOO_LATE}
        return {kind.cancel}

    def every_step(self, kind):
        self.by_drive = kind.by_drive
        self.open(kind.name.replace(" ", "-"))
        self.run_commands(kind.before)
        before = self.picture()
        self.run_commands((kind.do,))
        after = self.picture()
        answers = collections.Counter()
        for process in ("vds-arrayd", "vdsd"):
            at = 0
            while True:
                at += 1
                if before != after and self.picture() == after:
                    self.run_commands(kind.undo)
                self.settled((before,))
                answer, client, operation = self.cancel_once(kind, process, at)
                self.assertEqual(operation["state"], "done")
                stopped = answer == STOPS
                try:
                    if answer is not None:
                        self.assertIn(answer, self.expected(kind, process, at))
                    if stopped:
                        self.assertIn(CANCELED, client.err)
                    elif before != after and client.status != 0:  # finding the operation may have taken too long for it
                        self.assertIn("RPC_E_TIMEOUT", client.err)
                    if before != after:
                        self.assertEqual(operation["hresult"] == "0x00000000", not stopped, operation)
                    self.settled((before if stopped else after,))
                except AssertionError:
                    print(f"    {kind.name}, before step {at} of {process}: {self.pages[process].step}; cancel: {answer}; {operation}")
                    raise
                if answer is None:
                    break
                answers[answer] += 1
        print(f"  {kind.name}: {dict(answers)}")
        self.assertGreater(answers[STOPS], 0, "no cancel was ever in time")
        self.s.stop()


@unittest.skipUnless(ALL, "VDS_STRESS_STEPS is not set")
class cancelled_while_it_waits(scene.Stepped):
    def test_for_room_that_is_being_wiped(self):
        """At every step of the wipe: until the call that begins it is answered, and from then on, when it waits."""
        self.open("room", drives="2x512M")  # so large that wiping them takes many steps
        page = self.pages["vds-arrayd"]
        size = "max"
        before = self.picture()
        answers = collections.Counter()
        written = len(self.s.vds("drive", "list"))  # when a LUN is deleted: one record for each drive; then it is wiped
        for at in range(written + 1, 1000):
            size = self.s.vds("lun", "create", "--type", "span", "--size", size, "--name", "old")["size_bytes"]
            self.rest()
            page.arm(steps.PAUSE, at)
            deleting = self.start_client("lun", "delete", "old", "--yes")
            if not self.step_or_end(page, deleting):
                self.assertEqual(self.end_client(deleting, 120).status, 0)
                break
            # The array stands still: the request is on its way to it, and goes on with every further step. That it is
            # known is seen by its being journaled: who asks for one that is not is told so by the array, too.
            operation = key_id(f"room {at}")
            journaled = self.pages["vdsd"].get("steps")
            creating = self.start_client("lun", "create", "--type", "span", "--size", str(size), "--name", "new", "--key", f"room {at}")
            harness.until(lambda: self.pages["vdsd"].get("steps") > journaled, "the operation")
            while True:
                cancelled = self.s.vds("op", "cancel", operation, check=False)
                answer = STOPS if cancelled.status == 0 else json.loads(cancelled.err)["error"]["name"]
                answers[answer] += 1
                if answer != RETRY:
                    break
                page.step_on()
                harness.until(lambda: page.fired or self.s.vds("op", "show", operation)["state"] != "queued", "a step, or an answer")
            page.disarm()
            page.set("go", 1)
            made = self.end_client(creating, 120)
            self.assertEqual(self.end_client(deleting, 120).status, 0)
            if answer == STOPS:
                self.assertIn(CANCELED, made.err)
                self.settled((before,))
            else:
                self.assertEqual(answer, TOO_LATE)
                self.assertEqual(made.status, 0, made)
                self.rest()
                self.s.vds("lun", "delete", "new", "--yes")
                self.rest()
        print(f"  waiting for room: {dict(answers)}")
        self.assertGreater(answers[STOPS], 0, "no cancel was ever in time")
        self.s.stop()


def add(kind):
    def test(self):
        self.every_step(kind)
    setattr(cancelled_before_every_step, "test_" + kind.name.replace(" ", "_"), test)


for each in KINDS:
    if each.asynchronous and ONLY in each.name and (ALL or ONLY or each.short and each.keyed):
        add(each)


if __name__ == "__main__":
    harness.main()
