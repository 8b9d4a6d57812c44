/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "import_internal.h"
#include "interrupt.h"
#include "store/store_sealed.h"

enum {
    BATCH = 4096,            /* accounts in one transaction; verifiers that are there cost little */
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
    struct work_group group;
    const struct import *import;
    const struct key *key;  /* the store's when this began */
    struct record *records; /* BATCH of each */
    struct job *jobs;
    struct store_sealed *sealed;
    unsigned *before; /* kinds of verifiers of the account each one takes the place of */
    uint64_t *lines;
    size_t passwords;
    uint64_t first_line; /* of the input, entries or not */
    uint64_t last_line;
};

/* The two batches: one is read while the other one's verifiers are made. */
struct loading {
    struct import *import;
    struct batch batches[2];
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
        job->reshaped =
            verifier_password_differs(buf_slice(&job->password), batch->import->policy.kinds);
        status = verifier_make(&record->who, buf_slice(&job->password), &batch->import->policy,
                               &record->verifiers);
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
    }
    status = buf_status(&job->password);
    return status == AUTH_OK
               ? AUTH_OK
               : tool_report(import->tool, status, NULL, "line %" PRIu64, import->source.first);
}

/* Reads accounts into a batch until it is full or the input ends. */
static enum auth_status fill(struct import *import, struct batch *batch)
{
    struct import_entry entry;
    enum auth_status status = AUTH_OK;
    batch->group.n = 0;
    batch->passwords = 0;
    batch->first_line = import->source.last + 1;
    while (status == AUTH_OK && batch->group.n < BATCH && batch->passwords < BATCH_PASSWORDS) {
        status = import_read(import, &entry);
        if (status == AUTH_OK) {
            status = add_entry(import, batch, &entry);
        }
    }
    crypto_wipe(&entry, sizeof entry);
    batch->last_line = import->source.last;
    batch->group.grain = batch->passwords == 0 ? READY_GRAIN : 1;
    return status == AUTH_CONTINUE ? AUTH_OK : status;
}

static enum auth_status write_batch(struct import *import, struct batch *batch,
                                    struct detail *detail)
{
    size_t created = 0;
    enum auth_status status =
        import->build != NULL
            ? store_build_add(import->build, batch->records, batch->sealed, batch->group.n,
                              &created, detail)
            : store_write_sealed(import->store, batch->records, batch->sealed, batch->group.n,
                                 import->options->format->whole, &created, batch->before, detail);
    if (status != AUTH_OK) {
        return status;
    }
    import->counts->created += created;
    for (size_t i = 0; i < batch->group.n; i++) {
        import_count(import->counts, import->build != NULL ? 0 : batch->before[i],
                     verifier_kinds(&batch->records[i].verifiers));
        import->counts->reshaped += batch->jobs[i].reshaped;
    }
    import->committed_line = batch->last_line;
    return AUTH_OK;
}

/* Waits for a batch's verifiers and stores them. */
static enum auth_status finish(struct loading *loading, struct batch *batch)
{
    struct import *import = loading->import;
    struct detail detail = {.text = ""};
    while (!work_pool_wait(import->pool, &batch->group, WAIT_MILLISECONDS)) {
        if (interrupt_signal != 0) {
            return AUTH_UNAVAILABLE;
        }
        import_show_progress(import);
    }
    enum auth_status status = batch->group.status;
    if (status == AUTH_OK) {
        status = write_batch(import, batch, &detail);
    }
    if (status != AUTH_OK) {
        progress_clear(&import->progress);
        return tool_report(import->tool, status, &detail, "%ss %" PRIu64 " to %" PRIu64,
                           import->options->format->unit, batch->first_line, batch->last_line);
    }
    import_show_progress(import);
    return AUTH_OK;
}

/* While one batch is derived the next one is read; so the processors never wait for the disk. */
static enum auth_status write_all(struct loading *loading)
{
    struct batch *deriving = NULL;
    struct batch *filling = &loading->batches[0];
    for (;;) {
        enum auth_status status = fill(loading->import, filling);
        if (status != AUTH_OK) {
            return status;
        }
        bool more = filling->group.n > 0;
        if (more) {
            work_pool_submit(loading->import->pool, &filling->group);
        }
        if (deriving != NULL) {
            status = finish(loading, deriving);
        }
        if (status != AUTH_OK || !more) {
            return status;
        }
        deriving = filling;
        filling = filling == &loading->batches[0] ? &loading->batches[1] : &loading->batches[0];
    }
}

static bool batch_init(struct batch *batch, const struct import *import, const struct key *key)
{
    *batch = (struct batch){
        .group = {.run = make_ready, .ctx = batch},
        .import = import,
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
        crypto_wipe(batch->records, BATCH * sizeof *batch->records);
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
    if (status == AUTH_OK && (!batch_init(&loading.batches[0], import, key) ||
                              !batch_init(&loading.batches[1], import, key))) {
        status = AUTH_NO_MEMORY;
    }
    if (status == AUTH_OK) {
        status = write_all(&loading);
    } else {
        tool_report(import->tool, status, &detail, "%s", import->options->name);
    }
    /* The threads may be at work on what is freed now. */
    work_pool_stop(import->pool);
    import->pool = NULL;
    batch_release(&loading.batches[0]);
    batch_release(&loading.batches[1]);
    return status;
}
