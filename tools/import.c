/* SPDX-License-Identifier: BSD-2-Clause */
#include "import.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/crypto.h"
#include "derive_pool.h"
#include "line_reader.h"
#include "progress.h"
#include "seen.h"

enum {
    BATCH = 256,             /* accounts in one transaction: about a second of PBKDF2 */
    WAIT_MILLISECONDS = 100, /* how long a signal or the progress line may have to wait */
};

struct batch {
    struct derive_group group;
    struct record *records; /* BATCH of each */
    struct derive_job *jobs;
    uint64_t *lines;
    uint64_t first_line; /* of the input, entries or not */
    uint64_t last_line;
};

struct import {
    const struct tool *tool;
    const struct import_options *options;
    struct import_counts *counts;
    struct import_context context;
    struct line_reader reader;
    struct seen seen;
    struct progress progress;
    uint64_t size;           /* bytes of the input, 0 if unknown */
    uint64_t committed_line; /* everything up to here is stored */
    bool report;             /* bad lines are reported in this pass */
    struct store *store;
    struct derive_pool *pool;
    struct batch batches[2];
};

static volatile sig_atomic_t interrupted;

static void note_interruption(int number)
{
    interrupted = number;
}

/* No SA_RESTART: a read() that waits has to come back. What was ignored (nohup) stays ignored. */
static void catch_interruptions(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note_interruption};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction before;
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
}

static enum auth_status read_failed(const struct import *import, int error)
{
    return tool_report(import->tool, AUTH_UNAVAILABLE, NULL, "%s: cannot be read (%s)",
                       import->options->name, strerror(error));
}

/* A bad line, by its number. The detail never holds a password. */
static void skip_line(struct import *import, enum auth_status status, const struct detail *why)
{
    import->counts->skipped++;
    if (import->report) {
        progress_clear(&import->progress);
        tool_report(import->tool, status, why, "line %" PRIu64, import->reader.line);
    }
}

static void show_progress(struct import *import)
{
    double share = -1;
    if (import->size > 0) {
        share = (double)import->reader.bytes / (double)import->size;
    }
    progress_show(&import->progress, import->counts->written, share);
}

/*
 * The next account. AUTH_CONTINUE at the end of the input; AUTH_UNAVAILABLE when it cannot be read
 * (reported) or a signal came.
 */
static enum auth_status next_entry(struct import *import, struct import_entry *ret)
{
    const struct import_options *options = import->options;
    for (;;) {
        struct slice line = slice_of(NULL, 0);
        struct detail why = {.text = ""};
        enum line_result result = LINE_INTERRUPTED;
        if (interrupted == 0) {
            result = line_reader_next(&import->reader, &line);
        }
        switch (result) {
        case LINE_READ:
            break;
        case LINE_END:
            return AUTH_CONTINUE;
        case LINE_TOO_LONG:
            if (import->reader.line >= options->from_line) {
                skip_line(import, AUTH_TOO_LONG, NULL);
            }
            continue;
        case LINE_INTERRUPTED:
            if (interrupted == 0) {
                continue;
            }
            return AUTH_UNAVAILABLE;
        default:
            return read_failed(import, import->reader.error);
        }
        if (import->reader.line == 1) {
            options->format->begin(&import->context, line);
        }
        if (import->reader.line < options->from_line) {
            continue;
        }
        enum auth_status status = options->format->parse(&import->context, line, ret, &why);
        if (status == AUTH_OK || status == AUTH_NO_MEMORY) {
            return status;
        }
        if (status != AUTH_CONTINUE) {
            skip_line(import, status, &why);
        }
    }
}

/* Notes the name; a name that was there before is told, since the earlier password is lost. */
static enum auth_status note_name(struct import *import, const struct identity *who,
                                  uint64_t *ret_before)
{
    enum auth_status status = seen_add(&import->seen, who, import->reader.line, ret_before);
    if (status == AUTH_OK && *ret_before != 0) {
        import->counts->repeated++;
        if (import->report) {
            progress_clear(&import->progress);
            tool_say(import->tool,
                     "line %" PRIu64 ": %s@%s is on line %" PRIu64 " too; the later one counts",
                     import->reader.line, who->user, who->realm, *ret_before);
        }
    }
    return status;
}

/* The slot of an account within the batch: its old one if it came before, else a new one. */
static size_t find_slot(const struct batch *batch, uint64_t before)
{
    size_t i = 0;
    while (i < batch->group.n && (before == 0 || batch->lines[i] != before)) {
        i++;
    }
    return i;
}

static enum auth_status add_entry(struct import *import, struct batch *batch,
                                  const struct import_entry *entry)
{
    uint64_t before = 0;
    enum auth_status status = note_name(import, &entry->who, &before);
    if (status != AUTH_OK) {
        return status;
    }
    size_t at = find_slot(batch, before);
    struct derive_job *job = &batch->jobs[at];
    batch->lines[at] = import->reader.line;
    batch->records[at] =
        (struct record){.who = entry->who, .changed = (int64_t)time(NULL), .flags = 0};
    job->record = &batch->records[at];
    buf_clear(&job->password);
    buf_put_slice(&job->password, entry->password);
    if (at == batch->group.n) {
        batch->group.n++;
    }
    return buf_status(&job->password);
}

/* Reads accounts into a batch until it is full or the input ends. */
static enum auth_status fill(struct import *import, struct batch *batch)
{
    batch->group.n = 0;
    batch->first_line = import->reader.line + 1;
    while (batch->group.n < BATCH) {
        struct import_entry entry;
        enum auth_status status = next_entry(import, &entry);
        if (status == AUTH_CONTINUE) {
            break;
        }
        if (status == AUTH_OK) {
            status = add_entry(import, batch, &entry);
        }
        if (status == AUTH_NO_MEMORY || status == AUTH_TOO_LONG) {
            tool_report(import->tool, status, NULL, "line %" PRIu64, import->reader.line);
        }
        if (status != AUTH_OK) {
            return status;
        }
    }
    batch->last_line = import->reader.line;
    return AUTH_OK;
}

/* A disabled account stays disabled when it gets a new password; a batch is written as given. */
static enum auth_status keep_flags(const struct import *import, const struct batch *batch,
                                   struct detail *detail)
{
    enum auth_status status = AUTH_OK;
    for (size_t i = 0; i < batch->group.n && status == AUTH_OK; i++) {
        struct record before;
        status = store_get(import->store, &batch->records[i].who, &before, detail);
        if (status == AUTH_OK) {
            batch->records[i].flags = before.flags;
            crypto_wipe(&before, sizeof before);
        } else if (status == AUTH_UNKNOWN_USER) {
            status = AUTH_OK;
        }
    }
    return status;
}

/* Waits for a batch's verifiers and stores them. */
static enum auth_status finish(struct import *import, struct batch *batch)
{
    struct detail detail = {.text = ""};
    size_t created = 0;
    while (!derive_pool_wait(import->pool, &batch->group, WAIT_MILLISECONDS)) {
        if (interrupted != 0) {
            return AUTH_UNAVAILABLE;
        }
        show_progress(import);
    }
    enum auth_status status = batch->group.status;
    if (status == AUTH_OK) {
        status = keep_flags(import, batch, &detail);
    }
    if (status == AUTH_OK) {
        status =
            store_write_batch(import->store, batch->records, batch->group.n, &created, &detail);
    }
    if (status != AUTH_OK) {
        progress_clear(&import->progress);
        return tool_report(import->tool, status, &detail, "lines %" PRIu64 " to %" PRIu64,
                           batch->first_line, batch->last_line);
    }
    import->counts->written += batch->group.n;
    import->counts->created += created;
    import->committed_line = batch->last_line;
    show_progress(import);
    return AUTH_OK;
}

/* While one batch is derived the next one is read; so the processors never wait for the disk. */
static enum auth_status write_all(struct import *import)
{
    struct batch *deriving = NULL;
    struct batch *filling = &import->batches[0];
    for (;;) {
        enum auth_status status = fill(import, filling);
        if (status != AUTH_OK) {
            return status;
        }
        bool more = filling->group.n > 0;
        if (more) {
            derive_pool_submit(import->pool, &filling->group);
        }
        if (deriving != NULL) {
            status = finish(import, deriving);
        }
        if (status != AUTH_OK || !more) {
            return status;
        }
        deriving = filling;
        filling = filling == &import->batches[0] ? &import->batches[1] : &import->batches[0];
    }
}

/* Reads everything without writing; with look_up, counts what a run would write. */
static enum auth_status scan(struct import *import, bool look_up)
{
    struct import_entry entry;
    enum auth_status status = AUTH_INTERNAL;
    while ((status = next_entry(import, &entry)) == AUTH_OK) {
        struct record record;
        struct detail detail = {.text = ""};
        uint64_t before = 0;
        status = note_name(import, &entry.who, &before);
        if (status != AUTH_OK) {
            return tool_report(import->tool, status, NULL, "line %" PRIu64, import->reader.line);
        }
        if (!look_up || before != 0) {
            continue;
        }
        status = store_get(import->store, &entry.who, &record, &detail);
        if (status != AUTH_OK && status != AUTH_UNKNOWN_USER) {
            return tool_report(import->tool, status, &detail, "%s", import->tool->store_path);
        }
        if (status == AUTH_OK) {
            crypto_wipe(&record, sizeof record);
        }
        import->counts->written++;
        import->counts->created += status == AUTH_UNKNOWN_USER;
        show_progress(import);
    }
    return status == AUTH_CONTINUE ? AUTH_OK : status;
}

static bool batch_init(struct batch *batch)
{
    *batch = (struct batch){
        .records = calloc(BATCH, sizeof *batch->records),
        .jobs = calloc(BATCH, sizeof *batch->jobs),
        .lines = calloc(BATCH, sizeof *batch->lines),
    };
    if (batch->records == NULL || batch->jobs == NULL || batch->lines == NULL) {
        return false;
    }
    batch->group.jobs = batch->jobs;
    for (size_t i = 0; i < BATCH; i++) {
        buf_init(&batch->jobs[i].password, IDENTITY_MAX_PASSWORD);
    }
    return true;
}

static void batch_release(struct batch *batch)
{
    for (size_t i = 0; batch->jobs != NULL && i < BATCH; i++) {
        buf_release(&batch->jobs[i].password);
    }
    if (batch->records != NULL) {
        crypto_wipe(batch->records, BATCH * sizeof *batch->records);
    }
    free(batch->records);
    free(batch->jobs);
    free(batch->lines);
    *batch = (struct batch){.records = NULL};
}

static void say_how_to_go_on(const struct import *import)
{
    if (interrupted != 0) {
        tool_say(import->tool, "interrupted by signal %d", (int)interrupted);
    }
    if (import->options->dry_run) {
        return;
    }
    if (import->committed_line < import->options->from_line) {
        tool_say(import->tool, "nothing was stored");
    } else {
        tool_say(import->tool,
                 "lines up to %" PRIu64 " are stored (%" PRIu64
                 " accounts); go on with --from-line %" PRIu64,
                 import->committed_line, import->counts->written, import->committed_line + 1);
    }
}

static enum auth_status load(struct import *import)
{
    struct detail detail = {.text = ""};
    struct store_info info;
    enum auth_status status = store_describe(import->store, &info, &detail);
    if (status == AUTH_OK) {
        status = derive_pool_start(&info.policy, &import->pool);
    }
    if (status != AUTH_OK) {
        return tool_report(import->tool, status, &detail, "%s", import->tool->store_path);
    }
    if (!batch_init(&import->batches[0]) || !batch_init(&import->batches[1])) {
        status = tool_report(import->tool, AUTH_NO_MEMORY, NULL, "%s", import->options->name);
    } else {
        status = write_all(import);
        progress_clear(&import->progress);
        if (status != AUTH_OK) {
            say_how_to_go_on(import);
        }
    }
    derive_pool_stop(import->pool);
    batch_release(&import->batches[0]);
    batch_release(&import->batches[1]);
    return status;
}

/* Nothing is written before every line is known to be good: the input has to be read twice, and
 * stays in memory meanwhile, since a pipe cannot be read again and a file may change. */
static enum auth_status load_strict(struct import *import)
{
    enum auth_status status = AUTH_INTERNAL;
    int error = 0;
    struct buf text;
    buf_init(&text, LINE_READER_MEMORY);
    enum line_result result = LINE_INTERRUPTED;
    while (result == LINE_INTERRUPTED && interrupted == 0) {
        result = line_reader_load(import->options->fd, &text, &error);
    }
    if (result != LINE_READ) {
        status = interrupted != 0 ? AUTH_UNAVAILABLE : read_failed(import, error);
        goto out;
    }
    line_reader_init_memory(&import->reader, buf_slice(&text));
    status = scan(import, import->options->dry_run);
    progress_clear(&import->progress);
    if (status == AUTH_OK && import->counts->skipped != 0) {
        tool_say(import->tool, "%" PRIu64 " bad lines and --strict: nothing was written",
                 import->counts->skipped);
        status = AUTH_MALFORMED;
    }
    if (status != AUTH_OK || import->options->dry_run) {
        goto out;
    }
    import->report = false;
    *import->counts = (struct import_counts){.written = 0};
    seen_release(&import->seen);
    line_reader_init_memory(&import->reader, buf_slice(&text));
    status = load(import);

out:
    buf_release(&text);
    return status;
}

static enum auth_status run(struct import *import)
{
    struct stat info;
    if (fstat(import->options->fd, &info) == 0 && S_ISREG(info.st_mode)) {
        import->size = (uint64_t)info.st_size;
        if ((info.st_mode & S_IROTH) != 0) {
            tool_say(import->tool, "note: %s holds passwords and everybody can read it (mode %04o)",
                     import->options->name, (unsigned)info.st_mode & 07777U);
        }
    }
    if (import->options->strict) {
        return load_strict(import);
    }
    if (!line_reader_init(&import->reader, import->options->fd)) {
        return tool_report(import->tool, AUTH_NO_MEMORY, NULL, "%s", import->options->name);
    }
    return import->options->dry_run ? scan(import, true) : load(import);
}

enum auth_status import_run(const struct tool *tool, const struct import_options *options,
                            struct import_counts *ret)
{
    struct import import = {
        .tool = tool,
        .options = options,
        .counts = ret,
        .context.default_realm = options->default_realm,
        .report = true,
    };
    *ret = (struct import_counts){.written = 0};
    enum auth_status status = tool_open_store(tool, !options->dry_run, &import.store);
    if (status != AUTH_OK) {
        return status;
    }
    catch_interruptions();
    progress_init(&import.progress, options->dry_run ? "accounts checked" : "accounts stored");
    status = run(&import);
    progress_clear(&import.progress);
    line_reader_release(&import.reader);
    seen_release(&import.seen);
    store_close(import.store);
    return status;
}
