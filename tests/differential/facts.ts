// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";

/** What a reader says of a path, by field; a field that it has no opinion on is not there. */
export type Facts = ReadonlyMap<string, string>;

/** Paths from the root, which is ".". */
export type Tree = ReadonlyMap<ByteString, Facts>;
