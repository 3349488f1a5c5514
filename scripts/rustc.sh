#!/usr/bin/env bash
# Cargo calls the compiler through this (.cargo/config.toml). Panic messages and debug strings then hold the paths of
# sources, such as serde_json-1.0.1/src/de.rs, and not where some builder keeps them: the same tree gives the same
# bytes anywhere, and a shipped module tells nothing of the machine that made it.
set -euo pipefail

remaps=()
# What a build script has written, and the crates of this tree.
[[ -n ${OUT_DIR-} ]] && remaps+=("--remap-path-prefix=$OUT_DIR=${CARGO_PKG_NAME-}-out")
[[ -n ${CARGO_MANIFEST_DIR-} ]] && remaps+=("--remap-path-prefix=$CARGO_MANIFEST_DIR/=")
for argument in "$@"; do
  # A crate of a registry is compiled by its absolute path; the folder below registry/src names the registry.
  # Of several prefixes that fit, the compiler takes the last.
  [[ $argument =~ ^(/.*/registry/src/[^/]+/).*\.rs$ ]] && remaps+=("--remap-path-prefix=${BASH_REMATCH[1]}=")
done

# Each test compiles anew what it takes of our crate for types of its own, and runs it for a moment. Cargo has one level for all of a package.
level=()
[[ " $* " == *" tests/"*.rs" "*" --test "* ]] && level=(-C opt-level=0 -C codegen-units=16)
exec "$@" "${remaps[@]}" "${level[@]}"
