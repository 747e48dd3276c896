// SPDX-License-Identifier: MIT

import { closeSync } from "node:fs";
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
import { findDuplicates } from "./content/duplicates.js";
import { findHoles } from "./content/holes.js";
import { BuildError } from "./errors.js";
import { joined } from "./host/path.js";
import { WorkerPool } from "./jobs/pool.js";
import { defaultJobs } from "./jobs/threads.js";
import { JOBS_MAX, LABEL_MAX } from "./model/limits.js";
import type { BuildOptions, BuildReport } from "./options.js";
import { countTypes } from "./plan/count-types.js";
import { type Plan, planImage } from "./plan/plan.js";
import { defaultPlatform } from "./platform.js";
import type { OpenContext } from "./sources/context.js";
import { openSources } from "./sources/open.js";
import { newFileSpool, type Spool } from "./sources/spool.js";
import { treeAdjuster } from "./tree/adjust.js";
import { contentFiles } from "./tree/content-files.js";
import { mergeSources } from "./tree/merge.js";
import { selector } from "./tree/select.js";
import { XattrPolicy } from "./tree/xattr-policy.js";
import { type WriteOptions, type WrittenImage, writeImageFile } from "./write/image-file.js";
import { writeImageStream } from "./write/image-stream.js";
import { openTarget, type Target } from "./write/target.js";
import { parseUuid, uuidText } from "./write/uuid.js";

/** What root filesystems compress to is 2 to 10 times smaller; zeros alone are a thousand times. */
const MAX_RATIO_DEFAULT = 200;
/** Blobs that are fetched from a registry at once. */
const PARALLEL_BLOBS = 4;

/**
 * Builds an image.
 * @throws BuildError with one line for the user, or the reason of `options.signal` when it is
 *   aborted. Then there is no new output, and what was there before is untouched.
 */
export async function buildImage(options: BuildOptions): Promise<BuildReport> {
  const write = writeOptions(options);
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  const select = selector(options);
  const xattrPolicy = new XattrPolicy(options);
  const adjust = treeAdjuster(options, xattrPolicy);
  const jobs = jobsOf(options);
  const target = targetOf(options);
  const pool = new WorkerPool(jobs, signal);
  const spools: Spool[] = [];
  const closing: { close(): void }[] = [];
  try {
    const context: OpenContext = {
      pool,
      newSpool: () => {
        const spool = newFileSpool();
        spools.push(spool);
        return spool;
      },
      signal,
      limits: { maxSize: options.maxSize, maxRatio: options.maxRatio ?? MAX_RATIO_DEFAULT },
      platform: options.platform ?? defaultPlatform(),
      registry: { tlsVerify: options.tlsVerify ?? true, parallel: PARALLEL_BLOBS },
      outputDirectory: target?.kind === "file" ? target.directory : undefined,
      outputFile: target?.kind === "file" ? joined(target.directory, target.name) : undefined,
      wanted: select === undefined ? undefined : (path, is) => select.wanted(path, is),
      xattrs: options.xattrs ?? true,
      xattrVerdict: (name) => xattrPolicy.verdict(name),
      report: write.report,
      warn: options.onWarning ?? (() => {}),
    };
    return await build(options, { target, write, context, select, adjust, closing });
  } finally {
    await pool.close();
    for (const opened of closing) opened.close();
    for (const spool of spools) spool.close();
    if (target?.kind === "stream" && target.descriptor !== 1) closeSync(target.descriptor);
  }
}

interface Build {
  /** Undefined where nothing is to be written. */
  readonly target: Target | undefined;
  readonly write: WriteOptions;
  readonly context: OpenContext;
  readonly select: ReturnType<typeof selector>;
  readonly adjust: ReturnType<typeof treeAdjuster>;
  /** What is closed when the build is over. */
  readonly closing: { close(): void }[];
}

async function build(options: BuildOptions, parts: Build): Promise<BuildReport> {
  const { context, select, adjust } = parts;
  const clock = new StageClock();
  const opened = await openSources(options.sources, context);
  parts.closing.push(opened);
  const { tree, markers } = await mergeSources(
    opened.sources,
    options.whiteouts ?? "apply",
    context,
  );
  select?.prune(tree.root);
  if (options.include?.length && tree.root.children.size === 0) {
    context.warn("nothing is included: no include glob matches anything that is not excluded");
  }
  const { omittedXattrs, clampedTimes, time } = adjust(tree.root);
  markers?.place(time);
  if (clampedTimes > 0) {
    const files = clampedTimes === 1 ? "1 file" : `${clampedTimes} files`;
    context.warn(
      `${files} had a modification time outside the years 1677 to 2262 that an image holds, and got ` +
        "the nearest one that it holds (--mtime gives all files another)",
    );
  }
  const read = clock.lap();

  const files = contentFiles(tree);
  const contentSize = files.reduce((sum, file) => sum + file.size, 0);
  const { maxSize } = context.limits;
  if (maxSize !== undefined && contentSize > maxSize) {
    throw new BuildError(
      `the contents have ${contentSize} bytes, more than the ${maxSize} allowed (raise --max-size)`,
    );
  }
  await findHoles(files, context.signal);
  const duplicates =
    options.dedupe === false
      ? new Map()
      : await findDuplicates(files, context.pool, context.report);
  const hash = clock.lap();

  const plan = planImage(tree, duplicates, {
    align: options.align ?? HUGE_SIZE,
    size: options.size,
  });
  const planned = clock.lap();

  const written = await writePlan(plan, parts);
  return {
    inodes: plan.table.inodes.length,
    ...countTypes(plan.table),
    totalSize: plan.totalSize,
    contentSize,
    storedSize: plan.extents.inodes.reduce((sum, inode) => sum + inode.size, 0),
    uuid: written === undefined ? undefined : uuidText(written.uuid),
    digest: written?.digest === undefined ? undefined : Buffer.from(written.digest).toString("hex"),
    omittedXattrs,
    images: opened.images,
    timings: { read, hash, plan: planned, write: clock.lap(), total: clock.total() },
  };
}

async function writePlan(
  plan: Plan,
  { target, write, context }: Build,
): Promise<WrittenImage | undefined> {
  switch (target?.kind) {
    case undefined:
      return undefined;
    case "file":
      return writeImageFile(plan, target.directory, target.name, context.pool, write);
    case "stream":
      return writeImageStream(plan, target.descriptor, target.shown, write, context.signal);
  }
}

function jobsOf({ jobs = defaultJobs() }: BuildOptions): number {
  if (Number.isInteger(jobs) && jobs >= 1 && jobs <= JOBS_MAX) return jobs;
  throw new BuildError(`${jobs} is not a number of threads (give 1 to ${JOBS_MAX})`);
}

function targetOf(options: BuildOptions): Target | undefined {
  if (options.sources.length === 0) {
    throw new BuildError("no source given (name a directory, an archive or an image)");
  }
  if (options.dryRun) return undefined;
  if (options.output === undefined) throw new BuildError("no output given (name the image)");
  return openTarget(options.output);
}

function writeOptions(options: BuildOptions): WriteOptions {
  const label = options.label ?? "";
  if (Buffer.byteLength(label) > LABEL_MAX || label.includes("\0")) {
    throw new BuildError(`the label '${label}' has more than ${LABEL_MAX} bytes (shorten it)`);
  }
  const { size } = options;
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0 && size % BLOCK_SIZE === 0)) {
    throw new BuildError(`the size ${size} is not a multiple of ${BLOCK_SIZE} (round it up)`);
  }
  return {
    identity: {
      label,
      buildTimeNs: options.buildTimeNs ?? 0n,
      uuid: options.uuid === undefined ? undefined : parseUuid(options.uuid),
    },
    digest: options.digest ?? false,
    report: options.onProgress ?? (() => {}),
  };
}

/** Milliseconds of the stages of a build. */
class StageClock {
  private readonly start = milliseconds();
  private last = this.start;

  /** Since the lap before. */
  lap(): number {
    const now = milliseconds();
    const elapsed = now - this.last;
    this.last = now;
    return elapsed;
  }

  /** Since the start. */
  total(): number {
    return milliseconds() - this.start;
  }
}

/** Of the clock that needs nothing loaded. */
function milliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
