// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

/** The repository's cache, so that a kernel is fetched once for all tests. */
export const CACHE = fileURLToPath(new URL("../../../.cache", import.meta.url));

const directories: string[] = [];

// Registered when a test file imports this: a hook has no effect inside another hook.
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

/** Makes a temporary directory that goes away after the file's tests. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "daxfs-qemu-test-"));
  directories.push(directory);
  return directory;
}

/** Writes a module whose init function has `body`, and returns its source directory. */
export async function writeModule(parent: string, name: string, body: string): Promise<string> {
  const directory = join(parent, name);
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, "Makefile"),
    `obj-m := ${name}.o\nall:\n\t$(MAKE) -C $(KDIR) M=$(PWD) modules\n`,
  );
  await writeFile(
    join(directory, `${name}.c`),
    `// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int __init test_init(void)
{
${body}
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("A module for the tests of tools/qemu");
MODULE_LICENSE("GPL");
`,
  );
  return directory;
}
