// SPDX-License-Identifier: MIT
import { readFile, realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { BACKINGS, isBacking } from "./backings.js";
import { cachedModule } from "./build-module.js";
import type { GuestSetup } from "./guest.js";
import { kernelRole, ROLE_WORDS } from "./kernel-roles.js";
import { fetchKernel } from "./kernels.js";
import { runShell } from "./shell.js";
import { runGuest } from "./vm.js";

const USAGE = `usage: vm shell [options]          boot a virtual machine on the terminal
       vm run [options] SCRIPT     run a busybox sh script in one, print what it reports as JSON

  --kernel KERNEL      Debian's kernel, by role or series: ${ROLE_WORDS};
                       default: oldest
  --image IMG          place an image in memory (repeatable); shell mounts it
  --backing KIND       where images lie: reserved (the default), ivshmem, nvdimm, virtio-pmem, or
                       the exporter of a dma-buf: dma-heap, udmabuf, vgem
  --module PATH        module to load, or the directory to build it from (default: kernel)
  --kernel-module M    load a module of the distribution's kernel (repeatable)
  --program NAME       take a program of the host along (repeatable)
  --timeout SECONDS    limit for run (default: 300)
  --keep-log           keep the console log of a run that went well, too
  --cache DIRECTORY    where kernels and builds are kept (default: .cache)
  --help
`;

const OPTIONS = {
  kernel: { type: "string", default: "oldest" },
  image: { type: "string", multiple: true, default: [] },
  backing: { type: "string", default: "reserved" },
  module: { type: "string" },
  "kernel-module": { type: "string", multiple: true, default: [] },
  program: { type: "string", multiple: true, default: [] },
  timeout: { type: "string", default: "300" },
  "keep-log": { type: "boolean", default: false },
  cache: { type: "string", default: ".cache" },
  help: { type: "boolean", default: false },
} satisfies NonNullable<ParseArgsConfig["options"]>;

type Values = ReturnType<typeof parse>["values"];

class UsageError extends Error {}

function parse(commandLine: string[]) {
  try {
    return parseArgs({ args: commandLine, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Runs the command line (without node and the script's name) and returns the exit status. `run`
 * gives 0 if the script ended with 0 and reported no failed check, else 1; 2 means wrong usage.
 */
export async function main(commandLine: string[]): Promise<number> {
  try {
    const { values, positionals } = parse(commandLine);
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const [command, script, ...rest] = positionals;
    if (command === "shell" && script === undefined) return await runShell(await setup(values));
    if (command === "run" && script !== undefined && rest.length === 0) {
      return await run(values, script);
    }
    throw new UsageError(command === undefined ? "no command given" : `bad use of "${command}"`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`vm: ${message}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write(USAGE);
    return 2;
  }
}

async function run(values: Values, scriptPath: string): Promise<number> {
  const timeoutSeconds = Number(values.timeout);
  if (!(timeoutSeconds > 0)) throw new UsageError(`--timeout ${values.timeout}: not a time`);
  const result = await runGuest({
    ...(await setup(values)),
    script: await readFile(scriptPath, "utf8"),
    timeoutSeconds,
    keepLog: values["keep-log"],
  });
  const { exitStatus, records, values: reported, durationSeconds } = result;
  const output = { exitStatus, durationSeconds, records, values: reported };
  process.stdout.write(`${JSON.stringify(output, undefined, 2)}\n`);
  return exitStatus === 0 && records.every(({ status }) => status !== "fail") ? 0 : 1;
}

async function setup(values: Values): Promise<GuestSetup> {
  const role = kernelRole(values.kernel);
  if (role === undefined) {
    throw new UsageError(`--kernel ${values.kernel}: not one of ${ROLE_WORDS}`);
  }
  if (!isBacking(values.backing)) {
    throw new UsageError(`--backing ${values.backing}: not one of ${BACKINGS.join(", ")}`);
  }
  const kernel = await fetchKernel(role, values.cache);
  if (kernel.notice !== undefined) process.stderr.write(`vm: ${kernel.notice}\n`);
  const source = values.module ?? "kernel";
  const isSource = (await stat(source)).isDirectory();
  return {
    kernel,
    modules: [isSource ? await cachedModule(kernel, source) : resolve(source)],
    images: values.image.map((path) => ({ path })),
    backing: values.backing,
    kernelModules: values["kernel-module"],
    programs: values.program,
  };
}

const started = process.argv[1];
if (started !== undefined && (await realpath(started)) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
