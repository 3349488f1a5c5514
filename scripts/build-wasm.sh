#!/usr/bin/env bash
# Compiles the crate for the browser into pkg/wasm/: a module with both devices, and the same with relaxed
# SIMD for the browsers that have it. One JavaScript glue, tabrank.js, serves both.
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

# build FOLDER FEATURES [WASM_OPT_FLAG...]
# Both modules are called tabrank: each names its glue as the place that its imports come from.
build() {
  local folder=$1 features=$2
  shift 2
  cargo build --release --locked --lib --target wasm32-unknown-unknown --features "$features"
  "$tools/bin/wasm-bindgen" --target web --remove-name-section --remove-producers-section \
    --out-dir "$folder" --out-name tabrank target/wasm32-unknown-unknown/release/tabrank.wasm
  # -O1 takes a fifth off the size; higher levels take minutes more and hardly a byte more.
  pkg/node_modules/.bin/wasm-opt -O1 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
    --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue "$@" \
    "$folder/tabrank_bg.wasm" -o "$folder/tabrank_bg.wasm"
}

rm -rf pkg/wasm
build pkg/wasm gpu
# Of all crates only ours is compiled again.
build pkg/wasm/relaxed gpu,relaxed-simd --enable-relaxed-simd

# The glue of the first is shipped with both. Its comments name places in the module, which differ.
code() { grep -vE '^\s*//' "$1"; }
for file in tabrank.js tabrank.d.ts tabrank_bg.wasm.d.ts; do
  diff <(code "pkg/wasm/$file") <(code "pkg/wasm/relaxed/$file") ||
    { echo "The module with relaxed SIMD needs another $file than the plain one." >&2; exit 1; }
done
mv pkg/wasm/relaxed/tabrank_bg.wasm pkg/wasm/tabrank_relaxed_bg.wasm
rm -r pkg/wasm/relaxed
