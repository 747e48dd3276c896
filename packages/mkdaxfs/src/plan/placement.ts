// SPDX-License-Identifier: MIT
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";

/** Room between two large files. */
interface Gap {
  start: number;
  /** Blocks that are still free. */
  blocks: number;
}

const HUGE_BLOCKS = HUGE_SIZE / BLOCK_SIZE;

/**
 * Gives contents their places in the data area: those of 2 MiB and more on 2 MiB boundaries, in
 * order, the smaller ones into the gaps before each of them and behind the last, as far as
 * possible in order too, so that files of one directory lie together.
 */
export class Placement {
  /** First byte behind everything that has been placed, block-aligned. */
  end: number;

  /**
   * @param start where the area begins, block-aligned
   * @param align 4096, or 2 MiB for images that are to be mapped with huge pages
   */
  constructor(
    private readonly start: number,
    private readonly align: number,
  ) {
    this.end = start;
  }

  /**
   * Places contents.
   * @param sizes bytes of each, none of them 0
   * @returns the offset of each
   */
  place(sizes: ArrayLike<number>): Float64Array {
    const offsets = new Float64Array(sizes.length);
    const gaps: Gap[] = [];
    let at = this.start;
    for (let index = 0; index < sizes.length; index++) {
      const size = sizes[index]!;
      if (size < HUGE_SIZE || this.align < HUGE_SIZE) continue;
      const offset = Math.ceil(at / HUGE_SIZE) * HUGE_SIZE;
      if (offset > at) gaps.push({ start: at, blocks: (offset - at) / BLOCK_SIZE });
      offsets[index] = offset;
      at = offset + blocksOf(size) * BLOCK_SIZE;
    }
    gaps.push({ start: at, blocks: Number.POSITIVE_INFINITY });
    const fill = new GapFill(gaps);
    for (let index = 0; index < sizes.length; index++) {
      const size = sizes[index]!;
      if (size >= HUGE_SIZE && this.align >= HUGE_SIZE) continue;
      offsets[index] = fill.take(blocksOf(size));
    }
    this.end = Math.max(at, fill.end);
    return offsets;
  }
}

function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK_SIZE);
}

/** Fills gaps from the first to the last; what is left of one is kept for what fits it later. */
class GapFill {
  private current = 0;
  /** Gaps that were left behind, by the number of their free blocks. */
  private readonly left: Gap[][] = Array.from({ length: HUGE_BLOCKS }, () => []);
  /** No gap that was left behind has more free blocks than this. */
  private mostLeft = 0;

  constructor(private readonly gaps: readonly Gap[]) {}

  /** End of what the last gap, which has none, has taken. */
  get end(): number {
    return this.gaps.at(-1)!.start;
  }

  take(blocks: number): number {
    const gap = this.leftGap(blocks) ?? this.nextGap(blocks);
    const offset = gap.start;
    gap.start += blocks * BLOCK_SIZE;
    gap.blocks -= blocks;
    if (gap !== this.gaps[this.current]) this.keep(gap);
    return offset;
  }

  private leftGap(blocks: number): Gap | undefined {
    for (let free = blocks; free <= this.mostLeft; free++) {
      const gap = this.left[free]!.pop();
      if (gap !== undefined) return gap;
    }
    if (blocks <= this.mostLeft) this.mostLeft = blocks - 1;
    return undefined;
  }

  private nextGap(blocks: number): Gap {
    let gap = this.gaps[this.current]!;
    while (gap.blocks < blocks) {
      this.keep(gap);
      this.current++;
      gap = this.gaps[this.current]!;
    }
    return gap;
  }

  private keep(gap: Gap): void {
    if (gap.blocks === 0) return;
    this.left[gap.blocks]!.push(gap);
    this.mostLeft = Math.max(this.mostLeft, gap.blocks);
  }
}
