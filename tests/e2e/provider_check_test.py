#!/usr/bin/env python3
"""vds-provider-check: our providers pass it, through the service and straight; a provider that lies does not, whatever its lie."""
import harness

SIM_CLASS = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a21"  # what the check activates in whatever it started


def check_program():
    return harness.program("src/apps/provider_check/vds-provider-check")


class a_check(harness.Scene):
    def run_check(self, *args, service=None, check=False, **kwargs):
        ended = self.run_program(check_program(), "--json", *args, check=check,
                                 env={"VDS_SOCKET": str(service.socket)} if service else {}, **kwargs)
        return ended

    def passes(self, *args, service=None):
        ended = self.run_check(*args, service=service)
        wrong = [(m["method"], m["wrong"]) for m in ended.document["methods"] if m["wrong"]]
        self.assertEqual((wrong, ended.document["broken"], ended.status), ([], [], 0))
        untouched = [m["method"] for m in ended.document["methods"] if m["verdict"] == "untouched"]
        self.assertEqual(untouched, [], "nothing was found out about these, not even why not")
        return {m["method"]: m for m in ended.document["methods"]}

    def sim(self, lies=""):
        return ["--program", "--", harness.simd_program(), "--clsid", SIM_CLASS] + (["--lie", lies] if lies else [])

    def test_of_the_array_through_the_service(self):
        s = self.service(drives="6x256M")
        found = self.passes("array", service=s)
        for method in ("IVdsSubSystem::CreateLun", "IVdsLun::SetMask", "IVdsLun::Delete", "IVdsLunPlex::GetProperties"):
            self.assertEqual(found[method]["verdict"], "supported", method)
        self.assertEqual(s.vds("lun", "list"), [], "it leaves something behind")

    def test_of_the_example_through_the_service_and_straight(self):
        s = self.service(array=None, drives=None)
        s.vds("provider", "register", "shelf", harness.directory_provider(), f"{self.folder}/a:1G")
        self.passes("shelf", service=s)
        self.assertEqual(list((self.folder / "a").iterdir()), [], "it leaves something behind")
        self.passes("--program", "--", harness.directory_provider(), f"{self.folder}/b:1G", f"{self.folder}/c:1G")

    def test_of_the_sim_straight(self):
        self.passes(*self.sim())

    def test_of_a_liar_finds_the_lie(self):
        for lie, method, words in (
            ("async wrong_type", "IVdsSubSystem::CreateLun", "its output is of type"),
            ("async null_object", "IVdsSubSystem::CreateLun", "without an object"),
            ("async garbage", "IVdsSubSystem::CreateLun", "Wait says 0xdeadbeef"),
            ("async failed_with_object", "IVdsSubSystem::CreateLun", "fails and hands out an object"),
            ("async wait_fails", "IVdsSubSystem::CreateLun", "Wait fails"),
            ("async backwards", "IVdsSubSystem::CreateLun", "progress"),
            ("async never", "IVdsSubSystem::CreateLun", "does not end"),
            ("enum endless;drives 3", "IVdsSubSystem::QueryDrives", "does not end"),
            ("enum nulls", "IVdsSubSystem::QueryDrives", "null pointers"),
            ("enum too_many", "IEnumVdsObject::Next", "RPC_X_BAD_STUB_DATA"),
            ("on IVdsLun::Delete return 0x00000000", "IVdsLun::Delete", "can still be found"),
            ("on IVdsLun::SetMask return 0x00000000", "IVdsLun::SetMask", "is not shown"),
            ("on IVdsSubSystem::QueryLuns return 0x00000000", "IVdsSubSystem::QueryLuns", "null pointer"),
            ("on IVdsDrive::QueryExtents return 0x0badcafe", "IVdsDrive::QueryExtents", "a success that does not exist"),
            ("on IVdsLun::GetProperties return 0x80004005", "IVdsLun::GetProperties", "E_FAIL"),
        ):
            with self.subTest(lie):
                ended = self.run_check("--patience", 2, *self.sim(lie))
                self.assertEqual(ended.status, 1, str(ended))
                found = {m["method"]: m["wrong"] for m in ended.document["methods"] if m["wrong"]}
                self.assertTrue(any(words in why for why in found.get(method, [])), f"{lie}: {found}")

    def test_of_one_that_dies_says_so(self):
        ended = self.run_check("--patience", 2, *self.sim("on IVdsLun::SetMask crash"))
        self.assertEqual(ended.status, 1)
        self.assertEqual(ended.document["broken"], ["died while it was checked"])

    def test_of_nobody_says_so(self):
        s = self.service(array=None, drives=None)
        ended = self.run_check("nobody", service=s)
        self.assertEqual((ended.status, ended.err.strip().split(":")[1]), (1, " there is no provider nobody"))
        ended = self.run_program(check_program(), "nobody", check=False, env={"VDS_SOCKET": "/nowhere"})
        self.assertEqual(ended.status, 3)


if __name__ == "__main__":
    harness.main()
