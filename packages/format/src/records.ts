// SPDX-License-Identifier: MIT
import { codecOf, type Decoded } from "./codec.js";
import { INODE, SUPERBLOCK, XATTR_ENTRY, XATTR_ROW, XATTR_SET } from "./schema.js";

export const superblockCodec = codecOf(SUPERBLOCK);
export const inodeCodec = codecOf(INODE);
export const xattrRowCodec = codecOf(XATTR_ROW);
export const xattrSetCodec = codecOf(XATTR_SET);
export const xattrEntryCodec = codecOf(XATTR_ENTRY);

export type Superblock = Decoded<typeof SUPERBLOCK>;
export type Inode = Decoded<typeof INODE>;
