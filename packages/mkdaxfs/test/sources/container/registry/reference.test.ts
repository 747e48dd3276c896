// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../../../src/errors.js";
import {
  isImageId,
  parseReference,
  referenceText,
} from "../../../../src/sources/container/registry/reference.js";

const HEX = "0123456789abcdef".repeat(4);

describe("references are read as docker reads them", () => {
  // What is written, and what it means.
  const meanings: [string, string][] = [
    ["alpine", "docker.io/library/alpine:latest"],
    ["postgres:16", "docker.io/library/postgres:16"],
    ["user/app", "docker.io/user/app:latest"],
    ["docker.io/alpine", "docker.io/library/alpine:latest"],
    ["docker.io/library/alpine:3.19", "docker.io/library/alpine:3.19"],
    ["index.docker.io/user/app", "docker.io/user/app:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/a/b:tag", "localhost:5000/a/b:tag"],
    [`localhost:5000/a/b:tag@sha256:${HEX}`, `localhost:5000/a/b:tag@sha256:${HEX}`],
    [`alpine@sha256:${HEX}`, `docker.io/library/alpine@sha256:${HEX}`],
    [`a@sha512:${HEX}${HEX}`, `docker.io/library/a@sha512:${HEX}${HEX}`],
    ["registry.example.com/a", "registry.example.com/a:latest"],
    ["127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"],
    ["[::1]:5000/a/b", "[::1]:5000/a/b:latest"],
    ["[2001:db8::1]/a", "[2001:db8::1]/a:latest"],
    ["Registry/app", "Registry/app:latest"],
    ["a/b/c/d", "docker.io/a/b/c/d:latest"],
    ["a__b/c-d.e_f--g", "docker.io/a__b/c-d.e_f--g:latest"],
    ["app:V1.2_3-x", "docker.io/library/app:V1.2_3-x"],
    ["5000:5000", "docker.io/library/5000:5000"],
    ["example.com:443", "docker.io/library/example.com:443"],
    [`x:${"t".repeat(128)}`, `docker.io/library/x:${"t".repeat(128)}`],
  ];
  for (const [text, meaning] of meanings) {
    it(text.slice(0, 60), () => expect(referenceText(parseReference(text))).toBe(meaning));
  }
});

describe("what is no reference is refused in words", () => {
  const refusals: [string, RegExp][] = [
    ["", /it is empty/],
    ["Alpine", /lower-case letters only/],
    ["user/App", /lower-case letters only/],
    ["docker://alpine", /leave out docker:\/\/$/],
    ["https://example.com/a", /leave out https:\/\/$/],
    [HEX, /image's ID, which only the local engine knows/],
    [`sha256:${HEX}`, /image's ID/],
    ["alpine:", /tag is missing/],
    ["alpine:-x", /a tag has up to 128/],
    [`alpine:${"t".repeat(129)}`, /a tag has up to 128/],
    ["alpine:a/b", /alpine:a is not a registry/],
    ["alpine@sha256:123", /not a digest/],
    ["alpine@", /not a digest/],
    ["alpine@md5:0123", /not a digest/],
    ["example.com/", /name is missing/],
    ["example.com//a", /single \. _ - \//],
    ["a/../b", /single \. _ - \//],
    ["a b", /single/],
    ["a..b", /single/],
    ["-a", /single/],
    ["a/b?x=1", /single/],
    ["-example.com/a", /not a registry/],
    ["example.com:99999/a", /not a registry/],
    ["user:secret@example.com/a", /not a digest/],
    [`a/${"b".repeat(255)}`, /longer than 255/],
  ];
  for (const [text, message] of refusals) {
    it(text.slice(0, 60) || "nothing", () => {
      expect(() => parseReference(text)).toThrow(BuildError);
      expect(() => parseReference(text)).toThrow(message);
    });
  }

  it("keeps control characters out of messages", () => {
    expect(() => parseReference("a\x1b[2J\nb")).toThrow(/^[\x20-\x7e]+$/);
  });
});

it("tells IDs from names", () => {
  expect(isImageId(HEX)).toBe(true);
  expect(isImageId(`sha256:${HEX}`)).toBe(true);
  expect(isImageId(HEX.slice(1))).toBe(false);
  expect(isImageId("alpine")).toBe(false);
});
