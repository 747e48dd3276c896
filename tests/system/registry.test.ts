// SPDX-License-Identifier: MIT
// Images of real registries: the same image as from the layout that was pushed there.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImageFile, describeFinding } from "@daxfs/format";
import { execa } from "execa";
import { beforeEach, describe, expect, it } from "vitest";
import { mkdaxfs, type Outcome, sha256 } from "./support/builder.js";
import {
  authEntry,
  type Certificates,
  firstOfAll,
  isolated,
  joinPlatforms,
  makeCertificates,
  makeLayout,
  needsPrograms,
  type Registry,
  skopeoCopy,
  startRegistry,
  startTokenServer,
} from "./support/registry.js";
import { workspace } from "./support/workspace.js";

const space = workspace(tmpdir());
const PLAIN = "--tls-verify=false";

beforeEach((context) => needsPrograms(context, "docker-registry", "skopeo", "umoci", "openssl"));

let number = 0;
/** A home directory for one test. */
const newHome = () => space.directory(`home-${++number}`);

const run = (home: string, args: string[], more: Record<string, string> = {}): Promise<Outcome> =>
  mkdaxfs(args, { env: { ...isolated(home), ...more } });

/** Builds an image that must come out sound. @returns its digest, and what was said */
async function build(
  home: string,
  args: string[],
  more: Record<string, string> = {},
): Promise<{ digest: string; stderr: string }> {
  const image = space.path(`image-${++number}`);
  const { status, stderr } = await run(home, [...args, "-o", image], more);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(checkImageFile(image).map(describeFinding)).toEqual([]);
  return { digest: await sha256(image), stderr };
}

async function expectRefusal(
  home: string,
  args: string[],
  message: RegExp,
  more: Record<string, string> = {},
): Promise<string> {
  const image = space.path(`image-${++number}`);
  const { status, stderr } = await run(home, [...args, "-o", image], more);
  expect(stderr).toMatch(/^(mkdaxfs: [^\n]+\n)+$/);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/bug/);
  expect(status).toBe(1);
  expect(existsSync(image)).toBe(false);
  return stderr;
}

const cachedBlobs = (home: string) => readdirSync(join(home, ".cache/mkdaxfs/blobs/sha256")).sort();

function writeConfig(home: string, config: object): void {
  mkdirSync(join(home, ".docker"), { recursive: true });
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify(config));
}

describe("images in a registry on loopback", () => {
  let registry: Registry;
  let layout: string;
  let expected: string;

  firstOfAll(async () => {
    layout = await makeLayout(space, "layout");
    registry = await startRegistry(space, "plain");
    await skopeoCopy(
      "--dest-tls-verify=false",
      `oci:${layout}:1`,
      `docker://${registry.host}/a/b:1`,
    );
    expected = (await build(newHome(), [layout])).digest;
  });

  it("are those that were pushed, and are fetched once", async () => {
    const home = newHome();
    const from = ["--from-oci", `${registry.host}/a/b:1`, PLAIN];
    expect((await build(home, from)).digest).toBe(expected);
    // The config, and the layers.
    expect(cachedBlobs(home)).toHaveLength(4);
    const blobs = () => registry.requests().filter((line) => /^GET .*\/blobs\//.test(line)).length;
    const before = blobs();
    expect((await build(home, from)).digest).toBe(expected);
    expect(blobs()).toBe(before);
    const damaged = join(home, ".cache/mkdaxfs/blobs/sha256", cachedBlobs(home)[0]!);
    writeFileSync(damaged, "damaged");
    expect((await build(home, from)).digest).toBe(expected);
    expect(blobs()).toBe(before + 1);
  });

  it("need --tls-verify=false where there is no https", async () => {
    await expectRefusal(
      newHome(),
      ["--from-oci", `${registry.host}/a/b:1`],
      /does not speak https \(--tls-verify=false allows plain http\)/,
    );
  });

  it("may be named by their digest", async () => {
    const reference = `docker://${registry.host}/a/b:1`;
    const { stdout } = await execa("skopeo", ["inspect", "--tls-verify=false", reference]);
    const { Digest: digest } = JSON.parse(stdout);
    const named = `${registry.host}/a/b@${digest}`;
    expect((await build(newHome(), ["--from-oci", named, PLAIN])).digest).toBe(expected);
    const other = named.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    await expectRefusal(
      newHome(),
      ["--from-oci", other, PLAIN],
      /does not have it \(check the name/,
    );
  });

  it("may not be there", async () => {
    for (const name of ["a/b:2", "a/c:1"]) {
      await expectRefusal(
        newHome(),
        ["--from-oci", `${registry.host}/${name}`, PLAIN],
        /does not have it \(check the name and the tag\)/,
      );
    }
  });

  it("may be docker's, or have layers in zstd", async () => {
    const docker = `${registry.host}/a/docker:1`;
    await skopeoCopy(
      "--dest-tls-verify=false",
      "-f",
      "v2s2",
      `oci:${layout}:1`,
      `docker://${docker}`,
    );
    expect((await build(newHome(), ["--from-oci", docker, PLAIN])).digest).toBe(expected);

    const zstd = `${registry.host}/a/zstd:1`;
    const directory = `dir:${space.path("zstd")}`;
    await skopeoCopy(
      ...["--dest-compress", "--dest-compress-format", "zstd"],
      ...[`oci:${layout}:1`, directory],
    );
    await skopeoCopy("--dest-tls-verify=false", directory, `docker://${zstd}`);
    const raw = ["inspect", "--raw", "--tls-verify=false", `docker://${zstd}`];
    expect((await execa("skopeo", raw)).stdout).toContain("tar+zstd");
    expect((await build(newHome(), ["--from-oci", zstd, PLAIN])).digest).toBe(expected);
  });

  it("may be for several platforms", async () => {
    const other = await makeLayout(space, "other");
    const expectedOther = (await build(newHome(), [other])).digest;
    const both = space.path("both");
    await skopeoCopy(`oci:${layout}:1`, `oci:${both}:one`);
    await skopeoCopy(`oci:${other}:1`, `oci:${both}:other`);
    joinPlatforms(both, { one: "amd64", other: "arm64" });
    const reference = `${registry.host}/a/both:1`;
    await skopeoCopy(
      "--all",
      "--dest-tls-verify=false",
      `oci:${both}:all`,
      `docker://${reference}`,
    );
    const from = ["--from-oci", reference, PLAIN];
    expect((await build(newHome(), [...from, "--platform", "linux/amd64"])).digest).toBe(expected);
    const arm = await build(newHome(), [...from, "--platform", "linux/arm64"]);
    expect(arm.digest).toBe(expectedOther);
    await expectRefusal(
      newHome(),
      [...from, "--platform", "linux/s390x"],
      /no image for linux\/s390x, only for linux\/amd64, linux\/arm64/,
    );
  });

  it("may be fetched by several builds at once into one cache", async () => {
    const home = newHome();
    const from = ["--from-oci", `${registry.host}/a/b:1`, PLAIN];
    const builds = await Promise.all([1, 2, 3, 4].map(() => build(home, from)));
    expect(builds.map(({ digest }) => digest)).toEqual(builds.map(() => expected));
    expect(cachedBlobs(home).filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
  });

  it("are built without a place for a cache as well", async () => {
    const home = newHome();
    const temporary = space.directory(`temporary-${++number}`);
    writeFileSync(join(home, ".cache"), "a file");
    const from = ["--from-oci", `${registry.host}/a/b:1`, PLAIN];
    const { digest, stderr } = await build(home, from, { TMPDIR: temporary });
    expect(digest).toBe(expected);
    expect(stderr).toMatch(/blobs are not kept: cannot write to .*\(set XDG_CACHE_HOME/);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("are what --from-docker means where no engine runs", async () => {
    const { digest, stderr } = await build(newHome(), [
      "--from-docker",
      `${registry.host}/a/b:1`,
      PLAIN,
    ]);
    expect(digest).toBe(expected);
    expect(stderr).toMatch(/; asking the registry\n/);
  });
});

describe("images behind TLS and a password", () => {
  let registry: Registry;
  let certificates: Certificates;
  let expected: string;
  let from: string[];

  firstOfAll(async () => {
    const layout = await makeLayout(space, "guarded-layout");
    certificates = await makeCertificates(space.directory("certificates"));
    const { stdout } = await execa("htpasswd", ["-Bbn", "me", "secret"]);
    const passwords = space.path("passwords");
    writeFileSync(passwords, stdout);
    registry = await startRegistry(space, "guarded", {
      http: { tls: { certificate: certificates.certificate, key: certificates.key } },
      auth: { htpasswd: { realm: "a test", path: passwords } },
    });
    from = ["--from-oci", `${registry.host}/a/b:1`];
    await skopeoCopy(
      ...["--dest-creds", "me:secret", "--dest-tls-verify=false"],
      ...[`oci:${layout}:1`, `docker://${registry.host}/a/b:1`],
    );
    expected = (await build(newHome(), [layout])).digest;
  });

  const trusting = () => ({ SSL_CERT_FILE: certificates.ca });

  it("are given to who has logged in", async () => {
    const home = newHome();
    writeConfig(home, { auths: { [registry.host]: authEntry("me", "secret") } });
    expect((await build(home, from, trusting())).digest).toBe(expected);
    expect((await build(home, [...from, PLAIN])).digest).toBe(expected);
  });

  it("are given to who has logged in with skopeo", async () => {
    const home = newHome();
    const file = join(home, "auth.json");
    await execa("skopeo", [
      ...["login", "--authfile", file, "--tls-verify=false"],
      ...["-u", "me", "-p", "secret", registry.host],
    ]);
    const environment = { ...trusting(), REGISTRY_AUTH_FILE: file };
    expect((await build(home, from, environment)).digest).toBe(expected);
  });

  it("are given to who has a credential helper", async () => {
    const home = newHome();
    const program = join(home, "docker-credential-test");
    writeFileSync(program, `#!/bin/sh\necho '{"Username":"me","Secret":"secret"}'\n`);
    chmodSync(program, 0o755);
    writeConfig(home, { credHelpers: { [registry.host]: "test" } });
    const environment = { ...trusting(), PATH: `${home}:${process.env.PATH}` };
    expect((await build(home, from, environment)).digest).toBe(expected);
  });

  it("are refused to others, and nothing secret is said", async () => {
    await expectRefusal(newHome(), from, /there are no credentials for it/, trusting());
    const home = newHome();
    writeConfig(home, { auths: { [registry.host]: authEntry("me", "mistaken") } });
    const said = await expectRefusal(
      home,
      from,
      /the credentials for it don't suffice/,
      trusting(),
    );
    expect(said).not.toMatch(/mistaken|bWU6/);
  });

  it("are refused where the certificate is a stranger's", async () => {
    await expectRefusal(newHome(), from, /can't be verified: .*\(name its CA in SSL_CERT_FILE/);
  });
});

describe("images behind a token server", () => {
  it("are given with the least that they need", async () => {
    const layout = await makeLayout(space, "token-layout");
    const certificates = await makeCertificates(space.directory("token-certificates"));
    const { auth, asked } = await startTokenServer(space, certificates, "secret");
    const registry = await startRegistry(space, "tokens", { auth });
    for (const name of ["public/app", "private/app"]) {
      await skopeoCopy(
        ...["--dest-creds", "me:secret", "--dest-tls-verify=false"],
        ...[`oci:${layout}:1`, `docker://${registry.host}/${name}:1`],
      );
    }
    const expected = (await build(newHome(), [layout])).digest;
    asked.length = 0;
    const from = (name: string) => ["--from-oci", `${registry.host}/${name}:1`, PLAIN];

    expect((await build(newHome(), from("public/app"))).digest).toBe(expected);
    expect(asked).toEqual([{ scope: "repository:public/app:pull", user: "" }]);

    await expectRefusal(
      newHome(),
      from("private/app"),
      /denies access to private\/app .*no credentials/,
    );
    const home = newHome();
    writeConfig(home, { auths: { [registry.host]: authEntry("me", "wrong") } });
    await expectRefusal(home, from("private/app"), /the credentials for it don't suffice/);
    writeConfig(home, { auths: { [registry.host]: authEntry("me", "secret") } });
    asked.length = 0;
    expect((await build(home, from("private/app"))).digest).toBe(expected);
    expect(asked).toEqual([{ scope: "repository:private/app:pull", user: "me" }]);
  });
});
