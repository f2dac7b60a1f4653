#!/bin/sh
# Installs what `make bench-pages` compares us with, and what reads the pages again: other converters (Ghostscript,
# poppler, MuPDF), letters (tesseract), QR and bar codes (zbar, qrencode), and a font for Chinese that is not embedded.
set -eu

packages="ghostscript poppler-utils mupdf-tools tesseract-ocr tesseract-ocr-eng zbar-tools qrencode libtiff-tools fonts-droid-fallback"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "bench-pages: this is no Debian or Ubuntu; what is needed here is called there: $packages" >&2
    exit 0
fi

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "bench-pages: installing the Debian packages$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -q
# shellcheck disable=SC2086 # one word a package
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qy --no-install-recommends $missing
