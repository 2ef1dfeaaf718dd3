"""Parses IDL files into declarations: dicts in the schema of the model, not yet checked against each other (see model.py).

The language is MIDL's, cut down to what the API needs and with our own attributes (tools/idlc/README.md lists them).
"""
from lexer import IdlError, tokenize

_FLAGS = ("string", "unique", "ref", "disable_consistency_check")
_SIZES = ("size_is", "length_is", "max_is")
_DECLARED = ("interfaces", "structs", "enums", "typedefs", "constants", "guids", "hresults", "notifications")


class Parser:
    def __init__(self, text, file):
        self.tokens = tokenize(text, file)
        self.next = 0
        self.headers = None   # set by the `headers` statement
        self.group = None     # set by the `group` statement
        self.note = None      # set by the `note` statement, for constants until the next `headers`
        self.found = {kind: [] for kind in _DECLARED}

    # --- tokens -----------------------------------------------------------------------------------------------------
    def peek(self, text=None, kind=None):
        token = self.tokens[self.next]
        if kind and token.kind != kind:
            return False
        return token if text is None else token.kind in ("name", "punct") and token.text == text

    def take(self):
        token = self.tokens[self.next]
        if token.kind != "end":
            self.next += 1
        return token

    def accept(self, text):
        return self.take() if self.peek(text) else None

    def expect(self, text):
        if not self.peek(text):
            self.fail("expected '%s', found '%s'" % (text, self.peek().text))
        return self.take()

    def expect_kind(self, kind, what):
        if self.peek().kind != kind:
            self.fail("expected %s, found '%s'" % (what, self.peek().text))
        return self.take()

    def name(self, what="a name"):
        return self.expect_kind("name", what).text

    def fail(self, message, token=None):
        raise IdlError((token or self.peek()).at, message)

    def number(self):
        return int(self.expect_kind("number", "a number").text, 0)

    # --- attributes -------------------------------------------------------------------------------------------------
    def attributes(self, allowed):
        """`[a, b(x, y)]`, any number of times -> {"a": (token, []), "b": (token, [[x tokens], [y tokens]])}"""
        found = {}
        while self.accept("["):
            while True:
                token = self.expect_kind("name", "an attribute")
                if token.text not in allowed:
                    self.fail("attribute '%s' is not known here" % token.text, token)
                if token.text in found:
                    self.fail("attribute '%s' occurs twice" % token.text, token)
                found[token.text] = (token, self.arguments() if self.accept("(") else None)
                if not self.accept(","):
                    break
            self.expect("]")
        return found

    def arguments(self):
        lists, depth = [[]], 0
        while True:
            token = self.take()
            if token.kind == "end":
                self.fail("unterminated attribute", token)
            if token.kind == "punct":
                if token.text == "(":
                    depth += 1
                elif token.text == ")":
                    if depth == 0:
                        return lists
                    depth -= 1
                elif token.text == "," and depth == 0:
                    lists.append([])
                    continue
            lists[-1].append(token)

    def one(self, attributes, key, kind=None):
        """The single argument of an attribute, or None without the attribute."""
        if key not in attributes:
            return None
        token, args = attributes[key]
        if not args or len(args) != 1 or len(args[0]) != 1 or (kind and args[0][0].kind != kind):
            self.fail("attribute '%s' takes one %s" % (key, kind or "argument"), token)
        return args[0][0].text

    def names(self, attributes, key):
        token, args = attributes[key]
        if not args or any(len(a) != 1 or a[0].kind != "name" for a in args):
            self.fail("attribute '%s' takes names" % key, token)
        return [a[0].text for a in args]

    def marks(self, attributes):
        """The MIDL attributes of a parameter or field, as the model has them."""
        out = {}
        for key, (token, args) in attributes.items():
            if key in _FLAGS:
                if args is not None:
                    self.fail("attribute '%s' takes no arguments" % key, token)
                out[key] = True
            elif key in _SIZES:
                if args is None:
                    self.fail("attribute '%s' needs an argument" % key, token)
                out[key] = ["".join(t.text for t in a) or None for a in args]
            elif key == "range":
                if not args or len(args) != 2 or any(len(a) != 1 or a[0].kind != "number" for a in args):
                    self.fail("attribute 'range' takes two numbers", token)
                out[key] = [int(a[0].text, 0) for a in args]
        return out

    # --- files ------------------------------------------------------------------------------------------------------
    def parse(self):
        while self.peek().kind != "end":
            doc = self.peek().doc
            if self.accept("headers"):
                self.headers = self.header_list()
                self.note = None
            elif self.accept("note"):
                self.note = self.expect_kind("string", "a note in quotes").text
                self.expect(";")
            elif self.accept("group"):
                self.group = self.dashed_name()
                self.expect(";")
            else:
                self.declaration(doc)
        return self.found

    def header_list(self):
        if self.accept("none"):
            self.expect(";")
            return []
        out = [self.expect_kind("string", "a header's name in quotes").text]
        while self.accept(","):
            out.append(self.expect_kind("string", "a header's name in quotes").text)
        self.expect(";")
        return out

    def dashed_name(self):
        out = self.name("a group's name")
        while self.accept("-"):
            out += "-" + self.name()
        return out

    def declaration(self, doc):
        attributes = self.attributes(("object", "uuid", "unlisted", "ms_vds", "ms_vds_name", "wire_note", "flags", "v1_enum",
                                      "note", "kind", "sender"))
        start = self.peek()
        for word, method, known in (
                ("interface", self.interface, ("object", "uuid", "unlisted", "ms_vds")),
                ("typedef", self.typedef, ("ms_vds", "wire_note", "flags", "v1_enum")),
                ("const", self.constant, ("ms_vds", "note")),
                ("guid", self.guid, ("uuid", "kind", "note", "ms_vds_name")),
                ("hresult", self.hresult, ("note",)),
                ("notification", self.notification, ("sender",))):
            if self.accept(word):
                for key, (token, _) in attributes.items():
                    if key not in known:
                        self.fail("attribute '%s' does not go with %s" % (key, word), token)
                if word not in ("hresult", "notification") and self.headers is None:
                    self.fail("a `headers` statement must come first", start)
                return method(attributes, doc, start)
        self.fail("expected a declaration, found '%s'" % start.text)

    def keep(self, kind, item, doc, start):
        if doc:
            item["doc"] = doc
        item["at"] = start.at
        self.found[kind].append(item)

    def with_headers(self, item, single=True):
        if single:
            item["header"] = self.headers[0] if self.headers else None
        item["headers"] = list(self.headers)
        return item

    # --- interfaces -------------------------------------------------------------------------------------------------
    def interface(self, attributes, doc, start):
        item = {"name": self.name("the interface's name")}
        self.expect(":")
        base = self.name("the base interface")
        for needed in ("object", "uuid"):
            if needed not in attributes:
                self.fail("interface %s lacks [%s]" % (item["name"], needed), start)
        if self.group is None:
            self.fail("a `group` statement must come first", start)
        ms_vds = self.one(attributes, "ms_vds", "name") or "none"
        if ms_vds not in ("none", "partial", "full"):
            self.fail("ms_vds is full or partial", attributes["ms_vds"][0])
        item["iid"] = self.one(attributes, "uuid", "uuid").lower()
        item["base"] = base
        self.with_headers(item)
        item.update(group=self.group, listed_in_docs="unlisted" not in attributes, ms_vds=ms_vds, methods=[])
        self.expect("{")
        while not self.accept("}"):
            item["methods"].append(self.method(ms_vds, 3 + len(item["methods"])))
        self.expect(";")
        self.keep("interfaces", item, doc, start)

    def method(self, ms_vds, slot):
        doc = self.peek().doc
        attributes = self.attributes(("async", "reserved", "wire_diff"))
        start = self.peek()
        returns = self.name("a return type")
        item = {"name": self.name("the method's name"), "slot": slot, "opnum": None if ms_vds == "none" else slot}
        if ms_vds != "none":
            item["on_wire"] = "reserved" not in attributes
        elif "reserved" in attributes:
            self.fail("[reserved] needs an interface with ms_vds", start)
        item.update(returns=returns, params=[])
        self.expect("(")
        if not self.accept(")"):
            while True:
                item["params"].append(self.parameter())
                if not self.accept(","):
                    break
            self.expect(")")
        self.expect(";")
        if "async" in attributes:
            item["async_output"] = self.one(attributes, "async", "name")
        if "wire_diff" in attributes:
            names = self.names(attributes, "wire_diff")
            if len(names) < 2:
                self.fail("[wire_diff] takes a parameter and a direction", start)
            item["wire_diff"] = [{"param": names[0], "ms_vds_dir": names[1], "ms_vds_attrs": {n: True for n in names[2:]}}]
        if doc:
            item["doc"] = doc
        item["at"] = start.at
        return item

    def parameter(self):
        attributes = self.attributes(("in", "out", "range") + _FLAGS + _SIZES)
        start = self.peek()
        direction = ("in" if "in" in attributes else "") + ("out" if "out" in attributes else "")
        if not direction:
            self.fail("a parameter needs [in] or [out]")
        item = {"type": self.type(), "name": self.name("the parameter's name"), "dir": direction, "at": start.at}
        marks = self.marks(attributes)
        if marks:
            item["attrs"] = marks
        return item

    def type(self):
        out = self.name("a type")
        stars = ""
        while self.accept("*"):
            stars += "*"
        return out + (" " + stars if stars else "")

    # --- types ------------------------------------------------------------------------------------------------------
    def typedef(self, attributes, doc, start):
        if self.accept("enum"):
            return self.enum(attributes, doc, start)
        if self.accept("struct"):
            return self.struct(attributes, doc, start)
        item = {"type": self.type(), "name": self.name("the new name")}
        self.expect(";")
        self.keep("typedefs", self.with_headers(item, single=False), doc, start)

    def enum(self, attributes, doc, start):
        item = {"tag": self.name("the enum's tag"), "members": []}
        self.expect("{")
        while not self.peek("}"):
            item["members"].append(self.enumerator())
            if not self.accept(","):
                break
        self.expect("}")
        item["name"] = self.name("the enum's name")
        self.expect(";")
        item.update(flags="flags" in attributes, in_ms_vds="ms_vds" in attributes,
                    ndr="v1_enum32" if "v1_enum" in attributes else "enum16")
        self.keep("enums", self.with_headers(item), doc, start)

    def enumerator(self):
        doc = self.peek().doc
        attributes = self.attributes(("not_in_ms_vds", "ms_vds_name"))
        start = self.peek()
        item = {"name": self.name("an enumerator"), "at": start.at}
        self.expect("=")
        if self.peek(kind="name"):
            item["alias_of"] = self.name()
        else:
            item["value"] = self.number()
        if "not_in_ms_vds" in attributes:
            item["ms_vds"] = False
        if "ms_vds_name" in attributes:
            item["ms_vds_name"] = self.one(attributes, "ms_vds_name", "string")
        if doc:
            item["doc"] = doc
        return item

    def struct(self, attributes, doc, start):
        item = {"tag": self.name("the struct's tag"), "pointer_aliases": []}
        item["fields"] = self.fields()
        item["name"] = self.name("the struct's name")
        while self.accept(","):
            self.expect("*")
            item["pointer_aliases"].append(self.name())
        self.expect(";")
        item["in_ms_vds"] = "ms_vds" in attributes
        if "wire_note" in attributes:
            item["wire_note"] = self.one(attributes, "wire_note", "string")
        self.keep("structs", self.with_headers(item), doc, start)

    def fields(self):
        out = []
        self.expect("{")
        while not self.accept("}"):
            out.append(self.field())
        return out

    def field(self):
        doc = self.peek().doc
        attributes = self.attributes(("switch_is", "range") + _FLAGS + _SIZES)
        start = self.peek()
        if self.accept("union"):
            return self.union(attributes, start)
        if "switch_is" in attributes:
            self.fail("[switch_is] belongs to a union")
        item = {"type": self.type(), "name": self.name("the field's name"), "at": start.at}
        array = []
        while self.accept("["):
            # a constant's name is looked up once every file is read
            array.append(self.number() if self.peek().kind == "number" else self.name("an array length"))
            self.expect("]")
        if array:
            item["array"] = array
        marks = self.marks(attributes)
        if marks:
            item["attrs"] = marks
        if doc:
            item["doc"] = doc
        self.expect(";")
        return item

    def union(self, attributes, start):
        if "switch_is" not in attributes:
            self.fail("a union needs [switch_is(field)]", start)
        item = {"union": True, "name": None, "discriminant": self.one(attributes, "switch_is", "name"), "arms": [],
                "default": None, "at": start.at}
        self.expect("{")
        while not self.accept("}"):
            if item["default"]:
                self.fail("[default] comes last in a union")
            arm = self.attributes(("case", "default"))
            if "default" in arm:
                self.expect(";")
                item["default"] = "empty"
                continue
            if "case" not in arm:
                self.fail("a union's arm needs [case(...)]")
            labels = self.names(arm, "case")
            at = self.peek().at
            if self.accept("struct"):
                tag = self.name() if self.peek(kind="name") else None
                part = {"case": labels, "struct": {"tag": tag, "fields": self.fields()}, "name": self.name()}
            else:
                part = {"case": labels, "type": self.type(), "name": self.name("the arm's name")}
            part["at"] = at
            self.expect(";")
            item["arms"].append(part)
        if not self.peek(";"):
            item["name"] = self.name()
        self.expect(";")
        return item

    # --- values -----------------------------------------------------------------------------------------------------
    def constant(self, attributes, doc, start):
        item = {"type": self.name("a type"), "name": self.name("the constant's name")}
        self.expect("=")
        item["value"] = self.number()
        self.expect(";")
        self.with_headers(item)
        item["in_ms_vds"] = "ms_vds" in attributes
        note = self.one(attributes, "note", "string") or self.note
        if note:
            item["note"] = note
        self.keep("constants", item, doc, start)

    def guid(self, attributes, doc, start):
        for needed in ("uuid", "kind"):
            if needed not in attributes:
                self.fail("a guid needs [%s(...)]" % needed, start)
        kind = "".join(t.text for t in (attributes["kind"][1] or [[]])[0])
        item = {"name": self.name("the guid's name"), "guid": self.one(attributes, "uuid", "uuid").lower(),
                "header": self.headers[0] if self.headers else None, "kind": kind}
        self.expect(";")
        for key in ("note", "ms_vds_name"):
            if key in attributes:
                item[key] = self.one(attributes, key, "string")
        self.keep("guids", item, doc, start)

    def hresult(self, attributes, doc, start):
        item = {"name": self.name("the code's name")}
        self.expect("=")
        value = self.number()
        if value >= 1 << 32:
            self.fail("an HRESULT has 32 bits", start)
        item.update(value="0x%08X" % value, int32=value - (1 << 32) if value >> 31 else value)
        item["meaning"] = self.expect_kind("string", "the meaning in quotes").text
        self.expect(";")
        if "note" in attributes:
            item["note"] = self.one(attributes, "note", "string")
        self.keep("hresults", item, doc, start)

    def notification(self, attributes, doc, start):
        item = {"event": self.name("an event")}
        self.expect(":")
        item["target"] = self.name("a target type")
        self.expect(";")
        if "sender" not in attributes:
            self.fail("a notification needs [sender(...)]", start)
        item["sender"] = self.names(attributes, "sender")
        self.keep("notifications", item, doc, start)


def parse(text, file):
    return Parser(text, file).parse()
