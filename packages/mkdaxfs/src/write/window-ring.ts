// SPDX-License-Identifier: MIT
import { type Sink, WINDOW_BUFFER_SIZE } from "./copy.js";

/** Windows that the worker can be ahead of the thread that writes. */
const SLOTS = 3;

const FREE = 0;
const FULL = 1;

/**
 * Memory in which a worker hands filled windows to the thread that writes the image. Linux lets one
 * write at a time into a file, and a second thread that writes too spends its time waiting for the
 * first; so one thread writes, and all read.
 */
export interface WindowRing {
  /** State of each slot. */
  readonly states: Int32Array;
  /** Bytes in each slot. */
  readonly lengths: Int32Array;
  /** Where in the image the bytes of each slot go. */
  readonly offsets: Float64Array;
  /** The slot to fill next, which outlives a task. */
  readonly next: Int32Array;
  readonly memory: SharedArrayBuffer;
}

/** Makes an empty ring, which can be sent to the worker. */
export function windowRing(): WindowRing {
  return {
    states: new Int32Array(new SharedArrayBuffer(SLOTS * 4)),
    lengths: new Int32Array(new SharedArrayBuffer(SLOTS * 4)),
    offsets: new Float64Array(new SharedArrayBuffer(SLOTS * 8)),
    next: new Int32Array(new SharedArrayBuffer(4)),
    memory: new SharedArrayBuffer(SLOTS * WINDOW_BUFFER_SIZE),
  };
}

function slotMemory(ring: WindowRing, slot: number): Uint8Array {
  return new Uint8Array(ring.memory, slot * WINDOW_BUFFER_SIZE, WINDOW_BUFFER_SIZE);
}

/** The worker's end: a sink that waits while the ring is full. */
export class RingSink implements Sink {
  private slot: number;

  constructor(private readonly ring: WindowRing) {
    this.slot = ring.next[0]!;
  }

  buffer(): Uint8Array {
    Atomics.wait(this.ring.states, this.slot, FULL);
    return slotMemory(this.ring, this.slot);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.ring.lengths[this.slot] = bytes.length;
    this.ring.offsets[this.slot] = offset;
    Atomics.store(this.ring.states, this.slot, FULL);
    Atomics.notify(this.ring.states, this.slot);
    this.slot = (this.slot + 1) % SLOTS;
    this.ring.next[0] = this.slot;
  }
}

/** The writing thread's end of a ring. */
class RingDrain {
  private slot = 0;

  constructor(
    private readonly ring: WindowRing,
    private readonly sink: Sink,
  ) {}

  /**
   * Writes the windows that are full, and tells whether there was any. Once around the ring at
   * most, so that this thread sees to its events in between.
   * @throws BuildError
   */
  drain(): boolean {
    let written = 0;
    while (written < SLOTS && Atomics.load(this.ring.states, this.slot) === FULL) {
      const length = this.ring.lengths[this.slot]!;
      const bytes = slotMemory(this.ring, this.slot).subarray(0, length);
      this.sink.write(bytes, this.ring.offsets[this.slot]!);
      Atomics.store(this.ring.states, this.slot, FREE);
      Atomics.notify(this.ring.states, this.slot);
      this.slot = (this.slot + 1) % SLOTS;
      written++;
    }
    return written > 0;
  }
}

/** The writing thread's end of the rings of several workers. */
export class RingDrains {
  private readonly drains: readonly RingDrain[];

  constructor(rings: readonly WindowRing[], sink: Sink) {
    this.drains = rings.map((ring) => new RingDrain(ring, sink));
  }

  /** As of each ring. @throws BuildError */
  drain(): boolean {
    let any = false;
    for (const drain of this.drains) any = drain.drain() || any;
    return any;
  }
}

/** A sink that also writes what the workers have filled meanwhile. */
export class DrainingSink implements Sink {
  constructor(
    private readonly sink: Sink,
    private readonly rings: RingDrains,
  ) {}

  buffer(): Uint8Array {
    return this.sink.buffer();
  }

  write(bytes: Uint8Array, offset: number): void {
    this.sink.write(bytes, offset);
    this.rings.drain();
  }
}
