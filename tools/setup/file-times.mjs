// SPDX-License-Identifier: MIT
// @ts-check
// A reporter of vitest's: what each test file takes, hooks and all. The JSON report counts tests only,
// and guests boot in hooks. Adds lines of JSON to the file that FILE_TIMES names.
import { appendFileSync } from "node:fs";

/** @implements {import("vitest/reporters").Reporter} */
export default class FileTimes {
  /** @param {import("vitest/node").TestModule} module */
  onTestModuleEnd(module) {
    const { duration, collectDuration } = module.diagnostic();
    const line = {
      file: module.relativeModuleId,
      project: module.project.name,
      seconds: (duration + collectDuration) / 1000,
    };
    if (process.env.FILE_TIMES) appendFileSync(process.env.FILE_TIMES, `${JSON.stringify(line)}\n`);
  }
}
