/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything a doctor can say: one row a sentence, with the command that mends it. Checks name a
 * row and give what is to be put in for %1, %2, ... by the rules of doctor_command.h.
 */
#ifndef SASL_LMDB_DOCTOR_FINDINGS_H
#define SASL_LMDB_DOCTOR_FINDINGS_H

enum doctor_severity {
    DOCTOR_ERROR,   /* fails, or lets in who should not be */
    DOCTOR_WARNING, /* fails for some, or weakens something */
    DOCTOR_NOTE,    /* to know */
};

enum doctor_id {
    /* what is there at all */
    DOCTOR_NOTHING_FOUND,
    DOCTOR_UNREADABLE,
    DOCTOR_CANNOT_LOOK,
    /* Postfix: AUTH and TLS */
    DOCTOR_MAIN_SYNTAX,
    DOCTOR_AUTH_OFF,
    DOCTOR_AUTH_OFF_SUBMISSION,
    DOCTOR_AUTH_PORT_25,
    DOCTOR_SASL_TYPE,
    DOCTOR_DOVECOT_SOCKET,
    DOCTOR_AUTH_WITHOUT_TLS,
    DOCTOR_TLS_MISSING,
    DOCTOR_CERTIFICATE_UNSET,
    DOCTOR_CERTIFICATE_MISSING,
    DOCTOR_TLS_TOO_NEW,
    DOCTOR_TLS_TOO_OLD,
    DOCTOR_TLS_OLD_REFUSED,
    DOCTOR_RATE_LIMIT,
    DOCTOR_ANONYMOUS,
    DOCTOR_NOPLAINTEXT,
    DOCTOR_MECH_FILTER,
    /* Postfix: who may relay */
    DOCTOR_OPEN_RELAY,
    DOCTOR_RELAY_UNSET,
    DOCTOR_MYNETWORKS_WORLD,
    DOCTOR_MYNETWORKS_PRIVATE,
    DOCTOR_PERMIT_MISSING,
    DOCTOR_PERMIT_LATE,
    /* Postfix: who may use which sender address */
    DOCTOR_SENDER_MAPS_UNSET,
    DOCTOR_SENDER_MAPS_UNUSED,
    DOCTOR_SENDER_MAP_MISSING,
    DOCTOR_SENDER_OWNER,
    /* the SASL configuration file */
    DOCTOR_CONF_MISSING,
    DOCTOR_CONF_NEVER_READ,
    DOCTOR_CONF_IGNORED,
    DOCTOR_CONFIG_PATH_IGNORED,
    DOCTOR_CONF_SYNTAX,
    DOCTOR_CONF_AGAIN,
    DOCTOR_NOT_OURS,
    DOCTOR_AUXPROP_UNSET,
    DOCTOR_AUXPROP_BESIDE,
    DOCTOR_AUXPROP_UNKNOWN,
    DOCTOR_WRITABLE,
    DOCTOR_REQUIRE_TLS,
    DOCTOR_STORE_ELSEWHERE,
    /* saslauthd */
    DOCTOR_PWCHECK,
    DOCTOR_SASLAUTHD_MECHS,
    DOCTOR_SASLAUTHD_SOCKET,
    DOCTOR_SASLAUTHD_CHROOT,
    DOCTOR_SASLAUTHD_DENIED,
    DOCTOR_SASLAUTHD_REALM,
    DOCTOR_SASLAUTHD_LEFT,
    DOCTOR_SASLDB_LEFT,
    /* sasldb, where it is asked */
    DOCTOR_SASLDB_MISSING,
    DOCTOR_SASLDB_CHROOT,
    DOCTOR_SASLDB_DENIED,
    DOCTOR_SASLDB_FORMAT,
    DOCTOR_SASLDB_GDBM,
    /* plugins and mechanisms */
    DOCTOR_PLUGIN_DIRECTORY,
    DOCTOR_PLUGIN_MISSING,
    DOCTOR_PLUGIN_SUFFIX,
    DOCTOR_PLUGIN_WRITABLE,
    DOCTOR_PLUGIN_NOISE,
    DOCTOR_SASL_PATH_NOT_ARRIVED,
    DOCTOR_MECH_TWICE,
    DOCTOR_MECH_STOCK,
    DOCTOR_MECH_UNSET,
    DOCTOR_MECH_NOBODY,
    DOCTOR_MECH_NONE,
    DOCTOR_MECH_NTLM,
    DOCTOR_MECH_GSSAPI,
    DOCTOR_MECH_NO_LOGIN,
    DOCTOR_MECH_PLUS,
    DOCTOR_MECH_UNBOUND,
    DOCTOR_MECH_VERIFIER,
    /* realms and accounts */
    DOCTOR_REALM,
    DOCTOR_REALM_HOST_ID,
    DOCTOR_NO_ACCOUNTS,
    DOCTOR_CRYPT_ONLY,
    DOCTOR_NO_CHECKPASS,
    DOCTOR_LEGACY,
    /* store and key */
    DOCTOR_STORE_MISSING,
    DOCTOR_STORE_BAD,
    DOCTOR_STORE_LARGE,
    DOCTOR_KEY_MISSING,
    DOCTOR_KEY_EXPOSED,
    DOCTOR_KEY_WRONG,
    DOCTOR_KEY_DAMAGED,
    DOCTOR_KEY_BESIDE_STORE,
    DOCTOR_STORE_ROOT,
    DOCTOR_STORE_READ_ONLY,
    DOCTOR_NOLOCK,
    DOCTOR_STORE_REPLACED,
    DOCTOR_STORE_IN_JAIL,
    DOCTOR_LOCK_MISSING,
    DOCTOR_DATA_UNREACHABLE,
    DOCTOR_LOCK_UNREACHABLE,
    DOCTOR_KEY_UNREACHABLE,
    DOCTOR_GROUPS_STALE,
    DOCTOR_SELINUX,
    /* Cyrus IMAP */
    DOCTOR_IMAP_PLAINTEXT,
    DOCTOR_IMAP_NO_PLAINTEXT,
    DOCTOR_IMAP_REALM,
    DOCTOR_IMAP_REQUIRE_TLS,
    /* who watches the log */
    DOCTOR_FAIL2BAN_BLIND,
    DOCTOR_FAIL2BAN_OFF,
    DOCTOR_FAIL2BAN_TWICE,
    DOCTOR_FAIL2BAN_FILTER,
    DOCTOR_FAIL2BAN_LOG,
    DOCTOR_FAIL2BAN_JOURNAL,
    DOCTOR_IDS,
};

struct doctor_row {
    const char *id; /* a word for scripts */
    enum doctor_severity severity;
    const char *sentence;
    const char *mend; /* "" if there is nothing to do */
};

const struct doctor_row *doctor_row(enum doctor_id id);

/* "error", "warning", "note". */
const char *doctor_severity_name(enum doctor_severity severity);

#endif
