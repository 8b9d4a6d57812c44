/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "derive_pool.h"
#include "import_internal.h"
#include "interrupt.h"

enum {
    BATCH = 4096,            /* accounts in one transaction; verifiers that are there cost little */
    BATCH_PASSWORDS = 256,   /* passwords among them: about a second of PBKDF2 */
    WAIT_MILLISECONDS = 100, /* how long a signal or the progress line may have to wait */
};

struct batch {
    struct derive_group group;
    struct record *records; /* BATCH of each */
    struct derive_job *jobs;
    uint64_t *lines;
    size_t passwords;
    uint64_t first_line; /* of the input, entries or not */
    uint64_t last_line;
};

/* The two batches: one is read while the other one's verifiers are made. */
struct loading {
    struct import *import;
    struct derive_pool *pool;
    struct batch batches[2];
};

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
    struct derive_job *job = &batch->jobs[at];
    batch->lines[at] = import->source.first;
    batch->records[at] = entry->record;
    if (entry->record.changed == 0) {
        batch->records[at].changed = (int64_t)time(NULL);
    }
    job->record = &batch->records[at];
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
    return status == AUTH_CONTINUE ? AUTH_OK : status;
}

static enum auth_status write_batch(struct import *import, const struct batch *batch,
                                    struct detail *detail)
{
    size_t created = 0;
    enum auth_status status =
        import->options->format->whole
            ? store_replace_batch(import->store, batch->records, batch->group.n, &created, detail)
            : store_write_batch(import->store, batch->records, batch->group.n, &created, detail);
    if (status != AUTH_OK) {
        return status;
    }
    import->counts->written += batch->group.n;
    import->counts->created += created;
    for (size_t i = 0; i < batch->group.n; i++) {
        tally_add(&import->counts->tally, verifier_kinds(&batch->records[i].verifiers));
    }
    import->committed_line = batch->last_line;
    return AUTH_OK;
}

/* Waits for a batch's verifiers and stores them. */
static enum auth_status finish(struct loading *loading, struct batch *batch)
{
    struct import *import = loading->import;
    struct detail detail = {.text = ""};
    while (!derive_pool_wait(loading->pool, &batch->group, WAIT_MILLISECONDS)) {
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
            derive_pool_submit(loading->pool, &filling->group);
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

enum auth_status import_load(struct import *import)
{
    struct loading loading = {.import = import};
    enum auth_status status = derive_pool_start(&import->policy, &loading.pool);
    if (status == AUTH_OK &&
        (!batch_init(&loading.batches[0]) || !batch_init(&loading.batches[1]))) {
        status = AUTH_NO_MEMORY;
    }
    if (status == AUTH_OK) {
        status = write_all(&loading);
    } else {
        tool_report(import->tool, status, NULL, "%s", import->options->name);
    }
    derive_pool_stop(loading.pool);
    batch_release(&loading.batches[0]);
    batch_release(&loading.batches[1]);
    return status;
}
