"""facts_checks.py FACTS OUTDIR: writes translation units that hold the generated headers against the published facts.

It shares no code with tools/idlc on purpose: a fault in the compiler must not hide itself. For every public header one C++
unit includes that header alone and asserts everything the facts say it declares; one C unit looks at the C vtables.
"""
import json
import os
import sys

# WCHAR is 4 bytes here and 2 on Windows, so structs with WCHAR arrays inside are larger than published. Every other struct has
# exactly the published layout. (On the wire nothing differs: NDR carries 16-bit characters whatever the memory holds.)
LARGER = {
    "VDS_FILE_SYSTEM_TYPE_PROP": 8 * 2,            # wszName[8]
    "VDS_FILE_SYSTEM_FORMAT_SUPPORT_PROP": 32 * 2,  # wszName[32]
    "VDS_IPADDRESS": 257 * 2 - 2,                  # wszTextAddress[257], and the 2 bytes of padding behind it are gone
    "VDS_ISCSI_PORTAL_PROP": 257 * 2 - 2,          # contains a VDS_IPADDRESS
    "VDS_ISCSI_INITIATOR_PORTAL_PROP": 257 * 2 - 2,
    "VDS_PARTITION_INFO_GPT": 36 * 2,              # name[36]
    "VDS_PARTITION_PROP": 36 * 2,                  # contains a VDS_PARTITION_INFO_GPT
    "VDS_PARTITION_INFORMATION_EX": 36 * 2,
    "CREATE_PARTITION_PARAMETERS": 36 * 2,         # GptPartInfo.name[36]
}
HEADERS = ["vds.h", "vdshwprv.h", "vdslun.h", "virtdisk.h", "winioctl.h", "diskguid.h", "vdserr.h"]


class Layout:
    """Sizes with a WCHAR of the given width."""

    def __init__(self, facts, wchar):
        self.base = {t["name"]: (t["size"], t["align"]) for t in facts["base_types"] if "size" in t}
        self.base["WCHAR"] = (wchar, wchar)
        self.typedefs = {t["name"]: t["type"] for t in facts["typedefs"]}
        self.enums = {e["name"] for e in facts["enums"]}
        self.structs = {s["name"]: s for s in facts["structs"]}
        self.pointers = {p for s in facts["structs"] for p in s["pointer_aliases"]}

    def of_type(self, name):
        if name.endswith("*") or name in self.pointers:
            return 8, 8
        if name in self.typedefs:
            return self.of_type(self.typedefs[name])
        if name in self.enums:
            return 4, 4
        if name in self.base:
            return self.base[name]
        size, align, _ = self.of_fields(self.structs[name]["fields"])
        return size, align

    def of_field(self, field):
        if field.get("union"):
            parts = [self.of_field(a) for a in field["arms"]]
            align = max(a for _, a in parts)
            return up(max(s for s, _ in parts), align), align
        if "struct" in field:
            size, align, _ = self.of_fields(field["struct"]["fields"])
            return size, align
        size, align = self.of_type(field["type"])
        for n in field.get("array", []):
            size *= n
        return size, align

    def of_fields(self, fields):
        """(size, alignment, offset of each field)"""
        at, align, offsets = 0, 1, []
        for field in fields:
            size, a = self.of_field(field)
            at = up(at, a)
            offsets.append(at)
            at += size
            align = max(align, a)
        return up(at, align), align, offsets


def up(at, align):
    return (at + align - 1) // align * align


def guid_value(text):
    d = text.replace("-", "")
    tail = ", ".join("0x" + d[n:n + 2] for n in range(16, 32, 2))
    return "GUID{0x%s, 0x%s, 0x%s, {%s}}" % (d[0:8], d[8:12], d[12:16], tail)


def struct_checks(struct, published, here, out):
    name = struct["name"]
    size, align, offsets = here.of_fields(struct["fields"])
    was, _, before = published.of_fields(struct["fields"])
    if (was, before) != (struct["size64"], [f["offset64"] for f in struct["fields"]]):
        raise SystemExit("%s: facts contradict themselves" % name)
    if size - was != LARGER.get(name, 0):
        raise SystemExit("%s: %d bytes larger than published, expected %d" % (name, size - was, LARGER.get(name, 0)))
    out.append("static_assert(sizeof(%s) == %d + %d && alignof(%s) == %d);" % (name, was, size - was, name, align))
    for alias in struct["pointer_aliases"]:
        out.append("static_assert(same<%s, %s*>);" % (alias, name))
    out.append("static_assert(same<%s, struct %s>);" % (name, struct["tag"]))
    for field, offset in zip(struct["fields"], offsets):
        members = field["arms"] if field.get("union") and not field["name"] else [field]
        for member in members:
            out.append("static_assert(offsetof(%s, %s) == %d);" % (name, member["name"], offset))
            if "type" in member:
                array = "".join("[%d]" % n for n in member.get("array", []))
                out.append("static_assert(same<decltype(%s::%s), %s%s>);" % (name, member["name"], member["type"], array))
            elif "struct" in member:
                inner = member["struct"]["fields"]
                for part, inside in zip(inner, here.of_fields(inner)[2]):
                    out.append("static_assert(offsetof(%s, %s.%s) == %d);" % (name, member["name"], part["name"], offset + inside))
                if member["struct"]["tag"]:
                    out.append("static_assert(same<decltype(%s::%s), %s::%s>);" % (name, member["name"], name,
                                                                                   member["struct"]["tag"]))


def interface_checks(interface, out):
    name = interface["name"]
    out.append("static_assert(std::is_abstract_v<%s> && std::is_base_of_v<%s, %s>);" % (name, interface["base"], name))
    out.append("static_assert(equal(__uuidof(%s), %s));" % (name, guid_value(interface["iid"])))
    for method in interface["methods"]:
        types = ", ".join(p["type"] for p in method["params"])
        out.append("static_assert(same<decltype(&%s::%s), %s (%s::*)(%s)>);" % (name, method["name"], method["returns"], name, types))


def cxx_unit(facts, header):
    published, here = Layout(facts, 2), Layout(facts, 4)
    ours = lambda item: header in item["headers"]  # noqa: E731
    out = ["// What the facts say of <%s>, which is included alone. Generated by facts_checks.py." % header,
           "#include <%s>" % header, '#include "facts_checks.h"', "namespace {"]
    for item in facts["constants"]:
        if ours(item):
            out.append("static_assert(%s == %dull);" % (item["name"], item["value"]))
            if item["type"] == "ULONGLONG":
                out.append("static_assert(same<decltype(%s), ULONGLONG>);" % item["name"])
    for item in filter(ours, facts["typedefs"]):
        out.append("static_assert(same<%s, %s>);" % (item["name"], item["type"]))
    for item in filter(ours, facts["enums"]):
        out.append("static_assert(sizeof(%s) == 4 && same<%s, enum %s>);" % (item["name"], item["name"], item["tag"]))
        for member in item["members"]:
            out.append("static_assert(%s == %du && in<%s>(%s));" % (member["name"], member["value"], item["name"], member["name"]))
    for item in filter(ours, facts["structs"]):
        struct_checks(item, published, here, out)
    interfaces = [i for i in facts["interfaces"] if ours(i)]
    for item in interfaces:
        interface_checks(item, out)
    if header == "vdserr.h":
        for item in facts["hresults"]:
            out.append("static_assert(same<decltype(%s), HRESULT> && %s == %d);" % (item["name"], item["name"], item["int32"]))
    out.append("const slot_fact slots[] = {")
    out += ["    {\"%s::%s\", %d, slot_of(&%s::%s)}," % (i["name"], m["name"], m["slot"], i["name"], m["name"])
            for i in interfaces for m in i["methods"]]
    out += ["    {\"IUnknown::Release\", 2, 2}};", "const id_fact ids[] = {"]
    out += ["    {\"IID_%s\", &IID_%s, %s}," % (i["name"], i["name"], guid_value(i["iid"])) for i in interfaces]
    out += ["    {\"%s\", &%s, %s}," % (g["name"], g["name"], guid_value(g["guid"])) for g in facts["guids"] if g["header"] == header]
    out += ["    {\"GUID_NULL\", &GUID_NULL, GUID{}}};", "const bool added = add_facts(slots, ids);", "}"]
    return "\n".join(out) + "\n"


def c_unit(facts):
    out = ["/* The C vtables, slot by slot. Generated by facts_checks.py. */", "#define COBJMACROS", "#include <windows.h>",
           "#include <vds.h>", "#include <vdshwprv.h>", "#include <stddef.h>"]
    for interface in facts["interfaces"]:
        table = interface["name"] + "Vtbl"
        for n, method in enumerate(["QueryInterface", "AddRef", "Release"] + [m["name"] for m in interface["methods"]]):
            out.append('_Static_assert(offsetof(%s, %s) == %d * sizeof(void *), "%s");' % (table, method, n, method))
        out.append('_Static_assert(sizeof(%s) == %d * sizeof(void *), "%s");' % (table, 3 + len(interface["methods"]), table))
        for method in interface["methods"]:
            names = ["a%d" % n for n in range(len(method["params"]))]
            parameters = "".join(", %s %s" % (p["type"], n) for p, n in zip(method["params"], names))
            call = "%s_%s(This%s)" % (interface["name"], method["name"], "".join(", " + n for n in names))
            name = "call_%s_%s" % (interface["name"], method["name"])
            out.append("%s %s(%s *This%s);" % (method["returns"], name, interface["name"], parameters))
            out.append("%s %s(%s *This%s) { return %s; }" % (method["returns"], name, interface["name"], parameters, call))
    return "\n".join(out) + "\n"


def main(path, outdir):
    with open(path, encoding="utf-8") as f:
        facts = json.load(f)
    os.makedirs(outdir, exist_ok=True)
    for header in HEADERS:
        with open(os.path.join(outdir, "facts_%s.cc" % header[:-2]), "w", encoding="utf-8") as f:
            f.write(cxx_unit(facts, header))
    with open(os.path.join(outdir, "facts_c.c"), "w", encoding="utf-8") as f:
        f.write(c_unit(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
