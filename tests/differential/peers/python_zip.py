# SPDX-License-Identifier: MIT
"""The zipfile module of Python as a peer. It reads names, contents, DOS times and attributes."""
import calendar
import hashlib
import stat
import struct
import zipfile

UNIX = 3
PKWARE_UNIX = 0x000D
# Extra fields that have a time, and those that have owners, which the module does not read.
TIME_FIELDS = (0x5455, 0x5855, PKWARE_UNIX, 0x000A)
OWNER_FIELDS = (0x5855, PKWARE_UNIX, 0x7855, 0x7875)


def extra_fields(extra):
    fields = []
    while len(extra) >= 4:
        end = 4 + int.from_bytes(extra[2:4], "little")
        fields.append((int.from_bytes(extra[:2], "little"), extra[4:end]))
        extra = extra[end:]
    return fields


def pkware_facts(fields):
    """Time, user and group of APPNOTE 4.5.7, which unzip only reads, where no other field has any."""
    related = [field for field in fields if field[0] in TIME_FIELDS + OWNER_FIELDS]
    if len(related) != 1 or related[0][0] != PKWARE_UNIX:
        return None
    _, mtime, uid, gid = struct.unpack("<iiHH", related[0][1][:12])
    return str(mtime * 1_000_000_000), uid, gid


def node(zip_file, info):
    unix = info.external_attr >> 16 if info.create_system == UNIX else 0
    kind = stat.S_IFMT(unix)
    if info.is_dir():
        kind = stat.S_IFDIR
    elif kind in (0, stat.S_IFDIR):
        kind = stat.S_IFREG
    content = target = size = None
    data = zip_file.read(info)
    if kind == stat.S_IFREG:
        size = len(data)
        content = hashlib.sha1(data).hexdigest()
    elif kind == stat.S_IFLNK:
        target = data.decode("latin1")
    fields = extra_fields(info.extra)
    has_time = any(number in TIME_FIELDS for number, _ in fields)
    mtime = None if has_time else str(calendar.timegm(info.date_time) * 1_000_000_000)
    # A mode without a file type may be one that is not there.
    mode = stat.S_IMODE(unix) if unix and stat.S_IFMT(unix) == kind and kind != stat.S_IFLNK else None
    uid = gid = None
    pkware = pkware_facts(fields)
    if pkware is not None:
        mtime, uid, gid = pkware
        # unzip takes times before 1970 in this field for none.
        mtime = None if mtime.startswith("-") else mtime
    return [kind, mode, uid, gid, mtime, size, content, target, None, None, None]


def read(archive, _tree):
    tree = {}
    with zipfile.ZipFile(archive) as zip_file:
        for info in zip_file.infolist():
            name = info.filename
            if info.flag_bits & 0x800 == 0 and info.create_system == UNIX:
                # Names from Unix are bytes; the module takes all for code page 437.
                name = info.orig_filename.encode("cp437").decode("latin1")
            else:
                name = name.encode("utf8").decode("latin1")
            parts = [part for part in name.split("/") if part not in ("", ".")]
            for end in range(1, len(parts)):
                implied = [stat.S_IFDIR] + [None] * 10
                tree.setdefault("/".join(parts[:end]), implied)
            tree["/".join(parts) or "."] = node(zip_file, info)
    tree.setdefault(".", [stat.S_IFDIR] + [None] * 10)
    return tree


def limit_unzip(tree):
    """There are no attributes in zip archives; hard links neither."""
    for facts in tree.values():
        facts[9] = facts[10] = None
