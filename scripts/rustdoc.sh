#!/usr/bin/env bash
# Usage: RUSTC_WORKSPACE_WRAPPER=scripts/rustdoc.sh cargo rustc --release --locked --lib --crate-type rlib …
# Documents what it would compile of our crate, into target/doc. `cargo doc` checks every dependency once more, which takes
# minutes; this way they are those of the build. Links that lead nowhere are errors; those to what is private are none in the pages.
set -euo pipefail

# What cargo asks the compiler about itself.
[[ " $* " != *" --print=file-names "* && " $* " != *" -vV "* ]] || exec "$@"
compiler=$1
shift
options=()
skip=
for option in "$@"; do
  [ -z "$skip" ] || { skip=; continue; }
  case "$option" in
    --out-dir) skip=1 ;;
    --emit=* | --remap-path-prefix=*) ;;
    *) options+=("$option") ;;
  esac
done
rm -rf target/doc
rustdoc "${options[@]}" --out-dir target/doc -D rustdoc::broken_intra_doc_links -A rustdoc::private_intra_doc_links
# What cargo waits for; documented, nothing is compiled.
exec "$compiler" "${@/#--emit=*/--emit=dep-info,metadata}"
