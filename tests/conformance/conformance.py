#!/usr/bin/env python3
"""What the array does with every method of the hardware side, found out by running it: docs/conformance.md.

    conformance.py            holds the page against the code: whatever it promises must be found again (a test of ctest)
    conformance.py --write    runs, and writes the page

A row for each method of the facts (tests/facts). What the cells say comes from vds-provider-check, through the service and, for
what only the service calls, straight; from running it as nobody in particular; and from the facts' own parameters. A cell that
has nothing to show has a reason (REASONS below), or the run fails.
"""
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402

PAGE = HERE.parents[1] / "docs/conformance.md"
ARRAY_CLASS = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a01"
NOBODY = 65534
# What the service adds by itself, in front of whatever provider: tested with the service, not with a provider.
THE_SERVICES_OWN = {"IVdsAdviseSink"}
GROUPS = ("common", "hardware", "provider-private")
NOT_HERE = {"IVdsAdmin"}  # registration: tests of the service and of `vds provider`

# Why a cell is empty. By column, then by method, interface, or "*".
REASONS = {
    "deleted object": {
        "IVdsProvider": "lives as long as its process", "IVdsProviderSupport": "lives as long as its process",
        "IVdsHwProvider": "lives as long as its process", "IVdsHwProviderType": "lives as long as its process",
        "IVdsHwProviderType2": "lives as long as its process", "IVdsHwProviderStoragePools": "lives as long as its process",
        "IVdsProviderPrivate": "lives as long as its process", "IVdsHwProviderPrivate": "lives as long as its process",
        "IVdsSubSystem": "the array cannot be deleted", "IVdsSubSystem2": "the array cannot be deleted",
        "IVdsSubSystemNaming": "the array cannot be deleted", "IVdsSubSystemInterconnect": "the array cannot be deleted",
        "IVdsSubSystemIscsi": "the array cannot be deleted", "IVdsStoragePool": "the array is its one pool",
        "IVdsController": "the array cannot be deleted", "IVdsControllerControllerPort": "the array cannot be deleted",
        "IVdsControllerPort": "the array cannot be deleted",
        "IVdsDrive": "drives come and go in tests/e2e", "IVdsDrive2": "drives come and go in tests/e2e",
        "IVdsIscsiPortal": "VDS cannot delete portals; IVdsxPortalAdmin: src/providers/array/iscsi_test.cc", "IVdsMaintenance": "as the object that has it",
        "IEnumVdsObject": "a snapshot: what it shows may be gone, it is not", "IVdsAsync": "outlives what it works on",
        "IVdsLunMpio": "as the LUN", "IVdsLunControllerPorts": "as the LUN",
    },
    "null, garbage": {"IVdsProviderPrivate::OnLoad": "called once, by whoever has a sink"},
    "events": {
        "IVdsHwProvider::Reenumerate": "those of what it finds", "IVdsHwProvider::Refresh": "those of what it finds",
        "IVdsSubSystem::Reenumerate": "those of what it finds", "IVdsProviderPrivate::OnLoad": "sent by the service",
        "IVdsProviderPrivate::OnUnload": "sent by the service",
        "IVdsHwProviderPrivate::QueryIfCreatedLun": "changes nothing",
        "IVdsSubSystem::SetStatus": "it is online already: nothing changed",
        "IVdsSubSystem::SetControllerStatus": "controllers are left as they are",
        "IVdsSubSystem::ReplaceDrive": "drives are left as they are: tests/e2e",
        "IVdsDrive::SetStatus": "it is online already: nothing changed",
        "IVdsController": "nothing of what it shows changed", "IVdsControllerPort": "nothing of what it shows changed",
        "IVdsLun::Recover": "nothing was out of step",
        "IVdsLun::ApplyHints": "hints are no property", "IVdsLun2::ApplyHints2": "hints are no property",
        "IVdsLunPlex::ApplyHints": "VDS has no event for plexes", "IVdsLun::AssociateControllers": "controllers are left as they are",
        "IVdsLunControllerPorts": "ports are left as they are", "IVdsLunMpio": "paths are the host's",
        "IVdsLunIscsi::AssociateTargets": "looked for by the target's own tests",
        "IVdsIscsiTarget": "looked for by the target's own tests", "IVdsIscsiPortalGroup": "looked for by the target's own tests",
        "IVdsIscsiPortal": "looked for by the target's own tests",
        "IVdsSubSystemIscsi::SetIpsecGroupPresharedKey": "changes nothing",
        "IVdsMaintenance": "a light is no property of VDS; ours: src/providers/array/hardware_test.cc", "IEnumVdsObject": "changes nothing", "IVdsAsync": "those of the operation",
    },
}


def facts():
    given = json.loads((HERE.parent / "facts/vds-api.json").read_text())["interfaces"]
    given = given if isinstance(given, dict) else {i["name"]: i for i in given}
    for name, interface in given.items():
        if interface["group"] in GROUPS and name not in THE_SERVICES_OWN | NOT_HERE:
            yield name, interface["methods"]


def reason(column, interface, method):
    table = REASONS.get(column, {})
    return table.get(f"{interface}::{method}") or table.get(interface) or table.get("*")


def can_be_wrong(method):
    """Whether it takes anything that can be null or nonsense."""
    return any("*" in p["type"] or p["type"].startswith("VDS_") and p["type"] != "VDS_OBJECT_ID" or p["type"] == "LPWSTR"
               or p["name"].startswith(("ulFlags", "ullSize", "ullNumber")) for p in method["params"])


def cells(interface, method, found, denied):
    """Column to text. An empty one is a mistake."""
    name = method["name"]
    row = {"method": f"{interface}::{name}"}
    verdict = found["verdict"]
    if verdict == "not offered":
        why = f"not offered: {found['note']}"
        return row | {"works": why} | {c: "-" for c in COLUMNS[2:]}
    if interface == "IVdsAsync" and found["code"] == "VDS_E_CANCEL_TOO_LATE":
        verdict = "supported"  # whether it comes in time is chance, and "too late" the documented answer
    row["works"] = {"supported": "yes", "refused": f"refused: `{found['code']}`", "not tried": f"not tried: {found['note']}"}.get(verdict, "")
    # Whether a Cancel comes in time is chance.
    row["errors provoked"] = "; ".join(sorted({f"`{e['code']}` ({e['by']})" for e in found["errors"] if e["by"] != "Cancel"})) or "the common ones"
    row["denied"] = denied
    never = verdict == "refused" or verdict == "not tried"
    row["deleted object"] = ("`VDS_E_OBJECT_DELETED`" if found["deleted_object"]
                             else reason("deleted object", interface, name) or ("-" if never else ""))
    row["null, garbage"] = ("`E_INVALIDARG`" if found["null_arguments"] else "takes nothing that could be" if not can_be_wrong(method)
                            else reason("null, garbage", interface, name) or ("-" if never else ""))
    reads = name.startswith(("Get", "Query", "Next", "Skip", "Reset", "Clone")) and interface != "IVdsController"
    row["events"] = (", ".join(found["events"]) or ("changes nothing" if reads else "") or ("-" if never else "")
                     or reason("events", interface, name) or "")
    row["async output"] = found["async_output"] or ("-" if never else "") or ("at once" if "async_output" not in method or not method["async_output"] else "")
    return row


COLUMNS = ("method", "works", "errors provoked", "denied", "deleted object", "null, garbage", "events", "async output")


class conformance(harness.Scene):
    longMessage = True

    def check(self, *args, socket=None, user=None):  # what is wrong is told row by row
        program = harness.program("src/apps/provider_check/vds-provider-check")
        if user is not None:  # who may not be let into the build tree
            copy = self.folder / "vds-provider-check"
            shutil.copy(program, copy)
            program = copy
        return self.run_program(program, "--json", *args, check=False, user=user, timeout=180,
                                env={"VDS_SOCKET": str(socket)} if socket else {})

    def rows(self):
        s = self.service(drives="6x256M")
        through = {m["method"]: m for m in self.check("array", socket=s.socket).document["methods"]}
        denied = "not looked at: only root can become somebody else"
        if os.geteuid() == 0:
            os.chmod(s.socket, 0o666)
            refused = self.check("array", socket=s.socket, user=NOBODY)
            self.assertEqual(refused.status, 4, refused)
            self.assertIn("E_ACCESSDENIED", refused.err)
            denied = "`E_ACCESSDENIED`"
        straight = self.check("--clsid", ARRAY_CLASS, "--program", "--", harness.program("src/apps/arrayd/vds-arrayd"), "--dir",
                              self.folder / "own", "--drives", "6x256M", "--iscsi-portal", "127.0.0.1:0")
        straight = {m["method"]: m for m in straight.document["methods"]}
        out, empty = [], []
        for interface, methods in facts():
            for method in methods:
                name = f"{interface}::{method['name']}"
                self.assertIn(name, through, "vds-provider-check has no row for it")
                own = interface.endswith(("Private", "PrivateMpio"))
                found = straight[name] if own else through[name]
                self.assertNotIn(found["verdict"], ("untouched", "WRONG"), f"{name}: {found['wrong']}")
                row = cells(interface, method, found, "only the service has it" if own else denied)
                empty += [f"{name}: {column}" for column in COLUMNS if not row.get(column)]
                out.append(row)
        self.assertEqual(empty, [], "nothing was found out, and no reason is given")
        known = {f"{i}::{m['name']}" for i, methods in facts() for m in methods}
        self.assertEqual(set(through) - known, set(), "rows that are no method")
        return out

    def test_the_page_promises_nothing_that_the_code_does_not_do(self):
        now = self.rows()
        if WRITE:
            PAGE.write_text(page(now))
            return
        written = read(PAGE.read_text())
        broken = []
        for row in now:
            before = written.get(row["method"])
            if before is None:
                broken.append(f"{row['method']}: not on the page")
                continue
            for column in COLUMNS[1:]:
                if before[column] == row[column] or better(column, before, row):
                    continue
                broken.append(f"{row['method']}, {column}: the page says '{before[column]}', found: '{row[column]}'")
        self.assertEqual(broken, [], "the code changed: tests/conformance/conformance.py --write")


def better(column, before, now):
    """The code may do more than the page says; it may not do less."""
    if before["works"] != "yes" and now["works"] == "yes":
        return True
    if column == "works":
        return now["works"] == "yes"
    had = {part.strip() for part in before[column].replace(";", ",").split(",")} - {"-", "the common ones"}
    has = {part.strip() for part in now[column].replace(";", ",").split(",")}
    return had <= has or not before[column].startswith("`") and column != "events" or before["denied"].startswith("`") and column == "denied" and os.geteuid() != 0


def page(rows):
    count = lambda start: sum(r["works"].startswith(start) for r in rows)
    text = f"""# Conformance of the array

What the embedded array does with each of the {len(rows)} methods of the hardware side, found out by running it. Written by
`tests/conformance/conformance.py --write`; a test holds the code to it. {count('yes')} work, {count('refused')} are refused with the
documented code, {count('not tried')} are left to tests of their own, {count('not offered')} belong to interfaces that the array has not got:
QueryInterface says E_NOINTERFACE, which is how VDS tells. Why those: [design/hardware-faces.md](design/hardware-faces.md).

- *errors provoked*: documented errors seen, and what provoked them. *The common ones* are those of every method: `E_INVALIDARG`,
  `VDS_E_OBJECT_DELETED`, `E_ACCESSDENIED`, `VDS_E_PROVIDER_FAILURE`.
- *denied*: what somebody without rights gets, with the socket open to everybody.
- *null, garbage*: null pointers, negative counts, values outside of their enumeration.
- *async output*: the type of what its async object hands out, and whether an object is in it.

"""
    text += "| " + " | ".join(COLUMNS) + " |\n" + "|" + " --- |" * len(COLUMNS) + "\n"
    for r in rows:
        text += "| " + " | ".join(r[c] for c in COLUMNS) + " |\n"
    return text


def read(text):
    out = {}
    for line in text.splitlines():
        parts = [p.strip() for p in line.strip().strip("|").split(" | ")]
        if line.startswith("| IVds") or line.startswith("| IEnum"):
            out[parts[0]] = dict(zip(COLUMNS, parts))
    return out


WRITE = "--write" in sys.argv
if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--write"]
    harness.main()
