#!/usr/bin/env bash
# Checks everything that the package is built from: known vulnerabilities, licences and sources of all crates and npm
# packages. Ends with status 1 at a finding, and with 2 where something could not be checked, which it names.
set -uo pipefail
cd "$(dirname "$0")/.."

found=0
unchecked=()

# check NAME COMMAND…: output that speaks of the network is no finding, nor that of a registry which answers no such question, as mirrors do.
check() {
  local name=$1 output
  shift
  echo "== $name"
  output=$("$@" 2>&1) && { echo "${output:-nothing found}" | tail -n 3; return; }
  echo "$output" | tail -n 40
  if grep -qiE 'network|failed to fetch|could not (resolve|connect)|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|timed out|audit endpoint returned an error' <<<"$output"; then
    unchecked+=("$name")
  else
    found=1
  fi
}

for manifest in Cargo.toml scripts/bindgen/Cargo.toml tests/fuzz/Cargo.toml; do
  check "licences and sources of $manifest" cargo deny --manifest-path "$manifest" --locked check --config "$PWD/deny.toml" bans licenses sources
  check "advisories of $manifest" cargo deny --manifest-path "$manifest" --locked check --config "$PWD/deny.toml" advisories
done
for folder in pkg www docs tests/web benches/browser; do
  check "advisories of $folder" npm --prefix "$folder" audit
  check "signatures of $folder" npm --prefix "$folder" audit signatures
done

((found == 0)) || { echo "Something was found: see above." >&2; exit 1; }
((${#unchecked[@]} == 0)) || { printf 'Not checked, for want of a network: %s\n' "${unchecked[@]}" >&2; exit 2; }
