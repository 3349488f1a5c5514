#!/usr/bin/env bash
# Every operation of the WebGPU device, and a rerank, on Mesa's software adapter. Compiles Burn's GPU side natively, into a folder of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

adapter=$(find /usr/share/vulkan/icd.d -name 'lvp_icd*' | head -1)
# One test at a time: which kernel multiplies is a matter of the process.
VK_DRIVER_FILES=$adapter VK_ICD_FILENAMES=$adapter cargo test --locked --target-dir target/gpu --features gpu,cli --test gpu -- --test-threads 1 "$@"
