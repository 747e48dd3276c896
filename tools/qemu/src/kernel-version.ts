// SPDX-License-Identifier: MIT

/**
 * The series of a kernel release, "6.12" of "6.12.95+deb12-amd64". Throws if the text does not begin
 * with a version.
 */
export function seriesOf(release: string): string {
  const [series] = /^\d+\.\d+/.exec(release) ?? [];
  if (series === undefined) throw new Error(`"${release}" is not a kernel release`);
  return series;
}

/** Compares two series or releases by their major and minor numbers; negative if `a` is older. */
export function compareSeries(a: string, b: string): number {
  const numbers = (release: string) => seriesOf(release).split(".").map(Number);
  const [majorA = 0, minorA = 0] = numbers(a);
  const [majorB = 0, minorB = 0] = numbers(b);
  return majorA - majorB || minorA - minorB;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Compares two versions of one Debian package, number by number; negative if `a` is older. */
export function comparePackageVersions(a: string, b: string): number {
  return collator.compare(a, b);
}

/**
 * Whether a kernel is of a series or of a later one, for what Linux changed in that series. Expected
 * values are keyed by this, never by the role a kernel has in the tests.
 */
export function isSince(kernel: { release: string }, series: string): boolean {
  return compareSeries(kernel.release, series) >= 0;
}
