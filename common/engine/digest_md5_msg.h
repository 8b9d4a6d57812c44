/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of DIGEST-MD5 (RFC 2831): the grammar, and the arithmetic over their fields. Who
 * may say what in which exchange is the engine's business.
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
    DIGEST_MD5_MAX_CHALLENGE = 2047, /* bytes; "less than 2048", RFC 2831 2.1.1 */
    DIGEST_MD5_MAX_RESPONSE = 4095,  /* bytes; "less than 4096", RFC 2831 2.1.2 */
};

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

/* The parts of digest-uri-value = serv-type "/" host [ "/" serv-name ]. */
struct digest_md5_uri {
    struct slice service;
    struct slice host;
    struct slice name; /* p is NULL where there is none */
};

/*
 * Parses a response of initial authentication with qop=auth. On success every directive that RFC
 * 2831 2.1.2 requires is there, none twice, each of the form it must have; what is unknown has been
 * skipped. scratch takes values that had escapes and must be empty; it lives as long as *ret.
 * AUTH_MALFORMED or AUTH_TOO_LONG with *ret_detail saying why (static), AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status digest_md5_parse_response(struct slice in, struct buf *scratch,
                                                    struct digest_md5_response *ret,
                                                    const char **ret_detail);

/* Splits a digest-uri-value; false if it is not of that form. */
MUST_USE bool digest_md5_parse_uri(struct slice uri, struct digest_md5_uri *ret);

/* Appends name="value" with the value's quotes and backslashes escaped. */
void digest_md5_put_quoted(struct buf *b, const char *name, struct slice value);

/*
 * Computes what the client has to prove and what the server answers (RFC 2831 2.1.2.1, 2.1.3), raw
 * bytes, for H(username ":" realm ":" password) and the authorization identity as hashed: NULL to
 * leave it and its colon out.
 */
MUST_USE enum auth_status digest_md5_compute(const uint8_t ha1[DIGEST_MD5_SIZE],
                                             const struct digest_md5_response *fields,
                                             const struct slice *authzid,
                                             uint8_t ret_response[DIGEST_MD5_SIZE],
                                             uint8_t ret_rspauth[DIGEST_MD5_SIZE]);

#endif
