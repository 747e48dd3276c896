// SPDX-License-Identifier: MIT
import { byteStringOfText } from "@daxfs/format";
import picomatch from "picomatch";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import { selector } from "../../src/tree/select.js";
import { directory, inode, pathsOf, rootOf } from "../support/inodes.js";
import { Random } from "../support/support.js";

interface Patterns {
  readonly include?: string[];
  readonly exclude?: string[];
}

/** What is left of a tree of these paths. */
function kept(patterns: Patterns, paths: readonly string[]): string[] {
  const root = rootOf(paths);
  selector(patterns)?.prune(root);
  return pathsOf(root);
}

const TREE = [
  ".config",
  "etc/passwd",
  "etc/ssl/certs/a.pem",
  "etc/ssl/openssl.cnf",
  "usr/share/doc/a/README",
  "usr/share/doc/etc",
  "usr/share/man/",
  "var/cache/apt/a.deb",
  "var/cache/b.deb",
  "var/log/",
];
const ALL = pathsOf(rootOf(TREE));
const without = (...paths: string[]) =>
  ALL.filter((path) => !paths.some((gone) => path === gone || path.startsWith(`${gone}/`)));

describe("exclude globs", () => {
  it.each<[string, string[], string[]]>([
    ["a name at any depth", ["a"], ["usr/share/doc/a/", "usr/share/doc/a"]],
    ["a name with a star", ["*.deb"], ["var/cache/apt/a.deb", "var/cache/b.deb"]],
    ["a name that directories and files have", ["etc"], ["etc/", "etc", "usr/share/doc/etc"]],
    ["directories alone", ["etc/"], ["etc/", "etc"]],
    ["a name at the root", ["/etc"], ["etc/", "etc"]],
    ["a path", ["usr/share/doc"], ["usr/share/doc/", "usr/share/doc"]],
    ["a path with a slash in front", ["/usr/share/doc"], ["usr/share/doc/", "usr/share/doc"]],
    ["a path from the root only", ["share/doc"], []],
    ["a path anywhere", ["**/doc/a"], ["usr/share/doc/a/", "usr/share/doc/a"]],
    ["anything between", ["var/**/*.deb"], ["var/cache/apt/a.deb", "var/cache/b.deb"]],
    ["a star for one name", ["var/*/*.deb"], ["var/cache/b.deb"]],
    ["what is in a directory", ["var/cache/*"], ["var/cache/apt", "var/cache/b.deb"]],
    ["what is below a directory", ["var/cache/**"], ["var/cache/apt", "var/cache/b.deb"]],
    ["names with a dot in front", [".*"], [".config"]],
    ["a class", ["[[:lower:]].pem"], ["etc/ssl/certs/a.pem"]],
    ["all but a name", ["/usr/share/!(man)"], ["usr/share/doc"]],
    ["alternatives", ["{passwd,*.cnf}"], ["etc/passwd", "etc/ssl/openssl.cnf"]],
    ["alternative directories", ["/{usr,var}/{log,share}"], ["usr/share", "var/log"]],
    ["several", ["etc/ssl", "man/"], ["etc/ssl", "usr/share/man"]],
    ["slashes without need", ["./var//log//"], ["var/log"]],
    ["nothing that is there", ["nothing", "/a.deb", "passwd/"], []],
  ])("take out %s", (_, exclude, gone) => {
    const left = kept({ exclude }, TREE);
    expect(left).toEqual(
      without(...gone.map((path) => path.replace(/\/$/, ""))).filter(
        // A name that a file has as well as a directory is told by its slash.
        (path) => !gone.includes(path),
      ),
    );
    expect(left.length < ALL.length).toBe(gone.length > 0);
  });

  it("take out all but the root", () => {
    expect(kept({ exclude: ["*"] }, TREE)).toEqual([]);
    expect(kept({ exclude: ["**"] }, TREE)).toEqual([]);
    expect(kept({ exclude: ["/**"] }, TREE)).toEqual([]);
  });
});

describe("include globs", () => {
  it("let in what they match, all below it, and what it lies in", () => {
    expect(kept({ include: ["*.pem", "/var/cache"] }, TREE)).toEqual([
      "etc/",
      "etc/ssl/",
      "etc/ssl/certs/",
      "etc/ssl/certs/a.pem",
      "var/",
      "var/cache/",
      "var/cache/apt/",
      "var/cache/apt/a.deb",
      "var/cache/b.deb",
    ]);
  });

  it("let in a directory that is empty, when they match it", () => {
    expect(kept({ include: ["log/"] }, TREE)).toEqual(["var/", "var/log/"]);
    expect(kept({ include: ["var/log/*"] }, TREE)).toEqual([]);
  });

  it("give way to exclude globs", () => {
    const patterns = { include: ["etc", "*.deb"], exclude: ["ssl", "var/cache/apt"] };
    expect(kept(patterns, TREE)).toEqual([
      "etc/",
      "etc/passwd",
      "usr/",
      "usr/share/",
      "usr/share/doc/",
      "usr/share/doc/etc",
      "var/",
      "var/cache/",
      "var/cache/b.deb",
    ]);
  });

  it("leave no directory of which all is taken out", () => {
    expect(kept({ include: ["certs/*"], exclude: ["*.pem"] }, TREE)).toEqual([]);
  });
});

describe("names", () => {
  const name = (text: string) => byteStringOfText(text);

  it("are text where they are UTF-8, and bytes elsewhere", () => {
    const paths = [name("ü"), "\xff", name("日本"), "a\xfe\n", "plain"];
    expect(kept({ exclude: ["ü"] }, paths)).not.toContain(name("ü"));
    expect(kept({ include: ["?"] }, paths)).toEqual([name("ü"), "\xff"].sort());
    expect(kept({ include: ["日*"] }, paths)).toEqual([name("日本")]);
    expect(kept({ include: ["aþ*"] }, paths)).toEqual(["a\xfe\n"]);
  });

  it("may hold what globs are made of", () => {
    const paths = ["a (1)", "a*", "[b]", "!c", "#d", 'e"*', "{f}", "g\\", "$^.|", "ab"];
    for (const path of paths) {
      const escaped = path.replace(/[\\*?[\]{}()"!#]/g, "\\$&");
      expect(kept({ include: [escaped] }, paths)).toEqual([path]);
    }
    expect(kept({ include: ["a (1)"] }, paths)).toEqual(["a (1)"]);
    expect(kept({ include: ["!c"] }, paths)).toEqual(["!c"]);
    expect(kept({ include: ['e"?'] }, paths)).toEqual(['e"*']);
  });

  it.each(["", "/", "./", "../a", "a/..", "[a", "{a/b,c}", "(a", "a\\", "[z-a]"])(
    "can't be told by '%s'",
    (pattern) => {
      for (const patterns of [{ include: [pattern] }, { exclude: [pattern] }]) {
        expect(() => selector(patterns)).toThrow(BuildError);
        expect(() => selector(patterns)).toThrow(`the glob '${pattern}'`);
      }
    },
  );
});

describe("hard links", () => {
  it("count the names that are left", () => {
    const [both, one, none] = [inode(), inode(), inode()];
    const root = rootOf([
      ["a/both", both],
      ["b/both", both],
      ["a/one", one],
      ["gone/deep/one", one],
      ["c.gone", one],
      ["gone/none", none],
    ]);
    selector({ exclude: ["gone", "*.gone"] })!.prune(root);
    expect(pathsOf(root)).toEqual(["a/", "a/both", "a/one", "b/", "b/both"]);
    expect([both.links, one.links, none.links]).toEqual([2, 1, 0]);
  });
});

describe("a selector", () => {
  it("takes everything without globs", () => {
    expect(kept({}, TREE)).toEqual(ALL);
    expect(selector({ include: [], exclude: [] })).toBeUndefined();
  });

  it("knows what need not be looked at", () => {
    const { wanted } = bound({ include: ["/etc/ssl/*.cnf", "doc/"], exclude: ["a/", "/proc/*"] });
    expect(wanted("")).toBe(true);
    expect(wanted("etc")).toBe(true);
    expect(wanted("etc/ssl", true)).toBe(true);
    expect(wanted("etc/passwd", false)).toBe(false);
    expect(wanted("etc/ssl/openssl.cnf", false)).toBe(true);
    expect(wanted("etc/ssl/openssl.cnf/below")).toBe(true);
    expect(wanted("usr/share/doc/a", false)).toBe(true);
    expect(wanted("usr/share/doc/a", true)).toBe(false);
    expect(wanted("usr/share/doc/a")).toBe(true);
    expect(wanted("usr/share/doc/a/README")).toBe(false);
    expect(wanted("proc/1", true)).toBe(false);
    expect(wanted("proc/1/doc/deep")).toBe(false);
    const anchored = bound({ include: ["/etc/ssl/*.cnf", "/usr/**/doc"] });
    expect(anchored.wanted("var", true)).toBe(false);
    expect(anchored.wanted("etc/cron.d", true)).toBe(false);
    expect(anchored.wanted("etc/ssl/certs", true)).toBe(false);
    expect(anchored.wanted("usr/a/b/c", true)).toBe(true);
  });

  function bound(patterns: Patterns) {
    const made = selector(patterns)!;
    return { wanted: (path: string, is?: boolean) => made.wanted(path, is) };
  }

  // picomatch on whole paths, an ancestor at a time, is slow and simple.
  it("agrees with picomatch on whole paths, whatever the globs", () => {
    const random = new Random(7);
    const NAMES = ["a", "b", "ab", ".a", "b.c"];
    const PARTS = [...NAMES, "*", "?", "a*", "*b", "**", "**", "{a,b}", "[ab]", "*.c"];
    const some = <T>(from: readonly T[], least: number, most: number) =>
      Array.from({ length: least + random.below(most - least + 1) }, () => {
        return from[random.below(from.length)]!;
      });
    const glob = () =>
      `${random.below(3) === 0 ? "/" : ""}${some(PARTS, 1, 4).join("/")}${random.below(4) === 0 ? "/" : ""}`;
    let partial = 0;
    for (let round = 0; round < 200; round++) {
      const paths = new Set(some(NAMES, 30, 30).map(() => some(NAMES, 1, 5).join("/")));
      const directories = new Set<string>();
      for (const path of paths) {
        const parts = path.split("/");
        for (let end = 1; end < parts.length; end++) directories.add(parts.slice(0, end).join("/"));
      }
      const files = [...paths].filter((path) => !directories.has(path));
      const tree = rootOf(files);
      const patterns = {
        include: random.below(2) === 0 ? [] : some([0], 1, 2).map(glob),
        exclude: random.below(2) === 0 ? [] : some([0], 1, 2).map(glob),
      };
      const matching = (all: string[], path: string) => {
        const parts = path.split("/");
        return all.some((pattern) =>
          parts.some((_, end) => {
            const upTo = parts.slice(0, end + 1).join("/");
            return wholeMatch(pattern, upTo, directories.has(upTo));
          }),
        );
      };
      const takes = (path: string) =>
        (patterns.include.length === 0 || matching(patterns.include, path)) &&
        !matching(patterns.exclude, path);
      const all = [...files, ...directories];
      const taken = all.filter(takes);
      const expected = all
        .filter((path) => takes(path) || taken.some((other) => other.startsWith(`${path}/`)))
        .map((path) => (directories.has(path) ? `${path}/` : path))
        .sort();
      const chosen = selector(patterns) ?? { wanted: () => true, prune: () => {} };
      const shown = JSON.stringify(patterns);
      // Many expectations would take most of the time.
      const missed = expected.filter((path) => {
        const bare = path.replace(/\/$/, "");
        return !chosen.wanted(bare) || !chosen.wanted(bare, bare !== path);
      });
      const useless = files.filter((path) => !takes(path) && chosen.wanted(path, false));
      expect({ missed, useless }, shown).toEqual({ missed: [], useless: [] });
      chosen.prune(tree);
      expect(pathsOf(tree), shown).toEqual(expected);
      if (expected.length > 0 && expected.length < all.length) partial++;
    }
    expect(partial).toBeGreaterThan(50);
  });

  const matchers = new Map<string, (path: string) => boolean>();
  function wholeMatch(pattern: string, path: string, isDirectory: boolean): boolean {
    if (pattern.endsWith("/") && !isDirectory) return false;
    let matcher = matchers.get(pattern);
    if (matcher === undefined) {
      let bare = pattern.replace(/\/$/, "");
      bare = bare.includes("/") ? bare.replace(/^\//, "") : `**/${bare}`;
      bare = bare.replace(/(^|\/)\*\*$/, "$1*");
      matcher = picomatch(bare, { dot: true, nonegate: true, strictSlashes: true });
      matchers.set(pattern, matcher);
    }
    return matcher(path);
  }

  it("goes as deep as a tree does", () => {
    const root = directory();
    let at = root;
    for (let depth = 0; depth < 20_000; depth++) {
      const next = directory();
      at.children.set("d", next);
      at = next;
    }
    at.children.set("f", inode());
    selector({ include: ["f"], exclude: ["/x/**/y"] })!.prune(root);
    expect(root.children.size).toBe(1);
    selector({ exclude: ["f"], include: ["f"] })!.prune(root);
    expect(root.children.size).toBe(0);
  });
});
