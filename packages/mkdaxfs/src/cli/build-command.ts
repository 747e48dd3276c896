// SPDX-License-Identifier: MIT
import { buildImage } from "../build.js";
import type { Flags } from "./build-flags.js";
import { BuildMessages } from "./build-messages.js";
import { buildOptions } from "./build-options.js";
import { type Colors, colorsFor } from "./colors.js";
import { interruptible, makesFile } from "./interruption.js";
import { jsonReport } from "./json-report.js";
import { ProgressBar, showsBar } from "./progress-bar.js";
import { CompilerTuning } from "./v8-tuning.js";

/** Builds, and prints what was built. @throws BuildError, InterruptedError */
export async function runBuild(sources: readonly string[], flags: Flags): Promise<void> {
  const options = buildOptions(sources, flags, process.env);
  const colors = await colorsFor(process.stderr.isTTY, process.env);
  const messages = new BuildMessages(
    (text) => process.stderr.write(text),
    flags.quiet ? "quiet" : flags.verbose ? "verbose" : "normal",
    progressBar(flags, colors),
    colors,
  );
  const tuning = new CompilerTuning();
  messages.sources(options.sources);
  const output = options.dryRun ? undefined : options.output;
  const build = (signal?: AbortSignal) =>
    buildImage({
      ...options,
      ...(signal === undefined ? {} : { signal }),
      onProgress: (progress) => {
        tuning.update(progress);
        messages.progress(progress);
      },
      onWarning: (text) => messages.warning(text),
    });
  const report = await (makesFile(output) ? interruptible(build) : build()).finally(() =>
    messages.close(),
  );
  messages.built(output, report);
  if (flags.json) process.stdout.write(jsonReport(output, report));
}

function progressBar(flags: Flags, colors: Colors): ProgressBar | undefined {
  const { stderr, env } = process;
  if (flags.quiet || !showsBar(stderr.isTTY, env)) return undefined;
  return new ProgressBar(stderr, colors.bar);
}
