/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_findings.h"

/* clang-format off */
static const struct doctor_row rows[DOCTOR_IDS] = {
[DOCTOR_NOTHING_FOUND] = {"nothing-found", DOCTOR_WARNING,
    "there is no Postfix (%1), no Cyrus IMAP (%2) and no store (%3) here",
    "sasl-lmdb init"},
[DOCTOR_STORE_NONE] = {"store-none", DOCTOR_WARNING,
    "there is no store (%1), and no server here is set up to read one: this comes first, with "
    "\"sasl-lmdb restore FILE\" where there was one before, the servers' configuration after it",
    "%r2"},
[DOCTOR_UNREADABLE] = {"unreadable", DOCTOR_ERROR,
    "%1 cannot be read: %2",
    "ls -lL %1"},
[DOCTOR_CANNOT_LOOK] = {"cannot-look", DOCTOR_NOTE,
    "not looked into, because root alone may: %1 (%2)",
    "sudo sasl-lmdb doctor"},

[DOCTOR_MAIN_SYNTAX] = {"main-syntax", DOCTOR_ERROR,
    "%1 line %2 has %3: Postfix does not take it",
    "postconf -c %4 -n"},
[DOCTOR_AUTH_OFF] = {"auth-off", DOCTOR_ERROR,
    "no smtpd of Postfix offers AUTH: smtpd_sasl_auth_enable is not \"yes\" for "
    "any%1",
    "%r2"},
[DOCTOR_AUTH_OFF_SUBMISSION] = {"auth-off-submission", DOCTOR_ERROR,
    "the Postfix service %1, where mail programs log in, does not offer AUTH",
    "postconf -c %2 -P %1/inet/smtpd_sasl_auth_enable=yes"},
[DOCTOR_AUTH_PORT_25] = {"auth-port-25", DOCTOR_NOTE,
    "the Postfix service %1 offers AUTH where other servers deliver mail, and where passwords are "
    "guessed most; mail programs use 587 and 465",
    "postconf -c %2 -P %1/%3/smtpd_sasl_auth_enable=no"},
[DOCTOR_SASL_TYPE] = {"sasl-type", DOCTOR_WARNING,
    "the Postfix service %1 has smtpd_sasl_type = %2: it does not ask libsasl2, nor this store",
    "%r3"},
[DOCTOR_DOVECOT_SOCKET] = {"dovecot-socket", DOCTOR_ERROR,
    "the Postfix service %1 wants Dovecot's socket %2, which is not there: every client is "
    "dropped without a word",
    "%r3"},
[DOCTOR_AUTH_WITHOUT_TLS] = {"auth-without-tls", DOCTOR_WARNING,
    "the Postfix service %1 takes passwords without TLS",
    "%r2"},
[DOCTOR_TLS_MISSING] = {"tls-missing", DOCTOR_ERROR,
    "the Postfix service %1 offers AUTH only under TLS, and no TLS "
    "(smtpd_tls_security_level is \"%2\"): nobody can log in",
    "%r3"},
[DOCTOR_CERTIFICATE_UNSET] = {"certificate-unset", DOCTOR_ERROR,
    "the Postfix service %1 has TLS switched on but no certificate: it offers no STARTTLS; the "
    "command makes one that clients have to be told to trust: put the path of a better one in its "
    "place",
    "%r2"},
[DOCTOR_CERTIFICATE_MISSING] = {"certificate-missing", DOCTOR_ERROR,
    "the certificate of the Postfix service %1, %2, cannot be read: %3; the command makes another, "
    "that clients have to be told to trust: better is the right path",
    "%r4"},
[DOCTOR_TLS_TOO_NEW] = {"tls-too-new", DOCTOR_WARNING,
    "the Postfix service %1 takes TLS 1.3 only (%2 = %3): printers and mail programs that know no "
    "more than TLS 1.2 get \"unsupported protocol\" and cannot log in",
    "%r4"},
[DOCTOR_TLS_TOO_OLD] = {"tls-too-old", DOCTOR_ERROR,
    "the Postfix service %1 takes neither TLS 1.2 nor 1.3 (%2 = %3), and what is left OpenSSL and "
    "mail programs refuse: nobody can log in",
    "%r4"},
[DOCTOR_TLS_OLD_REFUSED] = {"tls-old-refused", DOCTOR_WARNING,
    "the Postfix service %1 names TLS 1.0 or 1.1 (%2 = %3), and the security level in %4 refuses "
    "them all the same: old devices get \"no shared cipher\" or \"no suitable signature "
    "algorithm\"",
    "%r5"},
[DOCTOR_RATE_LIMIT] = {"rate-limit", DOCTOR_WARNING,
    "the Postfix service %1 lets a client try as many passwords as it likes "
    "(smtpd_client_auth_rate_limit is 0)",
    "%r2"},
[DOCTOR_ANONYMOUS] = {"anonymous", DOCTOR_ERROR,
    "the Postfix service %1 offers the mechanism ANONYMOUS, and whoever uses it counts as logged "
    "in: %2 lacks \"noanonymous\"",
    "%r3"},
[DOCTOR_NOPLAINTEXT] = {"noplaintext", DOCTOR_ERROR,
    "%2 = %3 leaves nothing of what the Postfix service %1 could offer (%4): smtpd ends with \"no "
    "SASL authentication mechanisms\" at a client's EHLO",
    "%r5"},
[DOCTOR_MECH_EXCLUDED] = {"mech-excluded", DOCTOR_WARNING,
    "the Postfix service %1 never offers %2, which its mech_list names: %3 = %4 excludes them; "
    "whose program knows no other cannot log in",
    "%r5"},
[DOCTOR_MECH_FILTER] = {"mech-filter", DOCTOR_ERROR,
    "smtpd_sasl_mechanism_filter = %2 leaves the Postfix service %1 no mechanism, which ends "
    "smtpd",
    "%r3"},

[DOCTOR_OPEN_RELAY] = {"open-relay", DOCTOR_ERROR,
    "the Postfix service %1 is an open relay: \"%2\" in %3 lets everybody send everywhere",
    "%r4"},
[DOCTOR_RELAY_UNSET] = {"relay-unset", DOCTOR_ERROR,
    "the Postfix service %1 serves nobody: neither smtpd_relay_restrictions nor "
    "smtpd_recipient_restrictions has reject_unauth_destination, reject or the like (in front of any "
    "\"permit\"), and without that smtpd ends before its greeting",
    "%r2"},
[DOCTOR_MYNETWORKS_WORLD] = {"mynetworks-world", DOCTOR_ERROR,
    "mynetworks of the Postfix service %1 has %2: everybody may relay without a login",
    "%r3"},
[DOCTOR_MYNETWORKS_PRIVATE] = {"mynetworks-private", DOCTOR_WARNING,
    "mynetworks of the Postfix service %1 has %2, private addresses: behind Docker or another "
    "NAT every client comes from one, and relays without a login",
    "%r3"},
[DOCTOR_PERMIT_MISSING] = {"permit-missing", DOCTOR_ERROR,
    "a login at the Postfix service %1 gives no right to relay: permit_sasl_authenticated is "
    "missing",
    "%r2"},
[DOCTOR_PERMIT_LATE] = {"permit-late", DOCTOR_ERROR,
    "the Postfix service %1 refuses mail after a login too: \"%3\" stands in %2 before "
    "permit_sasl_authenticated, or without it",
    "%r4"},

[DOCTOR_SENDER_MAPS_UNSET] = {"sender-maps-unset", DOCTOR_ERROR,
    "the Postfix service %1 refuses every sender after a login (\"553 not owned by user\"): %2 asks "
    "who owns the address, and smtpd_sender_login_maps is empty; with the command each owns the "
    "address that is his login",
    "printf '%%s\\n' '/(.+)/ $1' > %4 && %r3"},
[DOCTOR_SENDER_MAPS_UNUSED] = {"sender-maps-unused", DOCTOR_WARNING,
    "whoever has logged in at the Postfix service %1 can send in anybody's name: it has "
    "smtpd_sender_login_maps, and no list of restrictions asks them before "
    "permit_sasl_authenticated",
    "%r2"},
[DOCTOR_SENDER_MAP_MISSING] = {"sender-map-missing", DOCTOR_ERROR,
    "%2 in smtpd_sender_login_maps of the Postfix service %1 cannot be read: %3; every sender gets "
    "\"451 server configuration problem\"",
    "%r4"},
[DOCTOR_SENDER_OWNER] = {"sender-owner", DOCTOR_ERROR,
    "%2 line %3 gives addresses to \"%4\", and nobody is called that at the Postfix service %1 "
    "(%5): he is refused with \"553 not owned by user\"; such owners in that file: %6",
    "%r7"},

[DOCTOR_SERVICE_MISSPELT] = {"service-misspelt", DOCTOR_ERROR,
    "there is no %1.conf (looked for in %2): perhaps %3 is meant",
    "sasl-lmdb doctor %3"},
[DOCTOR_CONF_MISSING] = {"conf-missing", DOCTOR_ERROR,
    "%1 finds no %2.conf (looked for in %3): it offers every mechanism of every plugin, and knows "
    "no store",
    "printf '%%s\\n' 'pwcheck_method: auxprop' 'auxprop_plugin: lmdb' "
    "'mech_list: PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256' > %4"},
[DOCTOR_CONF_MISNAMED] = {"conf-misnamed", DOCTOR_ERROR,
    "%1 finds no %2.conf (looked for in %3), as smtpd_sasl_path has it, while there is a %4: it offers "
    "every mechanism of every plugin, and knows no store",
    "%r5"},
[DOCTOR_CONF_NEVER_READ] = {"conf-never-read", DOCTOR_ERROR,
    "%1 never reads %2: this one looks in %3 only",
    "install -D -m 600 %2 %4"},
[DOCTOR_CONF_IGNORED] = {"conf-ignored", DOCTOR_WARNING,
    "%1 reads %2 and not %3, which says something else",
    "rm %3"},
[DOCTOR_CONFIG_PATH_IGNORED] = {"config-path-ignored", DOCTOR_WARNING,
    "cyrus_sasl_config_path = %1 has no effect: Debian's Postfix looks in %2 whatever it says",
    "postconf -c %3 -X cyrus_sasl_config_path"},
[DOCTOR_CONF_SYNTAX] = {"conf-syntax", DOCTOR_ERROR,
    "%1 line %2 has %3: the server does not start, or offers no AUTH",
    "sed -n %2p %1"},
[DOCTOR_CONF_AGAIN] = {"conf-again", DOCTOR_ERROR,
    "%1 line %2 has the option \"%3\" a second time (first in %4), with which the server does not "
    "start, whatever they say: keep one, which is the second with the command",
    "%r5"},
[DOCTOR_CONF_SECOND] = {"conf-second", DOCTOR_WARNING,
    "%1 line %2 has the option \"%3\" a second time, and changes nothing: libsasl2 takes the first, "
    "in line %4; with the command what stands in line %2 counts",
    "%r5"},
[DOCTOR_OPTION_UNKNOWN] = {"option-unknown", DOCTOR_WARNING,
    "%1 line %2 has the option \"%3\", which there is not, so that it changes nothing: the nearest "
    "there is is \"%4\"",
    "%r5"},
[DOCTOR_NOT_OURS] = {"not-ours", DOCTOR_WARNING,
    "%1 does not ask this store: auxprop_plugin in %2 is \"%3\"",
    "%r4"},
[DOCTOR_AUXPROP_NONE] = {"auxprop-none", DOCTOR_ERROR,
    "%1 asks no store: %2 has neither auxprop_plugin nor lmdb_path, without which the plugin of this "
    "store opens none, and there is no other to ask: every login gets \"try again later\"",
    "%r3"},
[DOCTOR_AUXPROP_UNSET] = {"auxprop-unset", DOCTOR_WARNING,
    "%1 asks every auxprop plugin it finds, since %2 has no auxprop_plugin: an error of another "
    "refuses everybody",
    "%r3"},
[DOCTOR_AUXPROP_BESIDE] = {"auxprop-beside", DOCTOR_WARNING,
    "%1 asks \"%3\" beside lmdb (%2): if that cannot be read, nobody can log in, and who is in "
    "both can have two passwords",
    "%r4"},
[DOCTOR_AUXPROP_UNKNOWN] = {"auxprop-unknown", DOCTOR_ERROR,
    "auxprop_plugin in %2 names \"%3\", but %4 is in none of the plugin directories of %1: users "
    "are \"not found\"",
    "%r5"},
[DOCTOR_WRITABLE] = {"writable", DOCTOR_WARNING,
    "%1 may change passwords in the store: lmdb_writable is on in %2; only saslpasswd2 and the "
    "like need that",
    "%r3"},
[DOCTOR_REQUIRE_TLS] = {"require-tls", DOCTOR_ERROR,
    "lmdb_require_tls is on in %1: Postfix tells plugins nothing about TLS, so nothing is offered "
    "and smtpd ends",
    "%r2"},
[DOCTOR_STORE_ELSEWHERE] = {"store-elsewhere", DOCTOR_WARNING,
    "%1 reads the store %2, while sasl-lmdb without -f works on %3: an account set there is not "
    "found by the server",
    "sasl-lmdb -f %2 -k %4 list"},

[DOCTOR_PWCHECK] = {"pwcheck", DOCTOR_WARNING,
    "pwcheck_method in %2 is \"%3\": PLAIN and LOGIN at %1 ask that, not the store",
    "%r4"},
[DOCTOR_SASLAUTHD_MECHS] = {"saslauthd-mechs", DOCTOR_ERROR,
    "%1 offers %3, which saslauthd cannot check, and asks no store (%2): such a login always fails",
    "%r4"},
[DOCTOR_SASLAUTHD_SOCKET] = {"saslauthd-socket", DOCTOR_ERROR,
    "%1 asks saslauthd, whose socket %2 is not there",
    "systemctl start saslauthd"},
[DOCTOR_SASLAUTHD_CHROOT] = {"saslauthd-chroot", DOCTOR_ERROR,
    "%1 asks saslauthd from a chroot: its socket would have to be %2, and is not there",
    "saslauthd -a pam -m %3"},
[DOCTOR_SASLAUTHD_DENIED] = {"saslauthd-denied", DOCTOR_ERROR,
    "%1 cannot reach saslauthd's socket %2: %3 stands in the way of user %4",
    "usermod -aG %5 %4"},
[DOCTOR_SASLAUTHD_REALM] = {"saslauthd-realm", DOCTOR_WARNING,
    "saslauthd (process %1) runs without -r and drops the part behind \"@\", while realms are in "
    "use",
    "sed -i 's/^OPTIONS=\"/&-r /' /etc/default/saslauthd"},
[DOCTOR_SASLAUTHD_LEFT] = {"saslauthd-left", DOCTOR_WARNING,
    "%1 of saslauthd is still there, with a password or what passwords are checked against, and "
    "no server here asks saslauthd",
    "shred -u %1"},
[DOCTOR_SASLDB_LEFT] = {"sasldb-left", DOCTOR_WARNING,
    "%1 holds passwords in clear%2",
    "%r3"},

[DOCTOR_SASLDB_MISSING] = {"sasldb-missing", DOCTOR_ERROR,
    "%1 asks sasldb, whose file %2 is not there: users are \"not found\"",
    "%r3"},
[DOCTOR_SASLDB_CHROOT] = {"sasldb-chroot", DOCTOR_ERROR,
    "%1 asks sasldb from a chroot: its file would have to be %2, and is not there (%3 is, and is "
    "not seen from inside); this store would need no copy",
    "install -D -m 640 -g %4 %3 %2"},
[DOCTOR_SASLDB_DENIED] = {"sasldb-denied", DOCTOR_ERROR,
    "%1 asks sasldb as user %2, who cannot read its file %3: %4 stands in the way (mode %5)",
    "%r6"},
[DOCTOR_SASLDB_FORMAT] = {"sasldb-format", DOCTOR_ERROR,
    "%1 asks sasldb, and finds nobody: %2 is a %3 file, and %4 reads %5 only; after an upgrade of "
    "the system the users are still in it",
    "sasl-lmdb import --format sasldb %2"},
[DOCTOR_SASLDB_GDBM] = {"sasldb-gdbm", DOCTOR_ERROR,
    "%1 asks sasldb in GDBM format (%2) with libsasl2 2.1.27, which takes every answer of gdbm 1.17 "
    "for a failure (\"unable to canonify user and get auxprops\"): nobody can log in",
    "sasl-lmdb import --format sasldb %2"},

[DOCTOR_PLUGIN_DIRECTORY] = {"plugin-directory", DOCTOR_ERROR,
    "%1 looks for plugins in %2, which is no directory",
    "%r3"},
[DOCTOR_PLUGIN_MISSING] = {"plugin-missing", DOCTOR_ERROR,
    "%1 does not find the plugin of this store, libsasllmdb.so, in %2: users are \"not found\"; "
    "SASL_PATH in its environment says where to look",
    "%r3"},
[DOCTOR_PLUGIN_SUFFIX] = {"plugin-suffix", DOCTOR_ERROR,
    "%1 is there, but not %2, and libsasl2 loads only names that end in .so",
    "%r3"},
[DOCTOR_PLUGIN_WRITABLE] = {"plugin-writable", DOCTOR_ERROR,
    "%1 can be changed by others than root (mode %2, owner %3): code in it runs as root in %4",
    "%r5"},
[DOCTOR_PLUGIN_NOISE] = {"plugin-noise", DOCTOR_NOTE,
    "%1 is loaded by %2 and not configured: it leaves errors in the log that mean nothing",
    "apt-get remove libsasl2-modules-%3"},
[DOCTOR_SASL_PATH_NOT_ARRIVED] = {"sasl-path-not-arrived", DOCTOR_ERROR,
    "%1 runs (process %2) with SASL_PATH \"%3\" and not \"%4\": a reload does not pass it on%6",
    "%r5"},
[DOCTOR_MECH_TWICE] = {"mech-twice", DOCTOR_WARNING,
    "%1 has two plugins for %2, from %3 and %4, of which that from %5 is in use; SASL_PATH should "
    "lead to one only (do not delete the other: it may be a package's, or what the first links to)",
    "%r6"},
[DOCTOR_MECH_STOCK] = {"mech-stock", DOCTOR_WARNING,
    "%1 has %2 from another plugin, out of %3: it tells unknown users from known ones, and knows no "
    "crypt(3) accounts; leave that file, and name the directory of ours alone in SASL_PATH",
    "%r4"},
[DOCTOR_MECH_UNSET] = {"mech-unset", DOCTOR_WARNING,
    "%1 offers every mechanism of every plugin (%3), since %2 has no mech_list",
    "%r4"},
[DOCTOR_MECH_NOBODY] = {"mech-nobody", DOCTOR_ERROR,
    "mech_list in %2 names %3, which no plugin of %1 offers (%4)%6",
    "%r5"},
[DOCTOR_MECH_NONE] = {"mech-none", DOCTOR_ERROR,
    "%1 has no mechanism to offer at all: Postfix's smtpd ends with \"no SASL authentication "
    "mechanisms\", other servers offer no AUTH",
    "%r2"},
[DOCTOR_MECH_NTLM] = {"mech-ntlm", DOCTOR_WARNING,
    "%1 offers NTLM, which Windows programs and curl try first, and which no account of this store "
    "can pass",
    "%r2"},
[DOCTOR_MECH_GSSAPI] = {"mech-gssapi", DOCTOR_WARNING,
    "%1 offers %3 without a keytab (/etc/krb5.keytab): clients try it first and find no Kerberos",
    "%r2"},
[DOCTOR_MECH_NO_LOGIN] = {"mech-no-login", DOCTOR_NOTE,
    "%1 does not offer LOGIN, the only mechanism Outlook, .NET programs and many printers know",
    "%r2"},
[DOCTOR_MECH_PLUS] = {"mech-plus", DOCTOR_NOTE,
    "%1 offers SCRAM with channel binding, and binds to tls-unique under TLS 1.3 too: clients that "
    "bind by tls-exporter (mutt, gsasl) give up",
    "%r2"},
[DOCTOR_MECH_UNBOUND] = {"mech-unbound", DOCTOR_NOTE,
    "mech_list in %2 names %3-PLUS, and %1 offers %3 instead: Postfix hands plugins no channel "
    "binding",
    "%r4"},
[DOCTOR_MECH_VERIFIER] = {"mech-verifier", DOCTOR_WARNING,
    "%1 offers %2, for which no account has a verifier: programs that choose it do not fall back "
    "to another",
    "%r3"},
[DOCTOR_MECH_VERIFIER_SOME] = {"mech-verifier-some", DOCTOR_NOTE,
    "%1 offers mechanisms for which some of the %3 accounts have no verifier: %2; whose program "
    "chooses one of them does not get in%4",
    ""},

[DOCTOR_REALM] = {"realm", DOCTOR_WARNING,
    "a name without \"@\" at %1 belongs to the realm \"%2\", in which the store %3 has no account "
    "(it has %4)",
    "%r5"},
[DOCTOR_REALM_FEW] = {"realm-few", DOCTOR_NOTE,
    "a name without \"@\" at %1 belongs to the realm \"%2\", which is that of %3 of %4 accounts in "
    "the store %5 only: the others, %6 of them of \"%7\", log in as user@realm, or smtpd_sasl_local_"
    "domain has to name their realm",
    ""},
[DOCTOR_REALM_HOST_ID] = {"realm-host-id", DOCTOR_WARNING,
    "%2 accounts of the store %1 are of the realm \"%3\", which looks like a container's id: when "
    "it is made anew, nobody is found",
    "sasl-lmdb -f %1 list --realm %3"},
[DOCTOR_REALM_MISTYPED] = {"realm-mistyped", DOCTOR_WARNING,
    "the store %1 has %2 account%4 of the realm \"%3\", which is no host name and more likely "
    "a typing error",
    "%r5"},
[DOCTOR_DIGEST_REALM] = {"digest-realm", DOCTOR_WARNING,
    "%1 offers DIGEST-MD5 in the realm \"%2\", and %3 of %4 accounts that have verifiers for it have "
    "none in that realm: they fail by it with the right password, and programs that choose it do not "
    "fall back to another; a store made with \"init --digest-realm\" has them once passwords are set "
    "in it",
    "%r5"},
[DOCTOR_NO_ACCOUNTS] = {"no-accounts", DOCTOR_WARNING,
    "the store %1 has no accounts",
    "saslpasswd-lmdb -f %1 -k %2 -c -u example.org alice"},
[DOCTOR_CRYPT_ONLY] = {"crypt-only", DOCTOR_NOTE,
    "%2 of %3 accounts in the store %1 have only a crypt(3) hash: PLAIN and LOGIN can check it, "
    "sasl_checkpass() (IMAP's LOGIN command, POP3's USER and PASS) and every other mechanism "
    "cannot (no-verifier); with \"mech_list: PLAIN LOGIN\" programs choose no other until they are "
    "upgraded, which %4",
    "%r5"},
[DOCTOR_NO_CHECKPASS] = {"no-checkpass", DOCTOR_WARNING,
    "%2 of %3 accounts in the store %1 cannot use IMAP's LOGIN command at %4: they have no "
    "checkpass verifier, which only a new password brings (saslpasswd-lmdb); the command lists them",
    "%r5"},
[DOCTOR_LEGACY] = {"legacy", DOCTOR_NOTE,
    "%2 of %3 accounts in the store %1 have legacy verifiers, which whoever gets store and key can "
    "log in with or guess on at MD5's speed%4",
    "%r5"},

[DOCTOR_STORE_MISSING] = {"store-missing", DOCTOR_ERROR,
    "the store %1, which %2 reads, is not there: every login gets \"try again later\"; where there was "
    "one, \"sasl-lmdb restore FILE\" after init brings it back from a backup; the key file stays",
    "%r3"},
[DOCTOR_STORE_MISNAMED] = {"store-misnamed", DOCTOR_ERROR,
    "the store %1, which %2 reads (lmdb_path in %3), is not there, while %4 has %5 accounts: every "
    "login gets \"try again later\"",
    "%r6"},
[DOCTOR_STORE_BAD] = {"store-bad", DOCTOR_ERROR,
    "the store %1 cannot be used: %2",
    "%r3"},
[DOCTOR_KEY_DENIED] = {"key-denied", DOCTOR_ERROR,
    "user %2, to whom the store %3 belongs and whom the tools become, cannot read the key file %1: "
    "%4 stands in the way (mode %5, owner %6, group %7); no tool can work, and a server only where "
    "it opens them as root",
    "%r8"},
[DOCTOR_STORE_RECORD] = {"store-record", DOCTOR_ERROR,
    "the store %1 is damaged in part: %2; whose records are sound can log in, and nothing more was "
    "looked into here",
    "%r3"},
[DOCTOR_STORE_LARGE] = {"store-large", DOCTOR_NOTE,
    "the store %1 is larger than 256 MiB, and not looked into below another root",
    ""},
[DOCTOR_KEY_MISSING] = {"key-missing", DOCTOR_ERROR,
    "the key file %1 is not there: the store %2 cannot be opened by anybody",
    "%r3"},
[DOCTOR_KEY_MISNAMED] = {"key-misnamed", DOCTOR_ERROR,
    "the key file %1, which %2 reads (lmdb_keyfile in %3), is not there, while %4 has the key of the "
    "store %5: every login gets \"try again later\"",
    "%r6"},
[DOCTOR_KEY_EXPOSED] = {"key-exposed", DOCTOR_ERROR,
    "the key file %1 is open to others (mode %2, owner %3, group %4), and is not used: every login "
    "gets \"try again later\"; only a group that can read the store %5 may read its key",
    "%r6"},
[DOCTOR_KEY_WRONG] = {"key-wrong", DOCTOR_ERROR,
    "the key file %1 has no key for the store %2: %3",
    "%r4"},
[DOCTOR_KEY_DAMAGED] = {"key-damaged", DOCTOR_ERROR,
    "the key file %1 cannot be understood: %2",
    "%r3"},
[DOCTOR_KEY_BESIDE_STORE] = {"key-beside-store", DOCTOR_WARNING,
    "the key %1 lies in one directory with the store %2, and so in one backup: who gets that can "
    "log in as anybody with a CRAM-MD5 or DIGEST-MD5 verifier",
    "install -d -m 755 /etc/sasl-lmdb && mv -n %1 /etc/sasl-lmdb/key"},
[DOCTOR_STORE_ROOT] = {"store-root", DOCTOR_NOTE,
    "the store %1 is root's: a server process that has been taken over can attack the next tool "
    "that root runs on it",
    "%r2"},
[DOCTOR_STORE_WRITABLE] = {"store-writable", DOCTOR_ERROR,
    "%1 can be changed by others than root and the store's owner (mode %2, owner %3, group %4): who "
    "does can %5",
    "%r6"},
[DOCTOR_STORE_READ_ONLY] = {"store-read-only", DOCTOR_ERROR,
    "the store %1 is on a file system that %2 has mounted read-only: it cannot write the lock file "
    "and reads nothing (systemd: ProtectSystem)",
    "systemctl edit %3   # [Service] ReadWritePaths=%4"},
[DOCTOR_NOLOCK] = {"nolock", DOCTOR_ERROR,
    "%1 reads the store %2 without a lock (lmdb_nolock in %3) although it can be written: what it "
    "reads can be nonsense",
    "%r4"},
[DOCTOR_STORE_REPLACED] = {"store-replaced", DOCTOR_ERROR,
    "%1 (process %2) still uses the file that was %3 before somebody moved it, or put another in its "
    "place",
    "%r4"},
[DOCTOR_STORE_UNOPENED] = {"store-unopened", DOCTOR_ERROR,
    "%1 (process %2) was started when the store %3, its lock file or its key was not as it is now, "
    "and cannot open them any more where it is: every login there gets \"try again later\"",
    "%r4"},
[DOCTOR_KEY_STALE] = {"key-stale", DOCTOR_ERROR,
    "%1 (process %2) was started before key %4 was made, under which alone the store %3 is sealed "
    "now, and cannot read the key file again where it is: every login there gets \"try again "
    "later\"",
    "%r5"},
[DOCTOR_STORE_IN_JAIL] = {"store-in-jail", DOCTOR_WARNING,
    "%1 is a copy of the store inside Postfix's chroot: nothing reads it, and the mail system's "
    "user may",
    "rm -f %1 %1-lock"},
[DOCTOR_LOCK_MISSING] = {"lock-missing", DOCTOR_ERROR,
    "the lock file %1 is not there, and a server does not make it: every login gets \"try again "
    "later\"",
    "sasl-lmdb -f %2 -k %3 import --format tsv /dev/null"},
[DOCTOR_DATA_UNREACHABLE] = {"data-unreachable", DOCTOR_ERROR,
    "%1 runs as user %2, who cannot read the store %3: %4 stands in the way (mode %5)",
    "%r6"},
[DOCTOR_LOCK_UNREACHABLE] = {"lock-unreachable", DOCTOR_ERROR,
    "%1 runs as user %2, who cannot write the lock file %3, as readers must: %4 stands in the way "
    "(mode %5)",
    "%r6"},
[DOCTOR_KEY_UNREACHABLE] = {"key-unreachable", DOCTOR_ERROR,
    "%1 runs as user %2, who cannot read the key file %3: %4 stands in the way (mode %5)",
    "%r6"},
[DOCTOR_GROUPS_STALE] = {"groups-stale", DOCTOR_ERROR,
    "user %2 is in group %4 now, but %1 (process %3) was started before and is not",
    "systemctl restart %5"},
[DOCTOR_SELINUX] = {"selinux", DOCTOR_NOTE,
    "SELinux is enforcing: a server may be kept from mapping %1, which no mode shows",
    "ausearch -m avc -c smtpd -c imapd; restorecon -Rv %2"},

[DOCTOR_IMAP_PLAINTEXT] = {"imap-plaintext", DOCTOR_WARNING,
    "%3 takes passwords without TLS (allowplaintext in %1)%4",
    "%r2"},
[DOCTOR_IMAP_NO_PLAINTEXT] = {"imap-no-plaintext", DOCTOR_ERROR,
    "%2 takes passwords only under TLS, and %1 has no %3: PLAIN, LOGIN and the LOGIN command cannot "
    "be used; the command makes a certificate that clients have to be told to trust: put the paths "
    "of a better one in its place",
    "%r4"},
[DOCTOR_IMAP_CERTIFICATE] = {"imap-certificate", DOCTOR_ERROR,
    "%1 gives no client TLS: it cannot read %2 (%3 in %4): %5",
    "%r6"},
[DOCTOR_IMAP_REALM] = {"imap-realm", DOCTOR_ERROR,
    "%5 denies the %3 account%6 of realm \"%2\" as \"cross-realm\": %1 does not name it, neither as "
    "servername nor in loginrealms",
    "%r4"},
[DOCTOR_IMAP_DEFAULT_DOMAIN] = {"imap-default-domain", DOCTOR_ERROR,
    "%1 does not find the %3 account%7 of realm \"%2\": that is defaultdomain in %4, which is taken "
    "off a name, and what is left is looked up in the realm of servername, \"%5\"",
    "%r6"},
[DOCTOR_IMAP_REQUIRE_TLS] = {"imap-require-tls", DOCTOR_WARNING,
    "lmdb_require_tls is on in %1, but IMAP's LOGIN command passes plugins by, and "
    "allowplaintext lets it",
    "%r2"},

[DOCTOR_FAIL2BAN_BLIND] = {"fail2ban-blind", DOCTOR_WARNING,
    "fail2ban's jail %1 does not see failed logins by %2: whoever guesses by these is never "
    "banned; the jail sasl-lmdb does, with the log that Postfix writes",
    "%r3"},
[DOCTOR_FAIL2BAN_OFF] = {"fail2ban-off", DOCTOR_WARNING,
    "fail2ban is installed, and none of its jails watches failed logins; the jail sasl-lmdb does, "
    "with the log that Postfix writes",
    "%r1"},
[DOCTOR_FAIL2BAN_TWICE] = {"fail2ban-twice", DOCTOR_WARNING,
    "fail2ban counts each failed login twice: its jails sasl-lmdb and %1 read the same log; "
    "disable the second in jail.local, in the section it may have there already",
    ""},
[DOCTOR_FAIL2BAN_FILTER] = {"fail2ban-filter", DOCTOR_ERROR,
    "fail2ban's jail sasl-lmdb is enabled and %1, which belongs to it, is not there: fail2ban does "
    "not start",
    "%r2"},
[DOCTOR_FAIL2BAN_LOG] = {"fail2ban-log", DOCTOR_ERROR,
    "fail2ban's jail sasl-lmdb is to read %1, which is not there: fail2ban does not start; with "
    "\"backend = systemd\" it reads the journal, for which it needs python3-systemd",
    "%r2"},
[DOCTOR_FAIL2BAN_JOURNAL] = {"fail2ban-journal", DOCTOR_ERROR,
    "fail2ban's jail sasl-lmdb is to read the journal without the Python module for that: fail2ban "
    "does not start",
    "apt-get install python3-systemd"},
};
/* clang-format on */

const struct doctor_row *doctor_row(enum doctor_id id)
{
    return &rows[id];
}

const char *doctor_severity_name(enum doctor_severity severity)
{
    static const char *const names[] = {"error", "warning", "note"};
    return names[severity];
}
