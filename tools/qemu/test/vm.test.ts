// SPDX-License-Identifier: MIT
import { createHash, randomBytes } from "node:crypto";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildModule,
  fetchKernel,
  GuestError,
  type GuestOptions,
  type GuestResult,
  type Kernel,
  restarts,
  runGuest,
} from "../src/index.js";
import { CACHE, temporaryDirectory, writeModule } from "./support.js";

let directory: string;
let kernel: Kernel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kernel = await fetchKernel("oldest", CACHE);
});

async function build(name: string, body: string): Promise<string> {
  return buildModule(kernel, await writeModule(directory, name, body), directory);
}

/** How a guest failed. */
interface Failure {
  error: GuestError;
  /** How many times it was started, each of which left a log. */
  starts: number;
  restarts: string[];
}

/** Runs a guest that is expected to fail. `name` differs from that of the others that run. */
async function failure(
  name: string,
  options: Omit<GuestOptions, "kernel" | "logDirectory" | "name">,
): Promise<Failure> {
  const logDirectory = join(directory, "failures", name, "logs");
  // Restarts are counted in the cache, for who runs the tests: those here are not by chance.
  const cacheDirectory = join(directory, "failures", name, "cache");
  try {
    await runGuest({ kernel: { ...kernel, cacheDirectory }, logDirectory, name, ...options });
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    return {
      error,
      starts: (await readdir(logDirectory)).length,
      restarts: await restarts(cacheDirectory),
    };
  }
  throw new Error("the guest came to its end");
}

describe("a guest that comes to its end", () => {
  const image = randomBytes(3 * 1024 * 1024 + 4);
  const high = randomBytes(8192);
  let logs: string;
  let result: GuestResult;

  beforeAll(async () => {
    await writeFile(join(directory, "image"), image);
    await writeFile(join(directory, "high"), high);
    logs = join(directory, "logs");
    result = await runGuest({
      kernel,
      logDirectory: logs,
      modules: [await build("hello", '\tpr_info("hello from the module\\n");\n\treturn 0;')],
      kernelModules: ["overlay", "vgem"],
      programs: ["find", "sha256sum"],
      files: [{ guestPath: "/data/file", content: "content" }],
      images: [
        { path: join(directory, "image") },
        { path: join(directory, "high"), physicalAddress: 0xbfe00000 },
      ],
      script: `
echo "WARNING: a program's own"
result first pass
printf 'one\\ntwo\\n' >/tmp/detail
result "with a detail" fail /tmp/detail
result left-out skip
value text "$(printf 'caf\\303\\251\\n\\001 two')"
head -c 4096 /dev/urandom >/tmp/random
attach random /tmp/random
value sum "$(sha256sum </tmp/random | cut -d' ' -f1)"
value iomem "$(cat /proc/iomem)"
value image0 "$IMAGE0_PHYS $IMAGE0_SIZE"
value image1 "$IMAGE1_PHYS $IMAGE1_SIZE"
value start "$(devmem $IMAGE0_PHYS 32)"
value end "$(devmem $((IMAGE0_PHYS + IMAGE0_SIZE - 4)) 32)"
value high "$(devmem $((IMAGE1_PHYS + 4096)) 32)"
value modules "$(lsmod | cut -d' ' -f1)"
value find "$(find --version | head -n 1)"
value file "$(cat /data/file)"
exit 7
`,
    });
  });

  it("gives records, values and attachments as they were sent", async () => {
    expect(result.records).toEqual([
      { name: "first", status: "pass", detail: "" },
      { name: "with a detail", status: "fail", detail: "one\ntwo\n" },
      { name: "left-out", status: "skip", detail: "" },
    ]);
    expect(result.values.text).toBe("café\n\u0001 two");
    expect(result.values.file).toBe("content");

    const random = result.attachments.random ?? Buffer.alloc(0);
    expect(random).toHaveLength(4096);
    expect(createHash("sha256").update(random).digest("hex")).toBe(result.values.sum);
  });

  it("gives the script's exit status", () => {
    expect(result.exitStatus).toBe(7);
  });

  it("has the images at their physical addresses, reserved", () => {
    expect(result.values.image0).toBe("0x40000000 0x300004");
    expect(result.values.image1).toBe("0xbfe00000 0x2000");
    expect(result.values.iomem).toMatch(/^40000000-403fffff : Reserved$/m);
    expect(result.values.iomem).toMatch(/^bfe00000-bfffffff : Reserved$/m);
    expect(Number(result.values.start)).toBe(image.readUInt32LE(0));
    expect(Number(result.values.end)).toBe(image.readUInt32LE(image.length - 4));
    expect(Number(result.values.high)).toBe(high.readUInt32LE(4096));
  });

  it("has the modules loaded, and the host's programs before busybox's", () => {
    expect(result.values.modules?.split("\n")).toEqual(
      expect.arrayContaining(["hello", "overlay", "vgem", "drm"]),
    );
    expect(result.kernelMessages.join("\n")).toContain("hello from the module");
    expect(result.values.find).toContain("GNU");
  });

  it("keeps no log", async () => {
    expect(result.consoleLog).toContain("WARNING: a program's own");
    expect(await readdir(logs)).toEqual([]);
  });
});

// Most of these guests wait: for a timeout, or to be started again. So they do it at the same time.
describe.concurrent("a guest that does not", () => {
  it("is killed after the timeout", async () => {
    const { error, starts } = await failure("hanging", {
      script: "result early pass\necho now waiting\nsleep 1000",
      timeoutSeconds: 40,
    });
    expect(error.message).toMatch(/killed after 40 s/);
    expect(error.message).toContain(error.consoleLogPath);
    expect(error.records).toEqual([{ name: "early", status: "pass", detail: "" }]);
    expect(await readFile(error.consoleLogPath, "utf8")).toContain("now waiting");
    expect(starts).toBe(1);
  });

  it("is reported when its kernel panics", async () => {
    const { error } = await failure("panicking", {
      script: "echo c >/proc/sysrq-trigger\nsleep 1000",
    });
    expect(error.message).toMatch(/kernel complained:.*Kernel panic/s);
    await access(error.consoleLogPath);
  });

  it("is reported when its kernel warns, though its script ends well", async () => {
    const { error } = await failure("warning", {
      modules: [await build("warner", "\tWARN_ON(1);\n\treturn 0;")],
      script: "result fine pass",
    });
    expect(error.kernelWarnings.join("\n")).toMatch(/WARNING: CPU.*test_init/);
    expect(error.records).toHaveLength(1);
  });

  it("is started once more, and no more, when QEMU ran a breakpoint that there is not", async () => {
    const { error, starts, restarts } = await failure("phantom", {
      modules: [
        await build(
          "phantom",
          '\tpr_emerg("int3: 0000 [#1] SMP\\n");\n' +
            '\tpr_emerg("Code: 8b 4f 20 66 <90> f7 c1\\n");\n\treturn 0;',
        ),
      ],
      script: "result fine pass",
    });
    expect(error.kernelWarnings.join("\n")).toContain("int3: 0000 [#1]");
    expect(starts).toBe(2);
    expect(restarts).toEqual(["phantom: QEMU ran a breakpoint that is not in the guest's memory"]);
  });

  it("is started once more, and no more, when its kernel hangs at boot", async () => {
    const { error, starts } = await failure("hanging-at-boot", {
      commandLine: ["rdinit=/none", "root=/dev/none", "rootwait"],
      script: "exit 0",
      bootTimeoutSeconds: 12,
    });
    expect(error.message).toMatch(/killed after 12 s/);
    expect(error.diedAtBoot).toBe(true);
    expect(starts).toBe(2);
  });

  it("is started once more, and no more, when its kernel dies at boot", async () => {
    const { error, starts } = await failure("dying-at-boot", {
      commandLine: ["rdinit=/none"],
      script: "exit 0",
    });
    expect(error.message).toMatch(/kernel complained:.*Kernel panic/s);
    expect(error.diedAtBoot).toBe(true);
    expect(starts).toBe(2);
  });

  it("is not started again for a breakpoint that is there", async () => {
    const { error, starts } = await failure("trapping", {
      modules: [await build("trap", '\tasm volatile("int3");\n\treturn 0;')],
      script: "result fine pass",
    });
    expect(error.kernelWarnings.join("\n")).toContain("int3: 0000 [#1]");
    expect(starts).toBe(1);
  });

  it("is reported when a module can't be loaded", async () => {
    const { error } = await failure("refusing", {
      modules: [await build("refuser", "\treturn -ENODEV;")],
      script: "exit 0",
    });
    expect(error.message).toMatch(/can't start: insmod refuser\.ko: .*No such device/);
  });

  it("is reported when it is gone before the script's end", async () => {
    const { error } = await failure("leaving", { script: "poweroff -f; sleep 1000" });
    expect(error.message).toMatch(/died before its script ended/);
  });
});
