"""A service whose steps are counted, what a client sees of it, and one change made while something happens at one step."""
import subprocess
import uuid

import harness
import steps

DRIVES = "5x64M"
KEYS = uuid.UUID("9d1c3f52-6e0b-4d36-9a41-275e88c410f7")  # the space of ids that --key makes


def key_id(key):
    """The id of the operation that a request with this --key begins."""
    return str(uuid.uuid5(KEYS, key))


class Stepped(harness.Scene):
    """Scenes end here when the library that counts steps cannot be preloaded: a sanitizer's has to come first."""

    by_drive = False

    def open(self, name="service", drives=DRIVES):
        prefix = self.folder / f"{name}-steps"
        self.pages = {p: steps.Page(prefix, p) for p in ("vdsd", "vds-arrayd")}
        (self.folder / "secret").write_text("a secret of host a\n")
        self.port = harness.free_port()
        self.new_drive = self.folder / f"{name}-new.img"
        self.s = self.service(name, array=name, drives=drives, environment=steps.environment(prefix))
        self.subsystem = self.s.subsystem()
        self.portal = self.s.vds("portal", "list")[0]["id"]
        self.automatic = self.s.vds("target", "list")[0]["id"]
        self.rest()

    def words(self, command):
        """A command of kinds.py with what only this service knows filled in."""
        known = {"folder": self.folder, "new": self.new_drive, "port": self.port, "subsystem": self.subsystem, "portal": self.portal,
                 "automatic": self.automatic}
        if "{group}" in command:
            target = next(t["id"] for t in self.s.vds("target", "list") if t["friendly_name"] == "t")
            known["group"] = next((g["id"] for g in self.s.vds("portal-group", "list") if g["target"] == target), "none")
        return [w.format(**known) for w in command]

    def run_commands(self, commands):
        for c in commands:
            self.s.vds(*self.words(c))
            self.rest()

    def operations(self):
        return self.s.vds("op", "list", "--all")

    def ready(self):
        return (self.s.provider() or {}).get("state") == "ready"

    def rest(self):
        """Until nothing goes on: no operation of anybody's, no work of the array's own, every LUN and drive as it is to stay."""
        harness.until(self.ready, "the array's provider")
        harness.until(lambda: not self.s.vds("op", "list"), "the end of what goes on", 120)

    def picture(self):
        """Everything that is there, in words that do not depend on which ids it got or which of equal drives was chosen."""
        luns = self.s.vds("lun", "list")
        names = {l["id"]: l["name"] for l in luns}
        drives = self.s.vds("drive", "list")
        targets = self.s.vds("target", "list")
        groups = self.s.vds("portal-group", "list")
        for l in luns:  # whole: what it is made of is there, and nothing else
            plexes = self.s.vds("plex", "list", l["id"])
            self.assertEqual(len(plexes), l["plexes"], l)
            self.assertEqual({d for p in plexes for d in p["drives"]}, set(l["drives"]), l)
            self.assertLessEqual(set(l["drives"]), {d["id"] for d in drives}, l)
        return {
            "luns": sorted((l["name"], l["type"], l["size_bytes"], l["status"], l["health"], l["transition_state"], l["unmasking_list"],
                            l["plexes"], len(l["drives"]), l["survives_drive_losses"]) for l in luns),
            "drives": sorted(((d["name"] if self.by_drive else ""), *self.state_of(d), tuple(d["flags"]), d["free_bytes"]) for d in drives),
            "targets": sorted((t["friendly_name"] if t["id"] != self.automatic else "", t["chap_enabled"], len(t["portal_groups"]),
                               tuple(sorted(names.get(l, l) for l in t["luns"]))) for t in targets),
            "portals": sorted((p["status"], len(p["portal_groups"])) for p in self.s.vds("portal", "list")),
            "groups": sorted(len(g["portals"]) for g in groups),
            "array": [s["name"] == "rack 7" for s in self.s.vds("subsystem", "list")],
        }

    @staticmethod
    def state_of(drive):
        """One that failed is left aside when the array is opened next."""
        return ("not used",) if drive["status"] in ("failed", "offline") else (drive["status"], drive["health"])

    def settled(self, expected):
        """What there is once it stays so; waits for one of these pictures, and shows what it is instead."""
        self.rest()
        seen = []

        def one_of_them():
            seen[:] = [self.picture()]
            return seen[0] in expected
        try:
            harness.until(one_of_them, "", 5)
        except AssertionError:
            for part, value in seen[0].items():
                if all(value != e[part] for e in expected):
                    print(f"    {part}: {value}\n      instead of " + " or ".join(str(e[part]) for e in expected))
        self.assertIn(seen[0], expected)
        return seen[0]

    def step_or_end(self, page, client):
        """Whether the armed step came before the client and everything that it set in motion had ended."""
        harness.until(lambda: page.fired or client.poll() is not None, "the end of the change, or its step", 120)
        harness.until(lambda: page.fired or self.s.vds("op", "list", check=False).out.strip() == "[]", "the end of what goes on", 120)
        harness.until(page.at_rest(), "the processes at rest")
        return page.disarm()

    def start_client(self, *words):
        client = subprocess.Popen([harness.vds_program(), "--json", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env={**self.environment, "VDS_SOCKET": str(self.s.socket)})
        self.addCleanup(self.end_client, client)
        return client

    @staticmethod
    def end_client(client, patience=None):
        """How it ended by itself; without patience it is ended."""
        if patience is None and client.poll() is None:
            client.kill()
        if client.stdout.closed:
            return None
        out, err = client.communicate(timeout=patience)
        return harness.Ended(client.args, client.returncode, out, err)
