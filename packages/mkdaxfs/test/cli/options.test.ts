// SPDX-License-Identifier: MIT
import { writeFileSync } from "node:fs";
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { buildOptions } from "../../src/cli/build-options.js";
import { createProgram } from "../../src/cli/program.js";
import { UsageError } from "../../src/cli/usage-error.js";
import { BuildError } from "../../src/errors.js";
import type { BuildOptions } from "../../src/options.js";
import { scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();
const DEFAULTS = { align: HUGE_SIZE, dedupe: true, xattrs: true };
const NS = 1_000_000_000n;

interface Parsed {
  readonly options?: Partial<BuildOptions>;
  readonly checked?: readonly [image: string, flags: object];
  readonly printed: string;
  readonly complaint: string;
  readonly error?: unknown;
}

/** What a command line comes to; nothing is built. */
async function parse(args: readonly string[], environment = {}): Promise<Parsed> {
  let options: Partial<BuildOptions> | undefined;
  let checked: readonly [string, object] | undefined;
  let printed = "";
  let complaint = "";
  const program = createProgram(
    {
      build: (sources, flags) => {
        options = buildOptions(sources, flags, environment);
      },
      check: (image, flags) => {
        checked = [image, flags];
      },
    },
    "1.2.3",
  );
  for (const command of [program, ...program.commands]) {
    command.configureOutput({
      writeOut: (text) => {
        printed += text;
      },
      writeErr: (text) => {
        complaint += text;
      },
    });
  }
  let error: unknown;
  try {
    await program.parseAsync(["node", "mkdaxfs", ...args]);
  } catch (thrown) {
    error = thrown;
  }
  return {
    ...(options === undefined ? {} : { options }),
    ...(checked === undefined ? {} : { checked }),
    printed,
    complaint,
    error,
  };
}

/** The options that a command line adds to a plain build. */
async function optionsOf(
  args: readonly string[],
  environment = {},
): Promise<Partial<BuildOptions>> {
  const { options, error } = await parse(["tree", "-o", "image", ...args], environment);
  if (options === undefined) throw error;
  const { sources, output, ...rest } = options;
  expect({ sources, output }).toEqual({ sources: ["tree"], output: "image" });
  const changed = Object.entries(rest).filter(
    ([key, value]) => DEFAULTS[key as keyof typeof DEFAULTS] !== value,
  );
  expect(Object.keys(rest)).toEqual(expect.arrayContaining(Object.keys(DEFAULTS)));
  return Object.fromEntries(changed);
}

/** Expects one line on standard error, and the exit status for wrong use. */
async function expectRefused(args: readonly string[], message: RegExp): Promise<void> {
  const { options, complaint, error } = await parse(args);
  const text = error instanceof UsageError ? `mkdaxfs: ${error.message}\n` : complaint;
  expect(error instanceof UsageError || error instanceof CommanderError).toBe(true);
  expect(text).toMatch(/^mkdaxfs: [^\n]+\n$/);
  expect(text).toMatch(message);
  expect(options).toBeUndefined();
}

describe("options become those of a build", () => {
  it.each<[string[], Partial<BuildOptions>]>([
    [[], {}],
    [["--dry-run"], { dryRun: true }],
    [["--include", "a", "--include=b/*"], { include: ["a", "b/*"] }],
    [["--exclude", "*.o", "--exclude", "/c/"], { exclude: ["*.o", "/c/"] }],
    [["--whiteouts", "overlay"], { whiteouts: "overlay" }],
    [["--owner", "0", "--group=4294967294"], { owner: 0, group: 4294967294 }],
    [["--all-root"], { owner: 0, group: 0 }],
    [
      ["--uid-map", "0:1000:1", "--uid-map", "1:100000:65536"],
      {
        uidMap: [
          { from: 0, to: 1000, count: 1 },
          { from: 1, to: 100000, count: 65536 },
        ],
      },
    ],
    [["--gid-map", "5:6:7"], { gidMap: [{ from: 5, to: 6, count: 7 }] }],
    [["--mode", "u+rwX,go-w"], { mode: "u+rwX,go-w" }],
    [["--mode=-w"], { mode: "-w" }],
    [["--mtime", "@1.5"], { mtimeNs: 1_500_000_000n }],
    [["--no-xattrs"], { xattrs: false }],
    [["--xattrs-include", "user.*"], { xattrsInclude: ["user.*"] }],
    [["--xattrs-exclude", "user.*"], { xattrsExclude: ["user.*"] }],
    [["--label", "root fs"], { label: "root fs" }],
    [["--uuid", "u"], { uuid: "u" }],
    [["--digest"], { digest: true }],
    [["--align", "4k"], { align: BLOCK_SIZE }],
    [["--align", "2m"], {}],
    [["--no-dedupe"], { dedupe: false }],
    [["--size", "1G"], { size: 2 ** 30 }],
    [["--max-size", "512k", "--max-ratio", "9"], { maxSize: 2 ** 19, maxRatio: 9 }],
    [["--platform", "linux/s390x"], { platform: { os: "linux", architecture: "s390x" } }],
    [["--tls-verify=false"], { tlsVerify: false }],
    [["--tls-verify", "true"], { tlsVerify: true }],
    [["--no-tls-verify"], { tlsVerify: false }],
    [["--jobs", "3"], { jobs: 3 }],
    [["--json", "-q"], {}],
    [["-v"], {}],
  ])("%j", async (args, expected) => {
    expect(await optionsOf(args)).toEqual(expected);
  });

  it("but for a platform that is none", async () => {
    await expect(optionsOf(["--platform", "arm64"])).rejects.toThrow(BuildError);
    await expect(optionsOf(["--platform", "arm64"])).rejects.toThrow("'arm64' is not a platform");
  });

  it("wherever sources stand among them", async () => {
    const { options } = await parse(["a", "-o", "image", "b", "--digest", "-", "check"]);
    expect(options?.sources).toEqual(["a", "b", "-", "check"]);
    expect((await parse(["-o", "image", "--", "-o"])).options?.sources).toEqual(["-o"]);
  });

  it("references among the sources, before paths and in their order", async () => {
    const args = ["over", "--from-oci", "a", "--from-docker", "b", "-o", "i", "--from-oci=c"];
    expect((await parse(args)).options?.sources).toEqual([
      { oci: "a" },
      { docker: "b" },
      { oci: "c" },
      "over",
    ]);
    expect((await parse(["--from-docker", "b", "-o", "i"])).options?.sources).toEqual([
      { docker: "b" },
    ]);
  });

  it("globs from files, beside those that are given", async () => {
    writeFileSync(scratch("patterns"), "# what editors leave\n*~\n\n   \n/a b /\r\n\\#x\n#y");
    const args = ["--exclude", "x", "--exclude-from", scratch("patterns"), "--exclude", "z"];
    expect(await optionsOf(args)).toEqual({ exclude: ["x", "*~", "/a b /", "\\#x", "z"] });
    const { error } = await parse(["t", "-o", "i", "--exclude-from", scratch("missing")]);
    expect(error).toBeInstanceOf(BuildError);
    expect((error as Error).message).toMatch(/cannot read patterns from .*missing: no such file/);
  });
});

describe("SOURCE_DATE_EPOCH", () => {
  it("is the build's time, and the latest that files may have", async () => {
    const environment = { SOURCE_DATE_EPOCH: "1700000000" };
    const time = 1_700_000_000n * NS;
    expect(await optionsOf([], environment)).toEqual({ clampMtimeNs: time, buildTimeNs: time });
    expect(await optionsOf(["--mtime", "2025-01-01"], environment)).toEqual({
      mtimeNs: 1_735_689_600n * NS,
      buildTimeNs: time,
    });
    expect(await optionsOf([], { SOURCE_DATE_EPOCH: "" })).toEqual({});
    expect(await optionsOf([], { SOURCE_DATE_EPOCH: "0" })).toEqual({
      clampMtimeNs: 0n,
      buildTimeNs: 0n,
    });
  });

  it.each(["x", "-1", "1.5", "9999999999", " 1", "0x10"])("is not '%s'", async (epoch) => {
    await expect(optionsOf([], { SOURCE_DATE_EPOCH: epoch })).rejects.toThrow(BuildError);
    await expect(optionsOf([], { SOURCE_DATE_EPOCH: epoch })).rejects.toThrow(
      `SOURCE_DATE_EPOCH is '${epoch}'`,
    );
  });
});

describe("a command line is refused", () => {
  it.each<[RegExp, string[]]>([
    [/missing required argument 'source'/, ["-o", "image"]],
    [/no output given/, ["tree"]],
    [/--json can't both go to standard output/, ["tree", "-o", "-", "--json"]],
    [/unknown option '--digset' \(Did you mean --digest\?\)/, ["tree", "--digset"]],
    [/unknown option '--xattr-include' \(Did you mean --xattrs-include/, ["t", "--xattr-include"]],
    [/unknown option '-z'/, ["tree", "-z"]],
    [/unknown option '--new\\x0aline'/, ["tree", "--new\nline"]],
    [/'--align <size>' argument '8k' is invalid/, ["tree", "--align", "8k"]],
    [/'--whiteouts <how>' argument 'drop'/, ["tree", "--whiteouts", "drop"]],
    [/'-o, --output <image>' argument missing/, ["tree", "-o"]],
    [/'--owner <uid>' argument 'root' is invalid.*number from 0/, ["t", "--owner", "root"]],
    [/'--group <gid>' argument '4294967295'/, ["t", "--group", "4294967295"]],
    [/'--uid-map <from:to:count>' argument '0:1'.*FROM:TO:COUNT/, ["t", "--uid-map", "0:1"]],
    [/'--gid-map <from:to:count>' argument '0:1:x'/, ["t", "--gid-map", "0:1:x"]],
    [/'--mtime <time>' argument 'now'.*@SECONDS/, ["t", "--mtime", "now"]],
    [/'--size <size>' argument '1P'.*K, M, G or T/, ["t", "--size", "1P"]],
    [/'--max-ratio <number>' argument '0'/, ["t", "--max-ratio", "0"]],
    [/'--jobs <number>' argument '0'.*from 1 to 256/, ["t", "--jobs", "0"]],
    [/'--tls-verify <boolean>' argument 'no'/, ["t", "--tls-verify", "no"]],
    [/'--all-root' cannot be used with option '--owner/, ["t", "--owner", "0", "--all-root"]],
    [/'--all-root' cannot be used with option '--gid-map/, ["--gid-map=0:0:1", "--all-root"]],
    [/'--owner <uid>' cannot be used with/, ["t", "--owner", "0", "--uid-map", "0:0:1"]],
    [/'--group <gid>' cannot be used with/, ["t", "--group", "0", "--gid-map", "0:0:1"]],
    [
      /'--no-xattrs' cannot be used with option '--xattrs-include/,
      ["--no-xattrs", "--xattrs-include=*"],
    ],
    [
      /'--no-xattrs' cannot be used with option '--xattrs-exclude/,
      ["--xattrs-exclude=*", "--no-xattrs"],
    ],
    [/'-q, --quiet' cannot be used with option '-v/, ["t", "-q", "-v"]],
    [/missing required argument 'image'/, ["check"]],
    [/too many arguments/, ["check", "a", "b"]],
    [/unknown option '--digest'/, ["check", "a", "--digest"]],
    [/'--json' before 'check' is an option of a build/, ["--json", "check", "a"]],
    [/'--output' before 'check' is an option of a build/, ["-o", "x", "check", "a"]],
    [/'--from-docker' or '--from-oci' before 'check'/, ["--from-oci", "x", "check", "a"]],
  ])("%s: %j", (message, args) => expectRefused(args, message));
});

describe("check", () => {
  it("has its own options", async () => {
    expect((await parse(["check", "image"])).checked).toEqual(["image", {}]);
    expect((await parse(["check", "image", "--json"])).checked).toEqual(["image", { json: true }]);
    expect((await parse(["check", "--json", "image"])).checked).toEqual(["image", { json: true }]);
  });

  it("is a source where it is a path", async () => {
    expect((await parse(["./check", "-o", "i"])).options?.sources).toEqual(["./check"]);
  });
});

describe("help", () => {
  it("lists every option in a group, with examples, in 80 columns or little more", async () => {
    const { printed, error } = await parse(["--help"]);
    expect(error).toMatchObject({ exitCode: 0 });
    for (const heading of ["Output:", "Sources:", "Files:", "Image:", "Other:", "Examples:"]) {
      expect(printed).toContain(`\n${heading}\n`);
    }
    expect(printed).not.toContain("\nOptions:");
    expect(printed).toMatch(/^Usage: mkdaxfs SOURCE\.\.\. -o IMAGE \[options\]\n/);
    expect(printed).toContain("--exclude-from <file>");
    expect(Math.max(...printed.split("\n").map((line) => line.length))).toBeLessThan(100);
  });

  it("is told from the version", async () => {
    for (const args of [["-V"], ["--version"]]) {
      const { printed, error } = await parse(args);
      expect(printed).toBe("1.2.3\n");
      expect(error).toMatchObject({ exitCode: 0 });
    }
    expect((await parse(["check", "--help"])).printed).toContain("mkdaxfs check [options] <image>");
  });
});
