// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import { BuildError } from "../errors.js";

/** Two bytes of a path ask for a node, which takes a hundred times as much. */
const NODES_MAX = 1_000_000;

interface Node {
  /** Whether the path that leads here was added. */
  isMember: boolean;
  below: Map<ByteString, Node> | undefined;
}

const newNode = (): Node => ({ isMember: false, below: undefined });

/**
 * Paths, by their parts. Whether one of them is above a path is found in time that grows with the
 * length of the path: paths of archives may have tens of thousands of parts.
 */
export class PathSet {
  private readonly root = newNode();
  private nodes = 0;

  /**
   * @param path clean, from the root
   * @throws BuildError where the paths have too many parts together
   */
  add(path: ByteString): void {
    let node = this.root;
    for (const name of path === "" ? [] : path.split("/")) {
      node.below ??= new Map();
      let next = node.below.get(name);
      if (next === undefined) {
        if (++this.nodes > NODES_MAX) {
          throw new BuildError(
            `whiteouts name more than ${NODES_MAX} directories (the archive is broken)`,
          );
        }
        next = newNode();
        node.below.set(name, next);
      }
      node = next;
    }
    node.isMember = true;
  }

  /** Whether a path, or a directory that it lies in, was added. */
  covers(path: ByteString): boolean {
    let node: Node | undefined = this.root;
    for (let start = 0; node !== undefined && !node.isMember && start <= path.length; ) {
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      node = node.below?.get(path.slice(start, end));
      start = end + 1;
    }
    return node?.isMember === true;
  }
}
