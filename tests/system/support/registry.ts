// SPDX-License-Identifier: MIT
// Docker's registry from Debian's package, on loopback, and what goes with it.
import { spawn } from "node:child_process";
import { createHash, createPrivateKey, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, expect, type TestContext } from "vitest";
import { bash } from "./builder.js";
import { until, type Workspace } from "./workspace.js";

/** Ends a test that this machine lacks programs for, and says which. */
export async function needsPrograms(context: TestContext, ...programs: string[]): Promise<void> {
  for (const program of programs) {
    const { failed } = await execa("which", [program], { reject: false });
    if (failed) context.skip(`needs ${program}`);
  }
}

/** Does something before the tests of a block, unless they are skipped. */
export function firstOfAll(action: () => Promise<void>): void {
  let done: Promise<void> | undefined;
  beforeEach(async () => {
    done ??= action();
    await done;
  });
}

/** An environment in which nothing of the caller's own is used but PATH: "" is as good as unset. */
export function isolated(home: string): Record<string, string> {
  const unset = [
    ...["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY"],
    ...["REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"],
    ...["CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
    ...["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY"],
  ];
  return {
    ...Object.fromEntries(unset.map((name) => [name, ""])),
    HOME: home,
    XDG_RUNTIME_DIR: join(home, "run"),
  };
}

/** Where docker and podman keep a password for a registry: in base64. */
export const authEntry = (user: string, password: string) => ({
  auth: Buffer.from(`${user}:${password}`).toString("base64"),
});

export interface Registry {
  /** With its port. */
  readonly host: string;
  /** "GET /v2/… 200" of all requests so far, in their order. */
  requests(): string[];
}

/**
 * Starts a registry that ends with the file's tests.
 * @param name of its directory in the workspace
 * @param config of its `http` and `auth` parts, in YAML's subset that is JSON
 */
export async function startRegistry(
  space: Workspace,
  name: string,
  config: { readonly http?: object; readonly auth?: object } = {},
): Promise<Registry> {
  const directory = space.directory(name);
  const file = join(directory, "config.yml");
  const whole = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(directory, "data") } },
    http: { addr: "127.0.0.1:0", secret: "none", ...config.http },
    ...(config.auth === undefined ? {} : { auth: config.auth }),
  };
  writeFileSync(file, JSON.stringify(whole));
  const logFile = join(directory, "log");
  writeFileSync(logFile, "");
  const registry = spawn("docker-registry", ["serve", file], { stdio: ["ignore", "pipe", "pipe"] });
  const log = createWriteStream(logFile);
  registry.stdout.pipe(log, { end: false });
  registry.stderr.pipe(log, { end: false });
  space.onEnd(async () => {
    if (registry.exitCode !== null) return;
    registry.kill();
    await once(registry, "exit");
  });
  const text = () => readFileSync(logFile, "utf8");
  const address = () => /listening on (127\.0\.0\.1:\d+)/.exec(text())?.[1];
  await until("docker-registry listens", () => {
    if (registry.exitCode !== null) throw new Error(`docker-registry ended: ${text()}`);
    return address() !== undefined;
  });
  return {
    host: address() ?? "",
    requests: () =>
      [...text().matchAll(/"(GET|HEAD) (\/v2\/\S*) HTTP\/1\.1" (\d+)/g)].map(
        ([, method, path, status]) => `${method} ${path} ${status}`,
      ),
  };
}

/** A CA of our own, and a certificate of it for 127.0.0.1. Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export async function makeCertificates(directory: string): Promise<Certificates> {
  await bash(
    `cd "$1"
    new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj "/CN=CA of a test"
    openssl req $new -keyout server.key -out server.csr -subj /CN=server
    echo subjectAltName=IP:127.0.0.1 > extensions
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\
      -extfile extensions -out server.pem -days 2`,
    directory,
  );
  return {
    ca: join(directory, "ca.pem"),
    certificate: join(directory, "server.pem"),
    key: join(directory, "server.key"),
  };
}

export interface TokenServer {
  /** The `auth` part of a registry's configuration. */
  readonly auth: object;
  /** Scopes that were asked for, and by whom; "" is nobody. */
  readonly asked: { readonly scope: string; readonly user: string }[];
}

/**
 * Starts a token server as https://distribution.github.io/distribution/spec/auth/jwt/ has it. Whoever
 * has the password may do all; others may pull from repositories below `public/`.
 */
export async function startTokenServer(
  space: Workspace,
  { ca, certificate, key }: Certificates,
  password: string,
): Promise<TokenServer> {
  const asked: { scope: string; user: string }[] = [];
  const issuer = "a test";
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://127.0.0.1");
    const basic = request.headers.authorization?.replace(/^Basic /, "") ?? "";
    const [user = "", given] = Buffer.from(basic, "base64").toString().split(":");
    if (user !== "" && given !== password) return response.writeHead(401).end();
    const access = url.searchParams.getAll("scope").flatMap((scope) => {
      asked.push({ scope, user });
      const [type = "", name = "", wanted = ""] = scope.split(":");
      const actions = wanted.split(",");
      const isAllowed = (action: string) =>
        user !== "" || (action === "pull" && name.startsWith("public/"));
      return { type, name, actions: actions.filter(isAllowed) };
    });
    const seconds = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      sub: user,
      aud: url.searchParams.get("service"),
      nbf: seconds - 10,
      iat: seconds,
      exp: seconds + 60,
      jti: randomUUID(),
      access,
    };
    response.end(JSON.stringify({ token: jwt(claims, certificate, key), expires_in: 60 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  space.onEnd(() => server.close());
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return { auth: { token: { realm, service: "registry", issuer, rootcertbundle: ca } }, asked };
}

function jwt(claims: object, certificate: string, key: string): string {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const pem = readFileSync(certificate, "utf8");
  const x5c = [pem.replace(/-----[A-Z ]+-----|\s/g, "")];
  const body = `${encoded({ typ: "JWT", alg: "ES256", x5c })}.${encoded(claims)}`;
  const signature = sign("sha256", Buffer.from(body), {
    key: createPrivateKey(readFileSync(key)),
    dsaEncoding: "ieee-p1363",
  });
  return `${body}.${signature.toString("base64url")}`;
}

/** Makes an OCI layout with an image of three layers, one of which removes what is below. */
export async function makeLayout(space: Workspace, name: string): Promise<string> {
  const layout = space.path(name);
  await bash(
    `rootless=; [ "$(id -u)" = 0 ] || rootless=--rootless
    umoci init --layout "$1"
    umoci new --image "$1:1"
    change() {
      umoci unpack $rootless --image "$1:1" "$1.bundle"
      (cd "$1.bundle/rootfs"; eval "$2")
      umoci repack --image "$1:1" "$1.bundle"
      rm -rf "$1.bundle"
    }
    change "$1" 'mkdir -p etc usr/bin; echo one > etc/one; head -c 5000000 /dev/urandom > usr/big
      ln etc/one etc/link; ln -s ../usr/big etc/big; chmod 4755 etc/one'
    change "$1" 'rm etc/one; echo two > etc/two; mkfifo etc/fifo'
    change "$1" 'rm -r usr/bin; seq 1000000 > usr/numbers'`,
    layout,
  );
  return layout;
}

/** Copies an image with skopeo, which takes its options first. */
export async function skopeoCopy(...args: string[]): Promise<void> {
  const { exitCode, stderr } = await execa("skopeo", ["--insecure-policy", "copy", ...args], {
    reject: false,
  });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
}

/**
 * Puts the images of a layout into one index, which becomes its image `all`.
 * @param architectures tag -> architecture
 */
export function joinPlatforms(layout: string, architectures: Record<string, string>): void {
  const tagName = "org.opencontainers.image.ref.name";
  const path = join(layout, "index.json");
  const index = JSON.parse(readFileSync(path, "utf8"));
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const manifests = Object.entries(architectures).map(([tag, architecture]) => {
    const found = index.manifests.find(
      (manifest: { annotations: Record<string, string> }) => manifest.annotations[tagName] === tag,
    );
    const { annotations: _, ...descriptor } = found;
    return { ...descriptor, platform: { os: "linux", architecture } };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  const hex = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(layout, "blobs/sha256", hex), bytes);
  const annotations = { [tagName]: "all" };
  const all = { mediaType, digest: `sha256:${hex}`, size: bytes.length, annotations };
  writeFileSync(path, JSON.stringify({ ...index, manifests: [all] }));
}
