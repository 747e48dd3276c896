// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { proxyFor } from "../../../../src/sources/container/registry/proxy.js";

/** What the proxy for a URL is, "" for none. */
const proxy = (url: string, environment: Record<string, string>) =>
  proxyFor(new URL(url), environment)?.href ?? "";

describe("proxies are those that curl would take", () => {
  const HTTPS = "https://example.com/v2/";
  const HTTP = "http://example.com/v2/";
  const choices: [string, string, Record<string, string>, string][] = [
    ["none", HTTPS, {}, ""],
    ["https_proxy", HTTPS, { https_proxy: "http://p:3128" }, "http://p:3128/"],
    ["HTTPS_PROXY", HTTPS, { HTTPS_PROXY: "http://p:3128" }, "http://p:3128/"],
    [
      "lower case first",
      HTTPS,
      { HTTPS_PROXY: "http://q:1", https_proxy: "http://p:1" },
      "http://p:1/",
    ],
    ["an empty one is none", HTTPS, { https_proxy: "", HTTPS_PROXY: "http://p:1" }, "http://p:1/"],
    ["http_proxy for http", HTTP, { http_proxy: "http://p:1" }, "http://p:1/"],
    ["not HTTP_PROXY, which a CGI's caller sets", HTTP, { HTTP_PROXY: "http://p:1" }, ""],
    ["http_proxy not for https", HTTPS, { http_proxy: "http://p:1" }, ""],
    ["https_proxy not for http", HTTP, { https_proxy: "http://p:1" }, ""],
    ["ALL_PROXY", HTTP, { ALL_PROXY: "http://p:1" }, "http://p:1/"],
    ["all_proxy first", HTTPS, { ALL_PROXY: "http://q:1", all_proxy: "http://p:1" }, "http://p:1/"],
    [
      "a scheme's own before all_proxy",
      HTTPS,
      { all_proxy: "http://q:1", https_proxy: "http://p:1" },
      "http://p:1/",
    ],
    ["no scheme is http", HTTPS, { https_proxy: "p:3128" }, "http://p:3128/"],
    ["no port is 1080", HTTPS, { https_proxy: "http://p" }, "http://p:1080/"],
    ["no port and no scheme is 1080", HTTPS, { https_proxy: "p" }, "http://p:1080/"],
    ["port 80 said in so many words", HTTPS, { https_proxy: "http://p:80" }, "http://p/"],
    ["a proxy behind TLS", HTTPS, { https_proxy: "https://p" }, "https://p/"],
    ["a login", HTTPS, { https_proxy: "http://u:99@p" }, "http://u:99@p:1080/"],
    ["socks5", HTTPS, { ALL_PROXY: "socks5://p:1080" }, "socks5://p:1080"],
    ["socks5h", HTTPS, { ALL_PROXY: "socks5h://p:1080" }, "socks5://p:1080"],
  ];
  for (const [what, url, environment, expected] of choices) {
    it(what, () => expect(proxy(url, environment)).toBe(expected));
  }

  it("refuses what is none, without its password", () => {
    expect(() => proxy(HTTPS, { https_proxy: "http://u:secret@" })).toThrow(
      /^https_proxy is not the URL/,
    );
    expect(() => proxy(HTTPS, { ALL_PROXY: "socks4://u:secret@p" })).toThrow(
      /^ALL_PROXY: proxies of the kind socks4:\/\/ are not supported/,
    );
  });
});

describe("NO_PROXY", () => {
  const cases: [list: string, url: string, direct: boolean][] = [
    ["*", "https://example.com", true],
    ["example.com", "https://example.com", true],
    ["example.com", "https://www.example.com", true],
    ["example.com", "https://notexample.com", false],
    [".example.com", "https://example.com", true],
    [".example.com", "https://www.example.com", true],
    ["*.example.com", "https://www.example.com", true],
    ["EXAMPLE.com", "https://example.COM", true],
    ["example.com.", "https://example.com", true],
    ["other.org, example.com", "https://example.com", true],
    ["other.org example.com", "https://example.com", true],
    ["example.com:443", "https://example.com", true],
    ["example.com:5000", "https://example.com", false],
    ["example.com:5000", "https://example.com:5000", true],
    ["127.0.0.1", "http://127.0.0.1:5000", true],
    ["127.0.0.1:5000", "http://127.0.0.1:5000", true],
    ["127.0.0.1:5001", "http://127.0.0.1:5000", false],
    ["0.0.1", "http://127.0.0.1", false],
    ["127.0.0.0/8", "http://127.1.2.3", true],
    ["10.0.0.0/8", "http://127.0.0.1", false],
    ["10.0.0.0/99", "http://10.0.0.1", false],
    ["::1", "http://[::1]:5000", true],
    ["[::1]", "http://[::1]:5000", true],
    ["[::1]:5000", "http://[::1]:5000", true],
    ["fd00::/8", "http://[fd12::1]", true],
    ["fd00::/8", "http://[fe80::1]", false],
    ["fd00::/8", "http://127.0.0.1", false],
    ["localhost", "http://localhost:5000", true],
    ["", "https://example.com", false],
    [" , ", "https://example.com", false],
  ];
  for (const [list, url, direct] of cases) {
    it(`'${list}' for ${url}`, () => {
      const found = proxy(url, { all_proxy: "http://p:1", no_proxy: list });
      expect(found === "").toBe(direct);
    });
  }

  it("comes in lower case first", () => {
    const environment = { all_proxy: "http://p:1", NO_PROXY: "a.com", no_proxy: "b.com" };
    expect(proxy("http://a.com", environment)).not.toBe("");
    expect(proxy("http://b.com", environment)).toBe("");
    expect(proxy("http://a.com", { all_proxy: "http://p:1", NO_PROXY: "a.com" })).toBe("");
  });
});
