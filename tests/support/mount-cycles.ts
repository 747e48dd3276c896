// SPDX-License-Identifier: MIT
/** Repeated mounts in parallel: the images, the program and its parameters. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Backing,
  type GuestImage,
  type GuestResult,
  type Kernel,
  reasonUnavailable,
} from "@daxfs/qemu";
import {
  buildImage,
  compileHelper,
  guestValue,
  type HelperCheck,
  helperChecks,
  hostScript,
} from "./environment.js";

/** Makes the tree that the helpers expect. Parameters: the tree, the directory of the programs. */
const MAKE_TREE = `
cd "$1"
"$2/pattern" 1000003 >odd
"$2/pattern" 4194304 >large
ln -s odd link; mkdir empty
mkdir -p links/a/deep; echo shared >links/a/one; ln links/a/one links/a/deep/four
mkdir many; (cd many; seq -f 'entry-%04g' 0 199 | xargs touch)
touch xattrs; setfattr -n user.one -v 1 xattrs; setfattr -n trusted.secret -v 2 xattrs
mkdir plain acl; cp "$2/identity" plain/program
echo x | tee acl/user acl/denied >/dev/null
chmod 0600 acl/user; setfacl -m u:1000:r acl/user; setfacl -m u:1000:- acl/denied
`;

/** Regions in the memory of a guest: several with the image, the last one without an image. */
export interface CycleImages {
  images: GuestImage[];
  /** Paths of the programs mount_cycles and allocation_failures. */
  programs: string[];
  /** Arguments of mount_cycles, as words of the shell of the guest. This one is the first image. */
  first: string;
  /** The first image with struct pages, which need a region of a multiple of 2 MiB. */
  firstWithPages: string;
  /** The second image with struct pages. */
  second: string;
  /** The region without an image. */
  none: string;
  /** A region that ends inside the second image, which must not be mounted then. */
  short: string;
  /** For each exporter: the second image in a dma-buf, and a dma-buf without an image. */
  buffers: { exporter: Backing; image: string; none: string }[];
}

/** Makes the images in `directory`, for all exporters of dma-bufs that the kernel has. */
export async function prepareCycles(directory: string, kernel: Kernel): Promise<CycleImages> {
  const tree = join(directory, "tree");
  await mkdir(tree);
  await compileHelper("identity", directory);
  await compileHelper("pattern", directory);
  const helpers = ["mount_cycles", "allocation_failures"];
  const programs = await Promise.all(helpers.map((name) => compileHelper(name, directory)));
  await hostScript(MAKE_TREE, tree, directory);
  const path = await buildImage(tree, join(directory, "tree.daxfs"));
  const none = join(directory, "no-image");
  await writeFile(none, Buffer.alloc(8192, 0x5a));
  const exporters = await availableExporters(kernel);
  return {
    // For an image with a backing the guest loads the exporter. The image is in reserved memory too.
    images: [{ path }, ...exporters.map((backing) => ({ path, backing })), { path: none }],
    programs,
    first: "phys=$IMAGE0_PHYS,size=$IMAGE0_SIZE,nopages",
    firstWithPages: wholeHugePages(0),
    second: wholeHugePages(1),
    none: `phys=$IMAGE${exporters.length + 1}_PHYS,size=0x2000`,
    short: "phys=$IMAGE1_PHYS,size=0x2000",
    buffers: exporters.map((exporter) => ({
      exporter,
      image: `dmabuf=${exporter},$IMAGE1_PHYS,$IMAGE1_SIZE`,
      none: `dmabuf=${exporter},$IMAGE${exporters.length + 1}_PHYS,0x2000`,
    })),
  };
}

/** The region of an image, rounded up to a multiple of 2 MiB as struct pages need it. */
function wholeHugePages(index: number): string {
  const size = `$((($IMAGE${index}_SIZE + 0x1fffff) / 0x200000 * 0x200000))`;
  return `phys=$IMAGE${index}_PHYS,size=${size}`;
}

/** The exporters that the kernel has. Every kernel has at least one of the two. */
async function availableExporters(kernel: Kernel): Promise<Backing[]> {
  const exporters: Backing[] = ["dma-heap", "vgem"];
  const reasons = await Promise.all(exporters.map((one) => reasonUnavailable(kernel, one)));
  const available = exporters.filter((_, index) => reasons[index] === undefined);
  if (available.length === 0) throw new Error(`${kernel.release} exports no dma-bufs`);
  return available;
}

/**
 * A part of a guest script. Four processes mount and unmount an image `each` times, processes for
 * further exporters a quarter of that. Then others try mounts that are refused. The checks of run N
 * are attached as "`name` N".
 */
export function cyclesScript(setup: CycleImages, name: string, each: number): string {
  const right = [setup.first, setup.first, setup.second, setup.buffers[0]?.image ?? setup.second];
  const others = setup.buffers.slice(1).flatMap(({ image }) => [image, image]);
  const wrong = [setup.none, setup.short, ...setup.buffers.map(({ none }) => none)];
  const words = (memories: readonly string[]) => memories.map((text) => `"${text}"`).join(" ");
  const refused = wrong.map((text) => `'!'${text}`);
  const runs = [
    `mount_cycles ${each} ${words(right)}`,
    ...(others.length > 0 ? [`mount_cycles ${Math.ceil(each / 4)} ${words(others)}`] : []),
    `mount_cycles ${each} ${refused.join(" ")} ${words([setup.first])}`,
  ];
  const lines = runs.map(
    (run, index) => `${run} >/tmp/cycles 2>&1; attach "${name} ${index}" /tmp/cycles`,
  );
  return `${lines.join("\n")}\nvalue "${name} runs" ${runs.length}\n`;
}

/** The outcome of `cyclesScript`: its checks, and the messages of processes that failed. */
export function cycleChecks(
  result: GuestResult,
  name: string,
): { checks: HelperCheck[]; complaints: string[] } {
  const names = Array.from(
    { length: Number(guestValue(result, `${name} runs`)) },
    (_, index) => `${name} ${index}`,
  );
  const complaints = names.flatMap(
    (one) => String(result.attachments[one]).match(/^wrong: .*$/gm) ?? [],
  );
  return { checks: names.flatMap((one) => helperChecks(result, one)), complaints };
}
