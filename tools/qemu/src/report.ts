// SPDX-License-Identifier: MIT

/** Outcome of one check in the guest; "info" carries a remark. */
export type RecordStatus = "pass" | "fail" | "skip" | "info";

/** One check that the guest's script reported with `result`. */
export interface GuestRecord {
  name: string;
  status: RecordStatus;
  /** Content of the file given to `result`; empty if none was. */
  detail: string;
}

/** All that came over the second serial port. */
export interface GuestReport {
  records: GuestRecord[];
  /** What `value` sent; a repeated name keeps the last one. */
  values: Record<string, string>;
  /** What `attach` sent, byte for byte. */
  attachments: Record<string, Buffer>;
  /** The script's exit status; missing if the guest did not get there. */
  exitStatus?: number;
  /** Why the guest could not even start the script. */
  setupFailure?: string;
}

const STATUSES: readonly RecordStatus[] = ["pass", "fail", "skip", "info"];

/**
 * Parses the guest's report: one line a frame, a letter and fields separated by single spaces, free
 * text as base64 (see guest-scripts.ts). A last line without its end is one the guest died in.
 */
export function parseReport(text: string): GuestReport {
  const report: GuestReport = { records: [], values: {}, attachments: {} };
  for (const line of text.split("\n").slice(0, -1)) addFrame(report, line.replace(/\r$/, ""));
  return report;
}

function addFrame(report: GuestReport, line: string): void {
  const [kind, ...fields] = line.split(" ");
  const [first = "", second = "", third = ""] = fields;
  switch (kind) {
    // There is a report, which tells that the guest came as far as its /init.
    case "B":
      break;
    case "R": {
      const status = STATUSES.find((candidate) => candidate === second);
      if (status === undefined) {
        throw new Error(`result "${decodeText(first)}" has the unknown status "${second}"`);
      }
      report.records.push({ name: decodeText(first), status, detail: decodeText(third) });
      break;
    }
    case "V":
      report.values[decodeText(first)] = decodeText(second);
      break;
    case "A":
      report.attachments[decodeText(first)] = decode(second);
      break;
    case "F":
      report.setupFailure = decodeText(first);
      break;
    case "E":
      report.exitStatus = Number(first);
      break;
    default:
      throw new Error(`garbled report line: ${line.slice(0, 100)}`);
  }
}

function decodeText(field: string): string {
  return decode(field).toString("utf8");
}

function decode(field: string): Buffer {
  const bytes = Buffer.from(field, "base64");
  // Node ignores what isn't base64; two processes that report at once could cause that.
  if (bytes.toString("base64") !== field) throw new Error(`garbled report field: ${field}`);
  return bytes;
}
