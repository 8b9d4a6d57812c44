/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/key_text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/files.h"

enum { BASE64_KEY = 44, STORE_ID_HEX = 2 * STORE_ID_SIZE };

void *key_pages_new(size_t n, size_t *ret_bytes)
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

void key_pages_free(void *p, size_t bytes)
{
    if (p != NULL) {
        crypto_wipe(p, bytes);
        munmap(p, bytes);
    }
}

void key_text_release(struct key_text *text)
{
    key_pages_free(text->p, text->bytes);
    text->p = NULL;
}

static enum auth_status explain_open(const char *path, int error, struct detail *detail)
{
    enum auth_status status = file_explain("key file", path, error, detail);

    return status == AUTH_STORE_MISSING ? AUTH_KEY_MISSING : status;
}

/* O_NONBLOCK: a FIFO in its place must not hang a server. */
enum auth_status key_text_read(const char *path, struct key_text *ret, struct detail *detail)
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
    } else if (ret->st.st_size > KEY_TEXT_MAX) {
        status =
            detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: over %d bytes", path, KEY_TEXT_MAX);
    } else if ((ret->p = key_pages_new((size_t)ret->st.st_size + 1, &ret->bytes)) == NULL) {
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
        key_text_release(ret);
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

bool key_line_take(struct slice line, struct key_line *ret)
{
    struct slice hex;
    struct slice key;
    size_t n = 0;

    ret->since = 0;
    return slice_take_decimal(&line, UINT32_MAX, &ret->id) && ret->id > 0 &&
           slice_take_literal(&line, " ") && slice_take(&line, STORE_ID_HEX, &hex) &&
           take_hex(hex, ret->store_id) && slice_take_literal(&line, " ") &&
           slice_take(&line, BASE64_KEY, &key) &&
           crypto_base64_take(key, ret->raw, sizeof ret->raw, &n) == AUTH_OK && n == KEY_RAW &&
           (line.n == 0 || (slice_take_literal(&line, " ") &&
                            slice_take_decimal(&line, UINT32_MAX, &ret->since) && line.n == 0));
}

bool key_text_next(struct slice *text, struct slice *ret)
{
    if (!slice_take_until(text, '\n', ret)) {
        *ret = *text; /* the last one, without an end */
        *text = slice_of(NULL, 0);
    }
    return ret->n > 0 && ret->p[0] != '#';
}

void key_line_put(struct buf *b, const struct key_line *line)
{
    buf_put_decimal(b, line->id);
    buf_put_byte(b, ' ');
    buf_put_hex(b, line->store_id, sizeof line->store_id);
    buf_put_byte(b, ' ');
    crypto_base64_put(b, slice_of(line->raw, sizeof line->raw));
    buf_put_byte(b, ' ');
    buf_put_decimal(b, line->since);
    buf_put_byte(b, '\n');
}
