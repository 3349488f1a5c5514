#!/usr/bin/env bash
# Usage: require.sh rust|nightly|node|python|java|chromium|firefox|webkit|lavapipe
# Sees to it that a tool is there: installs what can be installed, else says in one line what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() { echo "$1" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# As root on Debian packages can be installed; elsewhere only the user can.
install_package() {
  [ "$(id -u)" = 0 ] && has apt-get || return 1
  apt-get install --yes --quiet "$1" >/dev/null 2>&1 && return
  apt-get update --quiet >/dev/null 2>&1 && apt-get install --yes --quiet "$1" >/dev/null
}

case "$1" in
  rust)
    has cargo || stop "Rust is missing: install rustup with its stable toolchain, see rustup.rs"
    has cc || install_package gcc || stop "A C compiler is missing: install gcc"
    has rustup || stop "rustup is missing: it is needed to add the wasm32-unknown-unknown target"
    rustup target list --installed | grep -qx wasm32-unknown-unknown ||
      rustup target add wasm32-unknown-unknown ||
      stop "The wasm target is missing: rustup target add wasm32-unknown-unknown must work"
    for part in rustfmt clippy; do
      rustup component list --installed | grep -q "^$part" || rustup component add "$part" ||
        stop "$part is missing: rustup component add $part must work"
    done ;;
  nightly)
    "$0" rust
    rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal ||
      stop "Rust's nightly toolchain is missing: rustup toolchain install nightly must work"
    for part in miri rust-src; do
      rustup component list --toolchain nightly --installed | grep -q "^$part" ||
        rustup component add --toolchain nightly "$part" ||
        stop "$part is missing: rustup component add --toolchain nightly $part must work"
    done ;;
  node)
    has node && has npm || stop "Node is missing: install Node 20 or newer with npm"
    [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] ||
      stop "Node $(node --version) is too old: install Node 20 or newer" ;;
  python)
    has python3 || install_package python3 || stop "Python is missing: install Python 3"
    python3 -m pip --version >/dev/null 2>&1 || install_package python3-pip ||
      stop "pip is missing: install pip for Python 3" ;;
  java)
    has java || install_package default-jre-headless || stop "Java is missing: install Java 17 or newer" ;;
  chromium)
    has chromium || install_package chromium || stop "Chromium is missing: install the package chromium" ;;
  firefox)
    has firefox-esr || has firefox || install_package firefox-esr || stop "Firefox is missing: install the package firefox-esr" ;;
  webkit)
    has WebKitWebDriver || install_package webkit2gtk-driver || stop "WebKit is missing: install the package webkit2gtk-driver"
    has Xvfb || install_package xvfb || stop "A display for WebKit is missing: install the package xvfb" ;;
  lavapipe)
    [ -n "$(find /usr/share/vulkan/icd.d -name 'lvp_icd*' 2>/dev/null)" ] || install_package mesa-vulkan-drivers ||
      stop "Mesa's software adapter is missing: install the package mesa-vulkan-drivers" ;;
  *) stop "require.sh: unknown tool $1" ;;
esac
