// SPDX-License-Identifier: MIT
// npm run vm -- shell --image rootfs.daxfs
import { build, ensurePackages, PACKAGES } from "./steps.mjs";

ensurePackages(PACKAGES.vm);
build();
const { main } = await import("../qemu/dist/cli.js");
process.exitCode = await main(process.argv.slice(2));
