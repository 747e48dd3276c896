// SPDX-License-Identifier: MIT
// Archives one after the other: made from seeds, read by everyone, compared, and shrunk where
// readers disagree.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeLayout } from "../system/support/oci-writer.js";
import { type Comparison, compare, type Disagreement, isSameKind, wording } from "./compare.js";
import { type Description, DescriptionError } from "./description.js";
import { archiveSeed, Dice } from "./dice.js";
import { LayersGenerator } from "./layers-generator.js";
import { ourAnswer } from "./ours.js";
import { Peers } from "./peers.js";
import { shrink } from "./shrink.js";
import { TarGenerator } from "./tar-generator.js";
import { tarBytes, tarStream } from "./tar-writer.js";
import { whiteoutsFirst } from "./whiteouts.js";
import { ZipGenerator } from "./zip-generator.js";
import { zipBytes } from "./zip-writer.js";

export const KINDS = ["tar", "zip", "layers"] as const;
export type Kind = (typeof KINDS)[number];

/** The archive with a number in a run. */
export function generated(kind: Kind, seed: number, index: number): Description {
  const dice = new Dice(archiveSeed(seed, index));
  switch (kind) {
    case "tar":
      return new TarGenerator(dice).archive();
    case "zip":
      return new ZipGenerator(dice).archive();
    case "layers":
      return new LayersGenerator(dice).image();
  }
}

/** Counts of a run, by kind of archive. */
export interface Counts {
  archives: number;
  agreed: number;
  undecided: number;
  refused: number;
  /** Messages with which archives were refused, without what they say of the archive at hand. */
  readonly refusals: Map<string, number>;
  readonly deviations: Map<string, number>;
  failures: number;
}

export interface Failure {
  readonly kind: Kind;
  readonly seed: number;
  readonly index: number;
  readonly description: Description;
  readonly shrunk: Description;
  readonly disagreements: readonly Disagreement[];
}

export class Campaign {
  private readonly scratch: string;
  private readonly peers: Peers;
  readonly counts: Readonly<Record<Kind, Counts>>;

  /**
   * @param directory of the test
   * @param base where a scratch directory is made; its filesystem must have attributes for users
   */
  constructor(directory: string, base: string) {
    this.scratch = mkdtempSync(join(base, "mkdaxfs-differential-"));
    this.peers = new Peers(directory, this.scratch);
    const none = (): Counts => ({
      ...{ archives: 0, agreed: 0, undecided: 0, refused: 0, failures: 0 },
      ...{ deviations: new Map(), refusals: new Map() },
    });
    this.counts = { tar: none(), zip: none(), layers: none() };
  }

  /** Reads an archive with everyone. */
  async compare(description: Description): Promise<Comparison> {
    const image = join(this.scratch, "image");
    const { ours, theirs } = this.write(description);
    const [answers, own] = await Promise.all([
      this.peers.ask(description.kind, theirs),
      ourAnswer(ours, image),
    ]);
    return compare(description, own, answers);
  }

  /** Everyone's answer, for whoever looks into a disagreement. */
  async answers(description: Description) {
    const { ours, theirs } = this.write(description);
    const own = await ourAnswer(ours, join(this.scratch, "image"));
    return { ours: own, peers: await this.peers.ask(description.kind, theirs) };
  }

  /** Reads an archive from a seed, counts, and shrinks it if it fails. */
  async run(kind: Kind, seed: number, index: number): Promise<Failure | undefined> {
    const description = generated(kind, seed, index);
    const comparison = await this.compare(description);
    const counts = this.counts[kind];
    counts.archives++;
    counts.agreed += comparison.agreed;
    counts.undecided += comparison.undecided;
    if (comparison.refused !== undefined) {
      counts.refused++;
      const words = wording(comparison.refused);
      counts.refusals.set(words, (counts.refusals.get(words) ?? 0) + 1);
    }
    for (const rule of comparison.deviations) {
      counts.deviations.set(rule, (counts.deviations.get(rule) ?? 0) + 1);
    }
    const first = comparison.disagreements[0];
    if (first === undefined) return undefined;
    counts.failures++;
    const fails = async (smaller: Description) => {
      const disagreements = await this.compare(smaller).then(
        (found) => found.disagreements,
        // The shrinker makes descriptions that nothing can be written from.
        (error: unknown) => {
          if (error instanceof DescriptionError) return [];
          throw error;
        },
      );
      return disagreements.some((found) => isSameKind(found, first));
    };
    const shrunk = await shrink(description, fails);
    const { disagreements } = await this.compare(shrunk);
    return { kind, seed, index, description, shrunk, disagreements };
  }

  async close(): Promise<void> {
    await this.peers.close();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** Writes an archive, for the peers in another order where they need that. */
  private write(description: Description): { readonly ours: string; readonly theirs: string } {
    if (description.kind !== "layers") {
      const path = join(this.scratch, `archive.${description.kind}`);
      const bytes = description.kind === "tar" ? tarBytes(description) : zipBytes(description);
      writeFileSync(path, bytes);
      return { ours: path, theirs: path };
    }
    const paths = { ours: join(this.scratch, "ours"), theirs: join(this.scratch, "theirs") };
    const { layers = [], compression = "plain" } = description;
    for (const path of Object.values(paths)) rmSync(path, { recursive: true, force: true });
    writeLayout(
      paths.ours,
      "image",
      layers.map((layer) => tarStream(layer)),
      compression,
    );
    // Of whiteouts that come late in a layer umoci removes less than it should.
    const sorted = layers.map((layer) => tarStream(whiteoutsFirst(layer)));
    writeLayout(paths.theirs, "image", sorted, compression);
    return paths;
  }
}

/** Writes a failure into a directory, as a description and as bytes. Returns the description's path. */
export function saveFailure(directory: string, failure: Failure): string {
  mkdirSync(directory, { recursive: true });
  const { kind, seed, index, shrunk, disagreements } = failure;
  const base = join(directory, `${kind}-${seed}-${index}`);
  if (shrunk.kind === "tar") writeFileSync(`${base}.tar`, tarBytes(shrunk));
  if (shrunk.kind === "zip") writeFileSync(`${base}.zip`, zipBytes(shrunk));
  const text = JSON.stringify({ disagreements, description: shrunk }, null, 2);
  writeFileSync(`${base}.json`, `${text}\n`);
  return `${base}.json`;
}
