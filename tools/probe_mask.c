/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "engine/identity.h"

enum {
    RUN = 8,        /* bytes */
    SHORTEST = 4,   /* of letters among others; a shorter secret counts as a word only */
    PROOF_MIN = 20, /* characters of the shortest proof: SHA-1 in base64 has 27, MD5 in hex 32 */
    RUNS_MAX = 64 << 20, /* bytes; what does not go in makes everything a secret */
    SHORTS_MAX = 65536,
    TEXT_MAX = 65536, /* bytes of one secret in one of its forms */
    BASE64_GROUP = 3, /* bytes that become four characters */
    BASE64_BITS = 6,  /* of a character */
    BYTE_BITS = 8,
};

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_base64(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

static void put_folded(struct buf *ret, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        buf_put_byte(ret, fold(text.p[i]));
    }
}

static int compare_runs(const void *a, const void *b)
{
    return memcmp(a, b, RUN);
}

/* Fails, and stays so: everything is a secret then. */
static void give_up(struct probe_mask *mask)
{
    (void)!buf_extend(&mask->runs, RUNS_MAX + 1);
}

/* Sorted again by add_done(). */
static void add(struct probe_mask *mask, struct slice secret)
{
    struct buf folded;
    if (secret.n == 0) {
        return;
    }
    buf_init(&folded, TEXT_MAX);
    if (secret.n < SHORTEST) {
        buf_put_slice(&folded, secret); /* letters as they are: short words are many */
    } else {
        put_folded(&folded, secret);
    }
    if (buf_status(&folded) != AUTH_OK) {
        give_up(mask);
    } else if (folded.n < RUN) {
        buf_put_byte(&mask->shorts, (uint8_t)folded.n);
        buf_put_slice(&mask->shorts, buf_slice(&folded));
    } else {
        for (size_t i = 0; i + RUN <= folded.n; i++) {
            buf_put(&mask->runs, folded.p + i, RUN);
        }
    }
    buf_release(&folded);
}

static enum auth_status add_done(struct probe_mask *mask)
{
    enum auth_status status = buf_status(&mask->runs);
    if (mask->runs.n > 0 && status == AUTH_OK) {
        qsort(mask->runs.p, mask->runs.n / RUN, RUN, compare_runs);
    }
    return status == AUTH_OK ? buf_status(&mask->shorts) : status;
}

/*
 * Inside a longer text in base64 a secret begins at one of three places of a group, and the
 * characters at its ends depend on its neighbours. What has become base64 may become it again.
 */
static void add_in_base64(struct probe_mask *mask, struct slice secret, unsigned times)
{
    for (size_t before = 0; times > 0 && before < BASE64_GROUP; before++) {
        static const uint8_t neighbours[BASE64_GROUP];
        struct buf text;
        struct buf coded;
        buf_init(&text, TEXT_MAX);
        buf_init(&coded, 2 * (size_t)TEXT_MAX);
        buf_put(&text, neighbours, before);
        buf_put_slice(&text, secret);
        crypto_base64_put(&coded, buf_slice(&text));
        size_t from = (before * BYTE_BITS + BASE64_BITS - 1) / BASE64_BITS;
        size_t to = (before + secret.n) * BYTE_BITS / BASE64_BITS;
        if (buf_status(&coded) != AUTH_OK) {
            give_up(mask);
        } else if (to >= from + SHORTEST) {
            const struct slice whole = slice_of(coded.p + from, to - from);
            add(mask, whole);
            add_in_base64(mask, whole, times - 1);
        }
        buf_release(&coded);
        buf_release(&text);
    }
}

static void add_forms(struct probe_mask *mask, struct slice secret)
{
    struct buf hex;
    buf_init(&hex, 2 * (size_t)TEXT_MAX);
    buf_put_hex(&hex, secret.p, secret.n);
    add(mask, secret);
    add(mask, buf_slice(&hex));
    add_in_base64(mask, secret, 2);
    buf_release(&hex);
}

enum auth_status probe_mask_init(struct probe_mask *mask, struct slice password)
{
    struct buf prepared;
    buf_init(&mask->runs, RUNS_MAX);
    buf_init(&mask->shorts, SHORTS_MAX);
    if (password.n == 0) {
        return AUTH_OK;
    }
    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    add_forms(mask, password);
    if (identity_prepare_password(password, IDENTITY_QUERY, &prepared) == AUTH_OK &&
        !slice_equal(buf_slice(&prepared), password)) {
        add_forms(mask, buf_slice(&prepared));
    }
    buf_release(&prepared);
    return add_done(mask);
}

void probe_mask_release(struct probe_mask *mask)
{
    buf_release(&mask->runs);
    buf_release(&mask->shorts);
}

static bool ends_in(struct slice text, const char *word)
{
    struct slice end = slice_str(word);
    return text.n >= end.n && memcmp(text.p + text.n - end.n, end.p, end.n) == 0;
}

/*
 * A response or proof inside a message: behind "p=" (SCRAM), "response=" (DIGEST-MD5) or the user's
 * name and a space (CRAM-MD5). Nonces beside it are none, and the server says them again rightly.
 */
static bool add_proofs(struct probe_mask *mask, struct slice message)
{
    bool found = false;
    size_t start = 0;
    for (size_t i = 0; i <= message.n; i++) {
        if (i < message.n && is_base64(message.p[i])) {
            continue;
        }
        const struct slice before = slice_of(message.p, start);
        if (i - start >= PROOF_MIN &&
            (ends_in(before, "p=") || ends_in(before, "response=") || ends_in(before, " "))) {
            const struct slice proof = slice_of(message.p + start, i - start);
            add_forms(mask, proof);
            found = true;
        }
        start = i + 1;
    }
    return found;
}

enum auth_status probe_mask_add(struct probe_mask *mask, struct slice message, bool *ret_secret)
{
    struct buf coded;
    *ret_secret = probe_mask_finds(mask, message);
    /* PLAIN or LOGIN. Of a password of some letters the base64 in a longer text shows too little.
     */
    if (*ret_secret) {
        buf_init(&coded, 2 * (size_t)TEXT_MAX);
        crypto_base64_put(&coded, message);
        add(mask, buf_slice(&coded));
        if (buf_status(&coded) != AUTH_OK) {
            give_up(mask);
        }
        buf_release(&coded);
    }
    *ret_secret = add_proofs(mask, message) || *ret_secret;
    return add_done(mask);
}

static bool is_word(uint8_t c)
{
    return is_base64(c) || c >= 0x80;
}

static bool finds_short(struct slice text, struct slice folded, struct slice secret)
{
    struct slice where = secret.n < SHORTEST ? text : folded;
    for (size_t i = 0; i + secret.n <= where.n; i++) {
        size_t end = i + secret.n;
        bool word =
            (i == 0 || !is_word(where.p[i - 1])) && (end == where.n || !is_word(where.p[end]));
        if (memcmp(where.p + i, secret.p, secret.n) == 0 && (word || secret.n >= SHORTEST)) {
            return true;
        }
    }
    return false;
}

bool probe_mask_finds(const struct probe_mask *mask, struct slice text)
{
    struct buf folded;
    struct slice shorts = buf_slice(&mask->shorts);
    struct slice secret;
    uint8_t n = 0;
    if (buf_status(&mask->runs) != AUTH_OK || buf_status(&mask->shorts) != AUTH_OK) {
        return true;
    }
    buf_init(&folded, 4 * (size_t)TEXT_MAX);
    put_folded(&folded, text);
    bool found = buf_status(&folded) != AUTH_OK;
    for (size_t i = 0; !found && mask->runs.n > 0 && i + RUN <= folded.n; i++) {
        found = bsearch(folded.p + i, mask->runs.p, mask->runs.n / RUN, RUN, compare_runs) != NULL;
    }
    while (!found && slice_take_u8(&shorts, &n) && slice_take(&shorts, n, &secret)) {
        found = finds_short(text, buf_slice(&folded), secret);
    }
    buf_release(&folded);
    return found;
}

void probe_mask_put(struct buf *ret, struct slice text)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && is_base64(text.p[i])) {
            continue;
        }
        if (i - start >= PROOF_MIN) {
            buf_put_str(ret, PROBE_MASK_STARS);
        } else {
            buf_put(ret, text.p + start, i - start);
        }
        if (i < text.n) {
            buf_put_byte(ret, text.p[i]);
        }
        start = i + 1;
    }
}
