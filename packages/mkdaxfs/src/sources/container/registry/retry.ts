// SPDX-License-Identifier: MIT
import { setTimeout as pause } from "node:timers/promises";
import { BuildError } from "../../../errors.js";

/** Times that something is tried in all, unless it gets on in between. */
const TRIES = 5;
/** Milliseconds that a server may ask to be left alone for. */
const LONGEST_PAUSE = 60_000;

/** A failure that may be gone at the next try. */
export class TemporaryError extends Error {
  /**
   * @param afterMs milliseconds that the server asks to be left alone for
   */
  constructor(
    message: string,
    readonly afterMs?: number,
  ) {
    super(message);
  }
}

/** Decides whether something that failed is tried again, and when. */
export class Patience {
  private failures = 0;

  /** @param firstPauseMs milliseconds, about, before the second try; doubled for each further one */
  constructor(
    private readonly firstPauseMs: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Forgets the failures, since there was progress after them. */
  renew(): void {
    this.failures = 0;
  }

  /**
   * Waits before the next try.
   * @throws BuildError when there is none; anything but a {@link TemporaryError} as it is; the
   *   signal's reason
   */
  async afterFailure(error: unknown): Promise<void> {
    if (!(error instanceof TemporaryError)) throw error;
    this.failures++;
    const asked = error.afterMs ?? 0;
    if (asked > LONGEST_PAUSE) {
      const seconds = Math.ceil(asked / 1000);
      throw new BuildError(`${error.message} (try again in ${seconds} s, as it asks)`);
    }
    if (this.failures >= TRIES) {
      throw new BuildError(`${error.message} (tried ${TRIES} times: try again later)`);
    }
    // Builds that failed at the same time should not come back at the same time.
    const jitter = 0.5 + Math.random();
    const delay = Math.max(asked, this.firstPauseMs * 2 ** (this.failures - 1) * jitter);
    try {
      await pause(delay, undefined, { signal: this.signal });
    } catch (interruption) {
      throw this.signal.aborted ? this.signal.reason : interruption;
    }
  }

  /** Does something until it succeeds. @throws as {@link afterFailure} */
  async persist<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        await this.afterFailure(error);
      }
    }
  }
}

/** Statuses of servers that may answer another time. */
const TEMPORARY_STATUSES = [408, 429, 500, 502, 503, 504];

/**
 * What to throw for the answer of a server that may answer otherwise at another time.
 * @param what the server, for messages
 * @returns undefined for other answers
 */
export function temporaryStatus(
  reply: { readonly status: number; header(name: string): string | undefined },
  what: string,
): TemporaryError | undefined {
  if (!TEMPORARY_STATUSES.includes(reply.status)) return undefined;
  const said =
    reply.status === 429 ? "allows no more requests for now (429)" : `answers ${reply.status}`;
  return new TemporaryError(`${what} ${said}`, retryAfterMs(reply.header("retry-after")));
}

/** Milliseconds that a Retry-After header asks for (RFC 9110, section 10.2.3). */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
