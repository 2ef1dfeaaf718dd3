#!/usr/bin/env python3
"""concurrent_clients_test against a service and an array in processes of their own, with a connection for each client.

  VDS_STRESS_CALLS=N   calls of each client     VDS_SEED=N   repeats what each client does
"""
import os

import harness

CALLS = os.environ.get("VDS_STRESS_CALLS", "40")
SEED = os.environ.get("VDS_SEED")


class many_clients(harness.Scene):
    def test_of_one_service_are_answered_as_the_model_says(self):
        config = self.folder / "vdsd.toml"
        config.write_text("history = 1000000\n[limits]\ncall = 600\n")
        s = self.service(drives="6x1G", arguments=("--config", config))
        s.subsystem()
        ended = self.run_program(harness.program("tests/stress/concurrent_clients_test"), f"--socket={s.socket}", f"--calls={CALLS}",
                                 *((f"--seed={SEED}",) if SEED else ()), timeout=7200, check=False)
        print(ended.out, end="")
        self.assertEqual(ended.status, 0, ended)
        self.assertEqual(s.vds("lun", "list"), [])
        s.stop()


if __name__ == "__main__":
    harness.main()
