// SPDX-License-Identifier: MIT
// npm run demo: from a Debian root filesystem to files read out of memory in a running kernel.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { debianRootfs, rootCommand } from "./rootfs.mjs";
import {
  build,
  cacheDirectory,
  ensurePackages,
  fail,
  kernelOf,
  PACKAGES,
  root,
  run,
  say,
} from "./steps.mjs";

const GUEST_SCRIPT = `
mkdir -p /mnt
mount -t daxfs -o phys=$IMAGE0_PHYS,size=$IMAGE0_SIZE none /mnt || exit 1
grep daxfs /proc/mounts >/tmp/mount; value mount "$(cat /tmp/mount)"
grep -i reserved /proc/iomem >/tmp/iomem; value memory "$(grep "$(printf '%08x' "$IMAGE0_PHYS")" /tmp/iomem)"
value listing "$(ls -l /mnt)"
# An ordinary user's tree has no devices, and perl opens /dev/null.
mount --bind /dev /mnt/dev || exit 1
value system "$(chroot /mnt /bin/sh -c '. /etc/os-release; echo "$PRETTY_NAME"')"
value perl "$(chroot /mnt /usr/bin/perl -e 'printf "perl %vd", $^V')"
value packages "$(chroot /mnt /usr/bin/dpkg -l | grep -c ^ii)"
umount /mnt/dev
before=$(awk '/^Cached:/ {print $2}' /proc/meminfo)
cd /mnt
if /usr/local/bin/sha256sum --check --quiet /checksums >/tmp/differences 2>&1; then
  result checksums pass
else
  result checksums fail /tmp/differences
fi
cd /
after=$(awk '/^Cached:/ {print $2}' /proc/meminfo)
value cache "$((after - before))"
umount /mnt && rmmod daxfs && result unmount pass || result unmount fail
`;

/** Checksums of all regular files of a tree, made by sha256sum. */
function checksums(tree) {
  const script = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
  const [program, ...words] = [...rootCommand(), "sh", "-c", script];
  const done = spawnSync(program, words, { cwd: tree, encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status !== 0) fail(`checksums of ${tree}: ${done.stderr}`);
  return done.stdout;
}

// An ordinary user needs the programs that map ids for a namespace.
ensurePackages(PACKAGES.vm, PACKAGES.rootfs, process.getuid?.() === 0 ? [] : ["uidmap"]);
build();

say("a Debian root filesystem (made once, by debootstrap)");
const tree = await debianRootfs(cacheDirectory).catch((error) => fail(error.message));
const image = `${cacheDirectory}/demo/rootfs.daxfs`;
mkdirSync(`${cacheDirectory}/demo`, { recursive: true });
const mkdaxfs = `${root}/packages/mkdaxfs/bin/mkdaxfs.cjs`;
say(`mkdaxfs ${tree} -o ${image}`);
run([...rootCommand(), process.execPath, mkdaxfs, tree, "-o", image]);
say(`mkdaxfs check ${image}`);
run([process.execPath, mkdaxfs, "check", image]);

const { buildModule, GuestError, runGuest } = await import("../qemu/dist/index.js");
try {
  say("Debian's 6.1 kernel and the module for it (downloaded and built once)");
  const kernel = await kernelOf("oldest");
  const module = await buildModule(kernel, `${root}/kernel`, `${cacheDirectory}/demo`);

  say(`booting ${kernel.release} with the image in reserved memory`);
  const sums = checksums(tree);
  const result = await runGuest({
    kernel,
    modules: [module],
    images: [{ path: image }],
    files: [{ guestPath: "/checksums", content: sums }],
    programs: ["sha256sum"],
    script: GUEST_SCRIPT,
    timeoutSeconds: 600,
  });
  const { values } = result;
  process.stdout.write(`
reserved memory  ${values.memory?.trim()}
mounted          ${values.mount}
${values.listing}

chroot /mnt      ${values.system}, ${values.packages} packages, ${values.perl}
page cache       grew by ${values.cache} KiB while every file was read
`);
  const failed = result.records.filter((record) => record.status !== "pass");
  if (!/^perl \d/.test(values.perl ?? "")) failed.push({ name: "perl", detail: "did not run" });
  for (const record of failed) process.stdout.write(`${record.name}: ${record.detail}\n`);
  if (failed.length > 0 || result.exitStatus !== 0 || result.records.length < 2) {
    fail("the demonstration failed");
  }
  const files = sums.split("\n").length - 1;
  process.stdout.write(`\nAll ${files} regular files came back byte for byte.\n`);
} catch (error) {
  fail(error instanceof GuestError ? error.message : String(error));
}
