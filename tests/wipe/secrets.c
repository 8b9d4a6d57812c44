/* SPDX-License-Identifier: BSD-2-Clause */
#include "secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "engine/verifier.h"
#include "store/keyring.h"
#include "store/store.h"

#define M(c) ((c) ^ SCAN_MASK)

const uint8_t secrets_right[SECRETS_PASSWORD] = {
    M('o'), M('p'), M('e'), M('n'), M('-'), M('S'), M('e'), M('s'), M('a'), M('m'),
    M('e'), M('-'), M('4'), M('7'), M('1'), M('1'), M('-'), M('q'), M('x'), M('z'),
    M('/'), M('t'), M('h'), M('e'), M('-'), M('f'), M('r'), M('o'), M('n'), M('t'),
    M('-'), M('o'), M('f'), M('-'), M('i'), M('t'), M('/'), M('t'), M('a'), M('i')};
const uint8_t secrets_wrong[SECRETS_PASSWORD] = {
    M('n'), M('o'), M('t'), M('-'), M('S'), M('e'), M('s'), M('a'), M('m'), M('e'),
    M('-'), M('a'), M('t'), M('-'), M('a'), M('l'), M('l'), M('-'), M('v'), M('w'),
    M('/'), M('a'), M('l'), M('s'), M('o'), M('-'), M('w'), M('i'), M('t'), M('h'),
    M('-'), M('a'), M('-'), M('f'), M('r'), M('o'), M('n'), M('t'), M('e'), M('n')};

static void must(bool holds)
{
    if (!holds) {
        exit(1);
    }
}

/* As bytes and in the text form a property carries. */
static void add_both(struct needles *n, const char *name, enum scan_rule rule, const uint8_t *bytes,
                     size_t size)
{
    char label[64];
    struct buf text;

    scan_add(n, name, rule, bytes, size);
    buf_init(&text, SCAN_MAX);
    crypto_base64_put(&text, slice_of(bytes, size));
    must(buf_status(&text) == AUTH_OK);
    snprintf(label, sizeof label, "%s in base64", name);
    scan_add(n, label, SCAN_IN_STEP, buf_text(&text), text.n);
    buf_release(&text);
}

static void add_scram(struct needles *n, const struct scram_verifier *v, struct slice password)
{
    const char *hash = verifier_scram_name(v->hash);
    const size_t size = crypto_hash_size(v->hash);
    const struct slice label = slice_str("Client Key");
    uint8_t salted[CRYPTO_MAX_HASH];
    uint8_t client[CRYPTO_MAX_HASH];
    char name[64];

    must(crypto_pbkdf2(v->hash, password, slice_of(v->salt, v->salt_len), v->iterations, salted) ==
             AUTH_OK &&
         crypto_hmac(v->hash, slice_of(salted, size), &label, 1, client) == AUTH_OK);
    snprintf(name, sizeof name, "%s SaltedPassword", hash);
    scan_add(n, name, SCAN_IN_EXCHANGE, salted, size);
    snprintf(name, sizeof name, "%s ClientKey", hash);
    scan_add(n, name, SCAN_IN_STEP, client, size);
    snprintf(name, sizeof name, "%s StoredKey", hash);
    add_both(n, name, SCAN_IN_EXCHANGE, v->stored_key, size);
    snprintf(name, sizeof name, "%s ServerKey", hash);
    add_both(n, name, SCAN_IN_EXCHANGE, v->server_key, size);
}

/* Big-endian words, and as the hash keeps them. */
static void add_cram(struct needles *n, const uint8_t state[CRYPTO_HMAC_MD5_STATE])
{
    uint8_t words[CRYPTO_HMAC_MD5_STATE];

    for (size_t i = 0; i < sizeof words; i++) {
        words[i] = state[i / 4 * 4 + 3 - i % 4];
    }
    scan_add(n, "HMAC-MD5 inner state", SCAN_IN_STEP, state, 16);
    scan_add(n, "HMAC-MD5 outer state", SCAN_IN_STEP, state + 16, 16);
    scan_add(n, "HMAC-MD5 inner context", SCAN_IN_STEP, words, 16);
    scan_add(n, "HMAC-MD5 outer context", SCAN_IN_STEP, words + 16, 16);
}

static void add_digests(struct needles *n, const struct verifier_set *set)
{
    for (unsigned i = 0; i < set->n_digest; i++) {
        struct buf hex;
        scan_add(n, "H(user:realm:password)", SCAN_IN_STEP, set->digest[i].ha1, 16);
        buf_init(&hex, SCAN_MAX);
        buf_put_hex(&hex, set->digest[i].ha1, 16);
        scan_add(n, "H(user:realm:password) in hex", SCAN_IN_STEP, buf_text(&hex), hex.n);
        buf_release(&hex);
    }
}

/* "id store-id base64(key)" */
static void add_raw_key(struct needles *n, const char *path)
{
    char line[256];
    char text[128];
    uint8_t raw[64];
    size_t size = 0;
    FILE *file = fopen(path, "re");

    must(file != NULL && fgets(line, sizeof line, file) != NULL &&
         sscanf(line, "%*s %*s %127s", text) == 1 &&
         crypto_base64_take(slice_str(text), raw, sizeof raw, &size) == AUTH_OK);
    (void)fclose(file);
    scan_add(n, "the key file's key", SCAN_IN_STEP, raw, size);
    scan_add(n, "the key file's key in base64", SCAN_IN_STEP, text, strlen(text));
}

static void add_store(struct needles *n, const struct store_dir *dir, struct slice password)
{
    const struct store_options options = {.path = dir->path, .key_path = dir->key_path};
    static const struct identity who = {SECRETS_USER, HOST_REALM};
    struct store *store = NULL;
    struct keyring *ring = NULL;
    struct store_info info;
    struct record record;

    must(store_open(&options, &store, NULL) == AUTH_OK &&
         store_get(store, &who, &record, NULL) == AUTH_OK &&
         store_describe(store, &info, NULL) == AUTH_OK &&
         keyring_load(dir->key_path, (gid_t)-1, &ring, NULL) == AUTH_OK);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        add_scram(n, &record.verifiers.scram[i], password);
    }
    add_cram(n, record.verifiers.cram);
    add_digests(n, &record.verifiers);
    scan_add(n, "checkpass digest", SCAN_IN_STEP, record.verifiers.checkpass + 17, 16);
    const struct key *key = keyring_find(ring, info.store_id, info.key_id);
    must(key != NULL);
    scan_add(n, "the key of the seals", SCAN_KEY_PAGE, key->seal, sizeof key->seal);
    scan_add(n, "the key of the names", SCAN_KEY_PAGE, key->name, sizeof key->name);
    add_raw_key(n, dir->key_path);
    keyring_free(ring);
    store_close(store);
}

static void compute(int out)
{
    static struct secrets made;
    char right[SECRETS_PASSWORD + 1] = "";
    char wrong[SECRETS_PASSWORD + 1] = "";

    scan_unmask(secrets_right, SECRETS_PASSWORD, right);
    scan_unmask(secrets_wrong, SECRETS_PASSWORD, wrong);
    const struct host_user user = {.user = SECRETS_USER, .realm = HOST_REALM, .password = right};
    store_dir_make(&made.store, &user, 1);
    scan_add(&made.needles, "the password", SCAN_TYPED, right + SECRETS_FRONT,
             SECRETS_PASSWORD - SECRETS_FRONT);
    scan_add(&made.needles, "the wrong password", SCAN_TYPED, wrong + SECRETS_FRONT,
             SECRETS_PASSWORD - SECRETS_FRONT);
    add_store(&made.needles, &made.store, slice_str(right));
    must(write(out, &made, sizeof made) == (ssize_t)sizeof made);
    exit(0);
}

void secrets_make(struct secrets *ret)
{
    uint8_t *at = (uint8_t *)ret;
    size_t n = 0;
    int ends[2];
    int status = -1;

    must(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        compute(ends[1]);
    }
    (void)close(ends[1]);
    while (n < sizeof *ret) {
        const ssize_t got = read(ends[0], at + n, sizeof *ret - n);
        must(got > 0);
        n += (size_t)got;
    }
    (void)close(ends[0]);
    must(waitpid(pid, &status, 0) == pid && status == 0);
}
