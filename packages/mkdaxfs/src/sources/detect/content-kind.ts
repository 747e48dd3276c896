// SPDX-License-Identifier: MIT

/** First bytes of things that are given by mistake, where they lie, and what to say of them. */
const KINDS: readonly (readonly [offset: number, bytes: string, kind: string])[] = [
  [0, "\x7fELF", "an ELF program or library"],
  // The superblock's magic number, as it lies in the file.
  [0, "xadd", "a daxfs image already"],
  [0, "hsqs", "a squashfs image (mount it and give the directory)"],
  [1024, "\xe2\xe1\xf5\xe0", "an erofs image (mount it and give the directory)"],
  [1080, "\x53\xef", "an ext filesystem image (mount it and give the directory)"],
  [32769, "CD001", "an ISO 9660 image (mount it and give the directory)"],
  [0, "QFI\xfb", "a qcow2 disk image (mount what is in it and give the directory)"],
  [0, "070701", "a cpio archive (unpack it and give the directory)"],
  [0, "070702", "a cpio archive (unpack it and give the directory)"],
  [0, "070707", "a cpio archive (unpack it and give the directory)"],
  [0, "!<arch>\n", "an ar archive or Debian package (unpack it and give the directory)"],
  [0, "\xed\xab\xee\xdb", "an RPM package (unpack it and give the directory)"],
  [0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive (unpack it and give the directory)"],
  [0, "Rar!\x1a\x07", "a RAR archive (unpack it and give the directory)"],
  [0, "\x04\x22\x4d\x18", "lz4-compressed (decompress it into mkdaxfs -)"],
  [0, "LZIP", "lzip-compressed (decompress it into mkdaxfs -)"],
  [0, "\x1f\x9d", "compressed by compress(1) (decompress it into mkdaxfs -)"],
];

/** Characters that text has, of which an error message of some server may be made. */
const TEXT = /^[\t\n\r\x20-\x7e\x80-\xff]+$/;

/** Says what some content is that can't be used, and what to do with it. */
export function contentKind(start: Uint8Array): string {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.length);
  for (const [offset, magic, kind] of KINDS) {
    if (bytes.toString("latin1", offset, offset + magic.length) === magic) return kind;
  }
  const first = bytes.subarray(0, 64).toString("latin1");
  const advice = "(sources are directories, tar and zip archives, and container images)";
  if (TEXT.test(first))
    return `text that begins with ${JSON.stringify(firstLine(first))} ${advice}`;
  return `not an archive: it begins with the bytes ${bytes.toString("hex", 0, 8)} ${advice}`;
}

function firstLine(text: string): string {
  const [line = ""] = text.trim().split(/[\r\n]/, 1);
  return line.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
}
