/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many processes read while one replaces every record, by batches and by generations: nobody fails,
 * nobody leaves a reader behind, the file does not grow without end.
 *
 * SASL_LMDB_READERS says how many (40); 500 is what a large mail server has.
 */
#include <lmdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_generation.h"
#include "store_scene.h"

enum { READERS = 40, MOST_READERS = 900, ACCOUNTS = 2000, ROUNDS = 6, BATCH = 250, PAUSE = 75 };

/* Shared with the readers. */
struct board {
    volatile bool stop;
    unsigned long lookups[MOST_READERS];
    char said[MOST_READERS][DETAIL_SIZE]; /* why a reader failed: nothing it prints may be lost */
};

static struct board *board;

struct reader {
    struct scene *scene;
    unsigned index;
    unsigned readers;
};

static unsigned count_readers(void)
{
    const char *text = getenv("SASL_LMDB_READERS");
    struct slice rest = slice_str(text == NULL ? "" : text);
    uint32_t n = 0;

    return slice_take_decimal(&rest, MOST_READERS, &n) && n > 0 ? n : READERS;
}

static void read_on(void *ctx)
{
    const struct reader *reader = ctx;
    struct scene *scene = reader->scene;
    unsigned i = reader->index;

    /* One tells a record of one round by its bytes: what is read is of one round, whole. */
    do {
        struct store_answer answer;
        struct identity who = {"", "example.org"};

        (void)snprintf(who.user, sizeof who.user, "user%u", i % ACCOUNTS);
        enum auth_status status =
            store_lookup(scene->store, &who, 1, VERIFIER_SCRAM, &answer, &scene->f->detail);
        if (status != AUTH_OK || answer.verdict != AUTH_OK) {
            (void)snprintf(
                board->said[reader->index], DETAIL_SIZE, "%.16s: %.200s", who.user,
                detail_text(&scene->f->detail, status == AUTH_OK ? answer.verdict : status));
            _exit(60);
        }
        const struct verifier_set *set = &answer.record.verifiers;
        uint8_t seed = (uint8_t)(set->cram[0] - 30);
        if (set->checkpass[0] != (uint8_t)(seed + 40) ||
            set->scram[1].salt[0] != (uint8_t)(seed + 1)) {
            _exit(61);
        }
        if (i % 7 == 0) {
            expect(scene, "nobody", AUTH_UNKNOWN_USER);
        }
        board->lookups[reader->index]++;
        i += 13;
        usleep(PAUSE * reader->readers); /* as many lookups a second, however many share them */
    } while (!board->stop);              /* one that came late has looked once */
}

static int count_line(const char *line, void *ctx)
{
    /* The first line is a heading; each other one is a reader. */
    if (strchr(line, ':') == NULL && strstr(line, "pid") == NULL) {
        *(unsigned *)ctx += 1;
    }
    return 0;
}

/* Readers in the lock file's table, as a process sees it that has nothing else open. */
static void count_stale(void *ctx)
{
    struct scene *scene = ctx;
    MDB_env *env = NULL;
    unsigned readers = 0;
    int dead = 0;

    if (mdb_env_create(&env) != 0 ||
        mdb_env_open(env, scene->f->path, MDB_NOSUBDIR | MDB_RDONLY, 0600) != 0 ||
        mdb_reader_check(env, &dead) != 0 || mdb_reader_list(env, count_line, &readers) < 0) {
        _exit(62);
    }
    mdb_env_close(env);
    _exit(dead == 0 ? 0 : 63);
}

static void replace_by_batches(struct scene *scene, unsigned round)
{
    struct record *records = calloc(BATCH, sizeof *records);

    assert_non_null(records);
    for (unsigned first = 0; first < ACCOUNTS; first += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            char name[32];

            (void)snprintf(name, sizeof name, "user%u", first + i);
            records[i] = fixture_record(name, "example.org", (uint8_t)round);
        }
        assert_status(scene->f,
                      store_write_batch(scene->store, records, BATCH, NULL, &scene->f->detail),
                      AUTH_OK);
    }
    free(records);
}

static void replace_by_generation(struct scene *scene, unsigned round)
{
    struct store_build *build = NULL;
    struct record *records = calloc(BATCH, sizeof *records);

    assert_non_null(records);
    assert_status(scene->f, store_build_begin(scene->store, &build, &scene->f->detail), AUTH_OK);
    for (unsigned first = 0; first < ACCOUNTS; first += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            char name[32];

            (void)snprintf(name, sizeof name, "user%u", first + i);
            records[i] = fixture_record(name, "example.org", (uint8_t)round);
        }
        assert_status(scene->f, store_build_add(build, records, NULL, BATCH, &scene->f->detail),
                      AUTH_OK);
    }
    free(records);
    assert_status(scene->f, store_build_finish(build, &scene->f->detail), AUTH_OK);
}

static void many_read_while_all_is_replaced(void **state)
{
    struct scene scene = scene_begin(state, true);
    unsigned n = count_readers();
    struct reader *readers = calloc(n, sizeof *readers);
    pid_t *pids = calloc(n, sizeof *pids);
    struct stat before;
    struct stat after;
    struct stat last;
    unsigned failed = 0;
    unsigned long lookups = 0;

    assert_true(readers != NULL && pids != NULL);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    replace_by_batches(&scene, 0);
    assert_int_equal(stat(scene.f->path, &before), 0);
    for (unsigned i = 0; i < n; i++) {
        readers[i] = (struct reader){&scene, i, n};
        pids[i] = start(read_on, &readers[i]);
    }
    for (unsigned round = 1; round <= ROUNDS; round++) {
        if (round % 2 == 0) {
            replace_by_generation(&scene, round);
        } else {
            replace_by_batches(&scene, round);
        }
    }
    board->stop = true;
    for (unsigned i = 0; i < n; i++) {
        int code = finish(pids[i]);

        if (code != 0) {
            print_error("reader %u ended with %d: %s\n", i, code, board->said[i]);
        }
        failed += code != 0;
        assert_true(code != 0 || board->lookups[i] > 0);
        lookups += board->lookups[i];
    }
    assert_int_equal(failed, 0);
    assert_int_equal(stat(scene.f->path, &after), 0);
    print_message("%u readers, %lu lookups; %d accounts replaced %d times: file %lld -> %lld bytes "
                  "(%lld -> %lld on the disk)\n",
                  n, lookups, ACCOUNTS, ROUNDS, (long long)before.st_size, (long long)after.st_size,
                  (long long)before.st_blocks * 512, (long long)after.st_blocks * 512);
    /*
     * While somebody reads for long its pages cannot be used again, so how far the file grew
     * depends on the machine. Once all have gone, there is room enough for as much again.
     */
    replace_by_generation(&scene, ROUNDS + 1);
    replace_by_batches(&scene, ROUNDS + 2);
    assert_int_equal(stat(scene.f->path, &last), 0);
    assert_true(last.st_size <= after.st_size + 2 * before.st_size);
    assert_int_equal(finish(start(count_stale, &scene)), 0);
    munmap(board, sizeof *board);
    free(readers);
    free(pids);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_read_while_all_is_replaced, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
