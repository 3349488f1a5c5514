#!/usr/bin/env bash
# Usage: RUSTC_WORKSPACE_WRAPPER=scripts/clippy.sh cargo build|rustc …
# Lints what it would compile of our crate. `cargo clippy` checks every dependency once more; this way they are
# those of the build. The library that it makes for the command and the tests is left as it is: lint it as an rlib.
set -euo pipefail
[[ " $* " != *" --crate-type cdylib "* ]] || exec "$@"
# Linted, nothing is compiled, so nothing replaces what a build has made.
CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ exec clippy-driver "${@/#--emit=*/--emit=dep-info,metadata}"
