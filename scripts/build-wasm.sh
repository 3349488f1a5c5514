#!/usr/bin/env bash
# Compiles the crate for the browser into pkg/wasm/: one module with both devices.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tool must be of the very version of the crate: their formats change together.
version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print }' Cargo.lock)
tools=target/tools/wasm-bindgen-$version
install() {
  cargo install --quiet --debug --root "$tools" --target-dir target/tools/build "$@" \
    wasm-bindgen-cli --version "=$version"
}
# Its lock file can name a version that a registry mirror does not have yet; then any that fits will do.
[ -x "$tools/bin/wasm-bindgen" ] || install --locked 2>/dev/null || install ||
  { echo "wasm-bindgen $version could not be installed: cargo install wasm-bindgen-cli must work." >&2; exit 1; }

cargo build --release --locked --lib --target wasm32-unknown-unknown --features gpu
rm -rf pkg/wasm
"$tools/bin/wasm-bindgen" --target web --remove-name-section --remove-producers-section \
  --out-dir pkg/wasm --out-name tabrank target/wasm32-unknown-unknown/release/tabrank.wasm
# -O1 takes a fifth off the size; higher levels take minutes more and hardly a byte more.
pkg/node_modules/.bin/wasm-opt -O1 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
  --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
  pkg/wasm/tabrank_bg.wasm -o pkg/wasm/tabrank_bg.wasm
