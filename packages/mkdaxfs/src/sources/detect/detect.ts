// SPDX-License-Identifier: MIT
import { accessSync, constants, readSync, realpathSync } from "node:fs";
import { type ByteString, byteStringOf, byteStringOfText } from "@daxfs/format";
import { BuildError, describing } from "../../errors.js";
import { withFile } from "../../host/file.js";
import { fsPath, type HostPath, joined, shown } from "../../host/path.js";
import type { Source } from "../../model/source.js";
import type { ByteInput } from "../byte-input.js";
import {
  type FileInput,
  filesOfDirectory,
  filesOfTar,
  type ImageFiles,
  statIfThere,
} from "../container/archive/image-files.js";
import { mayHoldImage, openImageFiles } from "../container/archive/open-archive.js";
import type { ContainerImage } from "../container/container-image.js";
import { imageSources } from "../container/layer-sources.js";
import type { OpenContext, SourceContext } from "../context.js";
import {
  type Compression,
  decompress,
  detectCompression,
  fileStream,
  withFirstBytes,
} from "../decompress/decompress.js";
import { parseDigest } from "../digest.js";
import { DirectorySource } from "../directory/directory-source.js";
import { shownText } from "../json.js";
import { looksLikeTar } from "../tar/header.js";
import { TarSource } from "../tar/tar-source.js";
import type { ZipSource } from "../zip/zip-source.js";
import { beginsWithTarHeader, contentKind, START_SIZE, TRAILER_SIZE } from "./content-kind.js";
import { deviceInput, fifoInput, type OneWayInput, standardInput } from "./one-way-input.js";

/** What a path turned out to be. */
export interface OpenedPath {
  /** From the lowest to the highest; none for an image without layers. */
  readonly sources: readonly Source[];
  /** Where it is a container image. */
  readonly image?: ContainerImage;
}

/**
 * Finds out what a path of this machine is, and opens it: a directory, an OCI layout or docker
 * archive (packed or not), a tar archive (plain or compressed), which is taken as a layer, or a zip
 * archive. Names don't matter, only what is there.
 * @param spec the path; "-" is an archive on standard input. Where there is no such path,
 *   `PATH:TAG` and `PATH@DIGEST` choose one of several images at `PATH`; a tag may be the end of
 *   the name that the image has there.
 * @throws BuildError for what is not there, or is none of these.
 */
export async function openPath(spec: string, context: OpenContext): Promise<OpenedPath> {
  const { path, choice } = placeOf(spec);
  if (path === "-") return openOneWay(standardInput(context.signal), choice, context);
  const host = byteStringOfText(path);
  const stats = statIfThere(host);
  if (stats?.isDirectory()) return openDirectory(path, choice, context);
  if (stats?.isFile()) return openFile(host, stats.size, choice, context);
  if (stats?.isFIFO()) return openOneWay(await fifoInput(host, context.signal), choice, context);
  if (stats?.isCharacterDevice()) {
    return openOneWay(deviceInput(host, context.signal), choice, context);
  }
  throw new BuildError(
    stats === undefined
      ? `${shown(host)}: no such file or directory (give a path that exists; --from-docker and ` +
          "--from-oci take images' references)"
      : `${shown(host)} is a ${stats.isSocket() ? "socket" : "block device"} ` +
          "(give a directory or an archive)",
  );
}

/** A path, and which of the images there is meant: a tag or a digest. */
interface Place {
  readonly path: string;
  readonly choice: string | undefined;
}

/** Takes a choice off a path that doesn't exist with it. */
function placeOf(spec: string): Place {
  if (spec === "" || spec.includes("\0"))
    throw new BuildError(`'${shownText(spec)}' is not a path`);
  const isThere = (path: string) =>
    path === "-" || statIfThere(byteStringOfText(path)) !== undefined;
  if (isThere(spec)) return { path: spec, choice: undefined };
  const at = spec.lastIndexOf("@");
  const digest = spec.slice(at + 1);
  if (at > 0 && parseDigest(digest) !== undefined && isThere(spec.slice(0, at))) {
    return { path: spec.slice(0, at), choice: digest };
  }
  // From the right, since the path that is there may have a colon, as the tag may.
  for (let colon = spec.lastIndexOf(":"); colon > 0; colon = spec.lastIndexOf(":", colon - 1)) {
    const path = spec.slice(0, colon);
    if (isThere(path)) return { path, choice: spec.slice(colon + 1) };
  }
  return { path: spec, choice: undefined };
}

async function openDirectory(
  path: string,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath> {
  const host = byteStringOfText(path);
  // What can't be looked into is not an image either, and so much is said of the directory itself.
  describing(
    () => `cannot read ${shown(host)}`,
    () => accessSync(fsPath(host), constants.R_OK | constants.X_OK),
  );
  const files = filesOfDirectory(host);
  const image = await openImage(files, choice, context);
  if (image === undefined) return { sources: [new DirectorySource(path, context)] };
  refuseOutputInside(host, context);
  return image;
}

async function openFile(
  path: HostPath,
  size: number,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath> {
  const description = shown(path);
  refuseOutputIs(path, context);
  if (size === 0) throw empty(description);
  const start = startOf(path);
  if (isZip(start)) return openZip(description, path, choice, context);
  const compression = detectCompression(start);
  if (compression === "none" && !looksLikeTar(start) && (await holdsZip(path, start))) {
    return openZip(description, path, choice, context);
  }
  const file: FileInput = { kind: "file", path, offset: 0, size };
  const open = (warn?: (text: string) => void) =>
    decompress(fileStream(path, 0, size), compression, description, context.limits, warn);
  const tarStart = compression === "none" ? start : await startOfStream(open());
  checkTar(tarStart, compression, description, () => trailerOf(path, size));
  if (mayHoldImage(tarStart)) {
    const archive =
      compression === "none" ? file : await spooled(open(context.warn), description, context);
    return openTar(archive, description, choice, context);
  }
  refuseChoice(description, choice);
  return { sources: [tarball(description, file, context)] };
}

async function openZip(
  description: string,
  path: HostPath,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath> {
  // Loaded when there is one: most builds have none.
  const { ZipSource } = await import("../zip/zip-source.js");
  const { mayBeImage, readZip } = await import("../zip/zipped-image.js");
  const zip = new ZipSource({ description, path, context });
  if (!mayBeImage(namesOf(zip))) {
    refuseChoice(description, choice);
    return { sources: [zip] };
  }
  try {
    const { files, source } = await readZip(zip);
    const opened = await openImage(files, choice, context);
    if (opened?.image === undefined) return { sources: [source] };
    const { sources, image } = opened;
    const close = () => {
      image.close();
      zip.close();
    };
    return { sources, image: { ...image, close } };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** The names in an archive; none where it is damaged, which is said when its entries are read. */
function namesOf(zip: ZipSource): readonly ByteString[] {
  try {
    return zip.names();
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
}

/** Whether a file that begins with something else has a zip archive behind that. */
async function holdsZip(path: HostPath, start: Uint8Array): Promise<boolean> {
  return (await import("../zip/stub.js")).isZipBehindStub(path, start, shown(path));
}

/** Whether a stream that begins like this is worth keeping to see whether a zip archive follows. */
async function mayHoldZip(start: Uint8Array): Promise<boolean> {
  if (looksLikeTar(start)) return false;
  return (await import("../zip/stub.js")).beginsWithProgram(start);
}

/** @throws BuildError when an archive would be replaced by what is made of it. */
function refuseOutputIs(path: HostPath, { outputFile }: OpenContext): void {
  const output = outputFile === undefined ? undefined : statIfThere(outputFile);
  const source = statIfThere(path);
  if (output === undefined || output.ino !== source?.ino || output.dev !== source.dev) return;
  throw new BuildError(`${shown(path)} is the source and the output (name another file with -o)`);
}

/** @throws BuildError when the image would go into the layout that it is made of. */
function refuseOutputInside(source: HostPath, { outputDirectory }: OpenContext): void {
  if (outputDirectory === undefined) return;
  const root = byteStringOf(realpathSync(fsPath(source), "buffer"));
  if (`${outputDirectory}/`.startsWith(root === "/" ? "/" : `${root}/`)) {
    throw new BuildError(
      `the output is inside the source, in ${shown(outputDirectory)} (put it elsewhere)`,
    );
  }
}

async function openOneWay(
  input: OneWayInput,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath> {
  const { description } = input;
  try {
    const raw = await withFirstBytes(input.stream, START_SIZE);
    if (raw.first.length === 0) throw empty(description);
    if (isZip(raw.first)) {
      // The list of what is in a zip archive lies at its end.
      const { path } = await spooled(raw.stream, description, context);
      return await openZip(description, path, choice, context);
    }
    const compression = detectCompression(raw.first);
    if (compression === "none" && (await mayHoldZip(raw.first))) {
      const { path } = await spooled(raw.stream, description, context);
      if (await holdsZip(path, raw.first)) {
        return await openZip(description, path, choice, context);
      }
      checkTar(raw.first, compression, description);
    }
    const tar = await withFirstBytes(
      decompress(raw.stream, compression, description, context.limits, context.warn),
      START_SIZE,
    );
    checkTar(tar.first, compression, description);
    if (mayHoldImage(tar.first)) {
      const archive = await spooled(tar.stream, description, context);
      return await openTar(archive, description, choice, context);
    }
    refuseChoice(description, choice);
    const source = tarball(description, { kind: "stream", stream: tar.stream }, context);
    return { sources: [closing(source, input)] };
  } catch (error) {
    input.close();
    throw error;
  }
}

/** A tar archive that has to be looked through to know whether it is an image's. */
async function openTar(
  archive: FileInput,
  description: string,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath> {
  const files = await filesOfTar(archive, description);
  const image = await openImage(files, choice, context);
  return image ?? { sources: [tarball(description, archive, context)] };
}

/** @returns undefined where the files are not an image. @throws BuildError for a choice among none. */
async function openImage(
  files: ImageFiles,
  choice: string | undefined,
  context: OpenContext,
): Promise<OpenedPath | undefined> {
  const image = await openImageFiles(files, choice, context);
  if (image !== undefined) return { sources: imageSources(image, context), image };
  refuseChoice(files.description, choice);
  return undefined;
}

/** A tarball is one layer: root filesystems are exported and handed around as such. */
function tarball(description: string, input: ByteInput, context: SourceContext): Source {
  return new TarSource({ description, isLayer: true, context, open: async () => input });
}

/** A source that ends its input as well when it is closed. */
function closing(source: Source, input: OneWayInput): Source {
  return {
    description: source.description,
    isLayer: source.isLayer,
    entries: () => source.entries(),
    close: () => {
      source.close();
      input.close();
    },
  };
}

/** Puts all of a stream where it can be read at any place. */
async function spooled(
  stream: AsyncIterable<Uint8Array>,
  description: string,
  { newSpool, signal, limits: { maxSize } }: SourceContext,
): Promise<FileInput> {
  const spool = newSpool();
  // Headers and other images count as well here, so this is more than the contents may have.
  const limit = maxSize === undefined ? Number.POSITIVE_INFINITY : 2 * maxSize + START_SIZE;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    if (spool.size + chunk.length > limit) {
      throw new BuildError(
        `${description}: it has more than ${limit} bytes, twice what contents may have ` +
          "(raise --max-size)",
      );
    }
    spool.append(chunk);
  }
  spool.flush();
  return { kind: "file", path: joined(spool.directory, spool.name), offset: 0, size: spool.size };
}

function startOf(path: HostPath): Uint8Array {
  return rangeOf(path, 0, START_SIZE);
}

function trailerOf(path: HostPath, size: number): Uint8Array {
  return rangeOf(path, Math.max(0, size - TRAILER_SIZE), TRAILER_SIZE);
}

function rangeOf(path: HostPath, offset: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(length);
  const got = withFile(path, (descriptor) => readSync(descriptor, bytes, 0, length, offset));
  return bytes.subarray(0, got);
}

async function startOfStream(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const { first, stream: all } = await withFirstBytes(stream, START_SIZE);
  // A generator that has not begun would not close what it reads.
  await all.next();
  await all.return(undefined);
  return first;
}

/** Records that a zip archive begins with; the second where it has no entries. */
const ZIP_STARTS = ["PK\x03\x04", "PK\x05\x06", "PK\x07\x08"];

function isZip(start: Uint8Array): boolean {
  return ZIP_STARTS.includes(byteStringOf(start.subarray(0, 4)));
}

/**
 * Refuses what does not begin with the header of a tar archive. An end marker with nothing before it
 * is not an archive either: filesystem images begin with zeros, too.
 * @param trailer gives the last bytes of a file
 * @throws BuildError saying what it is instead.
 */
function checkTar(
  start: Uint8Array,
  compression: Compression,
  description: string,
  trailer?: () => Uint8Array,
): void {
  if (start.length === 0) throw empty(description);
  if (beginsWithTarHeader(start)) return;
  const kind = contentKind(start, compression === "none" ? trailer?.() : undefined);
  const inside = compression === "none" ? "" : `${compression}-compressed, and inside `;
  throw new BuildError(`${description} is ${inside}${kind}`);
}

function refuseChoice(description: string, choice: string | undefined): void {
  if (choice === undefined) return;
  throw new BuildError(
    `${description} is not a container image, so there is no '${shownText(choice)}' in it ` +
      "(give only the path)",
  );
}

function empty(description: string): BuildError {
  return new BuildError(`${description} is empty (was it made by a command that failed?)`);
}
