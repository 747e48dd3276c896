// SPDX-License-Identifier: MIT
// The proxies of the environment as curl takes them. Undici's EnvHttpProxyAgent differs: it takes
// HTTP_PROXY, which a CGI script's caller can set, knows no ALL_PROXY and no networks in NO_PROXY,
// and sends https through http_proxy where there is no https_proxy.
import { BlockList, isIP } from "node:net";
import { BuildError } from "../../../errors.js";

/** Port of a proxy that names none, as curl has it. */
const DEFAULT_PORT = "1080";
const KNOWN = ["http:", "https:", "socks5:", "socks5h:"];

/**
 * The proxy that a URL is reached through.
 * @returns undefined where it is reached directly
 * @throws BuildError when the environment names what is no proxy.
 */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv): URL | undefined {
  const names = url.protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy"];
  for (const name of [...names, "all_proxy", "ALL_PROXY"]) {
    const value = environment[name];
    if (!value) continue;
    const exceptions = environment.no_proxy || environment.NO_PROXY || "";
    return isException(url, exceptions) ? undefined : parseProxy(value, name);
  }
  return undefined;
}

function parseProxy(value: string, name: string): URL {
  let proxy: URL;
  try {
    proxy = new URL(value.includes("://") ? value : `http://${value}`);
  } catch {
    // The value may hold a password.
    throw new BuildError(`${name} is not the URL of a proxy (give http://HOST:PORT)`);
  }
  if (!KNOWN.includes(proxy.protocol)) {
    throw new BuildError(
      `${name}: proxies of the kind ${proxy.protocol}// are not supported ` +
        "(give one that starts with http://, https:// or socks5://)",
    );
  }
  // The name is resolved by the proxy in either case.
  if (proxy.protocol === "socks5h:") return new URL(value.replace(/^socks5h/i, "socks5"));
  const hasPort = /^[^/]*:\/\/[^/]*:\d+(\/|$)/.test(value.includes("://") ? value : `://${value}`);
  if (!hasPort && proxy.protocol === "http:") proxy.port = DEFAULT_PORT;
  return proxy;
}

/** Whether a host is in a list as NO_PROXY has it. */
function isException(url: URL, list: string): boolean {
  if (list.trim() === "*") return true;
  const host = bare(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (isIP(bare(entry)) === 6) return bare(entry) === host;
      // Curl knows no ports here; whoever names one means only that one, as elsewhere.
      const [, name = entry, onlyPort = port] = /^(.*):(\d+)$/.exec(entry) ?? [];
      return onlyPort === port && matches(host, bare(name));
    });
}

function matches(host: string, name: string): boolean {
  if (isIP(host) !== 0) return host === name || isInNetwork(host, name);
  const domain = name.replace(/^\*?\./, "");
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}

function isInNetwork(address: string, network: string): boolean {
  const [start = "", bits = "", more] = network.split("/");
  const family = isIP(start) === 6 ? "ipv6" : "ipv4";
  if (isIP(start) === 0 || more !== undefined || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(start, Number(bits), family);
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** A host as it compares: lower case, without brackets or the root's dot. */
function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}
