// SPDX-License-Identifier: MIT

import { describe, expect, it } from "vitest";
import {
  defaultPlatform,
  distance,
  parsePlatform,
  platformText,
} from "../../../../src/platform.js";
import { describedPlatformText } from "../../../../src/sources/container/oci/platform.js";
import { messageOf } from "../../../support/image.js";

describe("platforms", () => {
  it("are read as users write them", () => {
    for (const [text, architecture, variant, shown] of [
      ["linux/amd64", "amd64", "v1", "linux/amd64"],
      ["linux/x86_64", "amd64", "v1", "linux/amd64"],
      ["LINUX/AMD64/V3", "amd64", "v3", "linux/amd64/v3"],
      ["linux/arm64", "arm64", "v8", "linux/arm64"],
      ["linux/arm64/v8", "arm64", "v8", "linux/arm64"],
      ["linux/aarch64/8", "arm64", "v8", "linux/arm64"],
      ["linux/arm", "arm", "v7", "linux/arm/v7"],
      ["linux/armhf", "arm", "v7", "linux/arm/v7"],
      ["linux/armel", "arm", "v6", "linux/arm/v6"],
      ["linux/arm/v5", "arm", "v5", "linux/arm/v5"],
      ["linux/i386", "386", undefined, "linux/386"],
      ["linux/riscv64", "riscv64", undefined, "linux/riscv64"],
      ["linux/s390x", "s390x", undefined, "linux/s390x"],
    ] as const) {
      const platform = parsePlatform(text);
      const expected = { os: "linux", architecture };
      expect(platform).toEqual(variant === undefined ? expected : { ...expected, variant });
      expect(platformText(platform)).toBe(shown);
      expect(parsePlatform(shown)).toEqual(platform);
    }
  });

  it("that are none are refused", async () => {
    for (const text of [
      "",
      "linux",
      "linux/",
      "/amd64",
      "linux/arm/v7/x",
      "linux/a b",
      "linux/x\n",
    ]) {
      const promise = Promise.resolve().then(() => parsePlatform(text));
      expect(await messageOf(promise)).toContain(
        " is not a platform (give OS/ARCHITECTURE[/VARIANT], such as linux/arm64)",
      );
    }
  });

  it("of machines follow from what Node calls them", () => {
    for (const [node, expected] of [
      ["x64", "linux/amd64"],
      ["arm64", "linux/arm64"],
      ["arm", "linux/arm/v7"],
      ["ia32", "linux/386"],
      ["ppc64", "linux/ppc64le"],
      ["s390x", "linux/s390x"],
      ["riscv64", "linux/riscv64"],
    ] as const) {
      expect(platformText(defaultPlatform(node))).toBe(expected);
    }
  });

  it("match the same and lower variants of one architecture", () => {
    const far = (wanted: string, described: string) => {
      const { variant = "", ...rest } = parsePlatform(described);
      return distance(parsePlatform(wanted), { ...rest, variant });
    };
    expect(far("linux/arm64", "linux/arm64/v8")).toBe(0);
    expect(far("linux/arm64/v8", "linux/arm64")).toBe(0);
    expect(far("linux/arm/v7", "linux/arm")).toBe(0);
    expect(far("linux/arm/v7", "linux/arm/v6")).toBe(1);
    expect(far("linux/arm/v7", "linux/arm/v5")).toBe(2);
    expect(far("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
    expect(far("linux/arm64", "linux/arm/v7")).toBeUndefined();
    expect(far("linux/amd64", "linux/amd64/v3")).toBeUndefined();
    expect(far("linux/amd64/v3", "linux/amd64")).toBe(2);
    expect(far("linux/arm64/v9", "linux/arm64/v8.2")).toBeCloseTo(0.98);
    expect(far("linux/amd64", "linux/386")).toBeUndefined();
    expect(far("linux/amd64", "windows/amd64")).toBeUndefined();
    expect(far("linux/riscv64", "linux/riscv64/rva23")).toBeUndefined();
    expect(far("linux/riscv64/rva23", "linux/riscv64/rva23")).toBe(0);
  });

  it("are taken without a variant, as programs give them", () => {
    const described = { os: "linux", architecture: "aarch64", variant: "" };
    expect(distance({ os: "linux", architecture: "arm64" }, described)).toBe(0);
    expect(describedPlatformText(described)).toBe("linux/arm64");
    expect(describedPlatformText({ ...described, architecture: "a\nb" })).toBe("linux/a\\x0ab");
  });
});
