"""The test's side of steps/lasting_steps.h: at which step of which process something is to happen."""
import mmap
import struct

import harness

NONE, KILL, PAUSE = 0, 1, 2
ITSELF, OTHER, BOTH = 1, 2, 3
FIELDS = ("pid", "what", "at", "steps", "victims", "other_pid", "fired", "go")
SIZE = 256


class Page:
    """One process's page. It is there before the process is, and for its next lives."""

    def __init__(self, prefix, name):
        path = prefix.with_name(f"{prefix.name}.{name}")
        path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)

    def get(self, field):
        return struct.unpack_from("<Q", self.memory, 8 * FIELDS.index(field))[0]

    def set(self, field, value):
        struct.pack_into("<Q", self.memory, 8 * FIELDS.index(field), value)

    def arm(self, what, at, victims=ITSELF, other_pid=0):
        for field, value in (("what", NONE), ("steps", 0), ("fired", 0), ("go", 0), ("at", at), ("victims", victims),
                             ("other_pid", other_pid), ("what", what)):
            self.set(field, value)

    def step_on(self):
        """From one pause to the next."""
        for field, value in (("at", self.get("steps") + 1), ("fired", 0), ("what", PAUSE), ("go", 1)):
            self.set(field, value)

    def disarm(self):
        """Whether it had happened."""
        self.set("what", NONE)
        return self.fired

    @property
    def fired(self):
        return bool(self.get("fired"))

    @property
    def step(self):
        """Which step it was, in words."""
        return bytes(self.memory[8 * len(FIELDS):SIZE]).split(b"\0")[0].decode(errors="replace")

    def at_rest(self, seconds=0.25):
        """A condition for harness.until: true when it has happened, or when no step was made for so long."""
        import time
        seen = [self.get("steps"), time.monotonic()]

        def still():
            now = self.get("steps")
            if now != seen[0]:
                seen[:] = [now, time.monotonic()]
            return self.fired or time.monotonic() - seen[1] > seconds
        return still


def environment(prefix):
    """Of a service whose steps, and whose array's, are to be counted."""
    return {"LD_PRELOAD": harness.program("tests/stress/liblasting_steps.so"), "VDS_LASTING_STEPS": str(prefix)}
