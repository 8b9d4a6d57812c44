/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names and passwords before they are looked up or hashed: SASLprep (RFC 4013, by libidn),
 * user@realm, lengths. identity.c is the only file that includes libidn's header.
 *
 * A name is prepared before libsasl2's canon_user sees it, so that the server logs and maps what
 * was verified. The store holds prepared names: the user exact, the realm in lower case (ASCII).
 */
#ifndef SASL_LMDB_IDENTITY_H
#define SASL_LMDB_IDENTITY_H

#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    IDENTITY_MAX_USER = 255,      /* bytes of UTF-8, prepared */
    IDENTITY_MAX_REALM = 255,     /* bytes */
    IDENTITY_MAX_PASSWORD = 1024, /* bytes, raw or prepared */
};

/* RFC 3454 7: unassigned code points are allowed in queries and refused in what is stored. */
enum identity_use { IDENTITY_QUERY, IDENTITY_STORED };

struct identity {
    char user[IDENTITY_MAX_USER + 1];
    char realm[IDENTITY_MAX_REALM + 1];
};

/*
 * Loads whatever libidn needs, so that later calls open nothing. Idempotent.
 */
MUST_USE enum auth_status identity_prepare_library(void);

/*
 * Appends SASLprep(raw) to ret. Printable ASCII passes as it is. AUTH_BAD_NAME if raw is not
 * UTF-8, contains NUL, is refused by SASLprep, or comes out empty; AUTH_TOO_LONG if raw or the
 * result is longer than the buffer still has room for, so give it a ceiling of the longest name
 * wanted; AUTH_NO_MEMORY. Used for names (user, user@realm) and authorization ids.
 */
MUST_USE enum auth_status identity_prepare_name(struct slice raw, enum identity_use use,
                                                struct buf *ret);

/* The same for a password; AUTH_BAD_PASSWORD instead of AUTH_BAD_NAME. */
MUST_USE enum auth_status identity_prepare_password(struct slice raw, enum identity_use use,
                                                    struct buf *ret);

/*
 * Splits a prepared name into user and realm. Without "@", or with nothing after it, the realm is
 * default_realm (itself not prepared: lower-cased here; NULL or "" for none). AUTH_BAD_NAME for an
 * empty user, a second "@", no realm at all, a control character, a space in the realm, or bytes
 * that are not UTF-8; AUTH_TOO_LONG past the limits. *ret is written only on success.
 */
MUST_USE enum auth_status identity_split(struct slice name, const char *default_realm,
                                         struct identity *ret);

/* Appends user@realm. */
void identity_put(struct buf *b, const struct identity *who);

/*
 * Converts UTF-8 to ISO-8859-1 (RFC 2831 2.1.1). False if a character is outside Latin-1 or raw
 * is not UTF-8; ret then holds nothing new.
 */
MUST_USE bool identity_to_latin1(struct slice utf8, struct buf *ret);

/* Converts ISO-8859-1 to UTF-8. Always possible; check the buffer's status. */
void identity_from_latin1(struct slice latin1, struct buf *ret);

/* True if the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool identity_is_utf8(struct slice s);

/*
 * The bytes of the first character of well-formed UTF-8 that is not empty. *ret_shown is whether it
 * may go to a person's terminal as it is: printable ASCII, and of the rest what SASLprep leaves
 * something of beside a space in a name that is stored. So not what turns text round, ends a line
 * or cannot be seen (Unicode's Cc, Cf, Zl and Zp), nor what Unicode 3.2 has not assigned, by which
 * SASLprep goes: more of those are there. Without memory nothing outside ASCII. Any thread.
 */
size_t identity_shown(struct slice utf8, bool *ret_shown);

/*
 * Appends at most 64 bytes of a client-supplied name in a form safe for a log line: printable
 * ASCII without '"' and '\\' as it is, every other byte as \xHH, "..." when it was cut.
 */
void identity_put_for_log(struct buf *b, struct slice name);

#endif
