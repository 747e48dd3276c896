// SPDX-License-Identifier: MIT
/** A Debian archive in a directory, made of recorded package lists, for tests of how apt is used. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { Archives } from "../src/index.js";

/** A paragraph of a package list: its fields by name. */
export type Paragraph = Readonly<Record<string, string>>;

/** Recorded lists: of the main archive's suite, and of its security updates. */
export interface RecordedLists {
  base: readonly Paragraph[];
  security: readonly Paragraph[];
}

/** Reads the lists of Debian 12 as they were on 2026-11-28, cut down to what kernels need. */
export async function recordedLists(): Promise<RecordedLists> {
  const [base = [], security = []] = await Promise.all(
    ["bookworm", "bookworm-security"].map(async (name) =>
      parse(await readFile(join(import.meta.dirname, "data", `${name}.packages`), "utf8")),
    ),
  );
  return { base, security };
}

function parse(text: string): Paragraph[] {
  return text
    .trimEnd()
    .split("\n\n")
    .map((paragraph) =>
      Object.fromEntries(
        paragraph.split("\n").map((line) => {
          const colon = line.indexOf(": ");
          return [line.slice(0, colon), line.slice(colon + 2)];
        }),
      ),
    );
}

/**
 * Publishes lists as archives below `directory`. Packages of the kernel are real ones that apt can
 * fetch, with next to nothing in them; the others exist in the lists only.
 */
export async function publish(directory: string, lists: RecordedLists): Promise<Archives> {
  const main = join(directory, "debian");
  const security = join(directory, "debian-security");
  await publishSuite(main, "Debian", "bookworm", lists.base);
  await publishSuite(main, "Debian", "bookworm-updates", []);
  await publishSuite(security, "Debian-Security", "bookworm-security", lists.security);
  return { main: [`file:${main}`], security: [`file:${security}`], options: ["trusted=yes"] };
}

async function publishSuite(
  archive: string,
  label: string,
  suite: string,
  paragraphs: readonly Paragraph[],
): Promise<void> {
  const list = join("main/binary-amd64", "Packages");
  const directory = join(archive, "dists", suite);
  await mkdir(join(directory, "main/binary-amd64"), { recursive: true });
  await mkdir(join(archive, "pool"), { recursive: true });
  const texts: string[] = [];
  for (const paragraph of paragraphs) {
    const file = await makePackage(archive, paragraph);
    const fields = Object.entries({ ...paragraph, ...file });
    texts.push(fields.map(([key, value]) => `${key}: ${value}\n`).join(""));
  }
  const text = texts.join("\n");
  await writeFile(join(directory, list), text);
  const release = {
    Origin: "Debian",
    Label: label,
    Suite: suite,
    Codename: suite,
    Date: new Date().toUTCString().replace("GMT", "UTC"),
    Architectures: "amd64 all",
    Components: "main",
    SHA256: `\n ${sha256(text)} ${Buffer.byteLength(text)} ${list}`,
  };
  const lines = Object.entries(release).map(([key, value]) => `${key}: ${value}\n`);
  await writeFile(join(directory, "Release"), lines.join(""));
}

/** Fields that say where a package's file is; a file that is missing for those not of the kernel. */
async function makePackage(
  archive: string,
  { Package: name = "", Version: version = "", Architecture: architecture = "" }: Paragraph,
): Promise<Paragraph> {
  const path = `pool/${name}_${version.replace(":", "%3a")}_${architecture}.deb`;
  if (!/^linux-(?:image|headers|kbuild|compiler)-/.test(name)) {
    return { Filename: path, Size: "1", SHA256: sha256("") };
  }
  const tree = join(archive, "tree");
  for (const [file, text] of Object.entries(contents(name))) {
    await mkdir(join(tree, file, ".."), { recursive: true });
    await writeFile(join(tree, file), text);
  }
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  const control = { Package: name, Version: version, Architecture: architecture };
  const rest = { Maintainer: "Nobody <nobody@example.org>", Description: "for a test" };
  const lines = Object.entries({ ...control, ...rest }).map(([key, value]) => `${key}: ${value}\n`);
  await writeFile(join(tree, "DEBIAN/control"), lines.join(""));
  await execa("dpkg-deb", ["--root-owner-group", "-Znone", "--build", tree, join(archive, path)]);
  await rm(tree, { recursive: true });
  const file = await readFile(join(archive, path));
  return { Filename: path, Size: String(file.length), SHA256: sha256(file) };
}

/** What the package of a kernel has in it, as far as an unpacked kernel is looked at. */
function contents(name: string): Record<string, string> {
  const image = /^linux-image-(\d.*)$/.exec(name)?.[1];
  if (image !== undefined) {
    return { [`boot/vmlinuz-${image}`]: "", [`lib/modules/${image}/modules.builtin`]: "" };
  }
  const headers = /^linux-headers-(\d.*)-amd64$/.exec(name)?.[1];
  if (headers !== undefined) {
    const directory = `usr/src/linux-headers-${headers}-amd64`;
    return {
      [`${directory}/Makefile`]: `include /usr/src/linux-headers-${headers}-common/Makefile\n`,
      [`${directory}/.config`]: 'CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0) 12.2.0"\n',
    };
  }
  return { [`usr/share/doc/${name}/copyright`]: "" };
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
