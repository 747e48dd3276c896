// SPDX-License-Identifier: MIT
// Images as builders of version 1 write them, mounted by our module.
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ImageReader, MemoryBytes } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { LONG_TARGET, version1Tree } from "../corpus/trees.js";
import {
  buildVersion1Image,
  FIELD_QUIRKS,
  PLAIN,
  type Version1Directory,
  type Version1Node,
} from "../corpus/version1.js";
import { describeTree } from "../corpus/view.js";
import { buildMountWalk } from "../image/programs.js";
import { itByAddress } from "../support/backing.js";
import { describeGuest, type Preparation, type SuiteGuestOptions } from "../support/guest-suite.js";

const NAMES = ["quirks", "plain", "displaced"] as const;

const images = {
  quirks: buildVersion1Image(version1Tree(), FIELD_QUIRKS),
  plain: buildVersion1Image(version1Tree(), PLAIN),
  displaced: buildVersion1Image(version1Tree(), { ...FIELD_QUIRKS, inodeOffset: 8195 }),
};

const SCRIPT = `
index=0
for name in ${NAMES.join(" ")}; do
  eval "phys=\\$IMAGE\${index}_PHYS size=\\$IMAGE\${index}_SIZE"
  mkdir -p /mnt/$name
  mount_memory $phys $size /mnt/$name || exit 1
  value $name-place "$phys $size"
  /data/mount_walk /mnt/$name >/tmp/$name
  gzip /tmp/$name
  attach $name /tmp/$name.gz
  (cd /mnt/$name && find . -type f -exec sha256sum {} +) >/tmp/sums
  attach $name-sums /tmp/sums
  value $name-statfs "$(stat -f -c '%s %S %b %f %a %c %d %l %t' /mnt/$name)"
  value $name-many "$(ls -U /mnt/$name/many)"
  value $name-seek "$(/data/mount_walk -s /mnt/$name; /data/mount_walk -s /mnt/$name/many; /data/mount_walk -s /mnt/$name/empty-dir)"
  index=$((index + 1))
done
value mounts "$(grep daxfs /proc/mounts)"

cd /mnt/quirks
value symlink "$(cat symlink | sha256sum | cut -d ' ' -f 1)"
value long-target "$(readlink long-target)"
value up "$(ls sub/subsub/up/sub)"
value specials "$(stat -c '%n %F %a %u:%g %t:%T' specials/*)"
value disk "$(stat -c '%t:%T' /mnt/plain/specials/disk)"
value hard "$(stat -c '%i %h %s' zebra sub/hard)"
value setuid "$(stat -c '%A' Beta)"
value middle "$(dd if=Beta bs=1 skip=4090 count=20 2>/dev/null)"
value past-end "$(dd if=Beta bs=1 skip=70000 count=1 2>/dev/null | wc -c)"
value times "$(stat -c '%X %Y %Z' zebra)"
value missing "$(cat many/entry-60 2>&1)"

deny() {
  if "$@" 2>/tmp/errors; then echo "done: $*"; else tail -n 1 /tmp/errors; fi
}
value writes "$(
  deny touch new
  deny mkdir new-dir
  deny rm one
  deny ln one two
  deny mv one two
  deny chmod 600 one
  deny truncate -s 0 one
  deny setfattr -n user.x -v y one
)"
cd /
value remount "$(mount -o remount,rw /mnt/quirks 2>&1; echo $?)"
value after-remount "$(deny touch /mnt/quirks/new; grep /mnt/quirks /proc/mounts)"

# A region may be larger than the image in it.
mkdir /mnt/larger
mount_memory $IMAGE0_PHYS $((IMAGE0_SIZE + 8192)) /mnt/larger || exit 2
value larger "$(stat -f -c '%b' /mnt/larger)"
for name in ${NAMES.join(" ")} larger; do umount /mnt/$name || exit 3; done
rmmod daxfs || exit 4
`;

function regularFiles(root: Version1Directory): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const add = (base: string, node: Version1Node) => {
    if (node.type === "regular") files.set(base, node.content);
    if (node.type !== "directory") return;
    for (const child of node.children) {
      add(`${base}/${Buffer.from(child.name).toString("latin1")}`, child.node);
    }
  };
  add(".", root);
  return files;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What the guest is prepared with: the images, and what walks them. */
async function prepare({ directory }: Preparation): Promise<SuiteGuestOptions> {
  const mountWalk = await buildMountWalk(directory);
  for (const name of NAMES) await writeFile(join(directory, name), images[name]);
  return {
    images: NAMES.map((name) => ({ path: join(directory, name) })),
    programs: ["find", "ls", "stat", "dd", "touch", "setfattr", "sha256sum"],
    files: [{ guestPath: "/data/mount_walk", hostPath: mountWalk, mode: 0o755 }],
    script: SCRIPT,
  };
}

const OPTIONS = { needsRoot: false };

await describeGuest("version 1", "version1", OPTIONS, (guest) => {
  const reported = guest.value;

  guest.boot(prepare);

  it("a guest mounts images of version 1, unmounts them and removes the module", () => {
    expect(guest.result.exitStatus).toBe(0);
    expect(guest.result.kernelMessages.filter((line) => /daxfs.*: inode/.test(line))).toEqual([]);
  });

  describe.each(NAMES)("an image of version 1 in a guest, %s", (name) => {
    const image = images[name];

    it("has the names, attributes and contents that ImageReader sees, in its order", () => {
      const lines = gunzipSync(guest.result.attachments[name]!)
        .toString("latin1")
        .trimEnd()
        .split("\n");
      expect(lines).toEqual(describeTree(new ImageReader(new MemoryBytes(image))));
    });

    it("has contents with the right sums", () => {
      const sums = new Map<string, string>();
      for (const line of guest.result.attachments[`${name}-sums`]!.toString("latin1").split("\n")) {
        if (line !== "") sums.set(line.slice(66), line.slice(0, 64));
      }
      const expected = [...regularFiles(version1Tree())].map(
        ([path, content]) => [path, sha256(content)] as const,
      );
      expect(sums).toEqual(new Map(expected));
    });

    it("lists a directory in the order of the image", () => {
      const many = version1Tree().children.find((child) =>
        Buffer.from(child.name).equals(Buffer.from("many")),
      );
      if (many?.node.type !== "directory") throw new Error("no directory many");
      const names = many.node.children.map((child) => Buffer.from(child.name).toString());
      if (name === "plain") names.sort();
      expect(reported(`${name}-many`).split("\n")).toEqual(names);
    });

    it("keeps the places of telldir and seekdir", () => {
      // The entries, "." and "..".
      const counts = [version1Tree().children.length + 2, 62, 2];
      expect(reported(`${name}-seek`).split("\n")).toEqual(
        counts.map((count) => `seek OK ${count}`),
      );
    });

    it("has sane numbers for statfs(2)", () => {
      const { superblock } = new ImageReader(new MemoryBytes(image));
      const [bsize, frsize, blocks, free, available, files, freeFiles, nameMax, type] = reported(
        `${name}-statfs`,
      ).split(" ");
      expect([bsize, frsize]).toEqual(["4096", "4096"]);
      expect(Number(blocks)).toBe(image.length / 4096);
      expect([free, available, freeFiles]).toEqual(["0", "0", "0"]);
      expect(Number(files)).toBe(superblock.inode_count);
      expect(nameMax).toBe("255");
      expect(type).toBe("64646178");
    });

    const mount = () =>
      reported("mounts")
        .split("\n")
        .find((candidate) => candidate.includes(` /mnt/${name} `));

    it("is shown as read-only in /proc/mounts", () => {
      expect(mount()).toMatch(/^none \/mnt\/\w+ daxfs ro,/);
    });

    itByAddress("is shown in /proc/mounts with the memory it lies in", () => {
      const [phys, size] = reported(`${name}-place`).split(" ");
      const options = mount()?.split(" ")[3]?.split(",") ?? [];
      expect(options).toContain(`phys=${phys}`);
      expect(options).toContain(`size=${size}`);
    });
  });

  describe("the image with all quirks", () => {
    const content = (path: string) => regularFiles(version1Tree()).get(path)!;

    it("has symlinks that lead where they say", () => {
      expect(reported("symlink")).toBe(sha256(content("./zebra")));
      expect(reported("long-target")).toBe(LONG_TARGET);
      expect(reported("up").split("\n").sort()).toEqual(["hard", "subsub"]);
    });

    it("has special files, their device numbers lost by the builder", () => {
      expect(reported("specials").split("\n")).toEqual([
        "specials/disk block special file 660 0:6 0:0",
        "specials/fifo fifo 620 5:7 0:0",
        "specials/null character special file 666 0:0 0:0",
        "specials/socket socket 600 0:0 0:0",
      ]);
      expect(reported("disk")).toBe(`${(259).toString(16)}:${(70000).toString(16)}`);
    });

    it("has hard links as files of their own, with the source's count", () => {
      const [zebra, hard] = reported("hard")
        .split("\n")
        .map((line) => line.split(" "));
      expect(zebra?.[0]).not.toBe(hard?.[0]);
      expect(zebra?.slice(1)).toEqual(["5", "6000"]);
      expect(hard?.slice(1)).toEqual(["5", "6000"]);
    });

    it("gives any range of a file, and nothing past its end", () => {
      const expected = Buffer.from(content("./Beta").subarray(4090, 4110)).toString();
      expect(reported("middle")).toBe(expected);
      expect(reported("past-end")).toBe("0");
      expect(reported("setuid")).toBe("-rwsr-xr-x");
      expect(reported("times")).toBe("0 0 0");
      expect(reported("missing")).toMatch(/No such file or directory$/);
    });

    it("takes no writes, not even after remount,rw", () => {
      const writes = reported("writes").split("\n");
      expect(writes).toHaveLength(8);
      expect(writes.filter((line) => !line.endsWith("Read-only file system"))).toEqual([]);
      const [denied, mount] = reported("after-remount").split("\n");
      expect(denied).toMatch(/Read-only file system$/);
      expect(mount).toMatch(/ daxfs ro,/);
    });

    it("may lie in a larger region", () => {
      expect(Number(reported("larger"))).toBe(images.quirks.length / 4096);
    });
  });
});
