// SPDX-License-Identifier: MIT
// Container images byte by byte, as good tools write them and as none would, and what comes of them.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { byteStringOfText } from "@daxfs/format";
import { type Header, pack } from "tar-stream";
import { afterAll, expect, type TestContext } from "vitest";
import { BuildError } from "../../src/errors.js";
import { fsPath } from "../../src/host/path.js";
import { WorkerPool } from "../../src/jobs/pool.js";
import { contentPath } from "../../src/model/content.js";
import { hasContent, type Inode } from "../../src/model/inode.js";
import type { Source } from "../../src/model/source.js";
import type { Platform } from "../../src/platform.js";
import { filesOfDirectory } from "../../src/sources/container/archive/image-files.js";
import { openOciLayout } from "../../src/sources/container/archive/oci-layout.js";
import type { OpenContext } from "../../src/sources/context.js";
import { newFileSpool, type Spool } from "../../src/sources/spool.js";

export const AMD64: Platform = { os: "linux", architecture: "amd64", variant: "v1" };

export const OCI = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

export const DOCKER = {
  list: "application/vnd.docker.distribution.manifest.list.v2+json",
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  schema1: "application/vnd.docker.distribution.manifest.v1+prettyjws",
} as const;

/** A context for one test file, and what was said through it. */
export function testContext(platform: Platform = AMD64): OpenContext & { warnings: string[] } {
  const { signal } = new AbortController();
  const pool = new WorkerPool(1, signal);
  const spools: Spool[] = [];
  afterAll(async () => {
    for (const spool of spools) spool.close();
    await pool.close();
  });
  const warnings: string[] = [];
  return {
    pool,
    newSpool: () => {
      const spool = newFileSpool();
      spools.push(spool);
      return spool;
    },
    signal,
    limits: { maxSize: undefined, maxRatio: 1000 },
    platform,
    registry: { tlsVerify: true, parallel: 1 },
    outputDirectory: undefined,
    outputFile: undefined,
    wanted: () => true,
    xattrs: true,
    xattrVerdict: () => "kept",
    report: () => {},
    warn: (text) => warnings.push(text),
    warnings,
  };
}

export const sha256 = (bytes: string | Uint8Array) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export const hexOf = (digest: string) => digest.slice(digest.indexOf(":") + 1);

export const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** A member of a tar archive: a regular file by its content, or what a header says. */
export type Member = readonly [name: string, content: string | Buffer | Partial<Header>];

/** A tar archive in memory. */
export async function tarOf(...members: readonly Member[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of members) {
    if (typeof content === "string" || Buffer.isBuffer(content)) {
      archive.entry({ name, mtime: new Date(0) }, content);
    } else {
      archive.entry({ name, mtime: new Date(0), ...content });
    }
  }
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Writes files below a directory. */
export function writeFiles(directory: string, files: Readonly<Record<string, string | Buffer>>) {
  for (const [path, content] of Object.entries(files)) {
    const whole = join(directory, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
  }
}

/** A descriptor as JSON has it; what is given beside it replaces or adds to it. */
export type DescriptorJson = Record<string, unknown> & { digest: string; size: number };

/** An OCI layout in the making: file name -> content. */
export class LayoutMaker {
  readonly files: Record<string, string | Buffer> = {
    "oci-layout": '{"imageLayoutVersion":"1.0.0"}',
  };

  blob(bytes: Buffer, mediaType: string, extra: Record<string, unknown> = {}): DescriptorJson {
    const digest = sha256(bytes);
    this.files[`blobs/sha256/${hexOf(digest)}`] = bytes;
    return { mediaType, digest, size: bytes.length, ...extra };
  }

  /**
   * An image of layers.
   * @param layers uncompressed tar archives, or descriptors with the diffID of each
   */
  image(
    layers: readonly (Buffer | { readonly descriptor: DescriptorJson; readonly diffId: string })[],
    extra: Record<string, unknown> = {},
    { manifest = {}, config = {} }: Record<string, Record<string, unknown>> = {},
  ): DescriptorJson {
    const all = layers.map((layer) =>
      Buffer.isBuffer(layer)
        ? { descriptor: this.blob(layer, OCI.layer), diffId: sha256(layer) }
        : layer,
    );
    const configBlob = this.blob(
      json({
        os: "linux",
        architecture: "amd64",
        rootfs: { type: "layers", diff_ids: all.map(({ diffId }) => diffId) },
        ...config,
      }),
      OCI.config,
    );
    const document = {
      schemaVersion: 2,
      mediaType: OCI.manifest,
      config: configBlob,
      layers: all.map(({ descriptor }) => descriptor),
      ...manifest,
    };
    return this.blob(json(document), OCI.manifest, extra);
  }

  indexBlob(manifests: readonly DescriptorJson[], extra: Record<string, unknown> = {}) {
    const document = { schemaVersion: 2, mediaType: OCI.index, manifests };
    return this.blob(json(document), OCI.index, extra);
  }

  /** Ends it with an index.json. */
  index(manifests: readonly unknown[]): this {
    this.files["index.json"] = json({ schemaVersion: 2, manifests });
    return this;
  }

  writeTo(directory: string): string {
    writeFiles(directory, this.files);
    return directory;
  }

  tar(): Promise<Buffer> {
    return tarOf(...Object.entries(this.files));
  }
}

export const tagged = (name: string) => ({
  annotations: { "org.opencontainers.image.ref.name": name },
});

export const platform = (text: string) => {
  const [os, architecture, variant] = text.split("/");
  return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
};

/** What layers hold, one list a source: `path=content` of regular files, `path/` of directories. */
export async function contentsOf(sources: readonly Source[]): Promise<string[][]> {
  const all: string[][] = [];
  for (const source of sources) {
    const found: string[] = [];
    for await (const batch of source.entries()) {
      for (const entry of batch) {
        const path = entry.directory === "" ? entry.name : `${entry.directory}/${entry.name}`;
        if (entry.kind === "link") found.push(`${path} link ${entry.target}`);
        else if (entry.inode.kind === "directory") found.push(`${path}/`);
        else if (entry.inode.kind !== "file") found.push(path);
        else found.push(`${path}=${contentText(entry.inode)}`);
      }
    }
    all.push(found);
  }
  return all;
}

function contentText(inode: Inode): string {
  if (!hasContent(inode)) return "";
  const { offset } = inode.content;
  return readFileSync(fsPath(contentPath(inode.content)))
    .subarray(offset, offset + inode.size)
    .toString("latin1");
}

/** The one line of the BuildError that a promise ends with. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BuildError);
  const { message } = error as BuildError;
  expect(message).not.toContain("\n");
  return message;
}

/** Opens OCI layouts as directories, and tells what is wrong with those that can't be. */
export function layoutOpener(scratch: (name: string) => string, context: OpenContext) {
  let made = 0;
  const open = async (layout: LayoutMaker, choice?: string, wanted = AMD64) => {
    const directory = layout.writeTo(scratch(`layout${made++}`));
    const files = filesOfDirectory(byteStringOfText(directory));
    return openOciLayout(files, choice, { ...context, platform: wanted });
  };
  /** The message, in which the layout is "L". */
  const refusal = async (layout: LayoutMaker, choice?: string, wanted = AMD64) =>
    (await messageOf(open(layout, choice, wanted))).replaceAll(/\/\S+\/layout\d+/g, "L");
  return { open, refusal };
}

/** An image whose one layer is its name; its bytes need be no archive until they are read. */
export const named = (layout: LayoutMaker, name: string, extra: Record<string, unknown> = {}) =>
  layout.image([Buffer.from(name)], extra);

/** Skips a test where programs are missing. */
export function needs(context: TestContext, ...programs: readonly string[]): void {
  for (const program of programs) {
    const found = spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
    if (!found) context.skip(`${program} is not installed`);
  }
}

export const host = byteStringOfText;
