// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { BuildError, describing, isSystemError } from "../../../errors.js";
import { shownText } from "../../json.js";

/** Where distributions of Linux keep the roots that their programs trust, the first one counts. */
const SYSTEM_BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const PEM_START = "-----BEGIN CERTIFICATE-----";

/** PEM files that a TLS connection is made with. */
interface Certificates {
  readonly ca: (string | Buffer)[];
  cert?: Buffer;
  key?: Buffer;
}

/**
 * What a host's certificate is checked against, and what it gets to see of ours. The roots are those
 * that curl takes: of CURL_CA_BUNDLE, or of SSL_CERT_FILE and SSL_CERT_DIR, or of the system, or else
 * Node's own. NODE_EXTRA_CA_CERTS and a registry's directory in certs.d add to them.
 * @param host with its port, if it has one: names the directory
 * @param verify false where any certificate will do
 * @throws BuildError when a file that is named can't be read or is no certificate.
 */
export function secureContextFor(
  host: string,
  environment: NodeJS.ProcessEnv,
  verify: boolean,
): SecureContext {
  // Roots take a tenth of a second to read.
  const certificates: Certificates = { ca: verify ? roots(environment) : [] };
  for (const directory of hostDirectories(host, environment)) {
    addHostDirectory(directory, certificates);
  }
  try {
    return createSecureContext(certificates);
  } catch (error) {
    const why = error instanceof Error ? shownText(error.message) : "";
    throw new BuildError(
      `the certificates for ${shownText(host)} can't be used: ${why} (check those in certs.d)`,
    );
  }
}

function roots(environment: NodeJS.ProcessEnv): (string | Buffer)[] {
  const { CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = environment;
  const found: Buffer[] = [];
  if (CURL_CA_BUNDLE) {
    found.push(certificatesOf(CURL_CA_BUNDLE, "CURL_CA_BUNDLE"));
  } else {
    if (SSL_CERT_FILE) found.push(certificatesOf(SSL_CERT_FILE, "SSL_CERT_FILE"));
    if (SSL_CERT_DIR) found.push(...SSL_CERT_DIR.split(":").flatMap(certificatesIn));
  }
  const named = CURL_CA_BUNDLE || SSL_CERT_FILE || SSL_CERT_DIR;
  const system = named ? undefined : SYSTEM_BUNDLES.find((path) => existsSync(path));
  if (system !== undefined) found.push(certificatesOf(system, "the system"));
  // Node has no use for its own variable once it is given roots.
  if (NODE_EXTRA_CA_CERTS) found.push(certificatesOf(NODE_EXTRA_CA_CERTS, "NODE_EXTRA_CA_CERTS"));
  return named || system !== undefined ? found : [...rootCertificates, ...found];
}

/** A file of certificates. Node passes over what is none without a word. */
function certificatesOf(path: string, named: string): Buffer {
  const bytes = read(path, named);
  if (bytes.includes(PEM_START)) return bytes;
  throw new BuildError(
    `${shownText(path)}, which ${named} names, has no certificates (give a file in PEM format)`,
  );
}

/** Every file of a directory of certificates; their names, which are hashes, matter to OpenSSL. */
function certificatesIn(directory: string): Buffer[] {
  return describing(
    () => `cannot read ${shownText(directory)}, which SSL_CERT_DIR names`,
    () =>
      readdirSync(directory)
        .map((name) => join(directory, name))
        .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
        .map((path) => readFileSync(path))
        .filter((bytes) => bytes.includes(PEM_START)),
  );
}

/** Where docker and podman look for certificates of one registry. */
function hostDirectories(host: string, environment: NodeJS.ProcessEnv): string[] {
  const home = environment.HOME || homedir();
  return [
    join(home, ".config/containers/certs.d", host),
    join("/etc/containers/certs.d", host),
    join("/etc/docker/certs.d", host),
  ];
}

/** Adds roots, which are named *.crt, and the first *.cert that has a *.key beside it. */
function addHostDirectory(directory: string, certificates: Certificates): void {
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    if (name.endsWith(".crt")) certificates.ca.push(certificatesOf(path, "certs.d"));
    if (!name.endsWith(".cert") || certificates.cert !== undefined) continue;
    certificates.cert = read(path, "certs.d");
    certificates.key = read(path.replace(/cert$/, "key"), "certs.d");
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function read(path: string, named: string): Buffer {
  return describing(
    () => `cannot read ${shownText(path)}, which ${named} names`,
    () => readFileSync(path),
  );
}

function isMissing(error: unknown): boolean {
  return (
    isSystemError(error) &&
    (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "EACCES")
  );
}
