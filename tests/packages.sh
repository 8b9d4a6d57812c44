# SPDX-License-Identifier: BSD-2-Clause
# Debian packages: what building and testing needs, and how it gets installed. Read by demo.sh and
# test.sh with "." from the root of the tree; defines names, does nothing.
# shellcheck shell=bash disable=SC2034

BUILD_PACKAGES=(
    gcc libc6-dev cmake ninja-build pkg-config
    libsasl2-dev libssl-dev liblmdb-dev libidn-dev libcrypt-dev libjansson-dev libcmocka-dev
    python3
)

# A chrooted Postfix and real clients.
SERVER_PACKAGES=(
    postfix openssl
    swaks libauthen-sasl-perl libdigest-hmac-perl
    curl msmtp
)

# For the tests against other makes, through libsasl2.
CROSS_TEST_PACKAGES=(libsasl2-modules libgsasl-dev)

# What the system tests use beside SERVER_PACKAGES.
SYSTEM_TEST_PACKAGES=(
    clang-format gsasl sasl2-bin
    libnet-ssleay-perl libio-socket-ssl-perl libmail-imapclient-perl
    cyrus-imapd cyrus-clients cyrus-pop3d
    slapd ldap-utils
)

# What only some tests need, which are skipped by name without it.
OPTIONAL_PACKAGES=(
    fail2ban subversion node-nodemailer
    # Beside Kerberos, and a realm to log in with.
    libsasl2-modules-gssapi-mit krb5-kdc krb5-admin-server krb5-user
    # The manual pages, and what brings in and takes out other formats.
    mandoc groff-base gdbmtool db-util lmdb-utils dovecot-core
    apache2-utils sqlite3
    libsasl2-modules-ldap postgresql libsasl2-modules-sql
    # What Exim and sendmail link, and what makes the latter's configuration. They would remove
    # Postfix, so their tests unpack exim4-daemon-heavy, sendmail-bin and sendmail-cf aside.
    libspf2-2 libmariadb3 libpq5 libperl5.36 libgnutls-dane0 libnsl2 libsqlite3-0 libldap-2.5-0
    libwrap0 libdb5.3 m4
    # The Debian package.
    dpkg-dev debhelper lintian
)

POLICY=/usr/sbin/policy-rc.d
policy_is_ours=

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Without this, installing postfix or sasl2-bin would start them. A policy that is there already is
# the administrator's.
forbid_service_starts() {
    if [ ! -e "$POLICY" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        policy_is_ours=yes
        as_root chmod 755 "$POLICY"
    fi
}

allow_service_starts() {
    if [ -n "$policy_is_ours" ]; then
        as_root rm -f "$POLICY"
        policy_is_ours=
    fi
}

# Installs those of the named packages that are missing. Removes nothing: where a package stands in
# the way, another mail server say, apt-get says so and we stop.
install_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get to install them: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "missing; as root: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "== installing ${missing[*]}"
    local log status=0
    log=$(mktemp)
    forbid_service_starts
    {
        as_root apt-get update -q &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
                --no-install-recommends --no-remove "${missing[@]}"
    } </dev/null >"$log" 2>&1 || status=$?
    allow_service_starts
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        echo "apt-get could not install: ${missing[*]}" >&2
    fi
    rm -f "$log"
    return "$status"
}
