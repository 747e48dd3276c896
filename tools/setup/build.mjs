// SPDX-License-Identifier: MIT
// npm run build
import { build } from "./steps.mjs";

build();
