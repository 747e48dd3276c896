// SPDX-License-Identifier: MIT

import { type ByteString, printable } from "@daxfs/format";
import type { BuildReport, Progress, SourceSpec } from "../options.js";
import { type Colors, PLAIN } from "./colors.js";
import { oneLine } from "./one-line.js";
import type { ProgressBar } from "./progress-bar.js";
import { countText, sizeText, timeText } from "./units.js";

/** How much is said beside errors. */
export type Verbosity = "quiet" | "normal" | "verbose";

const STAGES: Readonly<Record<Progress["stage"], string>> = {
  fetch: "fetching",
  read: "reading",
  hash: "looking for equal contents",
  copy: "writing",
};

/** What a build says on standard error while it goes on, and at its end. */
export class BuildMessages {
  private readonly stages = new Set<Progress["stage"]>();

  /** @param bar undefined where none can be shown */
  constructor(
    private readonly write: (text: string) => void,
    private readonly verbosity: Verbosity,
    private readonly bar: ProgressBar | undefined,
    private readonly colors: Colors = PLAIN,
  ) {}

  sources(sources: readonly SourceSpec[]): void {
    for (const source of sources) this.detail(sourceText(source));
  }

  progress(progress: Progress): void {
    if (!this.stages.has(progress.stage)) {
      this.stages.add(progress.stage);
      this.detail(STAGES[progress.stage]);
    }
    this.bar?.update(progress);
  }

  warning(text: string): void {
    this.line(`${this.colors.warning("mkdaxfs:")} ${oneLine(text)}`);
  }

  /** Ends the bar; to be called however the build ends. */
  close(): void {
    this.bar?.clear();
  }

  /** @param output undefined when nothing was written */
  built(output: string | undefined, report: BuildReport): void {
    this.omittedXattrs([...report.omittedXattrs]);
    for (const { reference, digest } of report.images) this.detail(`${reference} is ${digest}`);
    const { read, hash, plan, write, total } = report.timings;
    this.detail(
      `read in ${timeText(read)}, compared in ${timeText(hash)}, planned in ${timeText(plan)}, ` +
        `written in ${timeText(write)}, ${timeText(total)} in all`,
    );
    if (this.verbosity !== "quiet") this.line(summary(output, report, this.colors));
  }

  private omittedXattrs(omitted: readonly (readonly [name: ByteString, files: number])[]): void {
    for (const [name, files] of omitted.slice(0, OMITTED_SHOWN)) {
      const count = countText(files, "file");
      this.warning(`dropped ${printable(name)} from ${count}: ${whyOmitted(name)}`);
    }
    const more = omitted.length - OMITTED_SHOWN;
    if (more > 0) this.warning(`dropped ${countText(more, "more attribute")}, see --json`);
  }

  private detail(text: string): void {
    if (this.verbosity === "verbose") this.line(`mkdaxfs: ${oneLine(text)}`);
  }

  private line(text: string): void {
    this.bar?.clear();
    this.write(`${text}\n`);
  }
}

/** Lines about attributes that are left out. */
const OMITTED_SHOWN = 20;

function whyOmitted(name: ByteString): string {
  if (name === "security.selinux") return "specific to the build host";
  if (name === "security.evm") return "valid only on the filesystem it was made for";
  if (name.startsWith("trusted.SGI_ACL_")) return "specific to the source filesystem";
  return "a mount does not show it";
}

function sourceText(source: SourceSpec): string {
  if (source === "-") return "source: standard input";
  if (typeof source === "string") return `source: ${source}`;
  return "docker" in source
    ? `source: image ${source.docker}, from the engine or its registry`
    : `source: image ${source.oci}, from its registry`;
}

/** What was built, in one line. */
export function summary(
  output: string | undefined,
  report: BuildReport,
  { built }: Colors = PLAIN,
): string {
  const name = output === "-" ? "standard output" : (output ?? "nothing written");
  const saved = report.contentSize - report.storedSize;
  const shared = saved > 0 ? `, ${sizeText(saved)} saved by storing equal files once` : "";
  const uuid = report.uuid === undefined ? "" : `, UUID ${report.uuid}`;
  return (
    `${built(oneLine(name))}: ${report.inodes} inodes, ${sizeText(report.storedSize)} of content in ` +
    `${sizeText(report.totalSize)}${shared}${uuid}`
  );
}
