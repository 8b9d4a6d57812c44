/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of DIGEST-MD5 (RFC 2831): their grammar, for both halves. Who may say what in which
 * exchange is the engines' business, what is computed over the fields is in digest_md5_hash.h.
 */
#ifndef SASL_LMDB_DIGEST_MD5_MSG_H
#define SASL_LMDB_DIGEST_MD5_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    DIGEST_MD5_SIZE = 16,
    DIGEST_MD5_MAX_REALMS = 32,      /* in one challenge */
    DIGEST_MD5_MAX_CHALLENGE = 2047, /* bytes; "less than 2048", RFC 2831 2.1.1 */
    DIGEST_MD5_MAX_RESPONSE = 4095,  /* bytes; "less than 4096", RFC 2831 2.1.2 */
};

/* What is protected after the exchange (RFC 2831 2.1.1, qop-value). */
enum digest_md5_qop { DIGEST_MD5_AUTH, DIGEST_MD5_AUTH_INT, DIGEST_MD5_AUTH_CONF };

/*
 * digest-response. Values are without quotes and escapes; p is NULL where the directive was not
 * sent. They point into the message or into the buffer that the parser was given.
 */
struct digest_md5_response {
    struct slice username;
    struct slice realm;
    struct slice nonce;
    struct slice cnonce;
    struct slice nc;
    struct slice qop;
    struct slice digest_uri;
    struct slice response;
    struct slice maxbuf;
    struct slice charset;
    struct slice cipher;
    struct slice authzid;
};

struct digest_md5_list {
    size_t n;
    struct slice item[DIGEST_MD5_MAX_REALMS];
};

/* digest-challenge, with the same conventions. */
struct digest_md5_challenge {
    struct digest_md5_list realms;
    struct slice nonce;
    struct slice qop; /* qop-options, as a list; ask digest_md5_lists() */
    struct slice stale;
    struct slice maxbuf;
    struct slice charset;
    struct slice algorithm;
    struct slice cipher; /* cipher-opts, as a list */
};

/* The parts of digest-uri-value = serv-type "/" host [ "/" serv-name ]. */
struct digest_md5_uri {
    struct slice service;
    struct slice host;
    struct slice name; /* p is NULL where there is none */
};

/*
 * Parses a response of initial authentication. On success every directive that RFC
 * 2831 2.1.2 requires is there, none twice, each of the form it must have; what is unknown has been
 * skipped. scratch takes values that had escapes and must be empty; it lives as long as *ret.
 * AUTH_MALFORMED or AUTH_TOO_LONG with *ret_detail saying why (static), AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status digest_md5_parse_response(struct slice in, struct buf *scratch,
                                                    struct digest_md5_response *ret,
                                                    const char **ret_detail);

/* The same for a challenge (RFC 2831 2.1.1). */
MUST_USE enum auth_status digest_md5_parse_challenge(struct slice in, struct buf *scratch,
                                                     struct digest_md5_challenge *ret,
                                                     const char **ret_detail);

/* The same for response-auth (RFC 2831 2.1.3); *ret is the value of rspauth, 32 digits. */
MUST_USE enum auth_status digest_md5_parse_rspauth(struct slice in, struct buf *scratch,
                                                   struct slice *ret, const char **ret_detail);

/* "auth", "auth-int", "auth-conf". */
const char *digest_md5_qop_name(enum digest_md5_qop qop);

/* Reads one of these, in any case of letters; false for anything else. */
MUST_USE bool digest_md5_take_qop(struct slice value, enum digest_md5_qop *ret);

/* The number in a parsed maxbuf; the RFC's default where it was not sent. */
uint32_t digest_md5_take_maxbuf(struct slice value);

/* True if the word is among those of a comma-separated list, in any case of letters. */
bool digest_md5_lists(struct slice list, const char *word);

/* Splits a digest-uri-value; false if it is not of that form. */
MUST_USE bool digest_md5_parse_uri(struct slice uri, struct digest_md5_uri *ret);

/* Appends name="value" with the value's quotes and backslashes escaped. */
void digest_md5_put_quoted(struct buf *b, const char *name, struct slice value);

#endif
