// SPDX-License-Identifier: MIT
// Memory that changes under a mount: nonsense is written over the metadata while others use it.
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { BASE_NAMES, loadBase } from "../corpus/bases.js";
import { dataDirectory } from "../corpus/corpus.js";
import { buildMountWalk } from "../image/programs.js";
import { compileHelper } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { DEBUG_OPTIONS, LEAK_FUNCTIONS, leaksOf } from "./support.js";

/** Seconds for each image. */
const SECONDS = 60;
/** A race does not repeat itself, but what is written does: DAXFS_SEED takes a seed that failed. */
const SEED = Number(process.env.DAXFS_SEED ?? randomInt(1, 2 ** 31));

/** The tree before and after, and the race, with two copies of an image; `index` is of the first. */
function raceScript(name: string, index: number): string {
  const memory = `phys=$IMAGE${index}_PHYS,size=$IMAGE${index}_SIZE`;
  const words = `${SECONDS} ${SEED} $IMAGE${index}_SIZE $IMAGE${index}_PHYS /mnt $IMAGE${index + 1}_PHYS`;
  return `
mount -t daxfs -o ${memory} none /mnt || exit 2
mount_walk /mnt >/tmp/before
memory_race ${words} >/tmp/race 2>&1
attach "${name} race" /tmp/race
umount /mnt || exit 3
mount -t daxfs -o ${memory},validate none /mnt || exit 4
mount_walk /mnt >/tmp/after
umount /mnt || exit 5
cmp /tmp/before /tmp/after && [ -s /tmp/before ] && result "${name} tree" pass
`;
}

const TITLE = `memory that changes under a mount (seed ${SEED})`;

await describeGuest(TITLE, "memory-race", DEBUG_OPTIONS, (guest) => {
  guest.boot(async ({ directory }) => {
    console.info(`DAXFS_SEED=${SEED}`);
    const paths = BASE_NAMES.map((name) => join(directory, name));
    for (const [index, name] of BASE_NAMES.entries()) {
      await writeFile(paths[index]!, loadBase(name, dataDirectory()));
    }
    return {
      cpus: 2,
      images: paths.flatMap((path) => [{ path }, { path }]),
      programs: [await compileHelper("memory_race", directory), await buildMountWalk(directory)],
      timeoutSeconds: 300,
      script: `${LEAK_FUNCTIONS}
${BASE_NAMES.map((name, index) => raceScript(name, 2 * index)).join("\n")}
leaks leaks
rmmod daxfs || exit 6
`,
    };
  });

  it.each(BASE_NAMES)("brings no process to a halt, in %s", (name) => {
    console.info(String(guest.result.attachments[`${name} race`]));
    const checks = guest.checks(`${name} race`);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.length).toBeGreaterThan(8);
  });

  it.each(BASE_NAMES)("leaves %s as it was, when the memory is right again", (name) => {
    expect(guest.result.records).toContainEqual({
      name: `${name} tree`,
      status: "pass",
      detail: "",
    });
  });

  it("loses no memory, and leaves a module that can be removed", () => {
    expect(leaksOf(guest.result, "leaks")).toBe("");
    expect(guest.result.exitStatus).toBe(0);
  });
});
