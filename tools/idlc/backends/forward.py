"""Writes how the service stands between clients and providers: for every hardware-side interface a facet whose methods are
answered from the service's model, or forwarded to the provider with everything that comes back checked; and deep copies of
the property structs. See src/service/objects/README.md.

Out: facets.cc (against service/objects/facet.h), properties.h, properties.cc.
"""
from backends import write

# Kind of object -> the interfaces clients may ask for: those every object of the kind has, and those it may have.
KINDS = {
    "VDS_OT_PROVIDER": (["IVdsProvider", "IVdsHwProvider"],
                        ["IVdsProviderSupport", "IVdsHwProviderType", "IVdsHwProviderType2", "IVdsHwProviderStoragePools"]),
    "VDS_OT_SUB_SYSTEM": (["IVdsSubSystem"],
                          ["IVdsSubSystem2", "IVdsSubSystemIscsi", "IVdsSubSystemNaming", "IVdsSubSystemInterconnect",
                           "IVdsMaintenance", "IVdsxDriveAdmin", "IVdsxJobs", "IVdsxLunCreation", "IVdsxPlanning", "IVdsxPortalAdmin"]),
    "VDS_OT_CONTROLLER": (["IVdsController"], ["IVdsControllerControllerPort", "IVdsMaintenance"]),
    "VDS_OT_PORT": (["IVdsControllerPort"], []),
    "VDS_OT_DRIVE": (["IVdsDrive"], ["IVdsDrive2", "IVdsMaintenance", "IVdsxDrive"]),
    "VDS_OT_LUN": (["IVdsLun"],
                   ["IVdsLun2", "IVdsLunControllerPorts", "IVdsLunIscsi", "IVdsLunMpio", "IVdsLunNaming", "IVdsLunNumber",
                    "IVdsMaintenance", "IVdsxLun", "IVdsxLunCheck"]),
    "VDS_OT_LUN_PLEX": (["IVdsLunPlex"], []),
    "VDS_OT_TARGET": (["IVdsIscsiTarget"], []),
    "VDS_OT_PORTAL": (["IVdsIscsiPortal"], []),
    "VDS_OT_PORTAL_GROUP": (["IVdsIscsiPortalGroup"], []),
    "VDS_OT_STORAGE_POOL": (["IVdsStoragePool"], []),
}

# Answered from the model. (Not a pool's properties: VDS has no event that says that they changed.) Value: "properties", ("children", kind) or ("parent", kind).
MODEL = {
    ("IVdsProvider", "GetProperties"): "properties",
    ("IVdsHwProvider", "QuerySubSystems"): ("children", "VDS_OT_SUB_SYSTEM"),
    ("IVdsSubSystem", "GetProperties"): "properties",
    ("IVdsSubSystem", "GetProvider"): ("parent", "VDS_OT_PROVIDER"),
    ("IVdsSubSystem", "QueryControllers"): ("children", "VDS_OT_CONTROLLER"),
    ("IVdsSubSystem", "QueryLuns"): ("children", "VDS_OT_LUN"),
    ("IVdsSubSystem", "QueryDrives"): ("children", "VDS_OT_DRIVE"),
    ("IVdsSubSystem2", "GetProperties2"): "properties",
    ("IVdsSubSystemIscsi", "QueryTargets"): ("children", "VDS_OT_TARGET"),
    ("IVdsSubSystemIscsi", "QueryPortals"): ("children", "VDS_OT_PORTAL"),
    ("IVdsController", "GetProperties"): "properties",
    ("IVdsController", "GetSubSystem"): ("parent", "VDS_OT_SUB_SYSTEM"),
    ("IVdsControllerControllerPort", "QueryControllerPorts"): ("children", "VDS_OT_PORT"),
    ("IVdsControllerPort", "GetProperties"): "properties",
    ("IVdsControllerPort", "GetController"): ("parent", "VDS_OT_CONTROLLER"),
    ("IVdsDrive", "GetProperties"): "properties",
    ("IVdsDrive", "GetSubSystem"): ("parent", "VDS_OT_SUB_SYSTEM"),
    ("IVdsDrive2", "GetProperties2"): "properties",
    ("IVdsLun", "GetProperties"): "properties",
    ("IVdsLun", "GetSubSystem"): ("parent", "VDS_OT_SUB_SYSTEM"),
    ("IVdsLun", "QueryPlexes"): ("children", "VDS_OT_LUN_PLEX"),
    ("IVdsLunPlex", "GetProperties"): "properties",
    ("IVdsLunPlex", "GetLun"): ("parent", "VDS_OT_LUN"),
    ("IVdsIscsiTarget", "GetProperties"): "properties",
    ("IVdsIscsiTarget", "GetSubSystem"): ("parent", "VDS_OT_SUB_SYSTEM"),
    ("IVdsIscsiTarget", "QueryPortalGroups"): ("children", "VDS_OT_PORTAL_GROUP"),
    ("IVdsIscsiPortal", "GetProperties"): "properties",
    ("IVdsIscsiPortal", "GetSubSystem"): ("parent", "VDS_OT_SUB_SYSTEM"),
    ("IVdsIscsiPortalGroup", "GetProperties"): "properties",
    ("IVdsIscsiPortalGroup", "GetTarget"): ("parent", "VDS_OT_TARGET"),
    ("IVdsStoragePool", "GetProvider"): ("parent", "VDS_OT_PROVIDER"),
}
# Structs that the model keeps.
KEPT = ["VDS_PROVIDER_PROP", "VDS_SUB_SYSTEM_PROP", "VDS_SUB_SYSTEM_PROP2", "VDS_CONTROLLER_PROP", "VDS_PORT_PROP",
        "VDS_DRIVE_PROP", "VDS_DRIVE_PROP2", "VDS_LUN_PROP", "VDS_LUN_PLEX_PROP", "VDS_ISCSI_TARGET_PROP",
        "VDS_ISCSI_PORTAL_PROP", "VDS_ISCSI_PORTALGROUP_PROP", "VDS_STORAGE_POOL_PROP"]

# What a success means for the model beyond the object itself.
# (A drive that is brought online may come back as another one.)
RESYNC = {("IVdsHwProvider", "Reenumerate"), ("IVdsHwProvider", "Refresh"), ("IVdsSubSystem", "Reenumerate"), ("IVdsDrive", "SetStatus")}
DELETES = {("IVdsLun", "Delete")}
ADOPTS = {("IVdsxDriveAdmin", "AddDrive"): ("VDS_OT_DRIVE", "*pDriveId"),
          ("IVdsxPortalAdmin", "AddPortal"): ("VDS_OT_PORTAL", "*pPortalId")}
DEPARTS = {("IVdsxDriveAdmin", "RemoveDrive"): ("VDS_OT_DRIVE", "driveId"),
           ("IVdsxPortalAdmin", "RemovePortal"): ("VDS_OT_PORTAL", "portalId")}
CHANGING = ("Set", "Clear", "Apply", "Associate", "Replace", "Reset", "Add", "Remove", "Delete", "Remember")

# What the objects of a forwarded enumeration are.
ENUM_KINDS = [("StoragePools", "VDS_OT_STORAGE_POOL"), ("PortalGroups", "VDS_OT_PORTAL_GROUP"), ("Portals", "VDS_OT_PORTAL"),
              ("Targets", "VDS_OT_TARGET"), ("ControllerPorts", "VDS_OT_PORT"), ("Controllers", "VDS_OT_CONTROLLER"),
              ("Luns", "VDS_OT_LUN"), ("Drives", "VDS_OT_DRIVE"), ("SubSystems", "VDS_OT_SUB_SYSTEM"),
              ("Plexes", "VDS_OT_LUN_PLEX")]
OBJECT_KINDS = {"IVdsSubSystem": "VDS_OT_SUB_SYSTEM", "IVdsProvider": "VDS_OT_PROVIDER", "IVdsDrive": "VDS_OT_DRIVE",
                "IVdsController": "VDS_OT_CONTROLLER", "IVdsLun": "VDS_OT_LUN", "IVdsIscsiTarget": "VDS_OT_TARGET"}
OPERATION_NAMES = {
    "VDS_ASYNCOUT_CREATELUN": "create_lun", "VDS_ASYNCOUT_ADDLUNPLEX": "add_lun_plex",
    "VDS_ASYNCOUT_REMOVELUNPLEX": "remove_lun_plex", "VDS_ASYNCOUT_EXTENDLUN": "extend_lun",
    "VDS_ASYNCOUT_SHRINKLUN": "shrink_lun", "VDS_ASYNCOUT_RECOVERLUN": "recover_lun",
    "VDS_ASYNCOUT_CREATETARGET": "create_target", "VDS_ASYNCOUT_CREATEPORTALGROUP": "create_portal_group",
    "VDS_ASYNCOUT_DELETETARGET": "delete_target", "VDS_ASYNCOUT_ADDPORTAL": "add_portal",
    "VDS_ASYNCOUT_REMOVEPORTAL": "remove_portal", "VDS_ASYNCOUT_DELETEPORTALGROUP": "delete_portal_group",
}
HEADER = "// Generated by tools/idlc (back end forward); see there.\n"


def split(type_text):
    return type_text.rstrip("* "), type_text.count("*")


class Structs:
    """Which structs own memory, and how it is freed, copied and compared."""

    def __init__(self, model):
        self.by_name = {s["name"]: s for s in model["structs"]}
        for s in model["structs"]:
            for alias in s["pointer_aliases"]:
                self.by_name.setdefault(alias, None)
        self.interfaces = {i["name"] for i in model["interfaces"]} | {"IUnknown"}

    def get(self, name):
        return self.by_name.get(name)

    def plain_fields(self, struct):
        return [f for f in struct["fields"] if not f.get("union")]

    def is_pointer(self, field):
        return field["type"] in ("LPWSTR", "LPCWSTR") or split(field["type"])[1] > 0

    def owns(self, name):
        struct = self.get(name)
        return bool(struct) and any(self.is_pointer(f) or self.owns(split(f["type"])[0]) for f in self.plain_fields(struct))

    def reachable(self, names):
        out = []

        def visit(name):
            if not self.owns(name) or name in out:
                return
            for f in self.plain_fields(self.get(name)):
                visit(split(f["type"])[0])
            out.append(name)

        for name in names:
            visit(name)
        return out

    def clear(self, name):
        lines = ["void clear_members(%s& value) noexcept {" % name]
        for f in self.plain_fields(self.get(name)):
            base, stars = split(f["type"])
            field = "value.%s" % f["name"]
            count = (f.get("attrs", {}).get("size_is") or [None])[0]
            if self.is_pointer(f):
                if stars == 1 and self.owns(base) and count:
                    lines.append("  for (std::size_t i = 0; %s != nullptr && i < static_cast<std::size_t>(value.%s); ++i) "
                                 "clear_members(%s[i]);" % (field, count, field))
                elif stars == 1 and self.owns(base):
                    lines.append("  if (%s != nullptr) clear_members(*%s);" % (field, field))
                lines.append("  CoTaskMemFree(const_cast<void*>(static_cast<const void*>(%s)));" % field)
                lines.append("  %s = nullptr;" % field)
                if count and count in {g["name"] for g in self.get(name)["fields"]}:
                    lines.append("  value.%s = 0;" % count)
            elif self.owns(base):
                lines.append("  clear_members(%s);" % field)
        return lines + ["}"]

    def sound(self, name):
        """A counted array that is announced and missing, or a negative count."""
        tests = []
        for f in self.plain_fields(self.get(name)):
            count = (f.get("attrs", {}).get("size_is") or [None])[0]
            if count and self.is_pointer(f):
                tests.append("value.%s < 0 || (value.%s > 0 && value.%s == nullptr)" % (count, count, f["name"]))
        if not tests:
            return ["bool sound([[maybe_unused]] const %s& value) noexcept { return true; }" % name]
        return ["bool sound(const %s& value) noexcept {" % name] + [
            "  if (%s) return false;" % t.replace("value.%s < 0 || " % u, "" if self.unsigned(name, u) else "value.%s < 0 || " % u)
            for t, u in ((t, t.split(" ")[0].removeprefix("value.")) for t in tests)] + ["  return true;", "}"]

    def unsigned(self, name, field):
        types = {f["name"]: f["type"] for f in self.plain_fields(self.get(name))}
        return types[field] not in ("LONG", "SHORT")

    def copy(self, name):
        lines = ["HRESULT copy_members(const %s& from, %s* to) noexcept {" % (name, name), "  *to = from;"]
        strings = [f["name"] for f in self.get(name)["fields"] if f.get("type") == "LPWSTR"]
        for s in strings:
            lines.append("  to->%s = nullptr;" % s)
        for s in strings:
            lines.append("  if (!copy_string(from.%s, &to->%s)) {" % (s, s))
            lines.append("    clear_members(*to);")
            lines.append("    *to = %s{};" % name)
            lines.append("    return E_OUTOFMEMORY;")
            lines.append("  }")
        return lines + ["  return S_OK;", "}"]

    def same(self, name):
        tests = []
        for f in self.get(name)["fields"]:
            if f.get("type") == "LPWSTR":
                tests.append("same_string(a.%s, b.%s)" % (f["name"], f["name"]))
            elif self.get(f["type"]) or f["type"] in ("GUID", "VDS_OBJECT_ID") or f.get("array"):
                tests.append("std::memcmp(&a.%s, &b.%s, sizeof a.%s) == 0" % (f["name"], f["name"], f["name"]))
            else:
                tests.append("a.%s == b.%s" % (f["name"], f["name"]))
        return ["bool same_members(const %s& a, const %s& b) noexcept {" % (name, name),
                "  return %s;" % " &&\n         ".join(tests), "}"]


class Facets:
    def __init__(self, model):
        self.model = model
        self.structs = Structs(model)
        self.interfaces = {i["name"]: i for i in model["interfaces"]}
        self.order = []
        for required, optional in KINDS.values():
            for name in required + optional:
                if name not in self.order:
                    self.order.append(name)

    # --- one method ---------------------------------------------------------------------------------------------
    def parameters(self, method):
        return ", ".join(p["type"] + ("" if p["type"].endswith("*") else " ") + p["name"] for p in method["params"])

    def checks(self, method):
        """Lines that refuse what no provider should see, before any side effect; outs are emptied first."""
        lines, tests = [], []
        for p in method["params"]:
            if p["dir"] == "in":
                continue
            lines.append("  if (%s != nullptr) *%s = {};" % (p["name"], p["name"]))
            tests.append("%s == nullptr" % p["name"])
        types = {p["name"]: p["type"] for p in method["params"]}
        for p in method["params"]:
            if p["dir"] != "in" or not self.structs.is_pointer(p):
                continue
            attrs = p.get("attrs", {})
            count = (attrs.get("size_is") or [None])[0]
            if count:
                if types[count] == "LONG":
                    tests.append("%s < 0" % count)
                tests.append("(%s > 0 && %s == nullptr)" % (count, p["name"]))
            elif not attrs.get("unique"):
                tests.append("%s == nullptr" % p["name"])
        if tests:
            lines.append("  if (%s) return E_INVALIDARG;" % " || ".join(dict.fromkeys(tests)))
        return lines

    def effect(self, key, method):
        if key in DELETES:
            return "effect::deletes"
        if key in RESYNC:
            return "effect::resyncs"
        if "async_output" in method or method["name"].startswith(CHANGING):
            return "effect::changes"
        return "effect::none"

    def discard(self, p, indent):
        """Lines that free what a failed call left in an out parameter."""
        base, stars = split(p["type"])
        counts = p.get("attrs", {}).get("size_is") or []
        count = counts[1] if len(counts) > 1 else None
        if stars == 2 and count:
            n = count.lstrip("*")
            lines = []
            element = "%s(*%s)[i]" % ("", p["name"])
            free = None
            if base == "LPWSTR":
                free = "CoTaskMemFree(%s);" % element
            elif self.structs.owns(base):
                free = "clear_members(%s);" % element
            if free:
                lines.append(indent + "for (std::size_t i = 0; *%s != nullptr && i < static_cast<std::size_t>(*%s); ++i) %s" % (
                    p["name"], n, free))
            return lines + [indent + "CoTaskMemFree(*%s);" % p["name"], indent + "*%s = nullptr;" % p["name"],
                            indent + "*%s = 0;" % n]
        if p["type"] == "LPWSTR *":
            return [indent + "CoTaskMemFree(*%s);" % p["name"], indent + "*%s = nullptr;" % p["name"]]
        if stars == 1 and self.structs.owns(base):
            return [indent + "clear_members(*%s);" % p["name"]]
        return []

    def unsound(self, p, method):
        base, stars = split(p["type"])
        counts = p.get("attrs", {}).get("size_is") or []
        count = counts[1] if len(counts) > 1 else None
        if stars == 2 and count:
            n = count.lstrip("*")
            types = {q["name"]: q["type"] for q in method["params"]}
            negative = "*%s < 0 || " % n if split(types[n])[0] == "LONG" else ""
            return "%s(*%s > 0 && *%s == nullptr)" % (negative, n, p["name"])
        if stars == 1 and self.structs.owns(base):
            return "!sound(*%s)" % p["name"]
        return None

    def body(self, interface, method):
        key = (interface["name"], method["name"])
        outs = [p for p in method["params"] if p["dir"] != "in"]
        source = MODEL.get(key)
        if source == "properties":
            out = outs[0]["name"]
            return ["  return owner_.properties(%s);" % out]
        if source and source[0] == "children":
            return ["  return owner_.children(%s, %s);" % (source[1], outs[0]["name"])]
        if source and source[0] == "parent":
            return ["  return owner_.parent(%s, __uuidof(%s), reinterpret_cast<void**>(%s));" % (
                source[1], split(outs[0]["type"])[0], outs[0]["name"])]

        lines = ["  static constexpr method m{\"%s::%s\", \"%s\", %s, %s};" % (
            interface["name"], method["name"], OPERATION_NAMES.get(method.get("async_output"), ""),
            method.get("async_output") or "VDS_ASYNCOUT_UNKNOWN", self.effect(key, method))]
        lines += self.checks(method)
        asynchronous = [p for p in outs if p["type"] == "IVdsAsync **"]
        objects = [p for p in outs if split(p["type"])[0] in self.interfaces and p not in asynchronous]
        arguments = {p["name"]: p["name"] for p in method["params"]}
        if asynchronous:
            if "async_output" not in method:
                raise ValueError("%s::%s has no async_output" % key)
            arguments[asynchronous[0]["name"]] = "async"
            call = "to->%s(%s)" % (method["name"], ", ".join(arguments.values()))
            lines.append("  return owner_.begin<%s>(m, %s, [&](%s* to, IVdsAsync** async) { return %s; });" % (
                interface["name"], asynchronous[0]["name"], interface["name"], call))
            return lines
        for p in objects:
            lines.append("  com_ptr<%s> found;" % split(p["type"])[0])
            arguments[p["name"]] = "found.put()"
        call = "to->%s(%s)" % (method["name"], ", ".join(arguments.values()))
        forward = "owner_.forward<%s>(m, [&]([[maybe_unused]] %s* to) { return %s; })" % (interface["name"], interface["name"], call)
        if objects:
            p = objects[0]
            base = split(p["type"])[0]
            lines.append("  const HRESULT hr = %s;" % forward)
            if base == "IEnumVdsObject":
                kind = next(kind for end, kind in ENUM_KINDS if method["name"].endswith(end))
                lines.append("  return owner_.deliver_all(hr, std::move(found), %s, %s);" % (kind, p["name"]))
            else:
                lines.append("  return owner_.deliver(hr, found.get(), %s, __uuidof(%s), reinterpret_cast<void**>(%s));" % (
                    OBJECT_KINDS[base], base, p["name"]))
            return lines
        discards = [line for p in outs for line in self.discard(p, "    ")]
        unsound = [t for t in (self.unsound(p, method) for p in outs) if t]
        after = []
        if key in ADOPTS:
            after.append("  if (SUCCEEDED(hr)) owner_.appeared(%s, %s);" % ADOPTS[key])
        if key in DEPARTS:
            after.append("  if (SUCCEEDED(hr)) owner_.disappeared(%s, %s);" % DEPARTS[key])
        if not outs and not after:
            return lines + ["  return %s;" % forward]
        lines.append("  %sHRESULT hr = %s;" % ("" if unsound else "const ", forward))
        if unsound:
            lines.append("  if (SUCCEEDED(hr) && (%s)) hr = owner_.nonsense(m);" % " || ".join(unsound))
        if discards:
            lines += ["  if (FAILED(hr)) {"] + discards + ["  }"]
        elif outs:
            lines += ["  if (FAILED(hr)) %s" % " ".join("*%s = {};" % p["name"] for p in outs)] if len(outs) == 1 else (
                ["  if (FAILED(hr)) {"] + ["    *%s = {};" % p["name"] for p in outs] + ["  }"])
        return lines + after + ["  return hr;"]

    def facet(self, name):
        interface = self.interfaces[name]
        lines = ["class facet_%s final : public facet_of<%s> {" % (name, name), " public:", "  using facet_of::facet_of;"]
        for method in interface["methods"]:
            lines.append("  HRESULT STDMETHODCALLTYPE %s(%s) noexcept override;" % (method["name"], self.parameters(method)))
        lines += ["};", ""]
        for method in interface["methods"]:
            lines.append("HRESULT facet_%s::%s(%s) noexcept try {" % (name, method["name"], self.parameters(method)))
            lines += self.body(interface, method)
            lines += ["} catch (...) {", "  return hresult_from_exception();", "}", ""]
        return lines

    # --- the files ----------------------------------------------------------------------------------------------
    def facets_cc(self):
        out = [HEADER + '#include "service/objects/facet.h"', "", "#include <array>", "#include <utility>", "",
               "#include <vdsxadmin.h>", "", '#include "com/hresult.h"', '#include "service/objects/hw_object.h"', '#include "service/properties.h"', "",
               "namespace vds::service {", "namespace {", ""]
        for name in self.order:
            out += self.facet(name)
        out += ["}  // namespace", "", "std::unique_ptr<facet> make_facet(REFIID iid, hw_object& owner) {"]
        for name in self.order:
            out.append("  if (iid == __uuidof(%s)) return std::make_unique<facet_%s>(owner);" % (name, name))
        out += ["  return nullptr;", "}", "", "bool answered_from_model(REFIID iid, ULONG slot) noexcept {"]
        for name in self.order:
            slots = [m["slot"] for m in self.interfaces[name]["methods"] if (name, m["name"]) in MODEL]
            if slots:
                out.append("  if (iid == __uuidof(%s)) return %s;" % (name, " || ".join("slot == %d" % s for s in slots)))
        out += ["  return slot < 3;  // IUnknown", "}", "", "std::span<const offered> interfaces_of(VDS_OBJECT_TYPE kind) noexcept {",
                "  switch (kind) {"]
        for kind, (required, optional) in KINDS.items():
            rows = ["{&__uuidof(%s), true}" % n for n in required] + ["{&__uuidof(%s), false}" % n for n in optional]
            out += ["    case %s: {" % kind,
                    "      static const std::array<offered, %d> rows{{%s}};" % (len(rows), ", ".join(rows)),
                    "      return rows;", "    }"]
        out += ["    default:", "      return {};", "  }", "}", "", "}  // namespace vds::service", ""]
        return "\n".join(out)

    def owned_structs(self):
        names = list(KEPT)
        for name in self.order:
            for method in self.interfaces[name]["methods"]:
                names += [split(p["type"])[0] for p in method["params"] if p["dir"] != "in"]
        return self.structs.reachable(names)

    def properties(self):
        owned = self.owned_structs()
        plain = [n for n in KEPT if n not in owned]  # no memory of their own, but kept in the model all the same
        header = [HEADER + "// clear_members: frees what a struct owns and leaves null pointers and zero counts. sound: no array announced",
                  "// that is missing. copy_members: a deep copy, nothing owned on failure. same_members: equal, strings by content.",
                  "#pragma once", "", "#include <vdsxarray.h>", "", '#include "com/com.h"', "", "namespace vds::service {", ""]
        source = [HEADER + '#include "service/properties.h"', "", "#include <cstring>", "#include <cwchar>", "",
                  "namespace vds::service {", "namespace {", "",
                  "bool copy_string(LPCWSTR from, LPWSTR* to) noexcept {",
                  "  if (from == nullptr) return true;",
                  "  const std::size_t bytes = (std::wcslen(from) + 1) * sizeof(WCHAR);",
                  "  *to = static_cast<LPWSTR>(CoTaskMemAlloc(bytes));",
                  "  if (*to != nullptr) std::memcpy(*to, from, bytes);",
                  "  return *to != nullptr;", "}", "",
                  "bool same_string(LPCWSTR a, LPCWSTR b) noexcept {",
                  "  return a == b || (a != nullptr && b != nullptr && std::wcscmp(a, b) == 0);", "}", "",
                  "}  // namespace", ""]
        for name in owned + plain:
            if name in owned:
                header.append("void clear_members(%s& value) noexcept;" % name)
                header.append("bool sound(const %s& value) noexcept;" % name)
                source += self.structs.clear(name) + [""] + self.structs.sound(name) + [""]
            else:
                header.append("inline void clear_members(%s&) noexcept {}" % name)
                header.append("inline bool sound(const %s&) noexcept { return true; }" % name)
        for name in KEPT:
            header.append("HRESULT copy_members(const %s& from, %s* to) noexcept;" % (name, name))
            header.append("bool same_members(const %s& a, const %s& b) noexcept;" % (name, name))
            source += self.structs.copy(name) + [""] + self.structs.same(name) + [""]
        header += ["", "}  // namespace vds::service", ""]
        source += ["}  // namespace vds::service", ""]
        return "\n".join(header), "\n".join(source)


def generate(model, outdir):
    facets = Facets(model)
    header, source = facets.properties()
    write(outdir, "facets.cc", facets.facets_cc())
    write(outdir, "properties.h", header)
    write(outdir, "properties.cc", source)
