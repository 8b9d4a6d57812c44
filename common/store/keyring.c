/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/slice.h"
#include "store/files.h"

enum {
    RAW_KEY = 32,
    BASE64_KEY = 44,
    STORE_ID_HEX = 2 * STORE_ID_SIZE,
    MAX_FILE = 64 * 1024, /* some 700 keys */
    MAX_LINE = 128,
};

struct keyring {
    size_t bytes; /* of the mapping it lives in */
    size_t n;
    struct key keys[];
};

/* The text of a key file, raw keys and all. */
struct key_text {
    uint8_t *p;
    size_t bytes; /* of the mapping */
    size_t n;
    struct stat st;
};

/* One line, taken apart. */
struct key_line {
    uint32_t id;
    uint8_t store_id[STORE_ID_SIZE];
    uint8_t raw[RAW_KEY];
};

/*
 * Pages of their own for secrets: no core file holds them, the swap device neither where the
 * memory-lock limit allows, and no overrun of a heap block reaches them.
 */
static void *pages_new(size_t n, size_t *ret_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (n + page - 1) / page * page;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        return NULL;
    }
    /* Both are improvements, not conditions: a container may forbid them. */
    (void)madvise(p, bytes, MADV_DONTDUMP);
    (void)mlock(p, bytes);
    *ret_bytes = bytes;
    return p;
}

static void pages_free(void *p, size_t bytes)
{
    if (p != NULL) {
        crypto_wipe(p, bytes);
        munmap(p, bytes);
    }
}

static void text_release(struct key_text *text)
{
    pages_free(text->p, text->bytes);
    text->p = NULL;
}

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
        return detail_set(detail, AUTH_KEY_EXPOSED,
                          "key file %s has mode %04o and group %u, so others may read it: "
                          "chmod %s %s",
                          path, (unsigned)(st->st_mode & 07777), (unsigned)st->st_gid,
                          group_is_fine ? "0640" : "0600", path);
    }
    return AUTH_OK;
}

static enum auth_status explain_open(const char *path, int error, struct detail *detail)
{
    enum auth_status status = file_explain("key file", path, error, detail);

    return status == AUTH_STORE_MISSING ? AUTH_KEY_MISSING : status;
}

/*
 * Reads a whole file into pages. Mode and owner are those of what was opened, so nobody can swap
 * the file between check and use. O_NONBLOCK: a FIFO in its place must not hang a server.
 */
static enum auth_status text_read(const char *path, struct key_text *ret, struct detail *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t got = 0;

    *ret = (struct key_text){NULL, 0, 0, {0}};
    if (fd < 0) {
        return explain_open(path, errno, detail);
    }
    enum auth_status status = AUTH_OK;
    if (fstat(fd, &ret->st) != 0) {
        status = explain_open(path, errno, detail);
    } else if (!S_ISREG(ret->st.st_mode)) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: not a regular file", path);
    } else if (ret->st.st_size > MAX_FILE) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: over %d bytes", path, MAX_FILE);
    } else if ((ret->p = pages_new((size_t)ret->st.st_size + 1, &ret->bytes)) == NULL) {
        status = AUTH_NO_MEMORY;
    }
    /* As long as it was a moment ago; whoever changes it makes a new file, as we do. */
    size_t size = (size_t)ret->st.st_size;
    while (status == AUTH_OK && ret->n < size &&
           (got = read(fd, ret->p + ret->n, size - ret->n)) != 0) {
        if (got > 0) {
            ret->n += (size_t)got;
        } else if (errno != EINTR) {
            status = explain_open(path, errno, detail);
        }
    }
    close(fd);
    if (status != AUTH_OK) {
        text_release(ret);
    }
    return status;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(struct slice text, uint8_t *ret)
{
    for (size_t i = 0; i < text.n / 2; i++) {
        int high = hex_digit(text.p[2 * i]);
        int low = hex_digit(text.p[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_line(struct slice line, struct key_line *ret)
{
    struct slice hex;
    size_t n = 0;

    return slice_take_decimal(&line, UINT32_MAX, &ret->id) && ret->id > 0 &&
           slice_take_literal(&line, " ") && slice_take(&line, STORE_ID_HEX, &hex) &&
           take_hex(hex, ret->store_id) && slice_take_literal(&line, " ") && line.n == BASE64_KEY &&
           crypto_base64_take(line, ret->raw, sizeof ret->raw, &n) == AUTH_OK && n == RAW_KEY;
}

/* Takes one line off the text. True if it is to hold a key, false for a comment or nothing. */
static bool next_line(struct slice *text, struct slice *ret)
{
    if (!slice_take_until(text, '\n', ret)) {
        *ret = *text; /* the last one, without an end */
        *text = slice_of(NULL, 0);
    }
    return ret->n > 0 && ret->p[0] != '#';
}

/* HKDF with the store's id as salt: one raw key used for two stores gives unrelated keys. */
static enum auth_status derive(const struct key_line *line, struct key *ret)
{
    struct slice raw = slice_of(line->raw, sizeof line->raw);
    struct slice salt = slice_of(line->store_id, sizeof line->store_id);
    enum auth_status status;

    ret->id = line->id;
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
        if (!next_line(&text, &line)) {
            continue;
        }
        if (!take_line(line, &parsed)) {
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
    enum auth_status status = text_read(path, &text, detail);

    if (status != AUTH_OK) {
        return status;
    }
    /* What is no key file is told so first: nobody should change the mode of a file by mistake. */
    const enum auth_status exposure = check_exposure(path, &text.st, data_group, detail);
    status = exposure == AUTH_KEY_EXPOSED ? AUTH_OK : exposure;
    if (status == AUTH_OK) {
        for (struct slice rest = slice_of(text.p, text.n); rest.n > 0;) {
            lines += next_line(&rest, &line) ? 1 : 0;
        }
        ring = pages_new(sizeof *ring + lines * sizeof ring->keys[0], &bytes);
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
    text_release(&text);
    if (status == AUTH_OK) {
        /* From here on nothing writes to it, by mistake neither. */
        (void)mprotect(ring, bytes, PROT_READ);
        *ret = ring;
    } else {
        pages_free(ring, bytes);
    }
    return status;
}

void keyring_free(struct keyring *ring)
{
    if (ring != NULL) {
        size_t bytes = ring->bytes;

        if (mprotect(ring, bytes, PROT_READ | PROT_WRITE) == 0) {
            pages_free(ring, bytes);
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

static void put_line(struct buf *b, const struct key_line *line)
{
    buf_put_decimal(b, line->id);
    buf_put_byte(b, ' ');
    buf_put_hex(b, line->store_id, sizeof line->store_id);
    buf_put_byte(b, ' ');
    crypto_base64_put(b, slice_of(line->raw, sizeof line->raw));
    buf_put_byte(b, '\n');
}

/*
 * Copies the lines of a key file to ret, but for the key named by drop (if not NULL), and counts
 * the keys that stay. The largest id among keys of the same store goes to *ret_last.
 */
static enum auth_status copy_lines(const char *path, struct slice text, const uint8_t *store_id,
                                   uint32_t drop, struct buf *ret, size_t *ret_n,
                                   uint32_t *ret_last, struct detail *detail)
{
    enum auth_status status = AUTH_OK;
    struct key_line parsed;
    struct slice line;
    unsigned number = 0;

    *ret_n = 0;
    *ret_last = 0;
    while (status == AUTH_OK && text.n > 0) {
        bool is_key = next_line(&text, &line);

        number++;
        if (is_key && !take_line(line, &parsed)) {
            status = detail_set(detail, AUTH_KEY_DAMAGED,
                                "key file %s, line %u: not \"id store-id key\"", path, number);
            break;
        }
        bool ours = is_key && memcmp(parsed.store_id, store_id, STORE_ID_SIZE) == 0;
        if (ours && parsed.id == drop) {
            continue;
        }
        if (ours && parsed.id > *ret_last) {
            *ret_last = parsed.id;
        }
        *ret_n += is_key ? 1 : 0;
        buf_put_slice(ret, line);
        buf_put_byte(ret, '\n');
    }
    crypto_wipe(&parsed, sizeof parsed);
    return status == AUTH_OK ? buf_status(ret) : status;
}

enum {
    LOCK_TRIES = 100,
    LOCK_PAUSE = 50 * 1000 * 1000, /* nanoseconds */
};

/* Two programs that change one key file take turns: a lock on its directory, held until closed. */
static enum auth_status lock_directory(const char *path, int *ret_fd, struct detail *detail)
{
    char *directory = file_directory(path);

    if (directory == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = AUTH_OK;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        status = file_explain("directory of the key file", directory, errno, detail);
    }
    for (unsigned tries = 0; status == AUTH_OK && flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EINTR && errno != EWOULDBLOCK) {
            status = file_explain("cannot lock", directory, errno, detail);
        } else if (tries == LOCK_TRIES) {
            /* Anybody who may read the directory can hold this lock; nobody waits for ever. */
            status = detail_set(detail, AUTH_STORE_BUSY,
                                "another process holds a lock on the directory %s", directory);
        } else {
            const struct timespec pause = {.tv_nsec = LOCK_PAUSE};
            (void)nanosleep(&pause, NULL);
        }
    }
    free(directory);
    if (status == AUTH_OK) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return status;
}

/* Takes the turn, and clears away the keys that one who was killed in his has left lying about. */
static enum auth_status take_turn(const char *path, int *ret_fd, struct detail *detail)
{
    enum auth_status status = lock_directory(path, ret_fd, detail);

    if (status == AUTH_OK) {
        file_remove_leftovers(path);
    }
    return status;
}

/*
 * A rename would replace a link by a file, and a link in a directory others may write to could
 * make us copy what we should not.
 */
static enum auth_status refuse_link(const char *path, struct detail *detail)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "key file %s is a symbolic link: name the file itself to change it",
                          path);
    }
    return AUTH_OK;
}

enum auth_status keyring_add(const char *path, const uint8_t store_id[STORE_ID_SIZE], mode_t mode,
                             gid_t gid, uint32_t *ret_id, struct detail *detail)
{
    struct file_mode file = {mode, FILES_ANY_USER, gid};
    struct key_text text = {NULL, 0, 0, {0}};
    struct key_line line;
    struct buf lines;
    uint32_t last = 0;
    size_t n = 0;
    int directory = -1;

    buf_init(&lines, MAX_FILE);
    enum auth_status status = take_turn(path, &directory, detail);
    if (status != AUTH_OK) {
        return status;
    }
    status = refuse_link(path, detail);
    if (status == AUTH_OK) {
        status = text_read(path, &text, detail);
    }
    if (status == AUTH_OK) {
        file.uid = text.st.st_uid;
        file.gid = gid == FILES_ANY_GROUP ? text.st.st_gid : gid;
        status = copy_lines(path, slice_of(text.p, text.n), store_id, 0, &lines, &n, &last, detail);
    } else if (status == AUTH_KEY_MISSING) {
        status = AUTH_OK;
    }
    if (status == AUTH_OK && last == UINT32_MAX) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: no key id is left", path);
    }
    if (status == AUTH_OK) {
        status = crypto_random(line.raw, sizeof line.raw);
    }
    if (status == AUTH_OK) {
        line.id = last + 1;
        memcpy(line.store_id, store_id, sizeof line.store_id);
        put_line(&lines, &line);
        status = buf_status(&lines);
    }
    if (status == AUTH_OK) {
        status = file_replace(path, &file, buf_slice(&lines), detail);
    }
    if (status == AUTH_OK) {
        *ret_id = line.id;
    }
    crypto_wipe(&line, sizeof line);
    buf_release(&lines);
    text_release(&text);
    close(directory);
    return status;
}

enum auth_status keyring_remove(const char *path, const uint8_t store_id[STORE_ID_SIZE],
                                uint32_t id, const struct file_mode *before, struct detail *detail)
{
    struct key_text text = {NULL, 0, 0, {0}};
    struct buf lines;
    uint32_t last = 0;
    size_t n = 0;
    int directory = -1;

    buf_init(&lines, MAX_FILE);
    enum auth_status status = take_turn(path, &directory, detail);
    if (status != AUTH_OK) {
        return status;
    }
    status = refuse_link(path, detail);
    if (status == AUTH_OK) {
        status = text_read(path, &text, detail);
    }
    if (status == AUTH_OK) {
        status =
            copy_lines(path, slice_of(text.p, text.n), store_id, id, &lines, &n, &last, detail);
    }
    if (status == AUTH_OK && n == 0 && before == NULL) {
        if (unlink(path) != 0) {
            status = file_explain("cannot remove", path, errno, detail);
        }
    } else if (status == AUTH_OK) {
        const struct file_mode file = {text.st.st_mode & 07777, text.st.st_uid, text.st.st_gid};

        status = file_replace(path, before != NULL ? before : &file, buf_slice(&lines), detail);
    }
    buf_release(&lines);
    text_release(&text);
    close(directory);
    return status;
}
