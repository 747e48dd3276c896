// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, described, isSystemError } from "../../../errors.js";
import { JsonValue, shownText } from "../../json.js";
import { askHelper } from "./credential-helper.js";
import { API_HOST, DOCKER_HUB, type Reference } from "./reference.js";

/** The server under which docker keeps credentials of its own registry. */
const HUB_SERVER = "https://index.docker.io/v1/";

/** What a registry is shown: a password, or a token that a token server takes in its place. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string };

export interface FoundCredentials {
  /** Undefined where there are none, and a registry is asked as nobody. */
  readonly credentials: Credentials | undefined;
  /** What kept us from finding any, in one line without secrets. */
  readonly problem: string | undefined;
}

/**
 * Looks for credentials where docker, podman and skopeo keep them: in REGISTRY_AUTH_FILE, or else in
 * docker's config.json and in podman's auth.json files. The first that has any counts. One of the
 * latter that can't be read is a problem and no error: images that anyone may have need none.
 * @throws BuildError when REGISTRY_AUTH_FILE can't be read or is not as it should be; the signal's
 *   reason
 */
export async function findCredentials(
  reference: Reference,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<FoundCredentials> {
  let problem: string | undefined;
  for (const path of configFiles(environment)) {
    const isDemanded = path === environment.REGISTRY_AUTH_FILE;
    try {
      const config = readConfig(path, isDemanded);
      if (config === undefined) continue;
      const found = await credentialsIn(config, reference, environment, signal);
      if (found.credentials !== undefined) return found;
      problem ??= found.problem;
    } catch (error) {
      if (isDemanded || !(error instanceof BuildError)) throw error;
      problem ??= error.message;
    }
  }
  return { credentials: undefined, problem };
}

/** The directory of docker's config.json. */
export function dockerConfigDirectory(environment: NodeJS.ProcessEnv): string {
  return environment.DOCKER_CONFIG || join(environment.HOME || homedir(), ".docker");
}

/** Reads a configuration file of docker's or podman's; undefined where there is none. */
export function readConfig(path: string, mustExist = false): JsonValue | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const missing = isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR");
    if (missing && !mustExist) return undefined;
    throw described(() => `cannot read ${shownText(path)}`, error);
  }
  try {
    return JsonValue.parse(bytes, shownText(path));
  } catch {
    throw new BuildError(
      `${shownText(path)} is not JSON (mend it, or move it away and log in anew)`,
    );
  }
}

function configFiles(environment: NodeJS.ProcessEnv): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME } = environment;
  if (REGISTRY_AUTH_FILE) return [REGISTRY_AUTH_FILE];
  const runtime = XDG_RUNTIME_DIR || `/run/containers/${process.getuid?.() ?? 0}`;
  const config = XDG_CONFIG_HOME || join(HOME || homedir(), ".config");
  return [
    join(dockerConfigDirectory(environment), "config.json"),
    join(runtime, "containers/auth.json"),
    join(config, "containers/auth.json"),
  ];
}

async function credentialsIn(
  config: JsonValue,
  reference: Reference,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<FoundCredentials> {
  const isHub = reference.domain === DOCKER_HUB;
  const server = isHub ? HUB_SERVER : reference.domain;
  // Of docker's own registry each tool has its own name.
  const names = isHub ? [HUB_SERVER, DOCKER_HUB, "index.docker.io"] : [reference.domain];
  const helpers = config.get("credHelpers").stringMap();
  const helper =
    names.map((name) => helpers.get(name)).find((name) => name !== undefined) ??
    config.get("credsStore").optionalString();
  let problem: string | undefined;
  if (helper !== "") {
    const answer = await askHelper(helper, server, environment, signal);
    if (answer.kind === "found") {
      const { username, secret } = answer;
      const credentials =
        username === "<token>" ? { identityToken: secret } : { username, password: secret };
      return { credentials, problem: undefined };
    }
    if (answer.kind === "failed") problem = answer.problem;
  }
  return { credentials: storedCredentials(config.get("auths"), reference), problem };
}

/** Credentials in the file itself: those of the repository, of what is above it, of its registry. */
function storedCredentials(
  auths: JsonValue,
  { domain, repository }: Reference,
): Credentials | undefined {
  if (!auths.present) return undefined;
  for (const key of [...pathKeys(domain, repository), ...hostKeys(domain)]) {
    const entry = auths.get(key);
    const credentials = entry.present ? entryCredentials(entry) : undefined;
    if (credentials !== undefined) return credentials;
  }
  return undefined;
}

/** Keys for what lies below a path in a registry, as podman has them. */
function pathKeys(domain: string, repository: string): string[] {
  const parts = repository.split("/");
  return parts.map((_, index) => [domain, ...parts.slice(0, parts.length - index)].join("/"));
}

/** Keys for all of a registry, as docker has written them over the years. */
function hostKeys(domain: string): string[] {
  const hosts = domain === DOCKER_HUB ? ["index.docker.io", DOCKER_HUB, API_HOST] : [domain];
  return hosts.flatMap((host) =>
    ["", "https://", "http://"].flatMap((scheme) =>
      ["", "/", "/v1/", "/v1", "/v2/", "/v2"].map((path) => scheme + host + path),
    ),
  );
}

function entryCredentials(entry: JsonValue): Credentials | undefined {
  const identityToken = entry.get("identitytoken").optionalString();
  if (identityToken !== "") return { identityToken };
  const auth = entry.get("auth").optionalString();
  if (auth === "") {
    const username = entry.get("username").optionalString();
    const password = entry.get("password").optionalString();
    return username === "" ? undefined : { username, password };
  }
  const text = Buffer.from(auth, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 1) throw entry.get("auth").isNot("a user and a password in base64");
  // Docker once padded passwords with NULs.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
}
