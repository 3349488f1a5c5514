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
exec "$@" "${remaps[@]}"
