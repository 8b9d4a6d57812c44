/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of a file that holds secrets: read(2) into one bounded buffer that is wiped at the end,
 * no stdio, no line copied. A line is everything before a newline; the last one needs none.
 */
#ifndef SASL_LMDB_LINE_READER_H
#define SASL_LMDB_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
    LINE_READER_MAX_LINE = 60 * 1024, /* the most that may be asked for */
    LINE_READER_MEMORY = 1 << 30,
};

struct line_reader {
    int fd;            /* not owned; -1 when everything is in memory */
    uint8_t *buffer;   /* owned, NULL for a reader of memory */
    size_t line_max;   /* bytes; longer lines are passed over */
    struct slice left; /* read and not yet handed out */
    bool ended;        /* no more to read behind `left` */
    uint64_t bytes;    /* handed out so far, newlines included */
    uint64_t line;     /* number of the line handed out last, from 1 */
    int error;         /* errno of a failed read */
};

enum line_result {
    LINE_READ,
    LINE_END,
    LINE_TOO_LONG,    /* over line_max; the rest of it has been skipped */
    LINE_INTERRUPTED, /* a signal came while waiting; call again to go on */
    LINE_FAILED,      /* see error */
};

/* line_max: at most LINE_READER_MAX_LINE. False without memory. */
MUST_USE bool line_reader_init(struct line_reader *reader, int fd, size_t line_max);

/* Reads from memory, which must stay. Allocates nothing. */
void line_reader_init_memory(struct line_reader *reader, struct slice text, size_t line_max);

/* Wipes the buffer. */
void line_reader_release(struct line_reader *reader);

/* The next line without its newline; valid until the next call. */
enum line_result line_reader_next(struct line_reader *reader, struct slice *ret);

/* Reads a whole file into ret. LINE_READ, LINE_TOO_LONG over ret's ceiling, or as above. */
enum line_result line_reader_load(int fd, struct buf *ret, int *ret_error);

#endif
