/* SPDX-License-Identifier: BSD-2-Clause */
/* The surroundings of an engine for tests: one account in memory, described by a vector's stanza.
 */
#ifndef SASL_LMDB_TEST_FAKE_HOST_H
#define SASL_LMDB_TEST_FAKE_HOST_H

#include "engine/mech.h"
#include "stanza.h"

/* What a host is like: one account, and what is made to go wrong. */
struct fake_host {
    struct mech_host host;
    char *service;
    char *fqdn;
    char *realm;
    char *user; /* user or user@realm */
    char *extra_realm;
    struct slice password;
    struct slice salt;
    struct mech_binding binding; /* name NULL: the application supplies none */
    char *binding_name;
    struct slice nonce; /* p NULL: the engine makes its own */
    unsigned iterations;
    enum auth_status outage;  /* returned by find_secret and check_password unless AUTH_OK */
    enum auth_status verdict; /* of the account */

    /* What the engine asked for. */
    unsigned lookups;
    uint8_t next_random;
    bool has_authzid;
    struct buf authcid;
    struct buf authzid;
};

/* The status of this name in a vector file ("wrong-password"). */
enum auth_status fake_host_status(struct slice name);

/* The limits of security layers in a case; rc4 only if it is to be had here. */
struct mech_layer_limits fake_host_layers(const struct stanza_file *file, const struct stanza *s);

/* Fills a host from a case and the head of its file. */
void fake_host_open(struct fake_host *fake, const struct stanza_file *file, const struct stanza *s);
void fake_host_close(struct fake_host *fake);

/* The callback that hands out fake->nonce; in use where the case has one. */
enum auth_status fake_host_nonce(void *ctx, struct buf *ret);

#endif
