/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb check: whether everything in a store is as it was written. */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "aside.h"
#include "file_modes.h"
#include "json_result.h"
#include "progress.h"
#include "store/store_check.h"
#include "tool.h"
#include "view.h"
#include "worker.h"

static const struct option longs[] = {TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb check [OPTION]...\n"
    "Reads everything in a store: every record's seal, version and verifiers, that it can be\n"
    "found by its name, that the sums are right. What is damaged is named by user where that\n"
    "can be told, else by the record's key. Servers and writers may go on meanwhile.\n"
    "\n"
    "      --json               the result as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 nothing was found, 1 something is damaged, 3 it could not be checked.\n";

enum {
    MOST_FINDINGS = 1000, /* told one by one; all are counted */
    KEY_HEX = 2 * sizeof((struct check_finding *)0)->key + 1,
    WAIT_MILLISECONDS = 200,
    STALLED =
        60 * 1000 / WAIT_MILLISECONDS, /* waits without a step: damage leads round in a ring */
};

/* What the worker writes and the verb reads, at any time. */
struct board {
    atomic_uint_fast64_t steps;
    uint64_t done;
    uint64_t all;
    size_t n_key;
    uint8_t key[64]; /* of the record it looks at */
    atomic_uint n;   /* findings below */
    struct check_finding findings[MOST_FINDINGS];
    struct check_counts counts;
    bool finished; /* counts are whole */
};

struct check {
    const struct tool *tool;
    struct board *board;
    struct progress progress;
    unsigned told;
    bool named;    /* one of those told was an account whose name is known */
    bool nameless; /* and one whose name is not */
    json_t *findings;
};

static void note_finding(void *ctx, const struct check_finding *finding)
{
    struct board *board = ctx;
    unsigned n = atomic_load(&board->n);

    if (n < MOST_FINDINGS) {
        board->findings[n] = *finding;
        atomic_store(&board->n, n + 1);
    }
}

static void note_step(void *ctx, const uint8_t *key, size_t n_key, uint64_t done, uint64_t all)
{
    struct board *board = ctx;

    memcpy(board->key, key, n_key);
    board->n_key = n_key;
    board->done = done;
    board->all = all;
    atomic_fetch_add(&board->steps, 1);
}

/* In a process that damaged pages may end. */
static int check_store(void *ctx)
{
    struct check *check = ctx;
    const struct check_observer observer = {note_finding, note_step, check->board};
    struct detail detail = {.text = ""};
    struct store *store = NULL;
    enum auth_status status = tool_open_store(check->tool, false, &store);

    if (status == AUTH_OK) {
        status = store_check(store, &observer, &check->board->counts, &detail);
        store_close(store);
        if (status != AUTH_OK) {
            tool_report_store(check->tool, status, &detail);
        }
    }
    check->board->finished = status == AUTH_OK;
    /* A file that is none of ours any more was one when somebody asked for it to be checked. */
    return status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN ? TOOL_REFUSED
                                                                        : tool_exit_code(status);
}

static void put_hex(const uint8_t *key, size_t n, char ret[KEY_HEX])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < n && at + 2 < KEY_HEX; i++) {
        ret[at++] = digits[key[i] >> 4];
        ret[at++] = digits[key[i] & 15];
    }
    ret[at] = '\0';
}

static const char *part_name(enum check_part part)
{
    return part == CHECK_PREVIOUS ? "under the previous key"
           : part == CHECK_FILE   ? "the file"
                                  : "accounts";
}

static void tell_finding(struct check *check, const struct check_finding *shared)
{
    struct check_finding finding = *shared;
    char key[KEY_HEX];

    finding.what[sizeof finding.what - 1] = '\0';
    finding.who.user[sizeof finding.who.user - 1] = '\0';
    finding.who.realm[sizeof finding.who.realm - 1] = '\0';
    put_hex(finding.key, finding.n_key < sizeof finding.key ? finding.n_key : sizeof finding.key,
            key);
    if (check->tool->json) {
        json_array_append_new(check->findings,
                              json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "part",
                                        part_name(finding.part), "what", finding.what, "user",
                                        finding.have_who ? finding.who.user : NULL, "realm",
                                        finding.have_who ? finding.who.realm : NULL, "key",
                                        finding.have_key ? key : NULL));
        return;
    }
    progress_clear(&check->progress);
    const char *part = finding.part == CHECK_PREVIOUS ? " (under the previous key)" : "";
    if (finding.have_who) {
        check->named = true;
        printf("%s@%s%s: %s\n", finding.who.user, finding.who.realm, part, finding.what);
    } else if (finding.have_key) {
        check->nameless = true;
        printf("record %s%s: %s\n", key, part, finding.what);
    } else {
        printf("%s%s: %s\n", check->tool->store_path, part, finding.what);
    }
}

static void tell_new_findings(struct check *check)
{
    unsigned n = atomic_load(&check->board->n);

    while (check->told < n && check->told < MOST_FINDINGS) {
        tell_finding(check, &check->board->findings[check->told]);
        check->told++;
    }
}

/* Waits for the worker; one that makes no step for a minute is ended. */
static struct worker_end watch(struct check *check, pid_t pid)
{
    uint64_t last = 0;
    int still = 0;

    for (;;) {
        struct worker_end end = worker_wait(pid, WAIT_MILLISECONDS);
        uint64_t steps = atomic_load(&check->board->steps);
        uint64_t all = check->board->all;

        tell_new_findings(check);
        progress_show(&check->progress, steps, all == 0 ? -1 : (double)steps / (double)all);
        if (!end.running) {
            progress_clear(&check->progress);
            return end;
        }
        still = steps == last ? still + 1 : 0;
        last = steps;
        if (still == STALLED) {
            kill(pid, SIGKILL);
        }
    }
}

/* Where the worker was when it died. */
static void put_death(const struct check *check, int number, char *ret, size_t cap)
{
    char key[KEY_HEX];
    size_t n = check->board->n_key;

    put_hex(check->board->key, n < sizeof check->board->key ? n : 0, key);
    (void)snprintf(ret, cap,
                   "reading it ended the process by signal %d, after %" PRIu64 " of %" PRIu64
                   " records%s%s: pages of the file are damaged",
                   number, check->board->done, check->board->all, key[0] == '\0' ? "" : ", at ",
                   key);
}

static const struct {
    const char *name;
    unsigned bit;
} kinds[] = {
    {"SCRAM-SHA-1", 0}, {"SCRAM-SHA-256", 1}, {"SCRAM-SHA-512", 2}, {"CRAM-MD5", 3},
    {"DIGEST-MD5", 4},  {"checkpass", 5},     {"crypt", 6},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static enum auth_status print_json(struct check *check, int code, const char *death)
{
    const struct check_counts *counts = &check->board->counts;
    json_t *by_kind = json_object();

    for (size_t i = 0; i < KINDS; i++) {
        json_object_set_new(by_kind, kinds[i].name,
                            json_integer((json_int_t)counts->kinds[kinds[i].bit]));
    }
    json_t *value = json_pack(
        "{s:s, s:b, s:b, s:s?, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "store",
        check->tool->store_path, "clean", code == TOOL_DONE ? 1 : 0, "complete",
        check->board->finished ? 1 : 0, "died", death, "expected", (json_int_t)counts->expected,
        "accounts", (json_int_t)counts->accounts, "sound", (json_int_t)counts->sound,
        "later_version", (json_int_t)counts->later, "verifiers", by_kind, "disabled",
        (json_int_t)counts->disabled, "expiring", (json_int_t)counts->expiring, "pages",
        (json_int_t)counts->pages, "pages_free", (json_int_t)counts->pages_unused, "damages",
        (json_int_t)counts->findings, "findings", check->findings);
    check->findings = NULL;
    return json_result(check->tool, code == TOOL_DONE, value);
}

static void print_summary(const struct check *check)
{
    const struct check_counts *counts = &check->board->counts;

    printf("%" PRIu64 " account%s, %" PRIu64 " sound", counts->accounts,
           tool_plural(counts->accounts), counts->sound);
    for (size_t i = 0; i < KINDS; i++) {
        if (counts->kinds[kinds[i].bit] != 0) {
            printf("; %s %" PRIu64, kinds[i].name, counts->kinds[kinds[i].bit]);
        }
    }
    printf("; disabled %" PRIu64 "\n", counts->disabled);
    if (counts->findings > check->told) {
        uint64_t more = counts->findings - check->told;
        printf("%" PRIu64 " more damage%s found\n", more, tool_plural(more));
    }
    if (check->named) {
        puts("A damaged account can be deleted (saslpasswd-lmdb -d) and made again; \"restore\" "
             "brings\n"
             "back all accounts as they were at a backup.");
    } else if (check->nameless) {
        puts("A record without a name cannot be deleted; \"restore\" brings back all accounts as "
             "they\nwere at a backup.");
    }
}

static int conclude(struct check *check, struct worker_end end)
{
    char death[256] = "";
    bool clean = end.signal == 0 && end.exit == TOOL_DONE && check->board->counts.findings == 0;
    int code = clean                                      ? TOOL_DONE
               : end.exit != TOOL_DONE && end.signal == 0 ? end.exit
                                                          : TOOL_REFUSED;

    if (end.signal != 0) {
        put_death(check, end.signal, death, sizeof death);
        tool_say(check->tool, "%s: %s", check->tool->store_path, death);
    }
    if (check->tool->json) {
        enum auth_status printed = print_json(check, code, death[0] == '\0' ? NULL : death);
        return printed == AUTH_OK ? code : tool_exit_code(printed);
    }
    if (check->board->finished) {
        print_summary(check);
    } else if (code == TOOL_REFUSED) {
        aside_tell(check->tool);
    }
    return code;
}

static int check(const struct tool *tool)
{
    struct check check = {.tool = tool, .board = worker_shared(sizeof *check.board)};
    pid_t pid = -1;

    check.findings = tool->json ? json_array() : NULL;
    if (check.board == NULL || (tool->json && check.findings == NULL)) {
        tool_report(tool, AUTH_NO_MEMORY, NULL, "%s", tool->store_path);
        return TOOL_FAILED;
    }
    progress_init(&check.progress, "records");
    if (!worker_start(tool, check_store, &check, &pid)) {
        json_decref(check.findings);
        return TOOL_FAILED;
    }
    int code = conclude(&check, watch(&check, pid));
    if (check.board->finished) {
        (void)file_modes_tell(tool); /* no damage, and no part of the verdict */
    }
    json_decref(check.findings);
    return code;
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    int code = TOOL_DONE;

    if (tool_next_option(tool, argc, argv, &options, &code) != TOOL_OPTIONS_END) {
        return code;
    }
    if (optind != argc) {
        return tool_usage_error(tool, "takes no arguments");
    }
    return check(tool);
}

const struct verb verb_check = {
    .name = "check",
    .summary = "read everything in a store and tell what is damaged",
    .usage = usage,
    .run = run,
};
