// SPDX-License-Identifier: MIT
/** Shared by test files that boot one guest: preparation, boot, cleanup. */
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

/** What is available to prepare a guest. */
export interface Preparation extends Daxfs {
  /** A directory in the cache, on disk, which is removed after the tests of the file. */
  directory: string;
}

/**
 * The options of a guest that a test file sets; `describeGuest` sets the others. A guest has one
 * processor by default, because QEMU's emulation is slower with two, even for programs that use one.
 * Tests of concurrency set `cpus`.
 */
export type SuiteGuestOptions = Omit<GuestOptions, "kernel" | "modules" | "name">;

/** The guest of a test file. */
export interface GuestSuite {
  /**
   * Boots the guest before the tests, with the module loaded. `prepare` makes its images and
   * programs, and returns its options. The timeout, by default that of the project, is for all of it.
   */
  boot(
    prepare: (preparation: Preparation) => Promise<SuiteGuestOptions>,
    timeoutSeconds?: number,
  ): void;
  /** The result of the guest. Throws before the guest has ended. */
  readonly result: GuestResult;
  /** A value that the guest sent. Throws if there is none. */
  value(name: string): string;
  /** The checks of a helper program whose output the guest attached as `name`. */
  checks(name: string): HelperCheck[];
  /** Those of `checks` that failed. */
  failures(name: string): HelperCheck[];
}

/** Options of `describeGuest`. */
export interface GuestSuiteOptions {
  /** A reason of the file why its tests can't run here. */
  skip?: string | undefined;
  /** Whether the preparation needs root; true by default. */
  needsRoot?: boolean;
  /** Provides the kernel and module; by default those under test. */
  build?: () => Promise<Daxfs>;
  /** Runs the guest; by default with its images in the backing under test. */
  run?: (options: GuestOptions) => Promise<GuestResult>;
}

/**
 * A describe block for one guest. `name` is the name of its directory and its console log. If the
 * tests can't run here, they are skipped and the reason is printed.
 */
export async function describeGuest(
  title: string,
  name: string,
  options: GuestSuiteOptions,
  tests: (guest: GuestSuite) => void,
): Promise<void> {
  const needsRoot = options.needsRoot ?? true;
  const reason = options.skip ?? (needsRoot ? await reasonToSkip() : undefined);
  if (reason !== undefined) console.warn(`the tests of ${name} are skipped: ${reason}`);
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
