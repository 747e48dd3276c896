// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";
import type { Source } from "../model/source.js";
import { Layer, type OverlayMarkers, type WhiteoutMode } from "./layer.js";
import { Tree } from "./tree.js";

/** What a build gives to the merge. */
export interface MergeContext {
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/**
 * Merges sources, each over what came before it.
 * @param whiteouts what becomes of whiteouts in layers
 * @throws BuildError naming the source; the signal's reason
 */
export async function mergeSources(
  sources: readonly Source[],
  whiteouts: "apply" | "overlay",
  { signal, warn }: MergeContext,
): Promise<{ readonly tree: Tree; readonly markers: OverlayMarkers | undefined }> {
  if (whiteouts === "overlay" && sources.length > 1) {
    throw new BuildError(
      `whiteouts can be kept for one layer only, got ${sources.length} (give one layer, or have ` +
        "whiteouts applied)",
    );
  }
  const tree = new Tree();
  let markers: OverlayMarkers | undefined;
  for (const source of sources) {
    const mode: WhiteoutMode = source.isLayer ? whiteouts : "literal";
    const warnOf = (text: string) => warn(`${source.description}: ${text}`);
    markers = await mergeSource(source, new Layer(tree, mode, warnOf), signal);
  }
  return { tree, markers };
}

async function mergeSource(
  source: Source,
  layer: Layer,
  signal: AbortSignal,
): Promise<OverlayMarkers> {
  for await (const entries of source.entries()) {
    signal.throwIfAborted();
    describingSource(source, () => {
      for (const entry of entries) layer.add(entry);
    });
  }
  return describingSource(source, () => layer.finish());
}

/** Says of which source the entries are that can't be merged. */
function describingSource<T>(source: Source, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError(`${source.description}: ${error.message}`);
  }
}
