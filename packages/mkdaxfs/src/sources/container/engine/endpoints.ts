// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, describing } from "../../../errors.js";
import { shownText } from "../../json.js";
import { dockerConfigDirectory, readConfig } from "../registry/credentials.js";

/** Where an engine may be listening. */
export interface Endpoint {
  /** As DOCKER_HOST would have it, for messages. */
  readonly url: string;
  /** What a request needs to get there, as `node:http` takes it. */
  readonly target:
    | { readonly socketPath: string }
    | { readonly host: string; readonly port: number; readonly tls: EngineTls | undefined };
}

/** How an engine is spoken to in TLS; PEM files, each of which may be missing. */
export interface EngineTls {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

export interface Endpoints {
  /** In the order in which they are tried. */
  readonly list: readonly Endpoint[];
  /** The variable that asks for this one, whose engine must answer then. */
  readonly demandedBy: string | undefined;
  /** What kept us from reading docker's config.json, in one line. */
  readonly problem: string | undefined;
}

/**
 * Where to look for an engine: as DOCKER_HOST, DOCKER_CONTEXT, or the current context of docker's
 * config.json say, or else where docker and podman listen, as root and as the user.
 * @throws BuildError when those name what can't be used.
 */
export function findEndpoints(environment: NodeJS.ProcessEnv): Endpoints {
  const { DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH } = environment;
  const directory = dockerConfigDirectory(environment);
  if (DOCKER_HOST) {
    const tls = DOCKER_TLS_VERIFY
      ? tlsFiles(DOCKER_CERT_PATH || directory, "DOCKER_CERT_PATH")
      : undefined;
    return {
      list: [endpoint(DOCKER_HOST, "DOCKER_HOST", tls)],
      demandedBy: "DOCKER_HOST",
      problem: undefined,
    };
  }
  const { context, problem } = DOCKER_CONTEXT
    ? { context: DOCKER_CONTEXT, problem: undefined }
    : currentContext(directory);
  const name = context || "default";
  if (name !== "default") {
    const demandedBy = DOCKER_CONTEXT ? "DOCKER_CONTEXT" : undefined;
    return { list: [contextEndpoint(name, directory)], demandedBy, problem };
  }
  const runtime = environment.XDG_RUNTIME_DIR;
  const sockets = [
    "/var/run/docker.sock",
    ...(runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : []),
    "/run/podman/podman.sock",
  ];
  const list = sockets.filter((path) => existsSync(path)).map(socketEndpoint);
  return { list, demandedBy: undefined, problem };
}

/** The context that docker's config.json names, which docker, too, goes on without. */
function currentContext(directory: string): {
  readonly context: string | undefined;
  readonly problem: string | undefined;
} {
  try {
    const config = readConfig(join(directory, "config.json"));
    return { context: config?.get("currentContext").optionalString(), problem: undefined };
  } catch (error) {
    if (error instanceof BuildError) return { context: undefined, problem: error.message };
    throw error;
  }
}

/** The engine of a context, as `docker context` keeps them. */
function contextEndpoint(name: string, directory: string): Endpoint {
  const hex = createHash("sha256").update(name).digest("hex");
  const shown = `docker context ${shownText(name)}`;
  const meta = readConfig(join(directory, "contexts/meta", hex, "meta.json"));
  if (meta === undefined) {
    throw new BuildError(`there is no ${shown} (docker context ls shows those that there are)`);
  }
  const docker = meta.get("Endpoints").get("docker");
  const host = docker.get("Host").string();
  const certificates = join(directory, "contexts/tls", hex, "docker");
  const tls = existsSync(certificates) ? tlsFiles(certificates, shown) : undefined;
  return endpoint(host, shown, tls);
}

/**
 * @param named what names it, for messages
 * @param tls for one that is reached over the network
 */
function endpoint(host: string, named: string, tls: EngineTls | undefined): Endpoint {
  const [, scheme = "", rest = ""] = /^([a-z+]+):\/\/(.*)$/.exec(host) ?? [];
  switch (scheme) {
    case "unix":
      if (rest.startsWith("/")) return socketEndpoint(rest);
      break;
    case "http+unix": {
      const path = decoded(rest);
      if (path?.startsWith("/")) return socketEndpoint(path);
      break;
    }
    case "tcp":
    case "http":
    case "https": {
      const network = networkEndpoint(rest, scheme, tls);
      if (network !== undefined) return network;
      break;
    }
    case "ssh":
    case "npipe":
    case "fd":
      throw new BuildError(
        `${named}: engines at ${scheme}:// can't be reached ` +
          "(give one at unix:// or tcp://, or forward its socket)",
      );
  }
  throw new BuildError(
    `${named} is '${shownText(host)}', which is not an engine's address (give unix:///PATH or tcp://HOST:PORT)`,
  );
}

function networkEndpoint(
  rest: string,
  scheme: string,
  tls: EngineTls | undefined,
): Endpoint | undefined {
  let url: URL;
  try {
    url = new URL(`http://${rest}`);
  } catch {
    return undefined;
  }
  const secure = tls ?? (scheme === "https" ? NO_FILES : undefined);
  // The port is written out: URL leaves out 80, where an engine's default is another.
  const port = Number(/:(\d+)\/?$/.exec(rest)?.[1] ?? (secure === undefined ? 2375 : 2376));
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { url: `${scheme}://${url.hostname}:${port}`, target: { host, port, tls: secure } };
}

function socketEndpoint(socketPath: string): Endpoint {
  return { url: `unix://${shownText(socketPath)}`, target: { socketPath } };
}

const NO_FILES = { ca: undefined, cert: undefined, key: undefined };

/** Certificates as docker calls them. */
function tlsFiles(directory: string, named: string): EngineTls {
  const file = (name: string) => {
    const path = join(directory, name);
    if (!existsSync(path)) return undefined;
    return describing(
      () => `cannot read ${shownText(path)}, which ${named} names`,
      () => readFileSync(path),
    );
  };
  return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
