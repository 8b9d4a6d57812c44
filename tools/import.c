/* SPDX-License-Identifier: BSD-2-Clause */
#include "import.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "import_internal.h"
#include "interrupt.h"
#include "names.h"

enum { RECORD_MEMORY = 256 * 1024 }; /* bytes a format may put together before it looks at them */

/* A signal is told once, by who ends the import. */
static enum auth_status stop_reading(const struct import *import, enum auth_status status,
                                     const struct detail *why)
{
    if (status == AUTH_UNAVAILABLE && interrupt_signal != 0) {
        return status;
    }
    if (status == AUTH_UNAVAILABLE && import->source.reader.error != 0) {
        tool_say(import->tool, "%s: cannot be read: %s", import->options->name,
                 strerror(import->source.reader.error));
        return status;
    }
    return tool_report(import->tool, status, why, "%s: %s %" PRIu64, import->options->name,
                       import->options->format->unit, import->source.first);
}

/* By its number and, where it can be read, its name. The reason never holds a password. */
static void pass_over(struct import *import, enum auth_status status, const struct identity *who,
                      const struct detail *why)
{
    bool named = who->user[0] != '\0';

    if (status == AUTH_DISABLED) {
        import->counts->locked++;
    } else {
        import->counts->skipped++;
    }
    if (import->report) {
        progress_clear(&import->progress);
        tool_say(import->tool, "%s %" PRIu64 "%s%s%s%s: %s%s", import->options->format->unit,
                 import->source.first, named ? ": " : "", who->user, named ? "@" : "", who->realm,
                 detail_text(why, status),
                 named && status == AUTH_BAD_PASSWORD ? "; set one with saslpasswd-lmdb" : "");
    }
}

void import_show_progress(struct import *import)
{
    double share = -1;
    if (import->size > 0) {
        share = (double)import->source.reader.bytes / (double)import->size;
    }
    progress_show(&import->progress, import->counts->written, share);
}

static enum auth_status next_entry(struct import *import, const struct import_entry **ret,
                                   struct detail *why)
{
    if (import->ahead != NULL) {
        return import_ahead_next(import->ahead, ret, why);
    }
    *ret = &import->entry;
    return import_next(import->options->format, &import->source, &import->entry, why);
}

enum auth_status import_read(struct import *import, const struct import_entry **ret)
{
    for (;;) {
        struct detail why = {.text = ""};
        enum auth_status status = next_entry(import, ret, &why);
        if (status == AUTH_CONTINUE) {
            return status;
        }
        if (import_is_fatal(status)) {
            return stop_reading(import, status, &why);
        }
        if (import->source.first < import->options->from_line) {
            continue;
        }
        if (status == AUTH_OK) {
            return status;
        }
        pass_over(import, status, &(*ret)->record.who, &why);
    }
}

enum auth_status import_note_name(struct import *import, const struct identity *who,
                                  uint64_t *ret_before)
{
    const uint64_t line = import->source.first;
    const char *unit = import->options->format->unit;
    enum auth_status status = seen_add(&import->seen, who, line, ret_before);
    if (status != AUTH_OK) {
        return tool_report(import->tool, status, NULL, "%s %" PRIu64, unit, line);
    }
    if (import->counts->odd_line == 0 && !names_is_host_name(who->realm)) {
        import->counts->odd_line = line;
    }
    if (*ret_before != 0) {
        import->counts->repeated++;
        if (import->report) {
            progress_clear(&import->progress);
            tool_say(import->tool,
                     "%s %" PRIu64 ": %s@%s is on %s %" PRIu64 " too; the later one counts", unit,
                     line, who->user, who->realm, unit, *ret_before);
        }
    }
    return AUTH_OK;
}

void import_count(struct import_counts *counts, unsigned before, unsigned after)
{
    counts->written++;
    tally_add(&counts->tally, after);
    counts->losing += tally_add_lost(&counts->lost, before, after);
}

/* Whether the account is there already; counts it as a run would write it. */
static enum auth_status count_account(struct import *import, const struct import_entry *entry)
{
    struct record record;
    struct detail detail = {.text = ""};
    unsigned before = 0;
    enum auth_status status = store_get(import->store, &entry->record.who, &record, &detail);
    if (status == AUTH_OK) {
        before = import->options->replace ? 0 : verifier_kinds(&record.verifiers);
        crypto_wipe(&record, sizeof record);
    } else if (status == AUTH_UNKNOWN_USER) {
        import->counts->created++;
    } else {
        return tool_report_store(import->tool, status, &detail);
    }
    import_count(import->counts, before,
                 entry->password.p != NULL ? import->policy.kinds
                                           : verifier_kinds(&entry->record.verifiers));
    import->counts->reshaped += entry->password.p != NULL &&
                                verifier_password_differs(entry->password, import->policy.kinds);
    return AUTH_OK;
}

/* Reads everything without writing; with look_up, counts what a run would write. */
static enum auth_status scan(struct import *import, bool look_up)
{
    const struct import_entry *entry = NULL;
    enum auth_status status = AUTH_INTERNAL;
    while ((status = import_read(import, &entry)) == AUTH_OK) {
        uint64_t before = 0;
        status = import_note_name(import, &entry->record.who, &before);
        if (status == AUTH_OK && look_up && before == 0) {
            status = count_account(import, entry);
            import_show_progress(import);
        }
        if (status != AUTH_OK) {
            return status;
        }
    }
    return status == AUTH_CONTINUE ? AUTH_OK : status;
}

static void say_how_to_go_on(const struct import *import)
{
    const char *unit = import->options->format->unit;
    if (interrupt_signal != 0) {
        tool_say(import->tool, "interrupted by signal %d", (int)interrupt_signal);
    }
    if (import->options->dry_run) {
        return;
    }
    if (import->options->replace) {
        tool_say(import->tool, "nothing was replaced");
        return;
    }
    if (import->committed_line < import->options->from_line) {
        tool_say(import->tool, "nothing was stored");
    } else {
        tool_say(import->tool,
                 "%ss up to %" PRIu64 " are stored (%" PRIu64
                 " accounts); go on with --from-line %" PRIu64,
                 unit, import->committed_line, import->counts->written, import->committed_line + 1);
    }
}

/* Frees what a format left in the source, and whatever it has read. */
static void close_source(struct import *import)
{
    struct import_source *source = &import->source;
    if (import->options->format->end != NULL) {
        import->options->format->end(source);
    }
    source->state = NULL;
    crypto_wipe(&import->entry, sizeof import->entry);
    buf_release(&source->text);
    buf_release(&source->password);
    line_reader_release(&source->reader);
}

/* Begins at the beginning: from the text if there is one, else from the file. */
static enum auth_status open_source(struct import *import, const struct buf *text)
{
    struct import_source *source = &import->source;
    const struct import_format *format = import->options->format;
    struct detail why = {.text = ""};
    enum auth_status status = AUTH_OK;

    *source = (struct import_source){
        .default_realm = import->options->default_realm,
        .policy = &import->policy,
        .interrupted = &interrupt_signal,
    };
    buf_init(&source->text, RECORD_MEMORY);
    buf_init(&source->password, RECORD_MEMORY);
    if (text != NULL) {
        line_reader_init_memory(&source->reader, buf_slice(text), format->line_max);
    } else if (!line_reader_init(&source->reader, import->options->fd, format->line_max)) {
        return tool_report(import->tool, AUTH_NO_MEMORY, NULL, "%s", import->options->name);
    }
    if (format->begin != NULL) {
        status = format->begin(source, &why);
    }
    if (import_is_fatal(status)) {
        return stop_reading(import, status, &why);
    }
    return status == AUTH_OK ? AUTH_OK
                             : tool_report(import->tool, status, &why, "%s", import->options->name);
}

static enum auth_status start_threads(struct import *import)
{
    const struct import_format *format = import->options->format;
    enum auth_status status = work_pool_start(WORK_POOL_ALL, &import->pool);

    if (status == AUTH_OK && format->next == NULL) {
        status = import_ahead_begin(format, &import->source, import->pool, &import->ahead);
    }
    return status == AUTH_OK ? status
                             : tool_report(import->tool, status, NULL, "%s", import->options->name);
}

static void stop_threads(struct import *import)
{
    work_pool_stop(import->pool);
    import->pool = NULL;
    import_ahead_end(import->ahead);
    import->ahead = NULL;
}

static enum auth_status refuse_bad_lines(const struct import *import)
{
    tool_say(import->tool, "%" PRIu64 " bad %s%s and --strict: nothing was written",
             import->counts->skipped, import->options->format->unit,
             tool_plural(import->counts->skipped));
    return AUTH_MALFORMED;
}

/* Whether what was loaded may take the place of all accounts there are. */
static enum auth_status judge(const struct import *import)
{
    if (import->options->strict && import->counts->skipped != 0) {
        return refuse_bad_lines(import);
    }
    if (store_build_accounts(import->build) == 0) {
        tool_say(import->tool, "%s holds no account: nothing was replaced", import->options->name);
        return AUTH_MALFORMED;
    }
    return AUTH_OK;
}

static bool is_interrupted(void)
{
    return interrupt_signal != 0;
}

/* Loads a new generation and makes it the active one, or leaves everything as it was. */
static enum auth_status replace(struct import *import)
{
    struct detail detail = {.text = ""};
    enum auth_status status = store_build_begin(import->store, &import->build, &detail);

    if (status != AUTH_OK) {
        return tool_report_store(import->tool, status, &detail);
    }
    store_build_stop_if(import->build, is_interrupted);
    status = import_load(import);
    if (status == AUTH_OK) {
        status = store_build_settle(import->build, &detail);
        if (status != AUTH_OK && !is_interrupted()) {
            tool_report(import->tool, status, &detail, "%s", import->tool->store_path);
        }
    }
    if (status != AUTH_OK) {
        say_how_to_go_on(import);
    } else {
        status = judge(import);
    }
    if (status != AUTH_OK) {
        store_build_abandon(import->build);
        return status;
    }
    import->counts->written = store_build_accounts(import->build);
    import->counts->created = import->counts->written;
    status = store_build_finish(import->build, &detail);
    if (status != AUTH_OK) {
        tool_report_store(import->tool, status, &detail);
        say_how_to_go_on(import);
    }
    return status;
}

static enum auth_status store_accounts(struct import *import)
{
    if (import->options->replace) {
        return replace(import);
    }
    enum auth_status status = import_load(import);
    if (status != AUTH_OK) {
        say_how_to_go_on(import);
    }
    return status;
}

/* Once it is known to hold accounts, and once. */
static void note_readers(const struct import *import)
{
    struct stat file;
    if (import->report && fstat(import->options->fd, &file) == 0 && S_ISREG(file.st_mode) &&
        (file.st_mode & S_IROTH) != 0) {
        tool_say(import->tool, "note: %s holds secrets and everybody can read it (mode %04o)",
                 import->options->name, (unsigned)file.st_mode & 07777U);
    }
}

/* One pass over the input. */
static enum auth_status pass(struct import *import, const struct buf *text, bool store)
{
    enum auth_status status = open_source(import, text);
    if (status == AUTH_OK) {
        note_readers(import);
        status = start_threads(import);
    }
    if (status == AUTH_OK) {
        status = store ? store_accounts(import) : scan(import, import->options->dry_run);
    }
    stop_threads(import);
    progress_clear(&import->progress);
    close_source(import);
    return status;
}

/* Nothing is written before every line is known to be good: the input is read twice. */
static enum auth_status load_strict(struct import *import, const struct buf *text)
{
    enum auth_status status = pass(import, text, false);
    if (status == AUTH_OK && import->counts->skipped != 0) {
        status = refuse_bad_lines(import);
    }
    if (status != AUTH_OK || import->options->dry_run) {
        return status;
    }
    import->report = false;
    *import->counts = (struct import_counts){.before = import->counts->before};
    seen_release(&import->seen);
    return pass(import, text, true);
}

/* Keeps the input in memory, since a pipe cannot be read again and a file may change. */
static enum auth_status load_strict_file(struct import *import)
{
    int error = 0;
    struct buf text;
    buf_init(&text, LINE_READER_MEMORY);
    enum line_result result = LINE_INTERRUPTED;
    enum auth_status status = AUTH_UNAVAILABLE;
    while (result == LINE_INTERRUPTED && interrupt_signal == 0) {
        result = line_reader_load(import->options->fd, &text, &error);
    }
    if (result == LINE_READ) {
        status = load_strict(import, &text);
    } else if (interrupt_signal == 0) {
        tool_say(import->tool, "%s: cannot be read: %s", import->options->name, strerror(error));
    }
    buf_release(&text);
    return status;
}

static enum auth_status run(struct import *import)
{
    const struct import_options *options = import->options;
    struct detail detail = {.text = ""};
    struct store_info info;
    struct stat file;
    enum auth_status status = store_describe(import->store, &info, &detail);
    if (status != AUTH_OK) {
        return tool_report_store(import->tool, status, &detail);
    }
    import->policy = info.policy;
    import->counts->before = info.accounts;
    if (fstat(options->fd, &file) == 0 && S_ISREG(file.st_mode)) {
        import->size = options->text != NULL ? options->text->n : (uint64_t)file.st_size;
    }
    /* What is loaded for --replace can still be dropped: one pass is enough. */
    if (options->strict && (!options->replace || options->dry_run)) {
        return options->text != NULL ? load_strict(import, options->text)
                                     : load_strict_file(import);
    }
    return pass(import, options->text, !options->dry_run);
}

enum auth_status import_run(const struct tool *tool, const struct import_options *options,
                            struct import_counts *ret)
{
    struct import import = {
        .tool = tool,
        .options = options,
        .counts = ret,
        .report = true,
    };
    *ret = (struct import_counts){.written = 0};
    enum auth_status status = tool_open_store(tool, !options->dry_run, &import.store);
    if (status != AUTH_OK) {
        return status;
    }
    interrupt_catch();
    progress_init(&import.progress, options->dry_run ? "accounts checked" : "accounts stored");
    status = run(&import);
    progress_clear(&import.progress);
    seen_release(&import.seen);
    store_close(import.store);
    return status;
}
