#!/usr/bin/env python3
"""The service, the array's process, or both are killed before every step of every kind of change.

A step is a change that outlives its process (steps/lasting_steps.h). The n-th is the last that is not made, for n = 1, 2, ...
until the change ends without a death; so no step is left out. What there is afterwards is what there was, or what there is
without a death; the operation's record agrees with it, and there is one; a repetition with the same key makes no second LUN;
the change can be made then, and taken back, and nothing has been lost: no block, no id.

  VDS_STRESS_STEPS=all   every kind, every step, every victim; kinds: every kind, each step with the victims that are next
                         in turn; otherwise a few kinds like that
  VDS_STRESS_KIND=TEXT   only kinds whose name has it
"""
import json
import os
import unittest

import harness
import scene
import steps
from kinds import KINDS
from scene import key_id

ALL = os.environ.get("VDS_STRESS_STEPS") == "all"
EVERY_KIND = ALL or os.environ.get("VDS_STRESS_STEPS") == "kinds"
ONLY = os.environ.get("VDS_STRESS_KIND", "")
# Whose steps are counted, and who is killed at one.
CASES = {
    "array at its own steps": ("vds-arrayd", steps.ITSELF),
    "service at the array's steps": ("vds-arrayd", steps.OTHER),
    "both at the array's steps": ("vds-arrayd", steps.BOTH),
    "service at its own steps": ("vdsd", steps.ITSELF),
    "both at the service's steps": ("vdsd", steps.BOTH),
}
OTHER_OF = {"vdsd": "vds-arrayd", "vds-arrayd": "vdsd"}
UNKNOWN = {"0x800706be", "0x800706ba", "0x80010108", "0x8001011f"}  # of a call that got no answer


class killed_before_every_step(scene.Stepped):
    def kill_once(self, kind, counted, victims, at, key):
        """Makes the change with a death before the at-th step. (whether anybody died, how the client ended)"""
        page = self.pages[counted]
        pids = {"vdsd": self.s.pid, "vds-arrayd": self.s.array_pid()}
        self.assertEqual(pids, {name: p.get("pid") for name, p in self.pages.items()})
        words = self.words(kind.do)
        page.arm(steps.KILL, at, victims, pids[OTHER_OF[counted]])
        client = self.start_client(*words, *(("--key", key) if kind.keyed else ()))
        died = self.step_or_end(page, client)
        if died:
            dead = {counted} if victims == steps.ITSELF else {OTHER_OF[counted]} if victims == steps.OTHER else set(pids)
            for name in dead:
                harness.until(lambda: not harness.alive(pids[name]), f"the end of {name}")
            if "vdsd" in dead:
                self.s.process.wait()
                self.s.start()
            harness.until(lambda: self.ready() and ("vds-arrayd" in dead) == (self.s.provider()["pid"] != pids["vds-arrayd"]),
                          "the array's provider")
        return died, self.end_client(client, 120 * harness.SLOW)

    def renew(self):
        """The service is killed and started: it forgets how often the array died, and reads everything again."""
        self.s.kill()
        self.s.start()
        self.rest()

    def judge(self, kind, before, after, known, client, at):
        """What is there is before or after, and nobody says otherwise. Whether the change is there."""
        there = self.settled((before, after)) == after and before != after
        mine = [o for o in self.operations() if o["id"] not in known and o["kind"] == kind.operation]
        self.assertLessEqual(len(mine), 1, mine)
        said = mine[0]["hresult"] if mine else None
        if mine:
            self.assertEqual(mine[0]["state"], "done")
        if before == after:
            return there
        if kind.asynchronous:
            # No LUN that no operation explains, no operation that made none.
            self.assertEqual(said == "0x00000000", there, (said, at))
        elif said is not None and said not in UNKNOWN:
            self.assertEqual(said == "0x00000000", there, (said, at))
        if client.status == 0:
            self.assertTrue(there, client)
        else:
            told = json.loads(client.err)["error"].get("hresult")
            if told is not None and told not in UNKNOWN:
                self.assertFalse(there, client)
        return there

    def repeat(self, kind, key, there):
        """The same request with the same key: one LUN, and the same one."""
        known = {l["id"] for l in self.s.vds("lun", "list")}
        again = self.s.vds(*self.words(kind.do), "--key", key, check=False)
        luns = [l for l in self.s.vds("lun", "list") if l["name"] == "n"]
        self.assertLessEqual(len(luns), 1, "it has been made twice")
        if there:
            self.assertEqual(again.status, 0, again)
            self.assertEqual({again.document["id"]}, known & {l["id"] for l in luns})
        elif again.status != 0:  # the first one's end
            self.assertIn("VDS_E_RETRY", again.err)
        return bool(luns)

    def every_step(self, kind, cases):
        """cases: names of CASES, of which each step gets all; with ALL unset, the one that is next in turn."""
        self.by_drive = kind.by_drive
        self.open(kind.name.replace(" ", "-"))
        self.run_commands(kind.before)
        before = self.picture()
        self.run_commands((kind.do,))
        after = self.picture()
        deaths = 0
        for counted in ("vds-arrayd", "vdsd"):
            mine = [c for c in cases if CASES[c][0] == counted]
            at = 0
            while mine:
                at += 1
                any_death = False
                for case in mine if ALL else [mine[at % len(mine)]]:
                    if kind.undo:
                        self.run_commands(kind.undo)
                        self.assertEqual(self.settled((before,)), before)
                    else:
                        self.s.stop()
                        self.open(f"{kind.name.replace(' ', '-')}-{counted}-{at}-{CASES[case][1]}")
                        self.run_commands(kind.before)
                    any_death = self.one_death(kind, case, at, before, after) or any_death
                deaths += any_death
                if not any_death:
                    break
            if mine:
                print(f"  {kind.name}: {at - 1} steps of {counted}, {'all of' if ALL else 'in turn'} {len(mine)} cases")
        self.assertGreater(deaths, 0, "nothing was ever killed")
        self.s.stop()

    def one_death(self, kind, case, at, before, after):
        known = {o["id"] for o in self.operations()}
        key = f"{kind.name} {case} {at}"
        died, client = self.kill_once(kind, *CASES[case], at, key)
        step = self.pages[CASES[case][0]].step if died else "none"
        try:
            there = self.judge(kind, before, after, known, client, at)
            self.assertTrue(died or client.status == 0, client)
            if kind.keyed:
                there = self.repeat(kind, key, there)
            self.renew()
            self.settled((after if there else before,))
            if not there:
                self.run_commands((kind.do,))
            self.settled((after,))
        except AssertionError:
            print(f"    {kind.name}, {case}, before step {at}: {step}")
            raise
        return died


@unittest.skipUnless(EVERY_KIND, "VDS_STRESS_STEPS is not set")
class killed_with_many_requests_on_their_way(scene.Stepped):
    def test_each_is_done_with_its_lun_or_not_and_has_none(self):
        """More than the array takes at a time, which stands still; the next service asks for them when it goes on."""
        self.open()
        many = 32
        self.pages["vds-arrayd"].arm(steps.PAUSE, 1)
        clients = [self.start_client("lun", "create", "--size", "1M", "--type", "simple", "--name", f"n{i}", "--key", f"k{i}")
                   for i in range(many)]
        harness.until(lambda: self.pages["vds-arrayd"].fired, "the first one's step")
        harness.until(self.pages["vdsd"].at_rest(1), "the others journaled")
        self.s.kill()
        self.s.start()
        self.pages["vds-arrayd"].set("go", 1)
        self.rest()
        for c in clients:
            self.end_client(c, 120)
        ended = {o["id"]: o["hresult"] for o in self.operations()}
        luns = [l["name"] for l in self.s.vds("lun", "list")]
        self.assertEqual(len(luns), len(set(luns)))
        done = {f"n{i}" for i in range(many) if ended.get(key_id(f"k{i}")) == "0x00000000"}
        self.assertEqual(set(luns), done)
        self.assertGreater(len(done), 0)
        self.s.stop()


def add(kind):
    def test(self):
        self.every_step(kind, list(CASES))
    setattr(killed_before_every_step, "test_" + kind.name.replace(" ", "_"), test)


for each in KINDS:
    if ONLY in each.name and (EVERY_KIND or ONLY or each.short):
        add(each)


if __name__ == "__main__":
    harness.main()
