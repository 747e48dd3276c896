# SPDX-License-Identifier: MIT
"""The tarfile module of Python as a peer."""
import os
import tarfile


def safe(member):
    """As tar programs do it, no name leads out of the tree."""
    member.name = member.name.lstrip("/")
    if member.islnk():
        member.linkname = member.linkname.lstrip("/")
    if ".." in member.name.split("/"):
        raise ValueError("a name with ..")
    return member


class Archive(tarfile.TarFile):
    """The module writes into what has the name already; what came before is to be replaced."""

    def _extract_member(self, tarinfo, targetpath, *args, **kwargs):
        existing = targetpath.rstrip("/")
        if os.path.lexists(existing) and not os.path.isdir(existing):
            os.unlink(existing)
        super()._extract_member(tarinfo, targetpath, *args, **kwargs)


def extract(archive, tree):
    with Archive.open(archive, "r:*", errorlevel=2) as tar:
        # By default newer versions change modes and owners.
        tar.extraction_filter = lambda member, _: member
        tar.extractall(tree, [safe(member) for member in tar.getmembers()], numeric_owner=True)


def limit(tree):
    """Attributes are not extracted."""
    for facts in tree.values():
        facts[10] = None
