// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";
import type { Source } from "../../model/source.js";
import type { ByteInput } from "../byte-input.js";
import type { SourceContext } from "../context.js";
import { TarSource } from "../tar/tar-source.js";
import type { ContainerImage, LayerBlob } from "./container-image.js";

/**
 * The layers of an image as sources, from the lowest to the highest. Each is opened when its
 * entries are read, and checked against its size, its digest and its diffID, as far as they are known.
 */
export function imageSources(image: ContainerImage, context: SourceContext): Source[] {
  return image.layers.map(
    (layer) =>
      new TarSource({
        description: layer.description,
        isLayer: true,
        context,
        digest: layer.digest,
        diffId: layer.diffId,
        isVerified: layer.isVerified ?? false,
        open: async () => ofSize(await layer.open(), layer),
      }),
  );
}

/** A layer's bytes, which are an error when there are more or fewer than there should be. */
function ofSize(input: ByteInput, { size, description }: LayerBlob): ByteInput {
  if (size === undefined) return input;
  if (input.kind === "stream") {
    return { kind: "stream", stream: counted(input.stream, size, description) };
  }
  if (input.size !== size) throw wrongSize(input.size, size, description);
  return input;
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  size: number,
  description: string,
): AsyncGenerator<Uint8Array> {
  let got = 0;
  for await (const chunk of stream) {
    got += chunk.length;
    // At once, and not at the end, which need not come.
    if (got > size) throw new BuildError(`${description}: it has more than ${size} bytes${HINT}`);
    yield chunk;
  }
  if (got < size) throw wrongSize(got, size, description);
}

const HINT = " (it is damaged: get it again)";

function wrongSize(found: number, expected: number, description: string): BuildError {
  return new BuildError(`${description}: it has ${found} bytes instead of ${expected}${HINT}`);
}
