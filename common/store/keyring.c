/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/keyring.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/files.h"
#include "store/held_path.h"
#include "store/key_text.h"

struct keyring {
    size_t bytes; /* of the mapping it lives in */
    size_t n;
    struct key keys[];
};

static enum auth_status check_exposure(const char *path, const struct stat *st, gid_t data_group,
                                       struct detail *detail)
{
    bool group_is_fine = data_group != FILES_ANY_GROUP && st->st_gid == data_group &&
                         (st->st_mode & (S_IWGRP | S_IXGRP)) == 0;
    mode_t allowed = S_IRUSR | S_IWUSR | S_IXUSR | (group_is_fine ? S_IRGRP : 0);

    if (!S_ISREG(st->st_mode)) {
        return detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: not a regular file", path);
    }
    if ((st->st_mode & 0777 & ~allowed) != 0) {
        char remedy[PATH_REMEDY_SIZE];
        return detail_set(detail, AUTH_KEY_EXPOSED,
                          "key file %s has mode %04o and group %u, so others may read it%s", path,
                          (unsigned)(st->st_mode & 07777), (unsigned)st->st_gid,
                          path_remedy(group_is_fine ? "chmod 0640" : "chmod 0600", path, remedy));
    }
    return AUTH_OK;
}

/* HKDF with the store's id as salt: one raw key used for two stores gives unrelated keys. */
static enum auth_status derive(const struct key_line *line, struct key *ret)
{
    struct slice raw = slice_of(line->raw, sizeof line->raw);
    struct slice salt = slice_of(line->store_id, sizeof line->store_id);
    enum auth_status status;

    ret->id = line->id;
    ret->since = line->since;
    memcpy(ret->store_id, line->store_id, sizeof ret->store_id);
    status = crypto_hkdf(raw, salt, slice_str("sasl-lmdb 1 seal"), ret->seal, sizeof ret->seal);
    if (status == AUTH_OK) {
        status = crypto_hkdf(raw, salt, slice_str("sasl-lmdb 1 name"), ret->name, sizeof ret->name);
    }
    if (status == AUTH_OK) {
        status =
            crypto_hkdf(raw, salt, slice_str("sasl-lmdb 1 check"), ret->check, sizeof ret->check);
    }
    return status;
}

static enum auth_status fill_ring(const char *path, struct slice text, struct keyring *ring,
                                  struct detail *detail)
{
    enum auth_status status = AUTH_OK;
    struct key_line parsed;
    struct slice line;
    unsigned number = 0;

    while (status == AUTH_OK && text.n > 0) {
        number++;
        if (!key_text_next(&text, &line)) {
            continue;
        }
        if (!key_line_take(line, &parsed)) {
            status = detail_set(detail, AUTH_KEY_DAMAGED,
                                "key file %s, line %u: not \"id store-id key\"", path, number);
        } else if (keyring_find(ring, parsed.store_id, parsed.id) != NULL) {
            status = detail_set(detail, AUTH_KEY_DAMAGED,
                                "key file %s, line %u: key %u is there already", path, number,
                                (unsigned)parsed.id);
        } else {
            status = derive(&parsed, &ring->keys[ring->n]);
            ring->n++;
        }
    }
    crypto_wipe(&parsed, sizeof parsed);
    return status;
}

enum auth_status keyring_load(const char *path, gid_t data_group, struct keyring **ret,
                              struct detail *detail)
{
    struct key_text text;
    struct keyring *ring = NULL;
    struct slice line;
    size_t bytes = 0;
    size_t lines = 0;
    enum auth_status status = key_text_read(path, &text, detail);

    if (status != AUTH_OK) {
        return status;
    }
    /* What is no key file is told so first: nobody should change the mode of a file by mistake. */
    const enum auth_status exposure = check_exposure(path, &text.st, data_group, detail);
    status = exposure == AUTH_KEY_EXPOSED ? AUTH_OK : exposure;
    if (status == AUTH_OK) {
        for (struct slice rest = slice_of(text.p, text.n); rest.n > 0;) {
            lines += key_text_next(&rest, &line) ? 1 : 0;
        }
        ring = key_pages_new(sizeof *ring + lines * sizeof ring->keys[0], &bytes);
        status = ring == NULL ? AUTH_NO_MEMORY : AUTH_OK;
    }
    if (status == AUTH_OK) {
        ring->bytes = bytes;
        ring->n = 0;
        status = fill_ring(path, slice_of(text.p, text.n), ring, detail);
    }
    if (status == AUTH_OK) {
        status = exposure;
    }
    key_text_release(&text);
    if (status == AUTH_OK) {
        /* From here on nothing writes to it, by mistake neither. */
        (void)mprotect(ring, bytes, PROT_READ);
        *ret = ring;
    } else {
        key_pages_free(ring, bytes);
    }
    return status;
}

void keyring_free(struct keyring *ring)
{
    if (ring != NULL) {
        size_t bytes = ring->bytes;

        if (mprotect(ring, bytes, PROT_READ | PROT_WRITE) == 0) {
            key_pages_free(ring, bytes);
        } else {
            munmap(ring, bytes);
        }
    }
}

const struct key *keyring_find(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE],
                               uint32_t id)
{
    for (size_t i = 0; i < ring->n; i++) {
        if (ring->keys[i].id == id &&
            memcmp(ring->keys[i].store_id, store_id, STORE_ID_SIZE) == 0) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

uint32_t keyring_latest(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE])
{
    uint32_t latest = 0;

    for (size_t i = 0; i < ring->n; i++) {
        if (memcmp(ring->keys[i].store_id, store_id, STORE_ID_SIZE) == 0 &&
            ring->keys[i].id > latest) {
            latest = ring->keys[i].id;
        }
    }
    return latest;
}

uint32_t keyring_next(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE],
                      uint32_t after)
{
    uint32_t next = 0;

    for (size_t i = 0; i < ring->n; i++) {
        uint32_t id = ring->keys[i].id;

        if (memcmp(ring->keys[i].store_id, store_id, STORE_ID_SIZE) == 0 && id > after &&
            (next == 0 || id < next)) {
            next = id;
        }
    }
    return next;
}
