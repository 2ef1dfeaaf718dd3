"""Tests of idlc: small IDL in, exact header out; and for every rule an error that names file and line."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
IDLC = os.path.dirname(HERE)
sys.path.insert(0, IDLC)

import grammar  # noqa: E402
import model  # noqa: E402
from backends import headers  # noqa: E402
from lexer import IdlError, tokenize  # noqa: E402

PREAMBLE = 'headers "vdsx.h"; group vdsx;\n'
UUID = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a%02d"


def read(text):
    return model.build([grammar.parse(text, "small.idl")])


def interface(methods, attributes="", number=1, name="IThing"):
    return "[object, uuid(%s)%s] interface %s : IUnknown { %s };\n" % (UUID % number, attributes, name, methods)


class Golden(unittest.TestCase):
    def test_a_small_file_becomes_exactly_this_header(self):
        with open(os.path.join(HERE, "small.idl"), encoding="utf-8") as f:
            small = f.read()
        with tempfile.TemporaryDirectory() as out:
            headers.generate(read(small), out)
            with open(os.path.join(out, "vdsx.h"), encoding="utf-8") as f:
                got = f.read()
        with open(os.path.join(HERE, "small.h"), encoding="utf-8") as f:
            self.assertEqual(got, f.read())

    def test_what_does_not_change_keeps_its_time(self):
        loaded = read(PREAMBLE + "const ULONG A = 1;")
        with tempfile.TemporaryDirectory() as out:
            headers.generate(loaded, out)
            path = os.path.join(out, "vdsx.h")
            os.utime(path, (1, 1))
            headers.generate(loaded, out)
            self.assertEqual(os.stat(path).st_mtime, 1)


class Model(unittest.TestCase):
    def test_slots_count_from_three_and_opnums_only_where_the_protocol_has_the_interface(self):
        two = "HRESULT A(); HRESULT B();"
        plain = read(PREAMBLE + interface(two))["interfaces"][0]["methods"]
        self.assertEqual([(m["slot"], m["opnum"], "on_wire" in m) for m in plain], [(3, None, False), (4, None, False)])
        remote = read(PREAMBLE + interface("HRESULT A(); [reserved] HRESULT B();", ", ms_vds(partial)"))
        self.assertEqual([(m["opnum"], m["on_wire"]) for m in remote["interfaces"][0]["methods"]], [(3, True), (4, False)])

    def test_size_is_has_one_entry_for_each_level(self):
        text = PREAMBLE + interface("HRESULT A([out, size_is(,*pn)] ULONG **pp, [out] LONG *pn, "
                                    "[in, max_is(LIMIT-1), unique, string] LPWSTR s);")
        params = read(text)["interfaces"][0]["methods"][0]["params"]
        self.assertEqual(params[0], {"name": "pp", "type": "ULONG **", "dir": "out", "attrs": {"size_is": [None, "*pn"]}})
        self.assertEqual(params[2]["attrs"], {"max_is": ["LIMIT-1"], "unique": True, "string": True})

    def test_structs_are_laid_out_as_on_the_wires_home(self):
        text = PREAMBLE + ("const int N = 3; typedef enum _E { EA = 0, EB = 1, EC = EB, } E;"
                           "typedef struct _S { E kind; [switch_is(kind)] union { [case(EA)] WCHAR *w; "
                           "[case(EB)] struct { ULONGLONG a; WCHAR b[N]; } both; [default]; }; BYTE last; } S, *PS;")
        loaded = read(text)
        struct = loaded["structs"][0]
        self.assertEqual((struct["size64"], struct["align64"]), (32, 8))
        self.assertEqual([f["offset64"] for f in struct["fields"]], [0, 8, 24])
        self.assertEqual(struct["fields"][1]["arms"][1]["struct"]["fields"][1]["array"], [3])
        self.assertEqual(struct["fields"][1]["default"], "empty")
        self.assertEqual(struct["pointer_aliases"], ["PS"])
        self.assertEqual(loaded["enums"][0]["members"][2], {"name": "EC", "alias_of": "EB", "value": 1})

    def test_comments_directly_before_something_are_its_doc(self):
        text = PREAMBLE + "// lost\n\n// one\n// two\nconst ULONG A = 1; // not this\nconst ULONG B = 2;"
        a, b = read(text)["constants"]
        self.assertEqual(a["doc"], "one two")
        self.assertNotIn("doc", b)

    def test_a_note_lasts_until_the_next_headers_statement(self):
        text = 'headers "a.h"; note "n"; const int A = 1; headers "b.h"; const int B = 2;'
        a, b = read(text)["constants"]
        self.assertEqual(a["note"], "n")
        self.assertNotIn("note", b)

    def test_declarations_may_stand_in_any_order_and_file(self):
        one = grammar.parse(PREAMBLE + interface("HRESULT A([in] S *p, [out] IOther **pp);"), "one.idl")
        two = grammar.parse(PREAMBLE + "typedef struct _S { ULONG a; } S;" + interface("HRESULT B();", "", 2, "IOther"), "two.idl")
        self.assertEqual(len(model.build([one, two])["interfaces"]), 2)


class Errors(unittest.TestCase):
    def refuse(self, text, expected, line=None):
        with self.assertRaises(IdlError) as caught:
            read(text)
        self.assertIn(expected, str(caught.exception))
        self.assertRegex(str(caught.exception), r"^small\.idl:%s: " % (line or r"\d+"))

    def test_every_error_names_file_and_line(self):
        self.refuse("\n\nheaders vds;", "expected a header's name in quotes", 3)
        self.refuse(PREAMBLE + "const ULONG A = 1\nconst ULONG B = 2;", "expected ';', found 'const'", 3)
        self.refuse(PREAMBLE + "/* three\nlines\nlong */ const ULONG ? = 1;", "unexpected character '?'", 4)

    def test_text_that_is_no_idl(self):
        for text, expected in (
                ('headers "a.h', "unterminated string"),
                ("garbage", "expected a declaration"),
                ("[object] ", "expected a declaration"),
                ("[nonsense] const int A = 1;", "attribute 'nonsense' is not known here"),
                ("[object, object] interface", "occurs twice"),
                ("[object, uuid(1)] interface I : IUnknown { };", "takes one uuid"),
                ("[uuid(", "unterminated attribute"),
                ("[flags] const int A = 1;", "does not go with const"),
                ("const int A = ;", "expected a number"),
                ("typedef struct _S { ULONG a } S;", "expected ';'"),
                ("typedef struct _S { [case(A)] ULONG a; } S;", "attribute 'case' is not known here"),
                ("hresult A = 0x100000000 \"x\";", "an HRESULT has 32 bits")):
            with self.subTest(text):
                self.refuse(PREAMBLE + text if "headers" not in text else text, expected)

    def test_statements_that_must_come_first(self):
        self.refuse("const int A = 1;", "a `headers` statement must come first")
        self.refuse('headers "a.h";\n' + interface("HRESULT A();"), "a `group` statement must come first")

    def test_interfaces_that_break_a_rule(self):
        for methods, expected in (
                ("", "has no methods"),
                ("HRESULT A(); HRESULT A();", "two methods A"),
                ("ULONG A();", "has to return HRESULT"),
                ("HRESULT A([in] ULONG x, [in] ULONG x);", "two parameters x"),
                ("HRESULT A(ULONG x);", "needs [in] or [out]"),
                ("HRESULT A([in] NOSUCH x);", "type NOSUCH is not known"),
                ("HRESULT A([in] IThing x);", "interface IThing is used by value"),
                ("HRESULT A([out] ULONG x);", "[out] x is passed by value"),
                ("HRESULT A([out] IThing *x);", "[out] x is passed by value"),
                ("HRESULT A([in, size_is(n)] ULONG *x);", "names no sibling"),
                ("HRESULT A([in, size_is(n)] ULONG *x, [in] GUID n);", "is not an integer"),
                ("HRESULT A([in, size_is(*n)] ULONG *x, [in] LONG n);", "is not an integer"),
                ("HRESULT A([in, size_is(,n)] ULONG *x, [in] LONG n);", "more levels than its type"),
                ("[async(VDS_ASYNCOUT_CLEAN)] HRESULT A();", "needs a parameter IVdsAsync **"),
                ("[reserved] HRESULT A();", "[reserved] needs an interface with ms_vds"),
                ("[wire_diff(x, out)] HRESULT A();", "wire_diff names no parameter")):
            with self.subTest(methods):
                self.refuse(PREAMBLE + interface(methods), expected, 2)
        self.refuse(PREAMBLE + interface("HRESULT A();") + interface("HRESULT A();", "", 2), "IThing is defined twice", 3)
        self.refuse(PREAMBLE + interface("HRESULT A();") + interface("HRESULT A();", "", 1, "IOther"), "same uuid", 3)
        self.refuse(PREAMBLE + interface("HRESULT A();", ", ms_vds(partial)"), "partial if and only if")
        self.refuse(PREAMBLE + "[object] interface I : IUnknown {", "lacks [uuid]")

    def test_types_that_break_a_rule(self):
        for text, expected in (
                ("typedef enum _E { A = 0, B = 0, } E;", "share a value"),
                ("typedef enum _E { A = 0x100000000, } E;", "does not fit 32 bits"),
                ("typedef enum _E { A = NOSUCH, } E;", "NOSUCH is no enumerator of E"),
                ("typedef enum _E { A = 0, A = 1, } E;", "A is defined twice"),
                ("typedef struct _S { } S;", "has no fields"),
                ("typedef struct _S { ULONG a; ULONG a; } S;", "two fields named a"),
                ("typedef struct _S { S inner; } S;", "contains itself"),
                ("typedef struct _A { B b; } A; typedef struct _B { A a; } B;", "contains itself"),
                ("typedef struct _S { ULONG a[NOSUCH]; } S;", "is no constant"),
                ("typedef struct _S { ULONG a[0]; } S;", "has no elements"),
                ("typedef struct _S { [switch_is(k)] union { [case(A)] ULONG a; }; } S;", "names no enum field"),
                ("typedef struct _S { union { ULONG a; }; } S;", "a union needs [switch_is(field)]"),
                ("typedef enum _E { A = 0, } E; typedef struct _S { E k; [switch_is(k)] union { [case(B)] ULONG a; }; } S;",
                 "case B is no enumerator of E"),
                ("typedef enum _E { A = 0, } E; typedef struct _S { E k; [switch_is(k)] union { [case(A, A)] ULONG a; }; } S;",
                 "case A occurs twice"),
                ('hresult A = 1 "x"; hresult B = 1 "y";', "same value"),
                ("[sender(provider)] notification NOSUCH : X;", "NOSUCH is no constant")):
            with self.subTest(text):
                self.refuse(PREAMBLE + text, expected)


class CommandLine(unittest.TestCase):
    def run_idlc(self, *arguments):
        return subprocess.run([sys.executable, "-B", os.path.join(IDLC, "idlc.py")] + list(arguments), text=True,
                              capture_output=True, check=False)

    def test_an_error_in_idl_goes_to_standard_error_and_ends_with_1(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.idl")
            with open(path, "w", encoding="utf-8") as f:
                f.write('headers "a.h";\nbad')
            got = self.run_idlc("--backend", "headers", "--out", folder, path)
            self.assertEqual((got.returncode, got.stderr.strip()), (1, path + ":2: expected a declaration, found 'bad'"))
            self.assertEqual(os.listdir(folder), ["bad.idl"])

    def test_a_missing_file_and_a_missing_back_end_are_told(self):
        self.assertIn("no such file", self.run_idlc("--backend", "headers", "--out", "x", "/nosuch.idl").stderr.lower())
        self.assertIn("no back end 'nosuch'", self.run_idlc("--backend", "nosuch", "--out", "x", "a.idl").stderr)


class Lexer(unittest.TestCase):
    def test_a_uuid_is_one_token_and_a_difference_is_three(self):
        self.assertEqual([t.kind for t in tokenize(UUID % 1 + " A-1", "f")], ["uuid", "name", "punct", "number", "end"])


if __name__ == "__main__":
    unittest.main()
