// SPDX-License-Identifier: MIT
/** What test files that boot one guest have in common: preparation, the boot, and cleaning up. */
import type { GuestOptions, GuestResult } from "@daxfs/qemu";
import { afterAll, beforeAll, describe } from "vitest";
import { runDaxfsGuest } from "./backing.js";
import {
  buildDaxfs,
  type Daxfs,
  guestValue,
  type HelperCheck,
  helperChecks,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "./environment.js";

/** What a guest is prepared with. */
export interface Preparation extends Daxfs {
  /** A directory in the cache, on disk, that goes away after the file's tests. */
  directory: string;
}

/**
 * The options of a guest that a test file gives; `describeGuest` sets the others. A guest has one
 * processor unless `cpus` says more, as for tests of concurrency: QEMU's emulation is slower with two,
 * even for programs that use one.
 */
export type SuiteGuestOptions = Omit<GuestOptions, "kernel" | "modules" | "name">;

/** The guest of a test file. */
export interface GuestSuite {
  /**
   * Has the guest booted before the tests, with the module loaded. `prepare` makes its images and
   * programs, and returns what it runs. All of this may take the given time, or that of the project.
   */
  boot(
    prepare: (preparation: Preparation) => Promise<SuiteGuestOptions>,
    timeoutSeconds?: number,
  ): void;
  /** What the guest reported. Throws before the guest has ended. */
  readonly result: GuestResult;
  /** A value that the guest sent. Throws if it did not. */
  value(name: string): string;
  /** The checks of a helper program, whose output the guest attached under `name`. */
  checks(name: string): HelperCheck[];
  /** The checks under `name` that failed. */
  failures(name: string): HelperCheck[];
}

/** Choices for `describeGuest`. */
export interface GuestSuiteOptions {
  /** Why the tests can't run here, if the file has reasons of its own. */
  skip?: string | undefined;
  /** Whether only root can make what the guest is given; true by default. */
  needsRoot?: boolean;
  /** What kernel and module the guest has: those under test, unless given. */
  build?: () => Promise<Daxfs>;
  /** How the guest is run: with its images in the backing under test, unless given. */
  run?: (options: GuestOptions) => Promise<GuestResult>;
}

/**
 * A describe block about one guest. `name` names its directory and its console log. Where the tests
 * can't run, they are skipped and the reason is printed.
 */
export async function describeGuest(
  title: string,
  name: string,
  options: GuestSuiteOptions,
  tests: (guest: GuestSuite) => void,
): Promise<void> {
  const needsRoot = options.needsRoot ?? true;
  const reason = options.skip ?? (needsRoot ? await reasonToSkip() : undefined);
  if (reason !== undefined) console.warn(`the tests of ${name} are left out: ${reason}`);
  describe.skipIf(reason !== undefined)(title, () => tests(guestSuite(name, options)));
}

function guestSuite(name: string, options: GuestSuiteOptions): GuestSuite {
  const { build = buildDaxfs, run = runDaxfsGuest } = options;
  let directory: string | undefined;
  let result: GuestResult | undefined;
  const ended = () => {
    if (result === undefined) throw new Error(`the guest of ${name} has not ended`);
    return result;
  };
  afterAll(() => removeDirectory(directory));
  return {
    boot(prepare, timeoutSeconds) {
      const timeout = timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000;
      beforeAll(async () => {
        const [daxfs, path] = await Promise.all([build(), workDirectory(name)]);
        directory = path;
        const { kernel, module } = daxfs;
        const own = await prepare({ kernel, module, directory: path });
        result = await run({ cpus: 1, ...own, kernel, modules: [module], name });
        console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
      }, timeout);
    },
    get result() {
      return ended();
    },
    value: (key) => guestValue(ended(), key),
    checks: (key) => helperChecks(ended(), key),
    failures: (key) => helperChecks(ended(), key).filter(({ passed }) => !passed),
  };
}
