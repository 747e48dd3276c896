// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildMessages, type Verbosity } from "../../src/cli/build-messages.js";
import { jsonReport } from "../../src/cli/json-report.js";
import { ProgressBar } from "../../src/cli/progress-bar.js";
import type { BuildReport } from "../../src/options.js";

const REPORT: BuildReport = {
  inodes: 12,
  types: { regular: 5, directory: 3, symlink: 2, device: 1, fifo: 1, socket: 0 },
  hardLinks: 1,
  totalSize: 3 * 2 ** 20,
  contentSize: 5000,
  storedSize: 3976,
  uuid: "01234567-89ab-cdef-0123-456789abcdef",
  digest: undefined,
  omittedXattrs: new Map([["security.selinux", 1]]),
  images: [{ reference: "debian:12", digest: "sha256:ab" }],
  timings: { read: 1.26, hash: 2, plan: 3, write: 1004, total: 1010.25 },
};
const SUMMARY =
  "image: 12 inodes, 3.9 KiB of content in 3.0 MiB, 1.0 KiB saved by storing equal files once, " +
  "UUID 01234567-89ab-cdef-0123-456789abcdef\n";
const OMITTED = "mkdaxfs: dropped security.selinux from 1 file: specific to the build host\n";

/** What is said of a build. */
function said(verbosity: Verbosity, output: string | undefined = "image"): string[] {
  const lines: string[] = [];
  const messages = new BuildMessages((text) => lines.push(text), verbosity, undefined);
  messages.sources(["tree\n", "-", { docker: "debian:12" }, { oci: "host/a" }]);
  messages.progress({ stage: "read", done: 1, total: undefined });
  messages.progress({ stage: "read", done: 2, total: undefined });
  messages.progress({ stage: "copy", done: 2, total: 3 });
  messages.progress({ stage: "read", done: 3, total: undefined });
  messages.warning("left out /a\nb");
  messages.close();
  messages.built(output, REPORT);
  return lines;
}

describe("messages of a build", () => {
  const warnings = ["mkdaxfs: left out /a\\x0ab\n", OMITTED];

  it("are the summary and what was left out", () => {
    expect(said("normal")).toEqual([...warnings, SUMMARY]);
    expect(said("normal", "-").at(-1)).toMatch(/^standard output: 12 inodes/);
    expect(said("quiet")).toEqual(warnings);
  });

  it("are sources and stages, each once, for who wants them", () => {
    expect(said("verbose")).toEqual([
      "mkdaxfs: source: tree\\x0a\n",
      "mkdaxfs: source: standard input\n",
      "mkdaxfs: source: image debian:12, from the engine or its registry\n",
      "mkdaxfs: source: image host/a, from its registry\n",
      "mkdaxfs: reading\n",
      "mkdaxfs: writing\n",
      ...warnings,
      "mkdaxfs: debian:12 is sha256:ab\n",
      "mkdaxfs: read in 0.00 s, compared in 0.00 s, planned in 0.00 s, written in 1.00 s, " +
        "1.01 s in all\n",
      SUMMARY,
    ]);
  });

  it("say of a dry run that it is one", () => {
    const lines: string[] = [];
    const messages = new BuildMessages((text) => lines.push(text), "normal", undefined);
    messages.built(undefined, {
      ...REPORT,
      uuid: undefined,
      omittedXattrs: new Map(),
      storedSize: 5000,
    });
    expect(lines).toEqual(["nothing written: 12 inodes, 4.9 KiB of content in 3.0 MiB\n"]);
  });

  it("say why attributes were left out, on a bounded number of lines", () => {
    const written = (omittedXattrs: ReadonlyMap<string, number>) => {
      const lines: string[] = [];
      const messages = new BuildMessages((text) => lines.push(text), "quiet", undefined);
      messages.built("image", { ...REPORT, omittedXattrs });
      return lines;
    };
    const some = new Map([
      ["system.nfs4_acl", 3],
      ["security.evm", 1],
      ["trusted.SGI_ACL_FILE", 2],
      ["com.apple.\xff\n", 1],
    ]);
    expect(written(some)).toEqual([
      "mkdaxfs: dropped system.nfs4_acl from 3 files: a mount does not show it\n",
      "mkdaxfs: dropped security.evm from 1 file: valid only on the filesystem it was made for\n",
      "mkdaxfs: dropped trusted.SGI_ACL_FILE from 2 files: specific to the source filesystem\n",
      "mkdaxfs: dropped com.apple.\\xff\\x0a from 1 file: a mount does not show it\n",
    ]);
    const many = new Map(Array.from({ length: 1000 }, (_, index) => [`a.${index}`, 1]));
    expect(written(many)).toHaveLength(21);
    expect(written(many).at(-1)).toBe("mkdaxfs: dropped 980 more attributes, see --json\n");
  });

  it("don't mix with the bar", () => {
    const written: string[] = [];
    let now = 0;
    const terminal = { write: (text: string) => written.push(text) };
    const bar = new ProgressBar(terminal, undefined, () => now);
    const messages = new BuildMessages((text) => written.push(text), "normal", bar);
    now = 500;
    messages.progress({ stage: "read", done: 1, total: undefined });
    messages.warning("a");
    now = 1000;
    messages.progress({ stage: "read", done: 2, total: undefined });
    messages.close();
    const [clear, draw] = ["\r\x1b[K", "\rread  "];
    expect(written).toEqual([
      `${draw}1 entry\x1b[K`,
      clear,
      "mkdaxfs: a\n",
      `${draw}2 entries\x1b[K`,
      clear,
    ]);
  });
});

describe("the report for programs", () => {
  it("has these fields and no others", () => {
    expect(JSON.parse(jsonReport("image", REPORT))).toEqual({
      schemaVersion: 1,
      output: "image",
      uuid: REPORT.uuid,
      digest: null,
      counts: {
        inodes: 12,
        regular: 5,
        directory: 3,
        symlink: 2,
        device: 1,
        fifo: 1,
        socket: 0,
        hardLinks: 1,
      },
      bytes: { image: 3 * 2 ** 20, content: 5000, stored: 3976, saved: 1024 },
      omittedXattrs: { "security.selinux": 1 },
      images: [{ reference: "debian:12", digest: "sha256:ab" }],
      milliseconds: { read: 1.3, hash: 2, plan: 3, write: 1004, total: 1010.3 },
    });
  });

  it("has null for what there is not", () => {
    const document = JSON.parse(jsonReport(undefined, { ...REPORT, uuid: undefined }));
    expect(document).toMatchObject({ output: null, uuid: null, digest: null });
  });

  it("ends with a newline", () => {
    expect(jsonReport("image", REPORT)).toMatch(/\n\}\n$/);
  });
});
