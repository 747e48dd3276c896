#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Committed as it is, so that installing the workspace can link it before anything is built.
require("../dist/cli.cjs");
