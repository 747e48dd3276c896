# SPDX-License-Identifier: MIT
"""Serves requests of the differential test, one JSON document a line, on standard input.

A request names an archive; the answer has, for each peer, whether it took the archive, what it
said, and the tree that it made. Names and values are bytes, as latin1 text. A tree is a map from
path to

    [type, mode, uid, gid, mtime in ns, size, SHA-1, target, device, file identity, attributes]

in which None stands for what the peer has no opinion on.
"""
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import layer_model
import python_tar
import python_zip

ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
# The kernel's clock for files may be some milliseconds behind.
CLOCK_SLACK_NS = 50_000_000
MESSAGE_MAX = 500
TIMEOUT_SECONDS = 30


def text(name):
    return name.decode("latin1")


def scan(root, since):
    """The tree in a directory. What has a time after `since` was not given one by its archive."""
    tree = {}
    pending = [b""]
    while pending:
        path = pending.pop()
        full = os.path.join(root, path) if path else root
        facts = os.lstat(full)
        kind = stat.S_IFMT(facts.st_mode)
        is_directory = kind == stat.S_IFDIR
        untouched = facts.st_mtime_ns >= since
        # A directory without an entry of its own: its facts are those of whoever made it.
        made = untouched and is_directory
        content = target = device = size = None
        if kind == stat.S_IFREG:
            size = facts.st_size
            with open(full, "rb") as file:
                content = hashlib.sha1(file.read()).hexdigest()
        elif kind == stat.S_IFLNK:
            target = text(os.readlink(full))
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            device = "%d:%d" % (os.major(facts.st_rdev), os.minor(facts.st_rdev))
        xattrs = {}
        for name in os.listxattr(full, follow_symlinks=False):
            value = os.getxattr(full, name, follow_symlinks=False)
            xattrs[text(os.fsencode(name))] = value.hex()
        tree[text(path) or "."] = [
            kind,
            None if made else stat.S_IMODE(facts.st_mode),
            None if made else facts.st_uid,
            None if made else facts.st_gid,
            None if untouched else str(facts.st_mtime_ns),
            size,
            content,
            target,
            device,
            None if is_directory else facts.st_ino,
            None if made else xattrs,
        ]
        if is_directory:
            pending += [os.path.join(path, name) if path else name for name in os.listdir(full)]
    return tree


def program(command, accepted=(0,)):
    """A peer that is a program; "{archive}" and "{tree}" in its words are the two places."""

    def extract(archive, tree):
        words = [word.format(archive=archive, tree=tree) for word in command]
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        message = done.stderr.decode("utf8", "replace").strip()
        # bsdtar ends with 0 when it has looked for the next header.
        if done.returncode not in accepted or "Damaged" in message:
            raise RuntimeError("status %d: %s" % (done.returncode, message))
        return message

    return extract


GNU_TAR = (
    "tar --numeric-owner --same-owner --same-permissions --delay-directory-restore --xattrs "
    "--xattrs-include=* -xf {archive} -C {tree}"
)
BSDTAR = "bsdtar --numeric-owner --xattrs --acls --no-fflags -xpf {archive} -C {tree}"
UNZIP = "unzip -q -o -X -K {archive} -d {tree}"

PEERS = {
    "tar": {
        "GNU tar": program(GNU_TAR.split()),
        "bsdtar": program(BSDTAR.split()),
        "Python": python_tar.extract,
    },
    # unzip ends with 1 when it warns and all is unpacked.
    "zip": {
        "unzip": program(UNZIP.split(), (0, 1)),
        "bsdtar": program(BSDTAR.split()),
        "Python": python_zip.read,
    },
    "layers": {
        "umoci": program("umoci unpack --image {archive}:image {tree}/bundle".split()),
        "model": layer_model.read,
    },
}
# What these keep is less than what the tree on the disk says.
LIMITS = {"Python": python_tar.limit, "unzip": python_zip.limit_unzip}


def clean(path):
    # A directory without permissions is no matter to root.
    shutil.rmtree(path, ignore_errors=True)


def answer(request, scratch):
    peers = {}
    for number, (name, peer) in enumerate(PEERS[request["kind"]].items()):
        tree = os.path.join(scratch, "tree%d" % number)
        clean(tree)
        os.mkdir(tree)
        since = time.time_ns() - CLOCK_SLACK_NS
        # One that waits for ever, such as for a fifo, gets SIGALRM.
        signal.alarm(TIMEOUT_SECONDS)
        try:
            made = peer(request["archive"], tree)
            if isinstance(made, dict):
                peers[name] = {"tree": made}
            else:
                root = os.path.join(tree, "bundle", "rootfs") if name == "umoci" else tree
                found = scan(os.fsencode(root), since)
                if name in LIMITS:
                    LIMITS[name](found)
                peers[name] = {"tree": found, "said": (made or "")[:MESSAGE_MAX]}
        except Exception as error:  # Whatever a peer throws is its answer.
            said = "%s: %s" % (type(error).__name__, error)
            peers[name] = {"refused": said[:MESSAGE_MAX]}
        finally:
            signal.alarm(0)
        clean(tree)
    return {"peers": peers}


def time_out(*_):
    raise TimeoutError("took more than %d s" % TIMEOUT_SECONDS)


def main():
    scratch = sys.argv[1]
    signal.signal(signal.SIGALRM, time_out)
    os.umask(0o022)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), scratch)), flush=True)


main()
