# SPDX-License-Identifier: MIT
"""The OCI image specification's layer.md as a small model: layers to one tree, without a filesystem.

Whiteouts of a layer act on the layers below it, whatever their place among its entries. Paths are
taken literally: the generator has no symlinks to directories.
"""
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from decimal import ROUND_FLOOR, Decimal

KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
XATTR = "SCHILY.xattr."


def blobs(layout):
    def read(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as file:
            return file.read()

    with open(os.path.join(layout, "index.json"), encoding="utf8") as file:
        index = json.load(file)
    manifest = json.loads(read(index["manifests"][0]["digest"]))
    for layer in manifest["layers"]:
        data = read(layer["digest"])
        yield gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def latin1(name):
    return name.encode("utf8", "surrogateescape").decode("latin1")


def parts_of(name):
    return tuple(part for part in latin1(name).split("/") if part not in ("", "."))


def inode_of(tar, member):
    """A list, so that hard links share it."""
    kind = KINDS[member.type]
    time = Decimal(member.pax_headers.get("mtime", str(int(member.mtime))))
    mtime = int((time * 1_000_000_000).to_integral_value(ROUND_FLOOR))
    mode = 0o777 if kind == stat.S_IFLNK else stat.S_IMODE(member.mode)
    size = content = target = device = None
    if kind == stat.S_IFREG:
        data = tar.extractfile(member).read()
        size, content = len(data), hashlib.sha1(data).hexdigest()
    elif kind == stat.S_IFLNK:
        target = latin1(member.linkname)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        device = "%d:%d" % (member.devmajor, member.devminor)
    xattrs = {
        latin1(key[len(XATTR) :]): latin1(value).encode("latin1").hex()
        for key, value in member.pax_headers.items()
        if key.startswith(XATTR)
    }
    return [kind, mode, member.uid, member.gid, str(mtime), size, content, target, device, None, xattrs]


def implied():
    return [stat.S_IFDIR] + [None] * 10


def remove(tree, path, itself):
    """Removes what lies below a path, and the path itself if asked for."""
    for key in [key for key in tree if key[: len(path)] == path and (itself or key != path)]:
        del tree[key]


def make_parents(tree, path):
    for end in range(len(path)):
        parent = tree.get(path[:end])
        if parent is None or parent[0] != stat.S_IFDIR:
            remove(tree, path[:end], True)
            tree[path[:end]] = implied()


def put(tree, path, inode):
    make_parents(tree, path)
    existing = tree.get(path)
    both = existing is not None and existing[0] == inode[0] == stat.S_IFDIR
    if not both:
        remove(tree, path, True)
    tree[path] = inode


def apply(tree, data):
    below = dict(tree)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        rest = []
        for member in members:
            path = parts_of(member.name)
            name = path[-1] if path else ""
            if name == ".wh..wh..opq":
                remove(tree, path[:-1], False)
            elif name.startswith(".wh."):
                remove(tree, path[:-1] + (name[len(".wh.") :],), True)
            else:
                rest.append((path, member))
        for path, member in rest:
            if not member.islnk():
                put(tree, path, inode_of(tar, member))
                continue
            # A layer may link to a file of a lower one and remove the name that it had there.
            target = parts_of(member.linkname)
            inode = tree.get(target, below.get(target))
            if inode is None or inode[0] == stat.S_IFDIR:
                raise ValueError("a hard link to %r, which is not there" % (target,))
            if tree.get(path) is not inode:
                put(tree, path, inode)


def read(layout, _tree):
    tree = {(): implied()}
    for data in blobs(layout):
        apply(tree, data)
    result = {}
    for path, inode in tree.items():
        facts = list(inode)
        facts[9] = None if inode[0] == stat.S_IFDIR else id(inode)
        result["/".join(path) or "."] = facts
    return result
