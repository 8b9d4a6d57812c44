/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "import_internal.h"
#include "interrupt.h"
#include "store/store_sealed.h"

enum {
    BATCHES = 3,             /* one is read, one is made ready, one is written */
    BATCH = 8192,            /* accounts in one transaction; verifiers that are there cost little */
    BATCH_PASSWORDS = 256,   /* passwords among them: about a second of PBKDF2 */
    READY_GRAIN = 64,        /* accounts without a password that a thread takes at once */
    WAIT_MILLISECONDS = 100, /* how long a signal or the progress line may have to wait */
};

/* One account: its password, if it came with one, is made verifiers of; then it is sealed. */
struct job {
    bool ready;          /* no password: the record's verifiers are given */
    bool reshaped;       /* SASLprep changes the password */
    struct buf password; /* wiped as soon as it has been used */
};

struct batch {
    struct work_group group; /* makes the accounts ready */
    struct work_group store; /* one job: waits for that and writes them */
    struct loading *loading;
    const struct key *key;  /* the store's when this began */
    struct record *records; /* BATCH of each */
    struct job *jobs;
    struct store_sealed *sealed;
    unsigned *before; /* kinds of verifiers of the account each one takes the place of */
    uint64_t *lines;
    size_t used; /* the most accounts it ever held; the memory behind them was never touched */
    size_t passwords;
    uint64_t first_line; /* of the input, entries or not */
    uint64_t last_line;
    bool submitted;       /* and what became of it is not counted yet */
    size_t created;       /* when it has been written */
    struct detail detail; /* when it could not be */
};

/*
 * The batches go round: the caller's thread reads, the pool makes ready, one thread of its own
 * writes, so that neither a processor nor the disk waits for the other.
 */
struct loading {
    struct import *import;
    struct work_pool *writer;
    bool broken; /* the writer's: nothing behind what could not be written is */
    size_t at;   /* the batch being read; the next one is the oldest that may be on its way */
    struct batch batches[BATCHES];
};

/* In any thread. What cannot be stored is not sealed either, and told when it is to be stored. */
static enum auth_status make_ready(void *ctx, size_t i)
{
    struct batch *batch = ctx;
    struct job *job = &batch->jobs[i];
    struct record *record = &batch->records[i];
    enum auth_status status = AUTH_OK;
    job->reshaped = false;
    if (!job->ready) {
        job->reshaped = verifier_password_differs(buf_slice(&job->password),
                                                  batch->loading->import->policy.kinds);
        status = verifier_make(&record->who, buf_slice(&job->password),
                               &batch->loading->import->policy, &record->verifiers);
        buf_release(&job->password);
    }
    if (status == AUTH_OK) {
        status = store_seal(batch->key, record, &batch->sealed[i]);
        status = import_is_fatal(status) ? status : AUTH_OK;
    }
    return status;
}

/* The slot of an account within the batch: its old one if it came before, else a new one. */
static size_t find_slot(const struct batch *batch, uint64_t before)
{
    if (before < batch->first_line) {
        return batch->group.n;
    }
    size_t i = 0;
    while (i < batch->group.n && batch->lines[i] != before) {
        i++;
    }
    return i;
}

static enum auth_status add_entry(struct import *import, struct batch *batch,
                                  const struct import_entry *entry)
{
    uint64_t before = 0;
    enum auth_status status = import_note_name(import, &entry->record.who, &before);
    if (status != AUTH_OK) {
        return status;
    }
    size_t at = find_slot(batch, before);
    struct job *job = &batch->jobs[at];
    batch->lines[at] = import->source.first;
    batch->records[at] = entry->record;
    job->ready = entry->password.p == NULL;
    buf_clear(&job->password);
    if (!job->ready) {
        buf_put_slice(&job->password, entry->password);
        batch->passwords++;
    }
    if (at == batch->group.n) {
        batch->group.n++;
        batch->used = batch->used < batch->group.n ? batch->group.n : batch->used;
    }
    status = buf_status(&job->password);
    return status == AUTH_OK
               ? AUTH_OK
               : tool_report(import->tool, status, NULL, "line %" PRIu64, import->source.first);
}

/* Reads accounts into a batch until it is full or the input ends. */
static enum auth_status fill(struct import *import, struct batch *batch)
{
    const struct import_entry *entry = NULL;
    enum auth_status status = AUTH_OK;
    batch->group.n = 0;
    batch->passwords = 0;
    batch->first_line = import->source.last + 1;
    while (status == AUTH_OK && batch->group.n < BATCH && batch->passwords < BATCH_PASSWORDS) {
        status = import_read(import, &entry);
        if (status == AUTH_OK) {
            status = add_entry(import, batch, entry);
        }
    }
    batch->last_line = import->source.last;
    batch->group.grain = batch->passwords == 0 ? READY_GRAIN : 1;
    return status == AUTH_CONTINUE ? AUTH_OK : status;
}

static enum auth_status write_batch(struct batch *batch)
{
    const struct import *import = batch->loading->import;

    return import->build != NULL
               ? store_build_add(import->build, batch->records, batch->sealed, batch->group.n,
                                 &batch->detail)
               : store_write_sealed(import->store, batch->records, batch->sealed, batch->group.n,
                                    import->options->format->whole, &batch->created, batch->before,
                                    &batch->detail);
}

/* In the writer's thread. */
static enum auth_status store_batch(void *ctx, size_t i)
{
    struct batch *batch = ctx;
    struct loading *loading = batch->loading;
    enum auth_status status = AUTH_OK;

    (void)i;
    while (!work_pool_wait(loading->import->pool, &batch->group, WAIT_MILLISECONDS)) {
        if (interrupt_signal != 0) {
            status = AUTH_UNAVAILABLE;
            break;
        }
    }
    if (status == AUTH_OK) {
        status = loading->broken ? AUTH_UNAVAILABLE : batch->group.status;
    }
    if (status == AUTH_OK) {
        status = write_batch(batch);
    }
    loading->broken = loading->broken || status != AUTH_OK;
    return status;
}

static void count_batch(struct import *import, struct batch *batch)
{
    import->counts->created += batch->created;
    for (size_t i = 0; i < batch->group.n; i++) {
        import_count(import->counts, import->build != NULL ? 0 : batch->before[i],
                     verifier_kinds(&batch->records[i].verifiers));
        import->counts->reshaped += batch->jobs[i].reshaped;
    }
    import->committed_line = batch->last_line;
}

/* Waits until a batch is stored, if it is one that is to be, and counts what it held. */
static enum auth_status finish(struct loading *loading, struct batch *batch)
{
    struct import *import = loading->import;

    while (batch->submitted && !work_pool_wait(loading->writer, &batch->store, WAIT_MILLISECONDS)) {
        if (interrupt_signal != 0) {
            return AUTH_UNAVAILABLE;
        }
        import_show_progress(import);
    }
    if (!batch->submitted) {
        return AUTH_OK;
    }
    batch->submitted = false;
    if (batch->store.status == AUTH_OK) {
        count_batch(import, batch);
        import_show_progress(import);
        return AUTH_OK;
    }
    if (interrupt_signal != 0 && batch->store.status == AUTH_UNAVAILABLE) {
        return AUTH_UNAVAILABLE;
    }
    progress_clear(&import->progress);
    return tool_report(import->tool, batch->store.status, &batch->detail,
                       "%ss %" PRIu64 " to %" PRIu64, import->options->format->unit,
                       batch->first_line, batch->last_line);
}

static void submit(struct loading *loading, struct batch *batch)
{
    batch->detail.text[0] = '\0';
    batch->submitted = true;
    work_pool_submit(loading->import->pool, &batch->group);
    work_pool_submit(loading->writer, &batch->store);
}

static struct batch *by_age(struct loading *loading, size_t i)
{
    return &loading->batches[(loading->at + i) % BATCHES];
}

static enum auth_status write_all(struct loading *loading)
{
    bool more = true;

    while (more) {
        struct batch *batch = &loading->batches[loading->at];
        enum auth_status status = finish(loading, batch);
        if (status == AUTH_OK) {
            status = fill(loading->import, batch);
        }
        if (status != AUTH_OK) {
            return status;
        }
        more = batch->group.n > 0;
        if (more) {
            submit(loading, batch);
            loading->at = (loading->at + 1) % BATCHES;
        }
    }
    for (size_t i = 0; i < BATCHES; i++) {
        enum auth_status status = finish(loading, by_age(loading, i));
        if (status != AUTH_OK) {
            return status;
        }
    }
    return AUTH_OK;
}

/* Both kinds of threads may be at work on the batches; what the writer still wrote is counted. */
static void stop_threads(struct loading *loading)
{
    struct import *import = loading->import;

    work_pool_stop(loading->writer);
    work_pool_stop(import->pool);
    import->pool = NULL;
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch *batch = by_age(loading, i);
        if (batch->submitted && batch->store.done == 1 && batch->store.status == AUTH_OK) {
            count_batch(import, batch);
        }
    }
}

static bool batch_init(struct batch *batch, struct loading *loading, const struct key *key)
{
    *batch = (struct batch){
        .group = {.run = make_ready, .ctx = batch},
        .store = {.run = store_batch, .ctx = batch, .n = 1, .grain = 1},
        .loading = loading,
        .key = key,
        .records = calloc(BATCH, sizeof *batch->records),
        .jobs = calloc(BATCH, sizeof *batch->jobs),
        .sealed = calloc(BATCH, sizeof *batch->sealed),
        .before = calloc(BATCH, sizeof *batch->before),
        .lines = calloc(BATCH, sizeof *batch->lines),
    };
    if (batch->records == NULL || batch->jobs == NULL || batch->sealed == NULL ||
        batch->before == NULL || batch->lines == NULL) {
        return false;
    }
    for (size_t i = 0; i < BATCH; i++) {
        buf_init(&batch->jobs[i].password, IDENTITY_MAX_PASSWORD);
        store_sealed_init(&batch->sealed[i]);
    }
    return true;
}

static void batch_release(struct batch *batch)
{
    for (size_t i = 0; batch->jobs != NULL && i < BATCH; i++) {
        buf_release(&batch->jobs[i].password);
    }
    for (size_t i = 0; batch->sealed != NULL && i < BATCH; i++) {
        store_sealed_release(&batch->sealed[i]);
    }
    if (batch->records != NULL) {
        crypto_wipe(batch->records, batch->used * sizeof *batch->records);
    }
    free(batch->records);
    free(batch->jobs);
    free(batch->sealed);
    free(batch->before);
    free(batch->lines);
    *batch = (struct batch){.records = NULL};
}

enum auth_status import_load(struct import *import)
{
    struct loading loading = {.import = import};
    struct detail detail = {.text = ""};
    const struct key *key = NULL;

    tool_note_refused(import->tool, &import->policy);
    enum auth_status status = store_active_key(import->store, &key, &detail);
    for (size_t i = 0; status == AUTH_OK && i < BATCHES; i++) {
        status = batch_init(&loading.batches[i], &loading, key) ? AUTH_OK : AUTH_NO_MEMORY;
    }
    if (status == AUTH_OK) {
        status = work_pool_start(1, &loading.writer);
    }
    if (status == AUTH_OK) {
        status = write_all(&loading);
    } else {
        tool_report(import->tool, status, &detail, "%s", import->options->name);
    }
    stop_threads(&loading);
    for (size_t i = 0; i < BATCHES; i++) {
        batch_release(&loading.batches[i]);
    }
    return status;
}
