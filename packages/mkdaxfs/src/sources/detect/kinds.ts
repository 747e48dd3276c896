// SPDX-License-Identifier: MIT

/** A kind of file: what to say of it, and the offsets at which its magic bytes may be. */
export interface Kind {
  readonly text: string;
  readonly magics: readonly (readonly [bytes: string, ...offsets: number[]])[];
}

const MOUNT = "(mount it and give the directory)";
const DISK = "(mount what is in it and give the directory)";
const UNPACK = "(unpack it and give the directory)";
const DECOMPRESS = "(decompress it into mkdaxfs -)";
const DECRYPT = "(decrypt it into mkdaxfs -)";

const filesystem = (name: string, ...magics: Kind["magics"]): Kind => ({
  text: `${name} image ${MOUNT}`,
  magics,
});
const disk = (name: string, ...magics: Kind["magics"]): Kind => ({
  text: `${name} ${DISK}`,
  magics,
});
const archive = (name: string, ...magics: Kind["magics"]): Kind => ({
  text: `${name} ${UNPACK}`,
  magics,
});
const compressed = (text: string, ...magics: Kind["magics"]): Kind => ({
  text: `${text} ${DECOMPRESS}`,
  magics,
});
const encrypted = (text: string, ...magics: Kind["magics"]): Kind => ({
  text: `${text} ${DECRYPT}`,
  magics,
});

/** Offsets of the signature at the end of a swap header, by page size. */
const SWAP_OFFSETS = [4086, 8182, 16374, 32758, 65526];

/**
 * Kinds of files that are given by mistake, the first match first. Offsets are in bytes from the
 * start of the file; all of them are within the first 256 KiB. A filesystem goes before the disk
 * that may hold it, since hybrid images have both signatures.
 */
export const KINDS: readonly Kind[] = [
  // The superblock's magic number, as it is in the file.
  { text: "a daxfs image already", magics: [["xadd", 0]] },

  filesystem("a squashfs", ["hsqs", 0], ["sqsh", 0], ["shsq", 0], ["qshs", 0]),
  filesystem("an erofs", ["\xe2\xe1\xf5\xe0", 1024]),
  filesystem("an XFS", ["XFSB", 0]),
  filesystem("a btrfs", ["_BHRfS_M", 65600]),
  filesystem("an F2FS", ["\x10\x20\xf5\xf2", 1024]),
  filesystem("an ISO 9660", ["CD001", 32769, 37649], ["CDROM", 32777]),
  filesystem("a UDF", ["BEA01", 32769], ["NSR02", 34817], ["NSR03", 34817]),
  filesystem("a cramfs", ["\x45\x3d\xcd\x28", 0, 512], ["\x28\xcd\x3d\x45", 0, 512]),
  filesystem("a romfs", ["-rom1fs-", 0]),
  filesystem("an exFAT", ["EXFAT   ", 3]),
  filesystem("an NTFS", ["NTFS    ", 3]),
  filesystem("a ReFS", ["\0\0\0ReFS\0", 0]),
  filesystem("a FAT", ["FAT12   ", 54], ["FAT16   ", 54], ["FAT     ", 54], ["FAT32   ", 82]),
  filesystem("a bcachefs", [
    "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
    4120,
  ]),
  filesystem(
    "a ReiserFS",
    ["ReIsErFs", 8244, 65588],
    ["ReIsEr2Fs", 8244, 65588],
    ["ReIsEr3Fs", 8244, 65588],
  ),
  filesystem("a JFS", ["JFS1", 32768]),
  filesystem("a GFS2", ["\x01\x16\x19\x70", 65536]),
  filesystem("an OCFS2", ["OCFSV2", 1024, 2048, 4096, 8192]),
  filesystem("a UFS", ["\x54\x19\x01\0", 9564, 66908], ["\x19\x01\x54\x19", 9564, 66908]),
  filesystem("an APFS", ["NXSB", 32]),
  filesystem("an HFS+", ["H+\0\x04", 1024], ["HX\0\x05", 1024]),
  filesystem("a ZFS pool", ["\x0c\xb1\xba\0\0\0\0\0", 131072, 135168, 139264]),
  filesystem("a UBIFS", ["\x31\x18\x10\x06", 0]),
  filesystem("a UBI", ["UBI#\x01", 0]),
  filesystem(
    "a JFFS2",
    ["\x85\x19\x03\x20", 0],
    ["\x85\x19\x01\xe0", 0],
    ["\x85\x19\x02\xe0", 0],
    ["\x19\x85\x20\x03", 0],
    ["\x19\x85\xe0\x01", 0],
    ["\x19\x85\xe0\x02", 0],
  ),

  encrypted("a LUKS volume", ["LUKS\xba\xbe", 0], ["SKUL\xba\xbe", 0]),
  encrypted("a BitLocker volume", ["-FVE-FS-", 3]),
  disk("an LVM physical volume", ["LABELONE", 0, 512, 1024, 1536]),
  disk("a member of an MD RAID", ["\xfc\x4e\x2b\xa9", 0, 4096]),
  disk("a bcache device", [
    "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
    4120,
  ]),
  disk("a Stratis pool", ["!Stra0tis\x86\xff\x02^\x41rh", 512]),
  disk("dm-verity hashes, not the data", ["verity\0\0", 0]),
  {
    text: "swap space (give a directory or an archive)",
    magics: [
      ["SWAPSPACE2", ...SWAP_OFFSETS],
      ["SWAP-SPACE", ...SWAP_OFFSETS],
    ],
  },
  disk("a qcow2 disk image", ["QFI\xfb", 0]),
  disk("a QED disk image", ["QED\0", 0]),
  disk("a VMDK disk image", ["KDMV", 0], ["COWD", 0], ["# Disk DescriptorFile", 0]),
  disk("a VHD disk image", ["conectix", 0]),
  disk("a VHDX disk image", ["vhdxfile", 0]),
  disk("a VDI disk image", ["\x7f\x10\xda\xbe", 64], ["<<< Oracle VM VirtualBox Disk Image", 0]),
  disk("a Parallels disk image", ["WithoutFreeSpace", 0], ["WithouFreSpacExt", 0]),
  disk("a Bochs disk image", ["Bochs Virtual HD Image", 0]),
  disk("an EnCase disk image", ["EVF\x09\x0d\x0a\xff\0", 0]),
  disk("a partclone image", ["partclone-image", 0]),
  disk("an ntfsclone image", ["\0ntfsclone-image", 0]),
  disk("an Android sparse image", ["\x3a\xff\x26\xed", 0]),
  disk("a disk image with a GPT", ["EFI PART", 512, 4096]),

  archive("a cpio archive", ["070701", 0], ["070702", 0], ["070707", 0]),
  archive("an ar archive or Debian package", ["!<arch>\n", 0], ["!<thin>\n", 0], ["<bigaf>\n", 0]),
  archive("an RPM package", ["\xed\xab\xee\xdb", 0]),
  archive("a 7-Zip archive", ["7z\xbc\xaf\x27\x1c", 0]),
  archive("a RAR archive", ["Rar!\x1a\x07", 0], ["RE~^", 0]),
  archive("a cabinet archive", ["MSCF\0\0\0\0", 0], ["ISc(", 0]),
  archive("a xar archive", ["xar!", 0]),
  archive("a WIM archive", ["MSWIM\0\0\0", 0], ["WLPWM\0\0\0", 0]),
  archive(
    "an LHA archive",
    ...["-lh0-", "-lh1-", "-lh4-", "-lh5-", "-lh6-", "-lh7-", "-lhd-", "-lzs-"].map(
      (method) => [method, 2] as const,
    ),
  ),
  archive("an ACE archive", ["**ACE**", 7]),
  archive("a zoo archive", ["\xdc\xa7\xc4\xfd", 20]),
  archive("a StuffIt archive", ["SIT!", 0], ["StuffIt", 0]),
  archive("a zpaq archive", ["7kSt\xa0\x31", 0], ["zPQ", 0]),
  archive("a dar archive", ["\0\0\0\x7b", 0]),
  archive("a dump(8) archive", ["\x6b\xea\0\0", 24], ["\x6c\xea\0\0", 24], ["\0\0\xea\x6c", 24]),
  archive("an xfsdump archive", ["xFSdump0", 0]),
  archive("a btrfs send stream", ["btrfs-stream\0", 0]),
  archive("a Nix archive", ["\x0d\0\0\0\0\0\0\0nix-archive-1", 0]),
  archive("a Singularity image", ["SIF_MAGIC", 32]),
  archive("an AppImage", ["AI\x01", 8], ["AI\x02", 8]),
  archive("a git bundle", ["# v2 git bundle\n", 0], ["# v3 git bundle\n", 0]),
  archive("an Android boot image", ["ANDROID!", 0]),
  archive("a U-Boot image", ["\x27\x05\x19\x56", 0]),
  archive("a device tree or FIT image", ["\xd0\x0d\xfe\xed", 0]),

  // The first four are decompressed at once; here they are inside of something compressed.
  compressed("gzip-compressed", ["\x1f\x8b", 0]),
  compressed("zstd-compressed", ["\x28\xb5\x2f\xfd", 0]),
  compressed("xz-compressed", ["\xfd7zXZ\0", 0]),
  compressed("bzip2-compressed", ["BZh", 0]),
  compressed(
    "zstd-compressed by a version before 0.8",
    ["\x1e\xb5\x2f\xfd", 0],
    ...[0x22, 0x23, 0x24, 0x25, 0x26, 0x27].map(
      (first) => [`${String.fromCharCode(first)}\xb5\x2f\xfd`, 0] as const,
    ),
  ),
  compressed("lz4-compressed", ["\x04\x22\x4d\x18", 0]),
  compressed("lz4-compressed in the legacy format", ["\x02\x21\x4c\x18", 0]),
  compressed("lizard-compressed", ["\x06\x22\x4d\x18", 0]),
  compressed("lzip-compressed", ["LZIP", 0]),
  compressed("lzop-compressed", ["\x89LZO\0\r\n\x1a\n", 0]),
  compressed("lrzip-compressed", ["LRZI", 0]),
  compressed("rzip-compressed", ["RZIP", 0]),
  compressed("bzip3-compressed", ["BZ3v1", 0]),
  compressed("snappy-compressed", ["\xff\x06\0\0sNaPpY", 0]),
  compressed("LZFSE-compressed", ["bvx-", 0], ["bvx1", 0], ["bvx2", 0], ["bvxn", 0]),
  compressed("compressed by compress(1)", ["\x1f\x9d", 0]),
  compressed("compressed by pack(1)", ["\x1f\x1e", 0]),
  compressed("compressed by freeze(1)", ["\x1f\x9f", 0]),
  compressed("LZH-compressed", ["\x1f\xa0", 0]),
  { text: "a zip archive (decompress it to a file and give that)", magics: [["PK\x03\x04", 0]] },

  encrypted("encrypted by openssl(1)", ["Salted__", 0]),
  encrypted("encrypted by age(1)", ["age-encryption.org/", 0], ["-----BEGIN AGE ENC", 0]),
  encrypted("encrypted by gpg(1)", ["-----BEGIN PGP MESSAGE-----", 0]),

  { text: "an ELF program or library", magics: [["\x7fELF", 0]] },
];

/** Kinds whose magic bytes text may have by chance, or that a stronger kind may carry. */
export const WEAK_KINDS: readonly Kind[] = [
  filesystem("an ext filesystem", ["\x53\xef", 1080]),
  filesystem(
    "a Minix filesystem",
    ["\x7f\x13", 1040],
    ["\x8f\x13", 1040],
    ["\x68\x24", 1040],
    ["\x78\x24", 1040],
    ["\x5a\x4d", 1048],
  ),
  filesystem("a NILFS2", ["\x34\x34", 1030]),
  filesystem("an HFS", ["BD", 1024]),
  { text: "a Linux kernel (give the root filesystem)", magics: [["HdrS", 514]] },
  { text: "a Windows program", magics: [["MZ", 0]] },
  disk("a disk image with a partition table or boot sector", ["\x55\xaa", 510]),
  archive("a cpio archive", ["\xc7\x71", 0], ["\x71\xc7", 0]),
  archive("an ARJ archive", ["\x60\xea", 0]),
  compressed("zlib-compressed", ["\x78\x01", 0], ["\x78\x9c", 0], ["\x78\xda", 0]),
];

/** Kinds that are known by the last 512 bytes of a file; offsets are from their start. */
export const TRAILER_KINDS: readonly Kind[] = [
  disk("a VHD disk image", ["conectix", 0, 1]),
  disk("an Apple disk image", ["koly", 0]),
];
