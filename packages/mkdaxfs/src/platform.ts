// SPDX-License-Identifier: MIT
/** A platform as OCI image indexes name it. */
export interface Platform {
  /** As GOOS: "linux". */
  readonly os: string;
  /** As GOARCH: "amd64", "arm64". */
  readonly architecture: string;
  /** Such as "v8" of arm64. */
  readonly variant?: string;
}
