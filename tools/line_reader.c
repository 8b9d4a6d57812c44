/* SPDX-License-Identifier: BSD-2-Clause */
#include "line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"

enum { BUFFER_SIZE = 65536 };
_Static_assert((int)LINE_READER_MAX_LINE < (int)BUFFER_SIZE, "a line has to fit into the buffer");

bool line_reader_init(struct line_reader *reader, int fd, size_t line_max)
{
    *reader = (struct line_reader){.fd = fd, .buffer = malloc(BUFFER_SIZE), .line_max = line_max};
    return reader->buffer != NULL;
}

void line_reader_init_memory(struct line_reader *reader, struct slice text, size_t line_max)
{
    *reader = (struct line_reader){.fd = -1, .left = text, .ended = true, .line_max = line_max};
}

void line_reader_release(struct line_reader *reader)
{
    if (reader->buffer != NULL) {
        crypto_wipe(reader->buffer, BUFFER_SIZE);
        free(reader->buffer);
    }
    *reader = (struct line_reader){.fd = -1, .ended = true};
}

/* Moves what is left to the front and reads behind it. */
static enum line_result fill(struct line_reader *reader)
{
    if (reader->left.n > 0) {
        memmove(reader->buffer, reader->left.p, reader->left.n);
    }
    reader->left.p = reader->buffer;
    ssize_t n = read(reader->fd, reader->buffer + reader->left.n, BUFFER_SIZE - reader->left.n);
    if (n < 0) {
        reader->error = errno;
        return errno == EINTR ? LINE_INTERRUPTED : LINE_FAILED;
    }
    reader->ended = n == 0;
    reader->left.n += (size_t)n;
    return LINE_READ;
}

static void hand_out(struct line_reader *reader, size_t bytes)
{
    reader->left.p += bytes;
    reader->left.n -= bytes;
    reader->bytes += bytes;
}

/* Drops the rest of a line that is too long. */
static enum line_result skip_line(struct line_reader *reader)
{
    size_t end = 0;
    while (!slice_find(reader->left, '\n', &end)) {
        hand_out(reader, reader->left.n);
        if (reader->ended) {
            return LINE_TOO_LONG;
        }
        enum line_result result = fill(reader);
        if (result == LINE_FAILED) {
            return result;
        }
    }
    hand_out(reader, end + 1);
    return LINE_TOO_LONG;
}

enum line_result line_reader_next(struct line_reader *reader, struct slice *ret)
{
    size_t end = 0;
    bool found = slice_find(reader->left, '\n', &end);
    while (!found && !reader->ended && reader->left.n <= reader->line_max) {
        enum line_result result = fill(reader);
        if (result != LINE_READ) {
            return result;
        }
        found = slice_find(reader->left, '\n', &end);
    }
    if (!found) {
        end = reader->left.n;
    }
    if (!found && end == 0) {
        return LINE_END;
    }
    reader->line++;
    if (end > reader->line_max) {
        return skip_line(reader);
    }
    *ret = slice_of(reader->left.p, end);
    hand_out(reader, found ? end + 1 : end);
    return LINE_READ;
}

enum line_result line_reader_load(int fd, struct buf *ret, int *ret_error)
{
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0) {
            *ret_error = errno;
            return errno == EINTR ? LINE_INTERRUPTED : LINE_FAILED;
        }
        buf_put(ret, chunk, (size_t)n);
        crypto_wipe(chunk, sizeof chunk);
        if (buf_status(ret) != AUTH_OK) {
            *ret_error = ENOMEM;
            return buf_status(ret) == AUTH_TOO_LONG ? LINE_TOO_LONG : LINE_FAILED;
        }
        if (n == 0) {
            return LINE_READ;
        }
    }
}
