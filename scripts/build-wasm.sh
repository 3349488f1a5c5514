#!/usr/bin/env bash
# Compiles the crate for the browser into pkg/wasm/: a module with both devices, and the same with relaxed
# SIMD for the browsers that have it. One JavaScript glue, tabrank.js, serves both.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --manifest-path scripts/bindgen/Cargo.toml --target-dir target

# compile FOLDER FEATURES
# Both modules are called tabrank: each names its glue as the place that its imports come from.
compile() {
  cargo build --release --locked --lib --target wasm32-unknown-unknown --features "$2"
  target/release/bindgen target/wasm32-unknown-unknown/release/tabrank.wasm "$1" tabrank
}

# optimize FOLDER [FLAG...]
# -O1 takes a fifth off the size; higher levels take minutes more and hardly a byte more.
optimize() {
  pkg/node_modules/.bin/wasm-opt -O1 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
    --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue "${@:2}" \
    "$1/tabrank_bg.wasm" -o "$1/tabrank_bg.wasm"
}

rm -rf pkg/wasm
compile pkg/wasm gpu
# A minute on one core, which the second module's compilation leaves idle. Of all crates only ours is compiled again.
optimize pkg/wasm &
first=$!
compile pkg/wasm/relaxed gpu,relaxed-simd
optimize pkg/wasm/relaxed --enable-relaxed-simd
wait "$first"

# The glue of the first is shipped with both. Its comments name places in the module, which differ.
code() { grep -vE '^\s*//' "$1"; }
for file in tabrank.js tabrank.d.ts tabrank_bg.wasm.d.ts; do
  diff <(code "pkg/wasm/$file") <(code "pkg/wasm/relaxed/$file") ||
    { echo "The module with relaxed SIMD needs another $file than the plain one." >&2; exit 1; }
done
mv pkg/wasm/relaxed/tabrank_bg.wasm pkg/wasm/tabrank_relaxed_bg.wasm
rm -r pkg/wasm/relaxed
