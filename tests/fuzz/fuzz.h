/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share. Each target is a file fuzz_NAME.c with the entry point of libFuzzer;
 * built without libFuzzer, replay.c calls it for files. A target looks for more than crashes: it
 * holds the code to what its header promises, and stops the process where a promise is broken.
 *
 * Inputs of the protocol engines: a byte of fuzz_flag, a byte of fuzz_choice, then the peer's
 * messages with FUZZ_SEPARATOR between them. make_corpus.py writes the same form.
 */
#ifndef SASL_LMDB_FUZZ_H
#define SASL_LMDB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "engine/mech.h"
#include "engine/mech_client.h"

#define FUZZ_CHECK(holds) ((holds) ? (void)0 : fuzz_broken(#holds, __FILE__, __LINE__))

/* In no valid UTF-8. */
#define FUZZ_SEPARATOR "\xff\n"

/* The account and the server that make_corpus.py's inputs speak of. */
#define FUZZ_USER "alice"
#define FUZZ_REALM "example.org"
#define FUZZ_FQDN "mail.example.org"
#define FUZZ_PASSWORD "secret"

enum { FUZZ_MAX_STEPS = 8 };

enum fuzz_flag {
    FUZZ_ABSENT = 1,     /* the first message is none (no initial response, no challenge) */
    FUZZ_BINDING = 2,    /* the application supplies tls-unique */
    FUZZ_PLUS = 4,       /* the binding must be used */
    FUZZ_LAYERS = 8,     /* integrity may be negotiated */
    FUZZ_RC4 = 16,       /* and encryption too */
    FUZZ_MIN_SSF = 32,   /* and something must be */
    FUZZ_OWN_NONCE = 64, /* the engine makes its nonce */
    FUZZ_HESITATE = 128, /* client: a person has to be asked for the realm */
};

/* The hash of SCRAM in the low bits; which protocol the application speaks. */
enum fuzz_choice { FUZZ_HASH = 3, FUZZ_IMAP = 4, FUZZ_AUTHZID = 8 };

/*
 * A password everybody knows, and one of random letters that no input can hold. The second one is
 * another for each input: libFuzzer watches comparisons and would soon know one that stays.
 */
enum fuzz_secret { FUZZ_KNOWN, FUZZ_UNGUESSABLE, FUZZ_SECRETS };

struct fuzz_input {
    uint8_t flags;
    uint8_t choice;
    size_t n;
    struct slice message[FUZZ_MAX_STEPS];
};

_Noreturn void fuzz_broken(const char *promise, const char *file, int line);

/* Valid until fuzz_renew(). */
struct slice fuzz_password(enum fuzz_secret secret);

/* Makes another FUZZ_UNGUESSABLE. */
void fuzz_renew(void);

/* Takes an input of the form above apart. False if it is too short to be one. */
bool fuzz_split(const uint8_t *data, size_t size, struct fuzz_input *ret);

/* A heap block of exactly the size of s; free((void *)…). NULL where s.p is. */
uint8_t *fuzz_block(struct slice s);

/* The variant of SCRAM that an input asks for; what the flags say about layers and the binding. */
const void *fuzz_variant(const struct fuzz_input *input);
struct mech_layer_limits fuzz_layers(const struct fuzz_input *input);
const struct mech_binding *fuzz_binding(const struct fuzz_input *input);

bool fuzz_is_zero(const void *p, size_t n);
bool fuzz_contains(struct slice s, struct slice what);

/*
 * Plays the input to a server: with the account's password known, with one that cannot be guessed,
 * with the account disabled. nonce: of the server, as in vectors/, where the input does not have it
 * make its own. Promised: success only with the known password and for the account's name, the
 * three not to be told apart before the last step, messages within their size, no step after the
 * end, no state left behind.
 */
void fuzz_server(const struct mech_server_ops *ops, const char *nonce, const uint8_t *data,
                 size_t size);

enum fuzz_client_promise {
    FUZZ_HIDES_PASSWORD = 1, /* does not send it */
    FUZZ_SERVER_PROVES = 2,  /* succeeds only with a server that knows the password */
};

/* Plays the input to a client, with both passwords. promises: bits of fuzz_client_promise. */
void fuzz_client(const struct mech_client_ops *ops, const char *nonce, unsigned promises,
                 const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
