// SPDX-License-Identifier: MIT
// npm run bench -- builder|kernel: measurements, run by command and never as tests.
import { build, ensurePackages, fail, PACKAGES } from "./steps.mjs";

const BENCHES = {
  builder: "../../bench/builder/main.mjs",
  kernel: "../../bench/kernel/main.mjs",
};

const [name, ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  fail(`npm run bench -- NAME, where NAME is one of: ${Object.keys(BENCHES).join(", ")}`);
}
ensurePackages(PACKAGES.rootfs, PACKAGES.vm, PACKAGES.bench);
build();
const { main } = await import(bench);
await main(rest);
