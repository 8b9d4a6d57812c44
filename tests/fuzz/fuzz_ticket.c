/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tickets. Anybody who has the store's public key can write one, so the input is read twice: as a
 * ticket file, and as the sealed text of a ticket that opens. Promised: a name the store can hold
 * and a password without NUL, or nothing; what was opened seals and opens to the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/ticket.h"

enum { FORMAT = 1 };

static struct ticket_opener opener;
static uint8_t ticket_key[CRYPTO_X25519]; /* the public one, of every ticket made here */
static uint8_t secret[CRYPTO_AEAD_KEY + CRYPTO_AEAD_NONCE];

/* Does once what is the same for all inputs. */
static void prepare(void)
{
    static const char label[] = "sasl-lmdb ticket, key and nonce, v1";
    static bool done;
    uint8_t private_key[CRYPTO_X25519];
    uint8_t shared[CRYPTO_X25519];
    uint8_t salt[2 * CRYPTO_X25519];

    if (done) {
        return;
    }
    done = true;
    FUZZ_CHECK(crypto_prepare_x25519() == AUTH_OK);
    memset(&opener, 7, sizeof opener);
    memset(private_key, 8, sizeof private_key);
    FUZZ_CHECK(crypto_x25519_public(opener.private_key, opener.target.public_key) == AUTH_OK);
    FUZZ_CHECK(crypto_x25519_public(private_key, ticket_key) == AUTH_OK);
    FUZZ_CHECK(crypto_x25519(private_key, opener.target.public_key, shared) == AUTH_OK);
    memcpy(salt, ticket_key, CRYPTO_X25519);
    memcpy(salt + CRYPTO_X25519, opener.target.public_key, CRYPTO_X25519);
    FUZZ_CHECK(crypto_hkdf(slice_of(shared, sizeof shared), slice_of(salt, sizeof salt),
                           slice_str(label), secret, sizeof secret) == AUTH_OK);
}

static enum auth_status open_copy(struct slice bytes, struct ticket *ret)
{
    uint8_t *block = fuzz_block(bytes);

    enum auth_status status = ticket_open(&opener, block, ret);
    free(block);
    return status;
}

static void check_opened(const struct ticket *ticket)
{
    const struct slice password = slice_of(ticket->password, ticket->n_password);
    uint8_t sealed[TICKET_SIZE];
    struct ticket back;
    struct identity who;
    struct buf name;

    buf_init(&name, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    identity_put(&name, &ticket->who);
    FUZZ_CHECK(identity_split(buf_slice(&name), NULL, &who) == AUTH_OK);
    FUZZ_CHECK(strcmp(who.user, ticket->who.user) == 0);
    FUZZ_CHECK(strcmp(who.realm, ticket->who.realm) == 0);
    buf_release(&name);
    FUZZ_CHECK(password.n > 0 && password.n <= IDENTITY_MAX_PASSWORD);
    FUZZ_CHECK(!slice_find(password, 0, NULL));

    FUZZ_CHECK(ticket_seal(&opener.target, &ticket->who, password, sealed) == AUTH_OK);
    FUZZ_CHECK(open_copy(slice_of(sealed, sizeof sealed), &back) == AUTH_OK);
    FUZZ_CHECK(strcmp(back.who.user, who.user) == 0 && strcmp(back.who.realm, who.realm) == 0);
    FUZZ_CHECK(slice_equal(slice_of(back.password, back.n_password), password));
}

static void check(enum auth_status status, const struct ticket *ticket)
{
    if (status == AUTH_OK) {
        check_opened(ticket);
    } else {
        FUZZ_CHECK(status == AUTH_STORE_FOREIGN || status == AUTH_STORE_DAMAGED);
        FUZZ_CHECK(fuzz_is_zero(ticket, sizeof *ticket));
    }
}

static void sealed_text(struct slice in)
{
    uint8_t text[TICKET_TEXT] = {0};
    struct ticket ticket;
    struct buf bytes;

    buf_init(&bytes, TICKET_SIZE);
    buf_put_str(&bytes, "sasl-lmdb ticket");
    buf_put_u32(&bytes, FORMAT);
    buf_put(&bytes, opener.target.store_id, TICKET_STORE_ID);
    buf_put(&bytes, ticket_key, sizeof ticket_key);
    uint8_t *seal = buf_extend(&bytes, TICKET_TEXT + CRYPTO_AEAD_TAG);
    FUZZ_CHECK(seal != NULL);
    const struct slice header = slice_of(bytes.p, TICKET_HEADER);
    memcpy(text, in.p, in.n < sizeof text ? in.n : sizeof text);
    FUZZ_CHECK(crypto_aead_seal(secret, secret + CRYPTO_AEAD_KEY, &header, 1,
                                slice_of(text, sizeof text), seal) == AUTH_OK);
    check(open_copy(buf_slice(&bytes), &ticket), &ticket);
    buf_release(&bytes);
}

static void whole_file(struct slice in)
{
    struct ticket ticket;
    uint8_t *block = fuzz_block(in);
    struct slice rest = slice_of(block, in.n);

    while (ticket_find(&rest)) {
        FUZZ_CHECK(rest.n >= TICKET_SIZE && rest.p + rest.n == block + in.n);
        check(open_copy(slice_of(rest.p, TICKET_SIZE), &ticket), &ticket);
        rest = slice_of(rest.p + 1, rest.n - 1);
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        prepare();
        sealed_text(slice_of(data, size));
        whole_file(slice_of(data, size));
    }
    return 0;
}
