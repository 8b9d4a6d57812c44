/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of TLS for the probe, on a socket that does not block: each call does what it
 * can and says through *ret_wanted what to wait for (POLLIN or POLLOUT), 0 when it is done.
 *
 * AUTH_BAD_SERVER for a certificate that is not to be trusted, AUTH_UNAVAILABLE for all else, with
 * a detail. probe_tls.c is the only file beside crypto.c that includes OpenSSL's headers.
 */
#ifndef SASL_LMDB_PROBE_TLS_H
#define SASL_LMDB_PROBE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"

struct probe_tls;
struct probe_tls_trust;

struct probe_tls_options {
    const char *host; /* the name or address the certificate has to be for */
    const char *ca;   /* file of trusted certificates; NULL for OpenSSL's default places */
    bool insecure;    /* take any certificate */
    struct probe_tls_trust *trust; /* what probe_tls_load() read */
};

/* What ties a login to one TLS connection (RFC 5056). */
enum { PROBE_BINDING_SIZE = 64 };
struct probe_binding {
    const char *name; /* its type, static; NULL if the connection has none */
    uint8_t data[PROBE_BINDING_SIZE];
    size_t n;
};

/*
 * Reads the trusted certificates, once and before any connection, which may be made by somebody who
 * can no longer read them. probe_tls_unload() afterwards; NULL is fine there.
 */
MUST_USE enum auth_status probe_tls_load(struct probe_tls_options *options, struct detail *detail);
void probe_tls_unload(struct probe_tls_options *options);

/* fd stays the caller's. probe_tls_free() frees *ret, which is set on success only. */
MUST_USE enum auth_status probe_tls_new(int fd, const struct probe_tls_options *options,
                                        struct probe_tls **ret, struct detail *detail);
void probe_tls_free(struct probe_tls *tls);

MUST_USE enum auth_status probe_tls_handshake(struct probe_tls *tls, short *ret_wanted,
                                              struct detail *detail);
/* 0 bytes with nothing wanted: the server has closed the connection. */
MUST_USE enum auth_status probe_tls_read(struct probe_tls *tls, uint8_t *ret, size_t cap,
                                         size_t *ret_n, short *ret_wanted, struct detail *detail);
/* *ret_n is what was sent of it. */
MUST_USE enum auth_status probe_tls_write(struct probe_tls *tls, struct slice bytes, size_t *ret_n,
                                          short *ret_wanted, struct detail *detail);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384". */
void probe_tls_describe(const struct probe_tls *tls, struct buf *ret);
/*
 * The channel binding of the connection: tls-exporter (RFC 9266) under TLS 1.3, else tls-unique
 * where the extended master secret makes it one. tls may be NULL.
 */
void probe_tls_bind(const struct probe_tls *tls, struct probe_binding *ret);
/* The key length in bits. */
unsigned probe_tls_bits(const struct probe_tls *tls);

#endif
