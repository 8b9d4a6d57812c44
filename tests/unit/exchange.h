/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives a server engine without any framework, and the runs that every mechanism has to stand,
 * fed from the stanzas of a vector file (vectors/README.md).
 *
 * Each message is handed over in a heap block of exactly its size. An exchange is given one more
 * message after its end, which must be refused, and its state must be all zero after release.
 */
#ifndef SASL_LMDB_TEST_EXCHANGE_H
#define SASL_LMDB_TEST_EXCHANGE_H

#include "engine/mech.h"
#include "fake_host.h"

struct exchange {
    const struct mech_server_ops *ops;
    void *state;
    struct buf out; /* of the last step */
};

/* Finds the engine for a mechanism's name and starts it. */
void exchange_start(struct exchange *ex, const char *mechanism, const struct mech_host *host);
enum auth_status exchange_step(struct exchange *ex, struct slice in);
const char *exchange_detail(const struct exchange *ex);
void exchange_end(struct exchange *ex);

/*
 * A case's host and an exchange with it that makes its own nonces. `fake` comes first: the
 * callbacks of fake_host.c get the same pointer.
 */
struct exchange_scene {
    struct fake_host fake;
    struct stanza_file *file;
    struct exchange ex;
    unsigned broken; /* which way, in tests with a host of their own */
};

void exchange_scene_open(struct exchange_scene *scene, const char *mechanism, const char *file,
                         unsigned id);
void exchange_scene_close(struct exchange_scene *scene);

/* A host's callback: there is no randomness. */
enum auth_status exchange_no_random(void *ctx, uint8_t *ret, size_t n);

/* Runs every case of a vector file; fails the test after the last one if any went wrong. */
void exchange_run_vectors(const char *name);

/*
 * Takes a valid case apart: every message cut at every length, every byte changed by one bit,
 * NUL, 0xff put in at every place, every message given twice, 64 KiB of one byte in its place.
 * None may get in, and none may look like a fault of our side.
 */
void exchange_run_damage(const char *name, unsigned id);

/* Cuts a valid case short by every kind of outage of the host; the exchange must end with it. */
void exchange_run_outages(const char *name, unsigned id);

/*
 * The same valid messages for an account that is disabled, expired, has no verifier or does not
 * exist: steps and sizes of the messages must be those of the account itself, and the end the
 * verdict.
 */
void exchange_run_doomed(const char *name, unsigned id);

/* Makes each allocation of the engine fail once, alone and with all that follow it. */
void exchange_run_allocations(const char *name, unsigned id);

#endif
