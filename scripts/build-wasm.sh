#!/usr/bin/env bash
# Compiles the crate for the browser into pkg/wasm/: a module for the CPU, the same with relaxed SIMD for the browsers
# that have it, and one with both devices, since a GPU is held against the CPU. One JavaScript glue, tabrank.js, serves
# the first two; what is asked of WebGPU is in that of the third, tabrank_gpu.js. A fourth, with a glue of its own, decodes
# pictures as browsers do not, and holds nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --manifest-path scripts/bindgen/Cargo.toml --target-dir target

# compile TARGET-FOLDER FOLDER NAME FEATURES [CARGO-OPTION...] [-- RUSTC-OPTION...]
# A module names its glue as the place that its imports come from. What cargo made, with the names of
# functions, stays for `make size`.
compile() {
  cargo rustc --release --locked --lib --target wasm32-unknown-unknown --target-dir "$1" --features "$4" "${@:5}"
  mkdir -p target/named/"$2"
  cp "$1/wasm32-unknown-unknown/release/tabrank.wasm" "target/named/$2/$3_bg.wasm"
  target/release/bindgen "$1/wasm32-unknown-unknown/release/tabrank.wasm" "$2" "$3"
}

# optimize MODULE [FLAG...]
# Higher levels take minutes more, and the CPU's module is larger by them once it is compressed.
optimize() {
  pkg/node_modules/.bin/wasm-opt -O1 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
    --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue "${@:2}" "$1" -o "$1"
}

# Our own crate is compiled for speed, which its kernels need: they say for themselves what has to be inlined, and their loops
# have lengths that are known. All else is called rather than copied, and its loops are left as they are.
small=(--config scripts/small.toml -- -C "llvm-args=-inline-threshold=40 -unroll-runtime=0 -unroll-allow-partial=0")

rm -rf pkg/wasm
# Our own crate and wasm-opt take one core each. Beside the others the module with both devices is built in a folder of its own, as cargo lets
# one build at a time into a folder; they have no dependency in common.
{ compile target/webgpu pkg/wasm tabrank_gpu gpu; optimize pkg/wasm/tabrank_gpu_bg.wasm; } &
jobs=($!)
compile target pkg/wasm tabrank "" "${small[@]}"
optimize pkg/wasm/tabrank_bg.wasm &
jobs+=($!)
compile target pkg/wasm/relaxed tabrank relaxed-simd "${small[@]}"
optimize pkg/wasm/relaxed/tabrank_bg.wasm --enable-relaxed-simd &
jobs+=($!)
compile target pkg/wasm tabrank_images images "${small[@]}" --cfg tabrank_decoder
optimize pkg/wasm/tabrank_images_bg.wasm &
jobs+=($!)
for job in "${jobs[@]}"; do wait "$job"; done

# The glue of the first is shipped with the second too. Its comments name places in the module, which differ.
code() { grep -vE '^\s*//' "$1"; }
for file in tabrank.js tabrank.d.ts tabrank_bg.wasm.d.ts; do
  diff <(code "pkg/wasm/$file") <(code "pkg/wasm/relaxed/$file") ||
    { echo "The module with relaxed SIMD needs another $file than the plain one." >&2; exit 1; }
done
mv target/named/pkg/wasm/relaxed/tabrank_bg.wasm target/named/pkg/wasm/tabrank_relaxed_bg.wasm
mv pkg/wasm/relaxed/tabrank_bg.wasm pkg/wasm/tabrank_relaxed_bg.wasm
rm -r pkg/wasm/relaxed
