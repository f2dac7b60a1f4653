#!/bin/sh
# Installs the Debian packages that building Postfax takes, if any is missing: says so first, and uses sudo where it
# is not root; what is named on the command line, too. Elsewhere than on Debian and Ubuntu it only says what is needed.
set -eu

# A C compiler and libtiff for SpanDSP, libclang for its bindings, pip for PDFium's library.
packages="build-essential pkg-config libtiff-dev libclang-dev python3-pip ca-certificates $*"

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: there is no Rust toolchain here (cargo); get one of 1.89 or newer, with rustup or from your distribution" >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: this is no Debian or Ubuntu; what is needed here is called there: $packages" >&2
    exit 0
fi

missing=""
for package in $packages; do
    # pip may also come from elsewhere.
    [ "$package" = python3-pip ] && python3 -m pip --version >/dev/null 2>&1 && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "setup: installing the Debian packages$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -q
# shellcheck disable=SC2086 # one word a package
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qy --no-install-recommends $missing
