"""The kinds of changes that the array provider makes, each as command lines: what must be there before, the change, and
what takes it back. A change is one call of the API, so that it is there or it is not.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    operation: str  # as `vds op list` calls it
    do: tuple
    undo: tuple  # of commands; empty: it cannot be taken back, and each try has an array of its own
    before: tuple = ()  # commands
    asynchronous: bool = False  # an operation; otherwise a call with a note in the history
    keyed: bool = False  # repeated with the same --key it joins
    cancel: str = "VDS_E_NOT_SUPPORTED"  # of an operation: what its provider answers; the page on operations has the same
    short: bool = False  # in ctest, too
    by_drive: bool = False  # it matters which drive is which


def lun(size="4M", type="simple", name="n", more=()):
    return ("lun", "create", "--size", size, "--type", type, "--name", name, *more)


IN_THE_CALL = "VDS_E_RETRY"  # it is done before the call that begins it is answered
UNTIL_COMMITTED = "before its record is committed"
DELETE = ("lun", "delete", "n", "--yes")
SECRET = "{folder}/secret"


def creations():
    for type, more in (("simple", ()), ("span", ()), ("stripe", ()), ("mirror", ()), ("mirror", ("--plexes", "3")), ("parity", ()),
                       ("raid6", ()), ("raid10", ())):
        label = f"create a {type}" + (" of three plexes" if more else "")
        # Drives keep the room for a stripe journal that their first LUN with parity took.
        kept = (lun(type=type, name="kept"),) if type in ("parity", "raid6") else ()
        yield Kind(label, "create_lun", lun(type=type, more=more), (DELETE,), kept, asynchronous=True, keyed=True, cancel=UNTIL_COMMITTED,
                   short=label == "create a mirror")


KINDS = (
    *creations(),
    Kind("delete", "lun_delete", DELETE, (lun(type="mirror"),), (lun(type="mirror"),)),
    Kind("extend a parity LUN", "extend_lun", ("lun", "extend", "n", "--by", "12M"), (("lun", "shrink", "n", "--by", "12M", "--yes"),),
         (lun(type="parity"),), asynchronous=True, cancel=UNTIL_COMMITTED),
    Kind("extend a mirror", "extend_lun", ("lun", "extend", "n", "--by", "12M"), (("lun", "shrink", "n", "--by", "12M", "--yes"),),
         (lun(type="mirror"),), asynchronous=True, cancel=UNTIL_COMMITTED),
    Kind("shrink a mirror", "shrink_lun", ("lun", "shrink", "n", "--by", "12M", "--yes"), (("lun", "extend", "n", "--by", "12M"),),
         (lun("16M", "mirror"),), asynchronous=True, cancel=UNTIL_COMMITTED),
    Kind("unmask", "lun_set_mask", ("lun", "unmask", "n", "*"), (("lun", "mask", "n", "--all"),), (lun(),)),
    Kind("rename a LUN", "lun_naming_set_friendly_name", ("lun", "rename", "n", "other"), (("lun", "rename", "other", "n"),),
         (lun(),)),
    Kind("take a LUN offline", "lun_set_status", ("lun", "status", "n", "offline"), (("lun", "status", "n", "online"),), (lun(),)),
    Kind("recover", "recover_lun", ("lun", "recover", "n"), (("lun", "rename", "n", "n"),), (lun(type="mirror"),), asynchronous=True),
    Kind("make a hot spare", "drive_set_flags", ("drive", "spare", "drive-004.img"), (("drive", "spare", "drive-004.img", "--off"),)),
    Kind("replace a drive", "sub_system_replace_drive", ("drive", "replace", "drive-000.img", "drive-001.img"),
         (("drive", "replace", "drive-001.img", "drive-000.img"),),
         (lun(name="n", more=("--drives", "drive-000.img")),), by_drive=True),
    Kind("fail a drive", "drive_set_status", ("drive", "fail", "drive-000.img", "--yes"), (), (lun("12M", "raid6"),)),
    Kind("add a drive", "drive_admin_add_drive", ("drive", "add", "{new}", "--create", "64M"), ()),
    Kind("remove a drive", "drive_admin_remove_drive", ("drive", "remove", "drive-004.img"), ()),
    Kind("name the array", "sub_system_naming_set_friendly_name", ("subsystem", "rename", "{subsystem}", "rack 7"),
         (("subsystem", "rename", "{subsystem}", ""),)),
    Kind("create a target", "create_target", ("target", "create", "t", "--no-portals"), (("target", "delete", "t", "--yes"),),
         asynchronous=True, cancel=IN_THE_CALL, short=True),
    Kind("delete a target", "delete_target", ("target", "delete", "t", "--yes"), (("target", "create", "t", "--no-portals"),),
         (("target", "create", "t", "--no-portals"),), asynchronous=True, cancel=IN_THE_CALL),
    Kind("rename a target", "iscsi_target_set_friendly_name", ("target", "rename", "t", "u"), (("target", "rename", "u", "t"),),
         (("target", "create", "t", "--no-portals"),)),
    Kind("associate", "lun_iscsi_associate_targets", ("target", "associate", "n", "t"), (("target", "associate", "n", "{automatic}"),),
         (lun(), ("target", "create", "t", "--no-portals"))),
    Kind("create a portal group", "create_portal_group", ("portal-group", "create", "t"), (("portal-group", "delete", "{group}"),),
         (("target", "create", "t", "--no-portals"),), asynchronous=True, cancel=IN_THE_CALL),
    Kind("delete a portal group", "delete_portal_group", ("portal-group", "delete", "{group}"), (("portal-group", "create", "t"),),
         (("target", "create", "t", "--no-portals"), ("portal-group", "create", "t")), asynchronous=True, cancel=IN_THE_CALL),
    Kind("add a portal to a group", "add_portal", ("portal-group", "add-portal", "{group}", "{portal}"),
         (("portal-group", "remove-portal", "{group}", "{portal}"),),
         (("target", "create", "t", "--no-portals"), ("portal-group", "create", "t")), asynchronous=True, cancel=IN_THE_CALL),
    Kind("take a portal out of a group", "remove_portal", ("portal-group", "remove-portal", "{group}", "{portal}"),
         (("portal-group", "add-portal", "{group}", "{portal}"),),
         (("target", "create", "t", "--no-portals"), ("portal-group", "create", "t"), ("portal-group", "add-portal", "{group}", "{portal}")),
         asynchronous=True, cancel=IN_THE_CALL),
    Kind("listen on a portal", "portal_admin_add_portal", ("portal", "add", "127.0.0.1:{port}"),
         (("portal", "remove", "127.0.0.1:{port}", "--yes"),)),
    Kind("close a portal", "iscsi_portal_set_status", ("portal", "status", "{portal}", "offline"),
         (("portal", "status", "{portal}", "online"),)),
    Kind("demand a secret", "iscsi_target_set_shared_secret",
         ("chap", "set", "t", "--initiator", "iqn.2026-01.org.vds:a", "--secret-file", SECRET),
         (("chap", "clear", "t", "--initiator", "iqn.2026-01.org.vds:a"),), (("target", "create", "t", "--no-portals"),)),
)
