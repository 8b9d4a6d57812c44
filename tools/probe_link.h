/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP connection, in the clear or under TLS, on which every wait has an end.
 *
 * A deadline is one of deadline.h. AUTH_UNAVAILABLE, with a detail, is what
 * every failure of the network comes to; AUTH_BAD_SERVER a certificate that is not to be trusted.
 */
#ifndef SASL_LMDB_PROBE_LINK_H
#define SASL_LMDB_PROBE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "probe_tls.h"

enum { PROBE_ADDRESS_SIZE = 64 };

struct probe_link {
    int fd;                        /* owned, -1 when closed */
    struct probe_tls *tls;         /* owned, NULL in the clear */
    char peer[PROBE_ADDRESS_SIZE]; /* numeric address */
    char own[PROBE_ADDRESS_SIZE];  /* as an address literal, RFC 5321 4.1.3 */
    bool same_host;                /* the server is this machine: loopback, or its own address */
};

/* Waits until the socket can be read or written (POLLIN, POLLOUT). */
MUST_USE enum auth_status probe_wait(int fd, short events, int64_t deadline, struct detail *detail);

/* Tries each address of the host in turn. Also after a failure probe_link_close() may be called. */
MUST_USE enum auth_status probe_link_open(struct probe_link *link, const char *host,
                                          const char *port, int64_t deadline,
                                          struct detail *detail);
void probe_link_close(struct probe_link *link);

/* Puts TLS on the connection. */
MUST_USE enum auth_status probe_link_secure(struct probe_link *link,
                                            const struct probe_tls_options *options,
                                            int64_t deadline, struct detail *detail);

/* Reads what there is, at least a byte; 0 bytes mean that the server has closed the connection. */
MUST_USE enum auth_status probe_link_read(struct probe_link *link, uint8_t *ret, size_t cap,
                                          int64_t deadline, size_t *ret_n, struct detail *detail);
MUST_USE enum auth_status probe_link_write(struct probe_link *link, struct slice bytes,
                                           int64_t deadline, struct detail *detail);

#endif
