// SPDX-License-Identifier: MIT
// Images of a real engine: podman, which serves docker's API on a socket.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImageFile, describeFinding } from "@daxfs/format";
import { beforeEach, describe, expect, it } from "vitest";
import { bash, mkdaxfs, type Outcome, sha256 } from "./support/builder.js";
import {
  firstOfAll,
  isolated,
  makeLayout,
  needsPrograms,
  skopeoCopy,
  startRegistry,
} from "./support/registry.js";
import { needsRoot, until, workspace } from "./support/workspace.js";

const space = workspace(tmpdir());

beforeEach(async (context) => {
  needsRoot(context);
  await needsPrograms(context, "podman", "skopeo", "umoci", "docker-registry");
});

let number = 0;
const newHome = () => space.directory(`home-${++number}`);

/** Builds an image. @returns its digest, undefined where there is none, and what was said */
async function build(
  args: string[],
  more: Record<string, string> = {},
  home = newHome(),
): Promise<Outcome & { digest: string | undefined }> {
  const image = space.path(`image-${++number}`);
  const outcome = await mkdaxfs([...args, "-o", image], { env: { ...isolated(home), ...more } });
  if (outcome.status === 0) expect(checkImageFile(image).map(describeFinding)).toEqual([]);
  else expect(existsSync(image)).toBe(false);
  return { ...outcome, digest: outcome.status === 0 ? await sha256(image) : undefined };
}

describe("images of podman", () => {
  let layout: string;
  let socket: string;
  let storage: string[];
  let expected: string | undefined;
  let DOCKER_HOST: string;

  firstOfAll(async () => {
    layout = await makeLayout(space, "layout");
    expected = (await build([layout])).digest;
    const archive = space.path("archive.tar");
    await skopeoCopy(`oci:${layout}:1`, `docker-archive:${archive}:localhost/some/app:1`);

    storage = ["--storage-driver=vfs", "--root", space.path("storage")];
    storage.push("--runroot", space.path("run"));
    await bash('podman "$@"', ...storage, "load", "-i", archive);
    await bash('podman "$@"', ...storage, "tag", "localhost/some/app:1", "docker.io/library/app:1");
    // Paths of sockets may have 107 bytes.
    const directory = mkdtempSync(join(tmpdir(), "podman-"));
    socket = join(directory, "podman.sock");
    DOCKER_HOST = `unix://${socket}`;
    const service = [...storage, "system", "service", "--time=0", DOCKER_HOST];
    const podman = spawn("podman", service, { stdio: "ignore" });
    space.onEnd(async () => {
      if (podman.exitCode === null) {
        podman.kill();
        await once(podman, "exit");
      }
      rmSync(directory, { recursive: true });
    });
    await until("podman listens", () => existsSync(socket));
  });

  it("are those that were loaded, by name, short name and ID", async () => {
    expect(expected).toBeDefined();
    for (const name of ["localhost/some/app:1", "app:1", "docker.io/library/app:1"]) {
      const { digest, stderr } = await build(["--from-docker", name], { DOCKER_HOST });
      expect({ digest, stderr }).toMatchObject({ digest: expected });
      expect(stderr).not.toMatch(/asking/);
    }
    const list = ["images", "--no-trunc", "--quiet", "localhost/some/app:1"];
    const id = (await bash('podman "$@"', ...storage, ...list)).trim();
    expect(id).toMatch(/^sha256:/);
    for (const name of [id, id.replace("sha256:", ""), id.slice(7, 19)]) {
      expect((await build(["--from-docker", name], { DOCKER_HOST })).digest).toBe(expected);
    }
  });

  it("are found where podman listens for a user", async () => {
    const home = newHome();
    mkdirSync(join(home, "run/podman"), { recursive: true });
    await bash('ln -s "$1" "$2"', socket, join(home, "run/podman/podman.sock"));
    const { digest, stderr } = await build(["--from-docker", "localhost/some/app:1"], {}, home);
    expect({ digest, stderr }).toMatchObject({ digest: expected });
  });

  it("are found by docker's current context", async () => {
    const home = newHome();
    const hex = "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92";
    const directory = join(home, ".docker/contexts/meta", hex);
    mkdirSync(directory, { recursive: true });
    const meta = { Name: "123456", Endpoints: { docker: { Host: DOCKER_HOST } } };
    writeFileSync(join(directory, "meta.json"), JSON.stringify(meta));
    writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ currentContext: "123456" }));
    expect((await build(["--from-docker", "app:1"], {}, home)).digest).toBe(expected);
  });

  it("come from the registry when podman does not have them, or not for the platform", async () => {
    const registry = await startRegistry(space, "registry");
    const reference = `${registry.host}/app:1`;
    await skopeoCopy("--dest-tls-verify=false", `oci:${layout}:1`, `docker://${reference}`);
    const from = ["--from-docker", reference, "--tls-verify=false"];
    const missing = await build(from, { DOCKER_HOST });
    expect(missing.digest).toBe(expected);
    expect(missing.stderr).toContain(
      `mkdaxfs: ${reference}: the engine at ${DOCKER_HOST} has no such image; asking the registry\n`,
    );
    const platform = ["--platform", "linux/s390x"];
    const other = await build(["--from-docker", "localhost/some/app:1", ...platform], {
      DOCKER_HOST,
    });
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(
      /has it for linux\/\w+, not for linux\/s390x; asking the registry\n/,
    );
  });
});

it("an engine that was asked for must be there", async () => {
  const DOCKER_HOST = `unix://${space.path("nobody.sock")}`;
  const { status, stderr } = await build(["--from-docker", "app:1"], { DOCKER_HOST });
  expect(stderr).toBe(
    `mkdaxfs: ${DOCKER_HOST}: no such file or directory (start the engine, or unset DOCKER_HOST)\n`,
  );
  expect(status).toBe(1);
});
