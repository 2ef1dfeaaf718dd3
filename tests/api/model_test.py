"""model_test.py FACTS IDL...: what idlc reads from idl/ equals the published facts, to the last attribute."""
import json
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "idlc"))
sys.dont_write_bytecode = True

import idlc  # noqa: E402


def plain(value):
    """Without our own comments."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "doc"}
    return [plain(v) for v in value] if isinstance(value, list) else value


class ModelEqualsFacts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "tests", "facts", "vds-api.json"), encoding="utf-8") as f:
            cls.facts = json.load(f)
        folder = os.path.join(ROOT, "idl")
        cls.model = plain(idlc.load(sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".idl"))))

    def check(self, kind, key="name"):
        facts = {item[key]: item for item in self.facts[kind]}
        model = {item[key]: item for item in self.model[kind]}
        for name, item in facts.items():
            with self.subTest(kind=kind, name=name):
                self.assertEqual(model.get(name), item)
        for name in set(model) - set(facts):
            # what we add has a name that cannot meet Microsoft's
            self.assertIn("vdsx", name.lower(), "%s is in the IDL but no published fact" % name)

    def test_base_types(self):
        self.check("base_types")

    def test_typedefs(self):
        self.check("typedefs")

    def test_interfaces(self):
        self.check("interfaces")

    def test_structs(self):
        self.check("structs")

    def test_enums(self):
        self.check("enums")

    def test_constants(self):
        self.check("constants")

    def test_guids(self):
        self.check("guids")

    def test_hresults(self):
        self.check("hresults")

    def test_notifications(self):
        self.check("notifications", "event")


if __name__ == "__main__":
    unittest.main()
