// SPDX-License-Identifier: MIT
import type { BuildReport } from "../options.js";

/** Grows when a field changes its meaning or goes; new fields may come without. */
const SCHEMA_VERSION = 1;

/**
 * What was built, for programs: docs/builder.md describes every field.
 * @param output undefined when nothing was written
 */
export function jsonReport(output: string | undefined, report: BuildReport): string {
  const { timings } = report;
  const document = {
    schemaVersion: SCHEMA_VERSION,
    output: output ?? null,
    uuid: report.uuid ?? null,
    digest: report.digest ?? null,
    counts: { inodes: report.inodes, ...report.types, hardLinks: report.hardLinks },
    bytes: {
      image: report.totalSize,
      content: report.contentSize,
      stored: report.storedSize,
      saved: report.contentSize - report.storedSize,
    },
    omittedXattrs: Object.fromEntries(report.omittedXattrs),
    images: report.images,
    milliseconds: {
      read: rounded(timings.read),
      hash: rounded(timings.hash),
      plan: rounded(timings.plan),
      write: rounded(timings.write),
      total: rounded(timings.total),
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
