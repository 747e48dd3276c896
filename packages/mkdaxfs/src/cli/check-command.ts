// SPDX-License-Identifier: MIT
import { checkImage, describeFinding, type Finding } from "@daxfs/format";
import { openToCheck } from "../check.js";
import { described } from "../errors.js";

/** Findings that are printed; a broken table would give one for each inode. */
const PRINTED_MAX = 1000;

/** Checks an image and prints what is wrong with it. @throws BuildError when it can't be read. */
export async function runCheck(image: string, flags: { readonly json?: true }): Promise<void> {
  const findings: Finding[] = [];
  let count = 0;
  try {
    const bytes = await openToCheck(image, new AbortController().signal);
    try {
      for (const finding of checkImage(bytes)) {
        if (++count <= PRINTED_MAX) findings.push(finding);
      }
    } finally {
      bytes.close();
    }
  } catch (error) {
    throw described(() => `cannot read ${image}`, error);
  }
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ image, findings: count, first: findings }, null, 2)}\n`,
    );
  } else {
    for (const finding of findings) process.stdout.write(`${describeFinding(finding)}\n`);
    if (count > findings.length) process.stdout.write(`and ${count - findings.length} more\n`);
    process.stdout.write(`${image}: ${count === 0 ? "sound" : `${count} findings`}\n`);
  }
  if (count > 0) process.exitCode = 1;
}
