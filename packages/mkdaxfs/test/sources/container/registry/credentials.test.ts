// SPDX-License-Identifier: MIT
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  type FoundCredentials,
  findCredentials,
} from "../../../../src/sources/container/registry/credentials.js";
import { parseReference } from "../../../../src/sources/container/registry/reference.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const HUB = "https://index.docker.io/v1/";
const base64 = (text: string) => Buffer.from(text).toString("base64");
const auth = (name: string) => ({ auth: base64(`${name}:pw`) });
const login = (name: string) => ({ username: name, password: "pw" });

let home: string;
let environment: Record<string, string>;
let number = 0;
beforeEach(() => {
  home = scratch(`home-${++number}`);
  mkdirSync(join(home, "bin"), { recursive: true });
  environment = {
    HOME: home,
    PATH: `${home}/bin:${process.env.PATH}`,
    XDG_RUNTIME_DIR: join(home, "run"),
  };
});

function write(path: string, content: object | string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(join(home, path), text);
}

const config = (content: object | string) => write(".docker/config.json", content);

function helper(name: string, script: string): void {
  write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(home, "bin", `docker-credential-${name}`), 0o755);
}

const find = (
  reference: string,
  signal = new AbortController().signal,
): Promise<FoundCredentials> => findCredentials(parseReference(reference), environment, signal);
const found = async (reference: string) => (await find(reference)).credentials;

describe("credentials in docker's config.json", () => {
  it("are there for a registry, however it is written", async () => {
    for (const key of [
      "example.com",
      "https://example.com",
      "http://example.com",
      "https://example.com/v1/",
      "https://example.com/v2/",
      "example.com/v2",
      "example.com/",
    ]) {
      config({ auths: { "other.com": auth("no"), [key]: auth("yes") } });
      expect(await found("example.com/a/b")).toEqual(login("yes"));
      expect(await found("example.com:5000/a/b")).toBeUndefined();
      expect(await found("www.example.com/a/b")).toBeUndefined();
      expect(await found("alpine")).toBeUndefined();
    }
  });

  it("are there for docker's registry under all its names", async () => {
    for (const key of [HUB, "index.docker.io", "docker.io", "registry-1.docker.io"]) {
      config({ auths: { [key]: auth("yes") } });
      expect(await found("postgres:16")).toEqual(login("yes"));
      expect(await found("docker.io/user/app")).toEqual(login("yes"));
      expect(await found("example.com/app")).toBeUndefined();
    }
  });

  it("are those of the repository before those of its registry", async () => {
    config({
      auths: {
        "example.com": auth("all"),
        "example.com/a": auth("a"),
        "example.com/a/b": auth("ab"),
        "docker.io/library/alpine": auth("alpine"),
      },
    });
    expect(await found("example.com/a/b")).toEqual(login("ab"));
    expect(await found("example.com/a/b/c")).toEqual(login("ab"));
    expect(await found("example.com/a/c")).toEqual(login("a"));
    expect(await found("example.com/ab")).toEqual(login("all"));
    expect(await found("alpine")).toEqual(login("alpine"));
    expect(await found("busybox")).toBeUndefined();
  });

  it("come in several shapes", async () => {
    const shapes: [object, object | undefined][] = [
      [{ auth: base64("a:b:c") }, { username: "a", password: "b:c" }],
      [{ auth: base64("a:b\0\0") }, { username: "a", password: "b" }],
      [{ auth: base64("a:") }, { username: "a", password: "" }],
      [
        { username: "a", password: "b" },
        { username: "a", password: "b" },
      ],
      [{ auth: base64("a:b"), identitytoken: "t" }, { identityToken: "t" }],
      [{}, undefined],
      [{ email: "a@example.com" }, undefined],
    ];
    for (const [entry, credentials] of shapes) {
      config({ auths: { "example.com": entry } });
      expect(await found("example.com/a")).toEqual(credentials);
    }
  });

  const damages: [string, object | string, RegExp][] = [
    ["are no JSON", "{", /config\.json is not JSON/],
    ["are nothing", "", /config\.json is not JSON/],
    ["are a list", "[]", /config\.json/],
    ["have text for an entry", { auths: { "a.com": "secret" } }, /auths\.a\.com/],
    [
      "have no password",
      { auths: { "a.com": { auth: base64("nocolon") } } },
      /is not a user and a password in base64/,
    ],
    ["have a number for a helper", { credHelpers: { "a.com": 1 } }, /credHelpers\.a\.com/],
  ];
  for (const [what, content, problem] of damages) {
    it(`are a problem and no error when they ${what}`, async () => {
      config(content);
      const result = await find("a.com/b");
      expect(result.credentials).toBeUndefined();
      expect(result.problem).toMatch(problem);
      expect(result.problem).not.toMatch(/secret|\n/);
      // The next file may have what is needed.
      write("run/containers/auth.json", { auths: { "a.com": auth("podman") } });
      expect(await find("a.com/b")).toEqual({ credentials: login("podman"), problem: undefined });
      // Asked for by name, it is an error.
      environment.REGISTRY_AUTH_FILE = join(home, ".docker/config.json");
      await expect(find("a.com/b")).rejects.toThrow(problem);
    });
  }

  it("are a problem and no error when they can't be read", async () => {
    mkdirSync(join(home, ".docker/config.json"), { recursive: true });
    expect(await find("a.com/b")).toEqual({
      credentials: undefined,
      problem: expect.stringMatching(
        /^cannot read .*config\.json: illegal operation on a directory/,
      ),
    });
    mkdirSync(join(home, "locked"));
    write("locked/config.json", { auths: { "a.com": auth("locked") } });
    environment.DOCKER_CONFIG = join(home, "locked");
    chmodSync(join(home, "locked/config.json"), 0);
    const result = await find("a.com/b");
    // Root reads it all the same.
    if (process.getuid?.() === 0) expect(result.credentials).toEqual(login("locked"));
    else expect(result.problem).toMatch(/permission denied/);
  });
});

describe("files with credentials", () => {
  it("are docker's, then podman's", async () => {
    write(".config/containers/auth.json", { auths: { "a.com": auth("config") } });
    expect(await found("a.com/b")).toEqual(login("config"));
    write("run/containers/auth.json", { auths: { "a.com": auth("run") } });
    expect(await found("a.com/b")).toEqual(login("run"));
    config({ auths: { "other.com": auth("docker") } });
    expect(await found("a.com/b")).toEqual(login("run"));
    config({ auths: { "a.com": auth("docker") } });
    expect(await found("a.com/b")).toEqual(login("docker"));
    environment.DOCKER_CONFIG = join(home, "elsewhere");
    expect(await found("a.com/b")).toEqual(login("run"));
    write("elsewhere/config.json", { auths: { "a.com": auth("elsewhere") } });
    expect(await found("a.com/b")).toEqual(login("elsewhere"));
    environment.XDG_CONFIG_HOME = join(home, "xdg");
    write("xdg/containers/auth.json", { auths: { "x.com": auth("xdg") } });
    expect(await found("x.com/b")).toEqual(login("xdg"));
  });

  it("are REGISTRY_AUTH_FILE alone, which must be there", async () => {
    config({ auths: { "a.com": auth("docker") } });
    environment.REGISTRY_AUTH_FILE = join(home, "mine.json");
    await expect(find("a.com/b")).rejects.toThrow(/cannot read .*mine\.json: no such file/);
    write("mine.json", { auths: { "x.com": auth("mine") } });
    expect(await found("x.com/b")).toEqual(login("mine"));
    expect(await found("a.com/b")).toBeUndefined();
  });

  it("need not be there", async () => {
    expect(await find("a.com/b")).toEqual({ credentials: undefined, problem: undefined });
  });
});

describe("a credential helper", () => {
  const good = `cat > "$HOME/asked"; echo '{"Username":"u","Secret":"s"}'`;

  it("is asked for the registry that it is for, else the store", async () => {
    helper("one", `read s; echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"$s\\"}"`);
    helper("all", `read s; echo "{\\"Username\\":\\"all\\",\\"Secret\\":\\"$s\\"}"`);
    config({ credsStore: "all", credHelpers: { "a.com:5000": "one", "docker.io": "one" } });
    expect(await found("a.com:5000/b")).toEqual({ username: "one", password: "a.com:5000" });
    expect(await found("a.com/b")).toEqual({ username: "all", password: "a.com" });
    expect(await found("postgres:16")).toEqual({ username: "one", password: HUB });
    config({ credsStore: "all" });
    expect(await found("postgres:16")).toEqual({ username: "all", password: HUB });
  });

  it("gives an identity token as the secret of <token>", async () => {
    helper("test", `echo '{"Username":"<token>","Secret":"t"}'`);
    config({ credsStore: "test" });
    expect(await found("a.com/b")).toEqual({ identityToken: "t" });
  });

  it("may know of none", async () => {
    helper("test", "echo 'credentials not found in native keychain'; exit 1");
    config({ credsStore: "test" });
    expect(await find("a.com/b")).toEqual({ credentials: undefined, problem: undefined });
    config({ credsStore: "test", auths: { "a.com": auth("file"), "b.com": {} } });
    expect(await found("a.com/b")).toEqual(login("file"));
    expect(await found("b.com/b")).toBeUndefined();
  });

  const failures: [string, string, RegExp][] = [
    [
      "says what is wrong",
      "echo 'the keychain is locked'; exit 1",
      /^credential helper docker-credential-test: it ended with status 1: the keychain is locked$/,
    ],
    ["says nothing", "exit 7", /it ended with status 7$/],
    ["says a secret", `echo '{"Secret":"hidden"}'; exit 1`, /it ended with status 1$/],
    ["says no JSON", "echo hello", /what it says is not JSON/],
    ["says too much", "yes", /it ended with status 1\d\d/],
    ["says what is no secret", `echo '{"Username":"u","Secret":5}'`, /Secret is not a string/],
    ["does not listen", "exec <&-; sleep 0.1; exit 2", /it ended with status 2$/],
  ];
  for (const [what, script, problem] of failures) {
    it(`may fail: it ${what}`, async () => {
      helper("test", script);
      config({ credsStore: "test" });
      const result = await find("a.com/b");
      expect(result.credentials).toBeUndefined();
      expect(result.problem).toMatch(problem);
      expect(result.problem).not.toMatch(/hidden|\n/);
    });
  }

  it("may be missing, may be no program, or no name of one", async () => {
    config({ credsStore: "missing" });
    expect((await find("a.com/b")).problem).toBe(
      "credential helper docker-credential-missing: not in PATH",
    );
    write("bin/docker-credential-plain", good);
    config({ credsStore: "plain" });
    expect((await find("a.com/b")).problem).toMatch(/permission denied/);
    config({ credsStore: "../evil" });
    expect((await find("a.com/b")).problem).toMatch(/not a program's name/);
  });

  it("leaves it to the next file when it fails", async () => {
    config({ credsStore: "missing" });
    write("run/containers/auth.json", { auths: { "a.com": auth("podman") } });
    expect(await find("a.com/b")).toEqual({ credentials: login("podman"), problem: undefined });
  });

  it("ends with the build", async () => {
    helper("test", "exec sleep 60");
    config({ credsStore: "test" });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("given up")), 100);
    await expect(find("a.com/b", controller.signal)).rejects.toThrow("given up");
  });
});
