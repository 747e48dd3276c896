// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import { parseDigest } from "../../digest.js";
import { shownText } from "../../json.js";

/** Docker's registry, as images are named: where a name without a registry belongs. */
export const DOCKER_HUB = "docker.io";
/** Host that answers for it. */
export const API_HOST = "registry-1.docker.io";

/** The name of an image in a registry. */
export interface Reference {
  /** Registry: a host with or without a port, "docker.io" where none was given. */
  readonly domain: string;
  /** Path of the repository in the registry: "library/alpine". */
  readonly repository: string;
  /** "latest" where neither a tag nor a digest was given, undefined where there is only a digest. */
  readonly tag: string | undefined;
  /** "sha256:…" or "sha512:…"; says which image it is, whatever the tag says. */
  readonly digest: string | undefined;
}

// The grammar of https://github.com/distribution/reference, piece by piece.
const DOMAIN_PART = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH_PART = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
/** Bytes that a repository's path may have. */
const MAX_REPOSITORY = 255;

/**
 * Reads an image's name as docker does: `alpine`, `postgres:16`, `localhost:5000/a/b:tag@sha256:…`.
 * @throws BuildError saying what is wrong with it.
 */
export function parseReference(text: string): Reference {
  const wrong = (why: string) =>
    new BuildError(`'${shownText(text)}' is not an image reference: ${why}`);
  if (text === "") throw wrong("it is empty (give one such as postgres:16)");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[0];
  if (scheme !== undefined) throw wrong(`leave out ${shownText(scheme)}`);
  if (isImageId(text)) {
    throw wrong("it is an image's ID, which only the local engine knows (give a name)");
  }

  const [named, digest] = cut(text, text.indexOf("@"));
  if (digest !== undefined && parseDigest(digest) === undefined) {
    throw wrong("what follows @ is not a digest (give sha256: and 64 hexadecimal digits)");
  }
  const [domain, rest] = splitDomain(named);
  const [path, tag] = cut(rest, rest.indexOf(":"));
  if (tag !== undefined && !TAG.test(tag)) {
    throw wrong(
      tag === ""
        ? "the tag is missing behind its colon"
        : "a tag has up to 128 letters, digits, and _ . - behind the first",
    );
  }
  if (!DOMAIN.test(domain) || Number(/:(\d+)$/.exec(domain)?.[1] ?? 0) > 65535) {
    throw wrong(`${shownText(domain)} is not a registry (give a host, or a host and a port)`);
  }
  const repository = domain === DOCKER_HUB && !path.includes("/") ? `library/${path}` : path;
  if (path === "" || !repository.split("/").every((part) => PATH_PART.test(part))) {
    throw wrong(pathProblem(path));
  }
  if (repository.length > MAX_REPOSITORY) {
    throw wrong(`its path is longer than ${MAX_REPOSITORY} bytes`);
  }
  const defaultTag = digest === undefined ? "latest" : undefined;
  return { domain, repository, tag: tag ?? defaultTag, digest };
}

/** Whether a text is the ID of an image in an engine, whole and not cut short. */
export function isImageId(text: string): boolean {
  return /^(sha256:)?[0-9a-f]{64}$/.test(text);
}

/** An image's name with all that goes without saying. */
export function referenceText({ domain, repository, tag, digest }: Reference): string {
  const behind = (mark: string, part: string | undefined) =>
    part === undefined ? "" : mark + part;
  return `${domain}/${repository}${behind(":", tag)}${behind("@", digest)}`;
}

/** Tells a registry from the first part of a path: it has a dot or a port, or is localhost. */
function splitDomain(named: string): [domain: string, rest: string] {
  const [first, rest] = cut(named, named.indexOf("/"));
  if (rest === undefined) return [DOCKER_HUB, named];
  // Upper case, which no path may have, makes it a registry too.
  const isDomain = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  if (!isDomain) return [DOCKER_HUB, named];
  return [first === "index.docker.io" ? DOCKER_HUB : first, rest];
}

function pathProblem(path: string): string {
  if (path === "") return "the image's name is missing";
  if (path !== path.toLowerCase()) return "an image's name has lower-case letters only";
  return "an image's name has lower-case letters and digits, with single . _ - / between them";
}

/** Splits a text around the character at `index`, if there is one. */
function cut(text: string, index: number): [before: string, behind: string | undefined] {
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
