"""Joins the parsed files into one model, checks it and fills in what follows from it (sizes, offsets, union members).

The model is what back ends read: dicts and lists of plain values, documented in tools/idlc/README.md. Sizes are those of
the wire's home: 8-byte pointers, 2-byte WCHAR. Order everywhere is the order of the files.
"""
import re

from lexer import IdlError

BASE_TYPES = [
    {"name": "BOOL", "size": 4, "align": 4},
    {"name": "BOOLEAN", "size": 1, "align": 1},
    {"name": "BYTE", "size": 1, "align": 1},
    {"name": "UCHAR", "size": 1, "align": 1},
    {"name": "char", "size": 1, "align": 1},
    {"name": "SHORT", "size": 2, "align": 2},
    {"name": "USHORT", "size": 2, "align": 2},
    {"name": "WCHAR", "size": 2, "align": 2},
    {"name": "LONG", "size": 4, "align": 4},
    {"name": "ULONG", "size": 4, "align": 4},
    {"name": "DWORD", "size": 4, "align": 4},
    {"name": "HRESULT", "size": 4, "align": 4},
    {"name": "ULONGLONG", "size": 8, "align": 8},
    {"name": "GUID", "size": 16, "align": 4},
    {"name": "CLSID", "size": 16, "align": 4},
    {"name": "LPWSTR", "size": 8, "align": 8},
    {"name": "LPCWSTR", "size": 8, "align": 8},
    {"name": "IUnknown", "interface": True},
]
_KINDS = ("typedefs", "interfaces", "structs", "enums", "constants", "guids", "hresults", "notifications")
_INTEGERS = {"BOOL", "BOOLEAN", "BYTE", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "DWORD", "ULONGLONG"}


def split(type_text):
    """'IUnknown **' -> ('IUnknown', 2)"""
    return type_text.rstrip("* "), type_text.count("*")


def fail(item, message):
    raise IdlError(item["at"], message)


class Checker:
    def __init__(self, model):
        self.model = model
        self.base = {t["name"]: t for t in model["base_types"]}
        self.typedefs = {}
        self.enums = {}
        self.structs = {}
        self.interfaces = {}
        self.aliases = {}     # PVDS_X -> VDS_X
        self.enumerators = {}  # name -> (enum, member)
        self.constants = {}
        self.layouts = {}

    def run(self):
        self.collect()
        for item in self.model["enums"]:
            self.check_enum(item)
        for item in self.model["typedefs"]:
            self.check_type(item, item["type"])
        for item in self.model["structs"]:
            self.check_struct(item)
        for item in self.model["interfaces"]:
            self.check_interface(item)
        for item in self.model["hresults"]:
            if not item["meaning"]:
                fail(item, "%s has no meaning" % item["name"])
        for item in self.model["notifications"]:
            self.check_notification(item)

    def collect(self):
        names = {t["name"]: None for t in self.model["base_types"]}

        def add(table, name, value, item):
            if name in names:
                fail(item, "%s is defined twice" % name)
            names[name] = item
            table[name] = value

        for item in self.model["typedefs"]:
            add(self.typedefs, item["name"], item["type"], item)
        for item in self.model["enums"]:
            add(self.enums, item["name"], item, item)
            for member in item["members"]:
                add(self.enumerators, member["name"], (item, member), member)
        for item in self.model["structs"]:
            add(self.structs, item["name"], item, item)
            for alias in item["pointer_aliases"]:
                add(self.aliases, alias, item["name"], item)
        for item in self.model["constants"]:
            add(self.constants, item["name"], item["value"], item)
        values = {}
        for item in self.model["hresults"]:
            add({}, item["name"], None, item)
            if item["value"] in values:
                fail(item, "%s and %s have the same value" % (values[item["value"]], item["name"]))
            values[item["value"]] = item["name"]
        ids = {}
        for item in self.model["interfaces"]:
            add(self.interfaces, item["name"], item, item)
            if item["iid"] in ids:
                fail(item, "%s and %s have the same uuid" % (ids[item["iid"]], item["name"]))
            ids[item["iid"]] = item["name"]
        for item in self.model["guids"]:
            add({}, item["name"], None, item)

    # --- types ------------------------------------------------------------------------------------------------------
    def check_type(self, item, type_text):
        name, stars = split(type_text)
        if name in self.interfaces or self.base.get(name, {}).get("interface"):
            if not stars:
                fail(item, "interface %s is used by value" % name)
        elif not any(name in table for table in (self.base, self.typedefs, self.enums, self.structs, self.aliases)):
            fail(item, "type %s is not known" % name)

    def depth(self, type_text):
        """How many pointers a type is away from a value."""
        name, stars = split(type_text)
        return stars + (name in self.aliases or name in ("LPWSTR", "LPCWSTR"))

    def check_sizes(self, item, siblings):
        for key in ("size_is", "length_is", "max_is"):
            entries = item.get("attrs", {}).get(key)
            if entries is None:
                continue
            if len(entries) > self.depth(item["type"]):
                fail(item, "%s of %s has more levels than its type" % (key, item["name"]))
            for entry in entries:
                if entry is None:
                    continue
                name = entry.lstrip("*")
                if name in siblings:
                    target, stars = split(siblings[name]["type"])
                    target = self.typedefs.get(target, target)
                    if target not in _INTEGERS or stars != entry.count("*"):
                        fail(item, "%s of %s: %s is not an integer" % (key, item["name"], entry))
                elif key != "max_is" or not re.match(r"[\w+-]+\Z", name):
                    fail(item, "%s of %s names no sibling: %s" % (key, item["name"], name))

    def check_enum(self, item):
        for member in item["members"]:
            if "alias_of" in member:
                owner, other = self.enumerators.get(member["alias_of"], (None, None))
                if owner is not item or "value" not in other:
                    fail(member, "%s: %s is no enumerator of %s" % (member["name"], member["alias_of"], item["name"]))
                member["value"] = other["value"]
            if member["value"] >= 1 << 32:
                fail(member, "%s does not fit 32 bits" % member["name"])
        seen = {}
        for member in item["members"]:
            if "alias_of" not in member:
                if member["value"] in seen:
                    fail(member, "%s and %s share a value; write %s = %s" % (
                        seen[member["value"]], member["name"], member["name"], seen[member["value"]]))
                seen[member["value"]] = member["name"]

    def check_struct(self, item):
        if not item["fields"]:
            fail(item, "%s has no fields" % item["name"])
        item["size64"], item["align64"] = self.layout(item, [])

    def layout(self, item, inside):
        name = item["name"]
        if name in inside:
            fail(item, "%s contains itself" % name)
        if name not in self.layouts:
            self.layouts[name] = self.lay(item["fields"], name, inside + [name])
        return self.layouts[name]

    def lay(self, fields, where, inside):
        siblings = {f["name"]: f for f in fields if f["name"] and not f.get("union")}
        named = set()
        for f in fields:
            for name in [f["name"]] if f["name"] else [a["name"] for a in f["arms"]]:
                if name in named:
                    fail(f, "%s has two fields named %s" % (where, name))
                named.add(name)
        offset, align = 0, 1
        for f in fields:
            if f.get("union"):
                self.check_union(f, siblings, where)
            else:
                self.check_sizes(f, siblings)
            size, a = self.size_of(f, where, inside)
            offset = _up(offset, a)
            f["offset64"] = offset
            offset += size
            align = max(align, a)
        return _up(offset, align), align

    def check_union(self, item, siblings, where):
        switch = siblings.get(item["discriminant"])
        if switch is None or switch["type"] not in self.enums:
            fail(item, "switch_is(%s) names no enum field of %s" % (item["discriminant"], where))
        used = set()
        for arm in item["arms"]:
            for label in arm["case"]:
                if self.enumerators.get(label, ({"name": None},))[0]["name"] != switch["type"]:
                    fail(arm, "case %s is no enumerator of %s" % (label, switch["type"]))
                if label in used:
                    fail(arm, "case %s occurs twice" % label)
                used.add(label)

    def size_of(self, f, where, inside):
        if f.get("union"):
            parts = [self.size_of(arm, where, inside) for arm in f["arms"]]
            align = max(a for _, a in parts)
            return _up(max(s for s, _ in parts), align), align
        if "struct" in f:
            return self.lay(f["struct"]["fields"], where + "." + f["name"], inside)
        self.check_type(f, f["type"])
        size, align = self.size_of_type(f["type"], inside)
        for n, length in enumerate(f.get("array", [])):
            if isinstance(length, str):
                if length not in self.constants:
                    fail(f, "array length %s is no constant" % length)
                f["array"][n] = length = self.constants[length]
            if length <= 0:
                fail(f, "%s has no elements" % f["name"])
            size *= length
        return size, align

    def size_of_type(self, type_text, inside):
        name, stars = split(type_text)
        if stars or name in self.aliases:
            return 8, 8
        if name in self.typedefs:
            return self.size_of_type(self.typedefs[name], inside)
        if name in self.base:
            return self.base[name]["size"], self.base[name]["align"]
        if name in self.enums:
            return 4, 4
        return self.layout(self.structs[name], inside)

    # --- interfaces -------------------------------------------------------------------------------------------------
    def check_interface(self, item):
        if item["base"] != "IUnknown":
            fail(item, "%s: every interface derives from IUnknown" % item["name"])
        if not item["methods"]:
            fail(item, "%s has no methods" % item["name"])
        names = set()
        for method in item["methods"]:
            if method["name"] in names:
                fail(method, "%s has two methods %s" % (item["name"], method["name"]))
            names.add(method["name"])
            self.check_method(item, method)
        if item["ms_vds"] != "none" and (item["ms_vds"] == "partial") != any(not m["on_wire"] for m in item["methods"]):
            fail(item, "%s: ms_vds is partial if and only if a method is reserved" % item["name"])

    def check_method(self, interface, method):
        if method["returns"] != "HRESULT":
            fail(method, "%s::%s has to return HRESULT" % (interface["name"], method["name"]))
        siblings = {}
        for p in method["params"]:
            if p["name"] in siblings:
                fail(p, "%s::%s has two parameters %s" % (interface["name"], method["name"], p["name"]))
            siblings[p["name"]] = p
        for p in method["params"]:
            self.check_type(p, p["type"])
            name, _ = split(p["type"])
            least = 2 if name in self.interfaces or name == "IUnknown" else 1
            if p["dir"] != "in" and self.depth(p["type"]) < least:
                fail(p, "[out] %s is passed by value" % p["name"])
            self.check_sizes(p, siblings)
        asynchronous = any(p["type"] == "IVdsAsync **" for p in method["params"])
        returns_result = asynchronous and "async_output" in method
        if "async_output" in method:
            if not asynchronous:
                fail(method, "[async] needs a parameter IVdsAsync **")
            enum, _ = self.enumerators.get(method["async_output"], ({"name": None}, None))
            if enum["name"] != "VDS_ASYNC_OUTPUT_TYPE":
                fail(method, "%s is no VDS_ASYNC_OUTPUT_TYPE" % method["async_output"])
        if returns_result:
            method["async_member"] = self.arm_names("VDS_ASYNC_OUTPUT").get(method["async_output"])
        for diff in method.get("wire_diff", []):
            if diff["param"] not in siblings:
                fail(method, "wire_diff names no parameter: %s" % diff["param"])

    def arm_names(self, struct):
        found = {}
        for f in self.structs.get(struct, {"fields": []})["fields"]:
            for arm in f.get("arms", []):
                found.update({label: arm["name"] for label in arm["case"]})
        return found

    def check_notification(self, item):
        if item["event"] not in self.constants:
            fail(item, "%s is no constant" % item["event"])
        item["value"] = self.constants[item["event"]]
        for f in self.structs.get("VDS_NOTIFICATION", {"fields": []})["fields"]:
            for arm in f.get("arms", []):
                if item["target"] in arm["case"]:
                    item["member"], item["struct"] = arm["name"], arm["type"]
                    return
        fail(item, "VDS_NOTIFICATION has no arm for %s" % item["target"])


def _up(offset, align):
    return (offset + align - 1) // align * align


def _strip(value):
    """Removes the source places, which only the checks need."""
    if isinstance(value, dict):
        return {k: _strip(v) for k, v in value.items() if k != "at"}
    if isinstance(value, list):
        return [_strip(v) for v in value]
    return value


def build(parsed_files):
    model = {"format": "vds-api-facts/1", "base_types": [dict(t) for t in BASE_TYPES]}
    for kind in _KINDS:
        model[kind] = [item for parsed in parsed_files for item in parsed[kind]]
    Checker(model).run()
    return _strip(model)
