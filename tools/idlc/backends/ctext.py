"""C spellings of what the model holds; shared by back ends that write C and C++."""


def declaration(item):
    """'ULONG *' and 'p' -> 'ULONG *p'; arrays behind the name."""
    between = "" if item["type"].endswith("*") else " "
    return item["type"] + between + item["name"] + "".join("[%d]" % n for n in item.get("array", []))


def c_guid(text):
    """'118610b7-8d94-...' -> the eleven numbers of a GUID initialiser."""
    digits = text.replace("-", "")
    words = ["0x" + digits[0:8], "0x" + digits[8:12], "0x" + digits[12:16]]
    return ", ".join(words + ["0x" + digits[n:n + 2] for n in range(16, 32, 2)])


def c_constant(item):
    """The literal of a constant, with the suffix that its type asks for; usable in #if."""
    value = "%d" % item["value"] if item["value"] < 1024 else "0x%X" % item["value"]
    return value + {"ULONG": "u", "DWORD": "u", "ULONGLONG": "ull"}.get(item["type"], "")


def interface_names(model):
    return {item["name"] for item in model["interfaces"]} | {"IUnknown"}


def ordered_types(structs):
    """The structs, each after those it mentions."""
    by_name = {item["name"]: item for item in structs}
    by_name.update({alias: item for item in structs for alias in item["pointer_aliases"]})
    done, out = set(), []

    def mentioned(fields):
        for field in fields:
            for part in field["arms"] if field.get("union") else [field]:
                if "struct" in part:
                    yield from mentioned(part["struct"]["fields"])
                else:
                    yield part["type"].rstrip("* ")

    def visit(item):
        if item["name"] in done:
            return
        done.add(item["name"])
        for name in mentioned(item["fields"]):
            if name in by_name:
                visit(by_name[name])
        out.append(item)

    for item in structs:
        visit(item)
    return out
