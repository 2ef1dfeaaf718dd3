"""Writes the SDK headers: one file for each name in the model's `headers`, for C++ and for C.

What both vds.h and vdshwprv.h declare stands once in vdscommon.h, which they include, so a source file may include either
or both.
"""
import itertools

from backends import write
from backends.ctext import c_constant, c_guid, declaration, ordered_types

# header -> (what it is for, what it includes)
_HEADERS = {
    "vdslun.h": ("how a LUN identifies itself", ["windows.h"]),
    "virtdisk.h": ("flags and types of virtual disks", ["windows.h"]),
    "vdscommon.h": ("what vds.h and vdshwprv.h have in common; include one of these", ["windows.h", "vdslun.h"]),
    "vds.h": ("the Virtual Disk Service, for applications", ["vdscommon.h", "virtdisk.h"]),
    "vdshwprv.h": ("the Virtual Disk Service, for hardware providers", ["vdscommon.h"]),
    "vdsx.h": ("operations, events and the state of providers: what this service offers beyond VDS", ["vdscommon.h"]),
    "vdsxadmin.h": ("LUNs with a name from birth, providers with their program: for administering tools", ["vdscommon.h"]),
    "vdsxarray.h": ("an array's background work, and plans of changes", ["vdscommon.h", "vdsx.h"]),
    "winioctl.h": ("values of disk and partition properties", ["windef.h"]),
    "diskguid.h": ("GPT partition types", ["guiddef.h"]),
    "vdserr.h": ("the HRESULTs of VDS", ["winerror.h"]),
}
_COMMON = ["vds.h", "vdshwprv.h"]


def home(headers):
    """The file that a declaration with this list of headers is written to; None for those of the IDL only."""
    if list(headers) == _COMMON:
        return "vdscommon.h"
    if len(headers) > 1:
        raise ValueError("no header is shared by %s" % headers)
    return headers[0] if headers else None


def members_of(model, header):
    return {kind: [item for item in model[kind] if home(item["headers"]) == header]
            for kind in ("typedefs", "enums", "structs", "interfaces", "constants")}


# --- pieces ----------------------------------------------------------------------------------------------------------
def comment(item, indent=""):
    return ["%s/* %s */" % (indent, item["doc"].replace("*/", "* /"))] if item.get("doc") else []


def constants(items):
    out, notes = [], []
    for item in items:
        if item.get("note") == "value of dwMediaType (MEDIA_TYPE)":
            continue
        if item.get("note") and item["note"] not in notes:
            notes.append(item["note"])
            out += ["", "/* %s */" % item["note"]]
        out.append("#define %s %s" % (item["name"], c_constant(item)))
    media = [item for item in items if item.get("note") == "value of dwMediaType (MEDIA_TYPE)"]
    if media:
        # An enum, as in Windows: `Unknown` as a macro would break every source that uses the word.
        out += ["", "/* value of dwMediaType */", "typedef enum _MEDIA_TYPE {"]
        out += ["  %s = %d," % (item["name"], item["value"]) for item in media]
        out += ["} MEDIA_TYPE, *PMEDIA_TYPE;"]
    return out


def enum(item):
    out = comment(item) + ["typedef enum %s {" % item["tag"]]
    for member in item["members"]:
        value = ("0x%X" if item["flags"] else "%d") % member["value"]
        out += comment(member, "  ") + ["  %s = %s," % (member["name"], value)]
    out.append("} %s;" % item["name"])
    if item["flags"] and item["header"] == "virtdisk.h":
        out.append("DEFINE_ENUM_FLAG_OPERATORS(%s)" % item["name"])
    return out


def fields(items, indent):
    out = []
    for item in items:
        if not item.get("union"):
            out += comment(item, indent) + ["%s%s;" % (indent, declaration(item))]
            continue
        tagged = [arm for arm in item["arms"] if "struct" in arm and arm["struct"]["tag"]]
        if tagged:
            # C++ allows no named types inside an anonymous union; beside it their names are what MSVC makes them.
            out.append("#ifdef __cplusplus")
            for arm in tagged:
                out.append("%sstruct %s {" % (indent, arm["struct"]["tag"]))
                out += fields(arm["struct"]["fields"], indent + "  ") + [indent + "};"]
            out.append("#endif")
        out.append("%s__extension__ union {" % indent if not item["name"] else "%sunion {" % indent)
        for beside, arms in itertools.groupby(item["arms"], lambda arm: any(arm is t for t in tagged)):
            arms = list(arms)
            inside = [line for arm in arms for line in union_arm(arm, indent + "  ")]
            if beside:
                out.append("#ifdef __cplusplus")
                out += ["%s  struct %s %s;" % (indent, arm["struct"]["tag"], arm["name"]) for arm in arms]
                out += ["#else"] + inside + ["#endif"]
            else:
                out += inside
        out.append("%s}%s;" % (indent, " " + item["name"] if item["name"] else ""))
    return out


def union_arm(arm, indent):
    if "struct" not in arm:
        return ["%s%s;" % (indent, declaration(arm))]
    tag = arm["struct"]["tag"]
    opening = "%sstruct %s{" % (indent, tag + " " if tag else "")
    return [opening] + fields(arm["struct"]["fields"], indent + "  ") + ["%s} %s;" % (indent, arm["name"])]


def struct(item):
    names = [item["name"]] + ["*" + alias for alias in item["pointer_aliases"]]
    return comment(item) + ["typedef struct %s {" % item["tag"]] + fields(item["fields"], "  ") + ["} %s;" % ", ".join(names)]


def signature(method, this=None):
    parts = ([this] if this else []) + [declaration(p) for p in method["params"]]
    return "(%s)" % ", ".join(parts)


def interface(item):
    name = item["name"]
    unknown = [
        {"name": "QueryInterface", "returns": "HRESULT", "params": [{"type": "REFIID", "name": "riid"},
                                                                     {"type": "void **", "name": "ppvObject"}]},
        {"name": "AddRef", "returns": "ULONG", "params": []},
        {"name": "Release", "returns": "ULONG", "params": []},
    ]
    methods = unknown + item["methods"]
    out = ["#ifndef __%s_INTERFACE_DEFINED__" % name, "#define __%s_INTERFACE_DEFINED__" % name]
    out += comment(item)
    out += ["EXTERN_C VDS_SDK_API const IID IID_%s;" % name]
    out += ["#if defined(__cplusplus) && !defined(CINTERFACE)"]
    out += ["__CRT_UUID_DECL(%s, %s)" % (name, c_guid(item["iid"])),
            "MIDL_INTERFACE(\"%s\")" % item["iid"], "%s : public %s {" % (name, item["base"]), " public:"]
    for method in item["methods"]:
        out += comment(method, "  ")
        out.append("  virtual %s STDMETHODCALLTYPE %s%s = 0;" % (method["returns"], method["name"], signature(method)))
    out += ["};", "#else", "typedef struct %sVtbl {" % name, "  BEGIN_INTERFACE"]
    for method in methods:
        out.append("  %s(STDMETHODCALLTYPE *%s)%s;" % (method["returns"], method["name"], signature(method, name + " *This")))
    out += ["  END_INTERFACE", "} %sVtbl;" % name, "struct %s {" % name, "  CONST_VTBL struct %sVtbl *lpVtbl;" % name, "};"]
    out += ["#ifdef COBJMACROS"]
    for method in methods:
        names = ", ".join(["This"] + [p["name"] for p in method["params"]])
        out.append("#define %s_%s(%s) ((This)->lpVtbl->%s(%s))" % (name, method["name"], names, method["name"], names))
    out += ["#endif", "#endif", "#endif"]
    return out


# --- files -----------------------------------------------------------------------------------------------------------
def header(model, name, body):
    purpose, includes = _HEADERS[name]
    guard = "VDS_" + name.upper().replace(".", "_")
    out = ["/* %s: %s. Generated by tools/idlc from idl/; do not edit. */" % (name, purpose),
           "#ifndef " + guard, "#define " + guard, ""]
    out += ['#include "%s"' % include for include in includes]
    return "\n".join(out + [""] + body + ["", "#endif"]).replace("\n\n\n", "\n\n") + "\n"


def declarations(model, name):
    found = members_of(model, name)
    body = []
    body += constants(found["constants"])
    body.append("")
    for item in found["interfaces"]:
        body += ["typedef struct %s %s;" % (item["name"], item["name"])]
    for item in found["typedefs"]:
        body += ["", "typedef %s;" % declaration(item)]
    for item in found["enums"]:
        body += [""] + enum(item)
    for item in ordered_types(found["structs"]):
        body += [""] + struct(item)
    guids = [g for g in model["guids"] if g["header"] == name]
    if guids:
        body.append("")
    for item in guids:
        if item.get("note"):
            body.append("/* %s */" % item["note"])
        body.append("DEFINE_GUID(%s, %s);" % (item["name"], c_guid(item["guid"])))
    for item in found["interfaces"]:
        body += [""] + interface(item)
    return body


def errors(model):
    body = []
    for item in model["hresults"]:
        body += ["/* %s */" % item["meaning"], "#define %s _HRESULT_TYPEDEF_(%su)" % (item["name"], item["value"])]
    return body


def generate(model, outdir):
    for name in _HEADERS:
        body = errors(model) if name == "vdserr.h" else declarations(model, name)
        if any(line for line in body):
            write(outdir, name, header(model, name, body))
