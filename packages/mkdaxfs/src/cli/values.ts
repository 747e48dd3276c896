// SPDX-License-Identifier: MIT
/** What values of options are written like. All of these throw a {@link UsageError}. */
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
import { ID_MAX, JOBS_MAX, TIME_MAX } from "../model/limits.js";
import type { IdMapping } from "../options.js";
import { UsageError } from "./usage-error.js";

const NS_PER_SECOND = 1_000_000_000n;

/** Bytes: `4096`, `512K`, `10M`, `2G`, `1T`, by powers of 1024. */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMGT]?)$/i.exec(text);
  const [, digits = "", suffix = ""] = match ?? [];
  const size = Number(digits) * 1024 ** " KMGT".indexOf(suffix.toUpperCase() || " ");
  if (match === null || !Number.isSafeInteger(size)) {
    throw new UsageError("Give bytes, or a number with K, M, G or T.");
  }
  return size;
}

/** A user or group by number. */
export function parseId(text: string): number {
  const id = wholeNumber(text);
  if (id === undefined || id > ID_MAX) {
    throw new UsageError(`Give a number from 0 to ${ID_MAX}; names differ between machines.`);
  }
  return id;
}

/** `FROM:TO:COUNT`, as in newuidmap(1). */
export function parseIdMapping(text: string): IdMapping {
  const parts = text.split(":").map(wholeNumber);
  const [from, to, count] = parts;
  if (parts.length !== 3 || from === undefined || to === undefined || count === undefined) {
    throw new UsageError("Give FROM:TO:COUNT, three numbers.");
  }
  return { from, to, count };
}

/** A number of threads. */
export function parseJobs(text: string): number {
  const jobs = wholeNumber(text);
  if (jobs === undefined || jobs < 1 || jobs > JOBS_MAX) {
    throw new UsageError(`Give a number from 1 to ${JOBS_MAX}.`);
  }
  return jobs;
}

/** How many times its length something may unpack to. */
export function parseRatio(text: string): number {
  const ratio = wholeNumber(text);
  if (ratio === undefined || ratio < 1) throw new UsageError("Give a whole number from 1 on.");
  return ratio;
}

/** Where large files begin: `4k` or `2m`. @returns bytes */
export function parseAlignment(text: string): typeof BLOCK_SIZE | typeof HUGE_SIZE {
  if (text !== "4k" && text !== "2m") throw new UsageError("Allowed choices are 4k, 2m.");
  return text === "4k" ? BLOCK_SIZE : HUGE_SIZE;
}

export function parseBoolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new UsageError("Give true or false.");
  return text === "true";
}

/**
 * A time: `@SECONDS` since 1970, or a date of ISO 8601 with or without a time of day. Both take
 * fractions. Without a zone it is UTC, so that the image does not hang on where it is built.
 * @returns nanoseconds since 1970
 */
export function parseTime(text: string): bigint {
  const time = secondsTime(text) ?? isoTime(text);
  if (time === undefined) {
    throw new UsageError("Give @SECONDS since 1970, or a date such as 2024-02-29T12:30:00Z.");
  }
  if (time > TIME_MAX || time < -TIME_MAX) {
    throw new UsageError("An image holds times from 1677 to 2262.");
  }
  return time;
}

function secondsTime(text: string): bigint | undefined {
  const [, sign, seconds, fraction = ""] = /^@(-?)(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds === undefined) return undefined;
  const time = BigInt(seconds) * NS_PER_SECOND + nanoseconds(fraction);
  return sign === "-" ? -time : time;
}

function isoTime(text: string): bigint | undefined {
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, date = "", time = "00:00", second = "00", fraction = "", zone = "Z"] = match;
  const local = `${date}T${time}:${second}.000Z`;
  const milliseconds = Date.parse(local);
  // Other engines' Date would take the 30th of February for the 1st of March.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== local)
    return undefined;
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -60 : 60);
  if (Number(minutes ?? 0) > 59 || Math.abs(offset) > 24 * 3600) return undefined;
  return BigInt(milliseconds / 1000 - offset) * NS_PER_SECOND + nanoseconds(fraction);
}

function nanoseconds(fraction: string): bigint {
  return BigInt(fraction.padEnd(9, "0"));
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
