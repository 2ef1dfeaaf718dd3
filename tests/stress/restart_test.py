#!/usr/bin/env python3
"""The service is killed before every step (steps/lasting_steps.h) of stopping in order, and of starting."""
import contextlib

import harness
import scene
import steps


class killed_while_it_stops_or_starts(scene.Stepped):
    """What is in the operations log is folded into SQLite then: no operation is lost, and none is there twice."""

    def history(self):
        ended = [(o["id"], o["kind"], o["hresult"]) for o in self.operations() if o["owner"] != "array"]
        self.assertEqual(len(ended), len(set(ended)))
        return set(ended)

    def every_step_of(self, phase):
        self.open(phase)
        page = self.pages["vdsd"]
        self.s.vds("lun", "create", "--size", "4M", "--name", "n", "--type", "mirror")
        for at in range(1, 1000):
            self.s.vds("lun", "rename", "n", "n")  # something to fold
            self.s.vds("lun", "extend", "n", "--by", "1M")
            harness.until(page.at_rest(), "everything written down")
            before, luns = self.history(), self.s.vds("lun", "list")
            if phase == "stop":
                page.arm(steps.KILL, at)
                self.s.process.terminate()
                self.s.process.wait(60 * harness.SLOW)
                died = page.disarm()
            else:
                self.s.kill()
                page.arm(steps.KILL, at)
                with contextlib.suppress(AssertionError):  # it is not ready
                    self.s.start()
                died = page.disarm()
                if not died:
                    break
                self.s.process.wait()
            self.s.start()
            self.rest()
            self.assertEqual(self.history(), before, page.step)
            self.assertEqual(self.s.vds("lun", "list"), luns)
            if not died:
                break
        self.assertGreater(at, 1, "nothing was ever killed")
        print(f"  {phase}: {at - 1} steps of vdsd")

    def test_when_it_stops(self):
        self.every_step_of("stop")

    def test_when_it_starts(self):
        self.every_step_of("start")


if __name__ == "__main__":
    harness.main()
