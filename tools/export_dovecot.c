/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dovecot's passwd-file. It has room for one scheme a user: the SCRAM verifier that PLAIN works
 * with too, SHA-256 before SHA-1 (Dovecot 2.3 knows no SHA-512), else a crypt(3) hash, else with
 * --legacy the CRAM-MD5 or a DIGEST-MD5 verifier. Where there is none of these, or none is wanted,
 * stands a hash that nothing matches; an empty field would be an account without a password.
 */
#include <string.h>

#include "base/crypto.h"
#include "export.h"

#define NO_PASSWORD "{CRYPT}*"

enum {
    LINE_MAX_BYTES = 2048,
    WORD = 4, /* bytes of a word of an MD5 state */
};

/* {SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey */
static void put_scram(struct buf *line, const struct scram_verifier *scram)
{
    const size_t size = crypto_hash_size(scram->hash);
    buf_put_byte(line, '{');
    buf_put_str(line, verifier_scram_name(scram->hash));
    buf_put_byte(line, '}');
    buf_put_decimal(line, scram->iterations);
    buf_put_byte(line, ',');
    crypto_base64_put(line, slice_of(scram->salt, scram->salt_len));
    buf_put_byte(line, ',');
    crypto_base64_put(line, slice_of(scram->stored_key, size));
    buf_put_byte(line, ',');
    crypto_base64_put(line, slice_of(scram->server_key, size));
}

/* The other half first there, and the bytes of each word the other way round. */
static void put_cram(struct buf *line, const uint8_t states[CRYPTO_HMAC_MD5_STATE])
{
    const size_t half = CRYPTO_HMAC_MD5_STATE / 2;
    uint8_t swapped[CRYPTO_HMAC_MD5_STATE];
    for (size_t i = 0; i < CRYPTO_HMAC_MD5_STATE; i++) {
        const size_t word = i / WORD * WORD;
        swapped[i] = states[(word + half) % CRYPTO_HMAC_MD5_STATE + (WORD - 1 - i % WORD)];
    }
    buf_put_str(line, "{CRAM-MD5}");
    buf_put_hex(line, swapped, sizeof swapped);
    crypto_wipe(swapped, sizeof swapped);
}

/* The one Dovecot looks for under this name: H(user ":" realm ":" password), in UTF-8. */
static const struct digest_verifier *find_digest(const struct verifier_set *set)
{
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];
        if (digest->realm_kind == DIGEST_REALM_OWN && !digest->full_name && !digest->latin1) {
            return digest;
        }
    }
    return NULL;
}

static void put_password(struct buf *line, const struct verifier_set *set, unsigned kinds)
{
    const struct digest_verifier *digest = find_digest(set);
    if ((kinds & VERIFIER_SCRAM_SHA_256) != 0) {
        put_scram(line, &set->scram[verifier_scram_slot(CRYPTO_SHA256)]);
    } else if ((kinds & VERIFIER_SCRAM_SHA_1) != 0) {
        put_scram(line, &set->scram[verifier_scram_slot(CRYPTO_SHA1)]);
    } else if ((kinds & VERIFIER_CRYPT) != 0) {
        buf_put_str(line, "{CRYPT}");
        buf_put_str(line, set->crypt);
    } else if ((kinds & VERIFIER_CRAM_MD5) != 0) {
        put_cram(line, set->cram);
    } else if ((kinds & VERIFIER_DIGEST_MD5) != 0 && digest != NULL) {
        buf_put_str(line, "{DIGEST-MD5}");
        buf_put_hex(line, digest->ha1, sizeof digest->ha1);
    } else {
        buf_put_str(line, NO_PASSWORD);
    }
}

static enum auth_status put(struct export *export, const struct record *record, unsigned kinds,
                            struct detail *why)
{
    struct buf line;
    if (strpbrk(record->who.user, ":") != NULL || strpbrk(record->who.realm, ":") != NULL ||
        record->who.user[0] == '#') {
        return detail_set(why, AUTH_BAD_NAME,
                          "a passwd-file cannot hold a name with a colon, or \"#\" in front");
    }
    /* Imports let no such hash in; here it would be further fields, or a line of its own. */
    if (strchr(record->verifiers.crypt, ':') != NULL ||
        !slice_is_printable(slice_str(record->verifiers.crypt))) {
        return detail_set(why, AUTH_BAD_NAME, "a passwd-file cannot hold its crypt(3) hash");
    }
    buf_init(&line, LINE_MAX_BYTES);
    identity_put(&line, &record->who);
    buf_put_byte(&line, ':');
    put_password(&line, &record->verifiers, kinds);
    buf_put_str(&line, "::::::\n");
    enum auth_status status = buf_status(&line);
    if (status == AUTH_OK) {
        fwrite(line.p, 1, line.n, export->out);
    }
    buf_release(&line);
    return status;
}

const struct export_format export_dovecot = {
    .name = "dovecot",
    .kinds = VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_1 | VERIFIER_CRYPT | VERIFIER_CRAM_MD5 |
             VERIFIER_DIGEST_MD5,
    .put = put,
};
