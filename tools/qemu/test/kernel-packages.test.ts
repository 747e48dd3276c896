// SPDX-License-Identifier: MIT
// Which kernel is taken when Debian's archive is in one of the states that it is in for days.
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Archives, fetchKernel } from "../src/index.js";
import { type Paragraph, publish, type RecordedLists, recordedLists } from "./debian-archive.js";
import { temporaryDirectory } from "./support.js";

const NEW = "6.1.0-56-amd64 6.1.192-2";
const OLD = "6.1.0-50-amd64 6.1.176-1";

let recorded: RecordedLists;

beforeAll(async () => {
  recorded = await recordedLists();
});

/** Publishes the recorded lists with a change to those of the security updates. */
async function publishChanged(
  change: (paragraph: Paragraph) => Paragraph | undefined,
): Promise<{ archives: Archives; cache: string; directory: string }> {
  const directory = await temporaryDirectory();
  const security = recorded.security.map(change).filter((paragraph) => paragraph !== undefined);
  const archives = await publish(directory, { base: recorded.base, security });
  return { archives, cache: join(directory, "cache"), directory };
}

/** Gives the packages of the kernel's tools another version. */
function withTools(version: string): (paragraph: Paragraph) => Paragraph {
  return (paragraph) =>
    /^linux-(?:kbuild|compiler)-/.test(paragraph.Package ?? "")
      ? { ...paragraph, Version: version }
      : paragraph;
}

async function take(
  cache: string,
  archives: Archives,
): Promise<{ kernel: string; notice: string | undefined }> {
  const { release, version, notice } = await fetchKernel("oldest", cache, {
    archives,
    maxAgeHours: 0,
  });
  return { kernel: `${release} ${version}`, notice };
}

describe("the kernel that is taken", () => {
  it("is the newest when all packages have one version", async () => {
    const { archives, cache } = await publishChanged(withTools("6.1.192-2"));
    expect(await take(cache, archives)).toEqual({ kernel: NEW, notice: undefined });
  });

  it("is the newest when its tools are ahead of it, as recorded", async () => {
    const versions = recorded.security.map(({ Package, Version }) => `${Package} ${Version}`);
    expect(versions).toContain("linux-headers-6.1.0-56-amd64 6.1.192-2");
    expect(versions).toContain("linux-kbuild-6.1 6.1.192-3");
    const { archives, cache } = await publishChanged((paragraph) => paragraph);
    expect(await take(cache, archives)).toEqual({ kernel: NEW, notice: undefined });
  });

  it("is an older one when the tools are behind, and the notice says why", async () => {
    const { archives, cache } = await publishChanged(withTools("6.1.192-1"));
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(OLD);
    expect(notice).toMatch(
      /^the newest 6\.1 kernel can't be had \(linux-image-amd64 6\.1\.192-2: .*linux-kbuild-6\.1 \(>= 6\.1\.192-2\) but it is not .*\); 6\.1\.0-50-amd64 \(6\.1\.176-1\) is taken instead$/,
    );
  });

  it("is an older one when the image was withdrawn", async () => {
    const { archives, cache } = await publishChanged((paragraph) =>
      paragraph.Package === "linux-image-6.1.0-56-amd64" ? undefined : paragraph,
    );
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(OLD);
    expect(notice).toMatch(/linux-image-amd64 6\.1\.192-2: .*linux-image-6\.1\.0-56-amd64/);
  });

  it("is an older one when a file has gone from the archive", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    const name = "linux-headers-6.1.0-56-amd64_6.1.192-2_amd64.deb";
    await rm(join(directory, "debian-security/pool", name));
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(OLD);
    expect(notice).toMatch(/linux-image-amd64 6\.1\.192-2: Debian bookworm: .*linux-headers/);
  });

  it("is that of the suite itself when its security updates can't be reached", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await rm(join(directory, "debian-security"), { recursive: true });
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(OLD);
    expect(notice).toMatch(/bookworm-security/);
  });

  it("is that of the suite itself when the machine has no security updates", async () => {
    const { archives, cache } = await publishChanged((paragraph) => paragraph);
    expect(await take(cache, { ...archives, security: [] })).toEqual({
      kernel: OLD,
      notice: undefined,
    });
  });

  it("is that of another mirror when the first can't be reached", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    const main = [`file:${directory}/nowhere`, ...archives.main];
    expect(await take(cache, { ...archives, main })).toEqual({ kernel: NEW, notice: undefined });
  });

  it("is the one in the cache when nothing can be reached, and the notice says so", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await take(cache, archives);
    await rm(join(cache, "apt"), { recursive: true });
    await rm(join(directory, "debian"), { recursive: true });
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(NEW);
    expect(notice).toMatch(
      /^the newest 6\.1 kernel can't be had \(the package lists of Debian bookworm can't be fetched: .*\); 6\.1\.0-56-amd64 \(6\.1\.192-2\) is taken from the cache$/,
    );
  });

  it("is the one in the cache rather than an older one", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await take(cache, archives);
    await rm(join(cache, "apt"), { recursive: true });
    await rm(join(directory, "debian-security"), { recursive: true });
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(NEW);
    expect(notice).toMatch(/bookworm-security.* is taken from the cache$/);
  });

  it("is the newest without the pocket of updates, and the notice names that", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await rm(join(directory, "debian/dists/bookworm-updates"), { recursive: true });
    const { kernel, notice } = await take(cache, archives);
    expect(kernel).toBe(NEW);
    expect(notice).toMatch(/bookworm-updates/);
  });

  it.each([
    ["description", "kernel.json"],
    ["image", "boot"],
  ])("is unpacked again when its %s is missing in the cache", async (_, part) => {
    const { archives, cache } = await publishChanged((paragraph) => paragraph);
    await take(cache, archives);
    const path = join(cache, "debian-kernels/6.1.0-56-amd64_6.1.192-2", part);
    await rm(path, { recursive: true });
    expect(await take(cache, archives)).toEqual({ kernel: NEW, notice: undefined });
    await access(path);
  });

  it("is found by two who ask at once", async () => {
    const { archives, cache } = await publishChanged((paragraph) => paragraph);
    const found = await Promise.all([take(cache, archives), take(cache, archives)]);
    expect(found).toEqual(Array(2).fill({ kernel: NEW, notice: undefined }));
  });

  it("is not what a damaged cache says, nor one of a clock that was ahead", async () => {
    const { archives, cache } = await publishChanged((paragraph) => paragraph);
    await mkdir(join(cache, "apt/bookworm_2020-01-01T00-00-00-000Z"), { recursive: true });
    await take(cache, archives);
    const directory = "6.1.0-56-amd64_6.1.192-2";
    for (const time of [undefined, "2099-01-01T00:00:00Z"]) {
      const text = JSON.stringify({ directory, time, notice: "old" });
      await writeFile(join(cache, "debian-kernels/oldest.json"), text);
      expect((await take(cache, archives)).notice).toBeUndefined();
    }
  });

  it("is the same for a day, without asking apt again", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await take(cache, archives);
    await rm(join(cache, "apt"), { recursive: true });
    await rm(join(directory, "debian"), { recursive: true });
    const kernel = await fetchKernel("oldest", cache, { archives });
    expect([kernel.version, kernel.notice]).toEqual(["6.1.192-2", undefined]);
  });

  it("is missed in one line when there is none", async () => {
    const { archives, cache, directory } = await publishChanged((paragraph) => paragraph);
    await rm(join(directory, "debian"), { recursive: true });
    const failure: Error = await take(cache, archives).then(
      () => Promise.reject(new Error("there is a kernel")),
      (error) => error,
    );
    expect(failure.message).toMatch(
      /^no 6\.1 kernel can be had: the package lists of Debian bookworm can't be fetched: .*; check the network and the mirrors of apt$/,
    );
    expect(failure.message).not.toContain("\n");
  });
});
