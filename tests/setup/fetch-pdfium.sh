#!/bin/sh
# Fetches PDFium's library into third_party/libpdfium.so: the one inside the Python wheel pypdfium2, of a pinned
# version and hash, by the ordinary client of its registry (pip, or uv where there is no pip). Nothing of the wheel
# is run. A library of your own is used with the key `renderer.pdfium` of the configuration or with POSTFAX_PDFIUM.
set -eu

version=5.15.2
x86_64=dc31aea5b0fb9fefc9b537a65f4113980b2c40798445736a7e6565bc85161e37
aarch64=dd46e93c0c3a73f6cea8489baff6d77a5d0759dd53fbbce0aeb49c91830176fc

cd "$(dirname "$0")/../.."
target=third_party
stamp="$target/libpdfium.version"
if [ -f "$target/libpdfium.so" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then
    exit 0
fi

if python3 -m pip --version >/dev/null 2>&1; then
    export PIP_ROOT_USER_ACTION=ignore
    install="python3 -m pip install --quiet --disable-pip-version-check"
elif command -v uv >/dev/null 2>&1; then
    install="uv pip install --quiet"
else
    echo "fetch-pdfium: neither pip nor uv is here; on Debian: apt-get install python3-pip" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "pypdfium2==$version --hash=sha256:$x86_64 --hash=sha256:$aarch64" >"$work/requirements.txt"
$install --target "$work/wheel" --no-deps --only-binary :all: --require-hashes -r "$work/requirements.txt"

mkdir -p "$target"
mv "$work/wheel/pypdfium2_raw/libpdfium.so" "$target/libpdfium.so"
echo "$version" >"$stamp"
echo "PDFium of pypdfium2 $version is at $target/libpdfium.so"
