#!/bin/sh
# Installs who plays the others in `make test`, from Debian's packages: the office's mail (Postfix, Dovecot and swaks,
# which are not started: the tests run them with configurations of their own), a caller who talks (espeak-ng), who reads our
# pages (libtiff) and what Outlook wraps (ytnef), and a clock that jumps (faketime). Where that cannot be, it says so, and those tests do.
set -eu

packages="postfix dovecot-core dovecot-lmtpd dovecot-imapd swaks espeak-ng libtiff-tools ytnef-tools faketime"

cannot() {
    echo "setup: NOT TESTED with real mail servers and a real voice, nor with libtiff, ytnef and a clock that jumps: $1" >&2
    exit 0
}

command -v dpkg-query >/dev/null 2>&1 || cannot "this is no Debian or Ubuntu; there: $packages"
[ "$(id -u)" = 0 ] || cannot "they are run as root; here we are not"

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "setup: installing the Debian packages$missing (they are not started)"
# What a package's script asks before it starts a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -q || cannot "apt-get update fails"
# shellcheck disable=SC2086 # one word a package
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing || cannot "apt-get install fails"
