/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ahead: lines are copied into blocks, the pool's threads parse a block's lines while the
 * caller is at those of another one. Each line has a place of its own for what it becomes, so a
 * format's parse() may run for several lines at once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "import_internal.h"
#include "interrupt.h"

enum {
    BLOCKS = 4,
    BLOCK_LINES = 512,
    BLOCK_STOP = 640 * 1024, /* bytes from which on a block takes no more lines */
    BLOCK_TEXT = BLOCK_STOP + IMPORT_LONG_LINE_MAX,
    GRAIN = 16,
    RECORD_MEMORY = 256 * 1024,
    WAIT_MILLISECONDS = 100,
};
_Static_assert((int)LINE_READER_MAX_LINE <= (int)IMPORT_LONG_LINE_MAX,
               "a line fits behind the stop");

struct ahead_line {
    uint64_t number;
    struct slice text;        /* in the block */
    enum auth_status status;  /* of reading it, then of parsing it */
    bool parsed;              /* AUTH_CONTINUE is an empty line, not the end */
    struct import_source own; /* what parse() needs of the source */
    struct import_entry entry;
    struct detail why;
};

struct ahead_block {
    struct work_group group;
    const struct import_format *format;
    struct ahead_line *lines; /* BLOCK_LINES of them */
    uint8_t *text;            /* BLOCK_TEXT bytes */
    size_t n;
    size_t next; /* the first one that is not handed out */

    /* The most there ever was of both; the memory behind was never touched. */
    size_t used_lines;
    size_t used_text;
};

struct import_ahead {
    struct work_pool *pool;
    struct import_source *source;
    size_t at;  /* the block that is handed out */
    bool ended; /* nothing more is read */
    struct ahead_block blocks[BLOCKS];
};

static enum auth_status parse(void *ctx, size_t i)
{
    struct ahead_block *block = ctx;
    struct ahead_line *line = &block->lines[i];

    line->entry = (struct import_entry){.password = {NULL, 0}};
    if (line->status == AUTH_OK) {
        line->status =
            import_parse(block->format, &line->own, line->text, &line->entry, &line->why);
        line->parsed = true;
    }
    return AUTH_OK;
}

static struct ahead_line *next_place(struct ahead_block *block, const struct import_source *source)
{
    struct ahead_line *line = &block->lines[block->n++];

    if (block->n > block->used_lines) {
        block->used_lines = block->n;
        line->own.default_realm = source->default_realm;
        line->own.policy = source->policy;
        line->own.interrupted = source->interrupted;
        buf_init(&line->own.text, RECORD_MEMORY);
        buf_init(&line->own.password, RECORD_MEMORY);
    }
    return line;
}

/* Fills a block that is used up. The last line of all has the status that ended the reading. */
static void read_block(struct import_ahead *ahead, struct ahead_block *block)
{
    struct import_source *source = ahead->source;
    const uint64_t before = source->last; /* of the line handed out last */
    size_t used = 0;

    block->n = 0;
    block->next = 0;
    while (!ahead->ended && block->n < BLOCK_LINES && used < BLOCK_STOP) {
        struct ahead_line *line = next_place(block, source);
        struct slice text = slice_of(NULL, 0);

        line->why.text[0] = '\0';
        line->parsed = false;
        line->status = import_next_line(source, &text);
        line->number = source->last;
        line->own.crlf = source->crlf;
        line->text = slice_of(block->text + used, text.n);
        if (text.n > 0) {
            memcpy(block->text + used, text.p, text.n);
            used += text.n;
        }
        ahead->ended = line->status == AUTH_CONTINUE || import_is_fatal(line->status);
    }
    source->last = before;
    block->used_text = used > block->used_text ? used : block->used_text;
    block->group.n = block->n;
    if (block->n > 0) {
        work_pool_submit(ahead->pool, &block->group);
    }
}

static bool init_block(struct ahead_block *block, const struct import_format *format)
{
    block->group = (struct work_group){.run = parse, .ctx = block, .grain = GRAIN};
    block->format = format;
    block->text = malloc(BLOCK_TEXT);
    block->lines = calloc(BLOCK_LINES, sizeof *block->lines);
    return block->text != NULL && block->lines != NULL;
}

static void release_block(struct ahead_block *block)
{
    if (block->lines != NULL) {
        for (size_t i = 0; i < block->used_lines; i++) {
            buf_release(&block->lines[i].own.text);
            buf_release(&block->lines[i].own.password);
        }
        crypto_wipe(block->lines, block->used_lines * sizeof *block->lines);
    }
    if (block->text != NULL) {
        crypto_wipe(block->text, block->used_text);
    }
    free(block->lines);
    free(block->text);
}

enum auth_status import_ahead_begin(const struct import_format *format,
                                    struct import_source *source, struct work_pool *pool,
                                    struct import_ahead **ret)
{
    struct import_ahead *ahead = calloc(1, sizeof *ahead);
    bool ok = ahead != NULL;

    for (size_t i = 0; ok && i < BLOCKS; i++) {
        ok = init_block(&ahead->blocks[i], format);
    }
    if (!ok) {
        import_ahead_end(ahead);
        return AUTH_NO_MEMORY;
    }
    ahead->pool = pool;
    ahead->source = source;
    for (size_t i = 0; i < BLOCKS; i++) {
        read_block(ahead, &ahead->blocks[i]);
    }
    *ret = ahead;
    return AUTH_OK;
}

/* The next line, parsed; NULL behind the end, or (*ret_status) if a signal came first. */
static struct ahead_line *next_line(struct import_ahead *ahead, enum auth_status *ret_status)
{
    struct ahead_block *block = &ahead->blocks[ahead->at];

    *ret_status = AUTH_CONTINUE;
    if (block->next == block->n) {
        read_block(ahead, block);
        ahead->at = (ahead->at + 1) % BLOCKS;
        block = &ahead->blocks[ahead->at];
    }
    /* Asked once a block: the pool's lock is what its threads take their jobs under. */
    while (block->n > 0 && block->next == 0 &&
           !work_pool_wait(ahead->pool, &block->group, WAIT_MILLISECONDS)) {
        if (interrupt_signal != 0) {
            *ret_status = AUTH_UNAVAILABLE;
            return NULL;
        }
    }
    return block->n == 0 ? NULL : &block->lines[block->next++];
}

enum auth_status import_ahead_next(struct import_ahead *ahead, const struct import_entry **ret,
                                   struct detail *why)
{
    enum auth_status status = AUTH_CONTINUE;
    struct ahead_line *line = NULL;

    do {
        line = next_line(ahead, &status);
        if (line == NULL) {
            return status;
        }
        ahead->source->first = line->number;
        ahead->source->last = line->number;
    } while (line->parsed && line->status == AUTH_CONTINUE);
    *ret = &line->entry;
    if (line->status != AUTH_OK) {
        *why = line->why;
    }
    return line->status;
}

void import_ahead_end(struct import_ahead *ahead)
{
    if (ahead != NULL) {
        for (size_t i = 0; i < BLOCKS; i++) {
            release_block(&ahead->blocks[i]);
        }
        free(ahead);
    }
}
