#!/usr/bin/env -S node --max-semi-space-size=4 --single-threaded-gc
import '../dist/src/cli.js';
