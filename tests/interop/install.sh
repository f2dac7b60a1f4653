#!/bin/sh
# The far ends, from Debian's packages, each release in a folder of its own: nothing of them is installed on this
# machine but what makes the folders. About 1.2 GB and three minutes, once; `rm -r` is all it takes to be rid of them.
#     POSTFAX_INTEROP       where (default /var/tmp/postfax-interop)
#     POSTFAX_DEBIAN        the URL of a Debian mirror (default: the one that apt uses here)
set -eu

where=${POSTFAX_INTEROP:-/var/tmp/postfax-interop}

if [ "$(id -u)" != 0 ]; then
    echo "interop: this needs root, for the folders of the far ends (chroot) and for a network of their own" >&2
    exit 1
fi

# What makes the folders and the network: Debian and Ubuntu call it the same.
missing=""
for package in mmdebstrap debian-archive-keyring iproute2 nftables util-linux; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "interop: installing the Debian packages$missing"
    apt-get update -q
    # shellcheck disable=SC2086 # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
fi

mirror=${POSTFAX_DEBIAN:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1)}
if [ -z "$mirror" ]; then
    echo "interop: apt knows no Debian mirror here; name one in POSTFAX_DEBIAN" >&2
    exit 1
fi

# folder release packages
folder() {
    stamp="$where/$1.packages"
    if [ -d "$where/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$2 $3" ]; then
        return 0
    fi
    echo "interop: $where/$1 from Debian $2: $3"
    rm -rf "${where:?}/$1"
    mkdir -p "$where"
    # No documentation; the clock of a test machine may be wrong.
    mmdebstrap --quiet --mode=root --variant=apt --include="$3" \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "$2" "$where/$1" "deb $mirror $2 main"
    echo "$2 $3" >"$stamp"
}

# Asterisk is in no stable release of Debian.
folder asterisk sid asterisk,asterisk-modules
folder tools bookworm \
    kamailio,rtpengine-daemon,hylafax-server,hylafax-client,iaxmodem,sip-tester,tshark,libtiff-tools,poppler-utils
