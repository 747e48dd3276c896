// SPDX-License-Identifier: MIT
/** What becomes of an attribute; `omitted` is left out though the user did not ask for that. */
export type XattrVerdict = "kept" | "excluded" | "omitted";
