// SPDX-License-Identifier: MIT
// Mounting: what is refused and how, what a mounted image allows, and its end.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { BACKING, itByAddress, MOUNTED_BY_ADDRESS } from "../support/backing.js";
import { buildImage, compileHelper, failedChecks, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

const HELPERS = ["mount_option", "file_checks", "directory_checks", "access_checks"] as const;
const MANY = 5000;

/** Parameters: the tree, the directory of the compiled programs. */
const MAKE_TREE = `
cd "$1"
"$2/pattern" 1000003 >odd
truncate -s 3M sparse; printf x | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
head -c 48M /dev/urandom >large
ln -s odd link; mkdir empty; mkfifo fifo; mknod null c 1 3
mkdir -p links/a/deep links/b; echo shared >links/a/one
ln links/a/one links/b/two; ln links/a/one links/three; ln links/a/one links/a/deep/four
touch xattrs; setfattr -n user.one -v 1 xattrs; setfattr -n trusted.secret -v 2 xattrs
mkdir many; (cd many; seq -f 'entry-%05g' 0 ${MANY - 1} | xargs touch)

mkdir plain; cd plain
echo x | tee public private team not-the-owner >/dev/null
chmod 0644 public
chown 1000:1000 private; chmod 0600 private
chown 0:2000 team; chmod 0640 team
chown 1000:2000 not-the-owner; chmod 0040 not-the-owner
mkdir closed search list
echo x | tee closed/inside search/inside list/inside >/dev/null
chmod 0700 closed; chmod 0711 search; chmod 0744 list
cp "$2/identity" program; chmod 0711 program
cp "$2/identity" program-of-root; chmod 0750 program-of-root
cp "$2/identity" capable; setcap cap_net_raw,cap_sys_time+ep capable
cd ..

mkdir acl; cd acl
echo x | tee user denied masked group >/dev/null
chmod 0600 user masked group
setfacl -m u:1000:r user
setfacl -m u:1001:- denied
setfacl -m u:1000:rw masked; setfacl -m m::- masked
setfacl -m g:2000:r group
mkdir directory default; echo x | tee directory/inside default/inside >/dev/null
chmod 0700 directory default
setfacl -m u:1000:rx directory
setfacl -m d:u:1000:rwx default
`;

interface Refusal {
  name: string;
  /** In the guest's shell: $P and $S are place and size of the image, $N of a region without one. */
  options: string;
  /** The one message must say this. */
  message: RegExp;
  /** EINVAL, unless given. */
  error?: string;
  /** Whether it takes memory whose region the kernel knows, or memory that is no such region. */
  takesRegion?: boolean;
  /** Whether it takes System RAM beside the image, which a device's memory has not. */
  besideRam?: boolean;
}

const REFUSALS: readonly Refusal[] = [
  { name: "no options", options: "", message: /phys=.*dmabuf/ },
  { name: "no phys", options: "size=$S", message: /phys=/ },
  { name: "phys is a word", options: "phys=here,size=$S", message: /'phys'/ },
  { name: "size is a word", options: "phys=$P,size=large", message: /'size'/ },
  { name: "garbage behind the number", options: "phys=$P,size=4096x", message: /'size'/ },
  { name: "phys is empty", options: "phys=,size=$S", message: /'phys'|phys/ },
  { name: "phys has no value", options: "phys,size=$S", message: /phys/ },
  { name: "phys is negative", options: "phys=-4096,size=$S", message: /'phys'/ },
  { name: "phys has 65 bits", options: "phys=0x10000000000000000,size=$S", message: /'phys'/ },
  { name: "phys is not aligned", options: "phys=$((P + 1)),size=$S", message: /multiple/ },
  { name: "phys is aligned to 2048", options: "phys=$((P + 2048)),size=$S", message: /multiple/ },
  { name: "size is not aligned", options: "phys=$P,size=$((S - 1))", message: /multiple/ },
  { name: "size is 0", options: "phys=$P,size=0", message: /size/ },
  {
    name: "the end overflows",
    options: "phys=0xfffffffffffff000,size=0x2000",
    message: /address space/,
  },
  {
    name: "the end is 0",
    options: "phys=0xfffffffffffff000,size=0x1000",
    message: /address space/,
  },
  { name: "size overflows", options: "phys=$P,size=0xfffffffffffff000", message: /address space/ },
  {
    name: "beyond physical addresses",
    options: "phys=0x7ffffffffffff000,size=0x1000",
    message: /address space/,
  },
  { name: "System RAM", options: "phys=0x10000000,size=0x200000", message: /System RAM/ },
  {
    name: "the reserved page at 0",
    options: "phys=0,size=0x1000",
    message: /in use by a driver or the firmware/,
    error: "EBUSY",
  },
  {
    name: "System RAM before",
    options: "phys=$((P - 4096)),size=$S",
    message: /System RAM/,
    besideRam: true,
  },
  {
    name: "System RAM behind",
    options: "phys=$N,size=0x10000000",
    message: /System RAM/,
    besideRam: true,
  },
  { name: "size of one page", options: "phys=$P,size=4096", message: /total_size/ },
  { name: "a page is missing", options: "phys=$P,size=$((S - 4096))", message: /total_size/ },
  { name: "no image", options: "phys=$N,size=0x2000", message: /magic/ },
  { name: "inside the image", options: "phys=$((P + 4096)),size=0x2000", message: /magic/ },
  { name: "nothing at the address", options: "phys=0xd0000000,size=0x2000", message: /magic/ },
  { name: "an unknown option", options: "phys=$P,size=$S,bogus=1", message: /bogus/ },
  { name: "an unknown flag", options: "bogus,phys=$P,size=$S", message: /bogus/ },
  {
    name: "no size, where the kernel knows no end",
    options: "phys=$P",
    message: /give size=/,
    takesRegion: false,
  },
  { name: "dmabuf as a string", options: "dmabuf=3", message: /dmabuf/ },
  { name: "dmabuf beside phys", options: "phys=$P,size=$S,dmabuf=0", message: /dmabuf/ },
];

/** These must work, through the same program; else all of the above would prove nothing. */
const ACCEPTED: readonly Omit<Refusal, "message">[] = [
  { name: "the image", options: "phys=$P,size=$S" },
  { name: "in the other order, decimal", options: "size=$((S + 0)),phys=$((P + 0))" },
  { name: "more memory than the image", options: "phys=$P,size=$((S + 4096))" },
  { name: "the size taken from the image", options: "phys=$P", takesRegion: true },
  { name: "the size in KiB", options: "phys=$P,size=$((S / 1024))K" },
  { name: "both in larger units", options: "phys=$((P >> 20))M,size=$(((S >> 20) + 1))m" },
  { name: "with ro", options: "ro,phys=$P,size=$S" },
];

/** What a mount in the memory of a PCI device says, where that could have struct pages. */
const NO_PAGES = /no struct pages for a device's memory/;

/** Those that this backing can have. */
const REFUSED = MOUNTED_BY_ADDRESS
  ? REFUSALS.filter(({ besideRam }) => !besideRam || BACKING === "reserved").filter(isPossible)
  : [];
const WORKING = MOUNTED_BY_ADDRESS ? ACCEPTED.filter(isPossible) : [];

function isPossible({ takesRegion }: Pick<Refusal, "takesRegion">): boolean {
  // Of virtio-pmem, without a driver for what is in it, /proc/iomem has nothing.
  const hasRegion = BACKING === "ivshmem" || BACKING === "nvdimm";
  return takesRegion === undefined || takesRegion === hasRegion;
}

interface Attempt {
  error: string;
  /** Messages of the call: in the log of fsopen(2), and in the kernel's. */
  log: string[];
  dmesg: string[];
}

let attempts: Map<string, Attempt>;
let largeDigest: string;
let entries: number;
let hostCapabilities: string;

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

/** Parses the output of mount_option, by the name of the case and the call. */
function parseAttempts(text: string): Map<string, Attempt> {
  const parsed = new Map<string, Attempt>();
  for (const line of text.trimEnd().split("\n")) {
    const [name = "", call = "", error = "", ...messages] = line.split("\t");
    const at = (where: string) =>
      messages
        .filter((message) => message.startsWith(`${where}=`))
        .map((message) => message.slice(where.length + 1));
    parsed.set(`${name}, ${call}`, { error, log: at("log"), dmesg: at("dmesg") });
  }
  return parsed;
}

function attempt(name: string): Attempt {
  const found = attempts.get(name);
  if (found === undefined) throw new Error(`the guest did not try "${name}"`);
  return found;
}

await describeGuest("a mount", "mount", {}, (guest) => {
  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await mkdir(tree);
    await compileHelper("identity", directory);
    await compileHelper("pattern", directory);
    const helpers = await Promise.all(
      [...HELPERS, "lifetime_checks"].map((name) => compileHelper(name, directory)),
    );
    await hostScript(MAKE_TREE, tree, directory);
    largeDigest = await digestOf(join(tree, "large"));
    entries = Number(await hostScript('find "$1" | wc -l', tree));
    hostCapabilities = await hostScript('cd "$1"; getcap plain/capable', tree);
    const image = await buildImage(tree, join(directory, "tree.daxfs"));
    const noImage = join(directory, "no-image");
    await writeFile(noImage, Buffer.alloc(8192, 0x5a));

    const tried = [...REFUSED, ...WORKING]
      .map(({ name, options }) => `mount_option "${name}" "${options}" /mnt >>/tmp/options`)
      .join("\n");
    return {
      cpus: 2,
      images: [{ path: image }, { path: noImage }],
      programs: [...helpers, "cp", "getcap", "getfattr"],
      timeoutSeconds: 700,
      script: `
P=$IMAGE0_PHYS S=$IMAGE0_SIZE N=$IMAGE1_PHYS
mappings() { grep -c memremap /proc/vmallocinfo; }
touch /tmp/options
value "mappings before" "$(mappings)"
${tried}
value "mappings after" "$(mappings)"
attach options /tmp/options
value users "$(cat /sys/module/daxfs/refcnt)"

mount_image 0 /mnt || exit 1
file_checks /mnt /tmp >/tmp/files 2>&1
attach files /tmp/files
directory_checks /mnt/many ${MANY} /mnt >/tmp/directories 2>&1
attach directories /tmp/directories
access_checks /mnt >/tmp/access 2>&1
attach access /tmp/access
value capabilities "$(cd /mnt && getcap plain/capable)"
value digest "$(sha256sum </mnt/large | cut -d' ' -f1)"
cp /mnt/large /tmp/copy && value copied "$(sha256sum </tmp/copy | cut -d' ' -f1)"
cp --sparse=always /mnt/sparse /tmp/sparse && cmp /mnt/sparse /tmp/sparse
value sparse $?
rm -f /tmp/copy /tmp/sparse
rmmod daxfs 2>/tmp/rmmod; value "rmmod while mounted" $?
umount /mnt || exit 2

${MOUNTED_BY_ADDRESS ? "lifetime_checks phys=$P,size=$S $S >/tmp/lifetime 2>&1; attach lifetime /tmp/lifetime" : "rmmod daxfs"}
[ -d /sys/module/daxfs ] && exit 3
insmod /vm/modules/daxfs.ko || exit 4
mount_image 0 /mnt && umount /mnt && rmmod daxfs || exit 5
`,
    };
  });
  beforeAll(() => {
    attempts = parseAttempts(guest.result.attachments.options?.toString() ?? "");
  });

  it("comes to its end", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  itByAddress("was tried with all options", () => {
    expect(attempts.size).toBe(2 * (REFUSED.length + WORKING.length));
  });

  it.each(WORKING)("works: $name", ({ name }) => {
    for (const call of ["mount", "fsconfig"]) {
      const { error, ...messages } = attempt(`${name}, ${call}`);
      expect(error).toBe("0");
      expect([...messages.log, ...messages.dmesg].filter((line) => !NO_PAGES.test(line))).toEqual(
        [],
      );
    }
  });

  it.each(REFUSED)(
    "is refused with one message by mount(2): $name",
    ({ name, message, error: expected }) => {
      const { error, dmesg } = attempt(`${name}, mount`);
      expect(error).toBe(expected ?? "EINVAL");
      expect(dmesg).toEqual([expect.stringMatching(message)]);
      expect(dmesg[0]).toContain("daxfs");
    },
  );

  it.each(REFUSED)(
    "is refused with one message by fsconfig(2): $name",
    ({ name, message, error: expected }) => {
      const { error, log } = attempt(`${name}, fsconfig`);
      expect(error).toBe(expected ?? "EINVAL");
      expect(log).toEqual([expect.stringMatching(message)]);
    },
  );

  it("leaves nothing behind when it is refused", () => {
    expect(guest.value("mappings after")).toBe(guest.value("mappings before"));
    expect(guest.value("users")).toBe("0");
  });

  it("can't be written, and serves every way of reading", () => {
    const checks = guest.checks("files");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks.length).toBeGreaterThan(90);
  });

  it("reads and copies a large file right", () => {
    expect(guest.value("digest")).toBe(largeDigest);
    expect(guest.value("copied")).toBe(largeDigest);
    expect(guest.value("sparse")).toBe("0");
  });

  it("lists and looks up, also a large directory, also while caches are dropped", () => {
    const checks = guest.checks("directories");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks.length).toBeGreaterThan(30);
  });

  it("enforces permissions and ACLs, and shows capabilities", () => {
    const checks = guest.checks("access");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks.length).toBeGreaterThan(30);
    expect(hostCapabilities).toContain("cap_net_raw");
    expect(guest.value("capabilities")).toBe(hostCapabilities);
  });

  itByAddress("lives as long as it is used, and not longer", () => {
    const checks = guest.checks("lifetime");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks.length).toBeGreaterThan(50);
  });

  it("keeps the module", () => {
    expect(guest.value("rmmod while mounted")).toBe("1");
  });

  itByAddress("counts its files for statfs", () => {
    const text = guest.result.attachments.lifetime?.toString() ?? "";
    expect(/^files (\d+)$/m.exec(text)?.[1]).toBe(String(entries));
  });
});
