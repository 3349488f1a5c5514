#!/usr/bin/env bash
# Builds the modules of this tree once more, in another folder and with an empty target folder, and compares.
set -euo pipefail
cd "$(dirname "$0")/.."

other=$(mktemp -d)
trap 'rm -rf "$other"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory "$other"
make --directory "$other" --silent "pkg/wasm/tabrank_relaxed_bg.wasm"
for module in tabrank_bg.wasm tabrank_relaxed_bg.wasm tabrank_gpu_bg.wasm tabrank_images_bg.wasm; do
  sha256sum "pkg/wasm/$module"
  cmp "pkg/wasm/$module" "$other/pkg/wasm/$module" || { echo "$module is not the same from another folder." >&2; exit 1; }
done
echo "The same from another folder."
