/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/held_path.h"

enum { RAW_MAP = 1 << 30 };

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");

    if (f == NULL) {
        return -1;
    }
    (void)snprintf(f->dir, sizeof f->dir, "%.90s/sasl-lmdb.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(f->dir) == NULL) {
        free(f);
        return -1;
    }
    path_trust(geteuid());
    (void)snprintf(f->path, sizeof f->path, "%s/users.mdb", f->dir);
    (void)snprintf(f->lock, sizeof f->lock, "%s/users.mdb-lock", f->dir);
    (void)snprintf(f->key, sizeof f->key, "%s/key", f->dir);
    f->create.path = f->path;
    f->create.key_path = f->key;
    f->create.policy.kinds = VERIFIER_SCRAM_SHA_1 | VERIFIER_SCRAM_SHA_256 | VERIFIER_LEGACY;
    f->create.policy.iterations = VERIFIER_DEFAULT_ITERATIONS;
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    (void)chmod(f->dir, 0700);
    int rc = nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return rc;
}

void fixture_lookup(struct fixture *f, struct store *store, const char *user, const char *realm,
                    struct store_answer *ret)
{
    struct identity who = fixture_who(user, realm);

    assert_status(f, store_lookup(store, &who, 100, VERIFIER_SCRAM, ret, &f->detail), AUTH_OK);
}

void fixture_decoys(struct fixture *f, struct store *store, const char *user, struct decoy_set *ret)
{
    struct store_answer answer;

    fixture_lookup(f, store, user, "example.org", &answer);
    *ret = answer.decoys;
}

bool is_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    while (n > 0 && bytes[n - 1] == 0) {
        n--;
    }
    return n == 0;
}

void assert_status_at(struct fixture *f, enum auth_status status, enum auth_status wanted,
                      const char *file, int line)
{
    if (status != wanted) {
        print_error("status \"%s\" instead of \"%s\": %s\n", auth_status_text(status),
                    auth_status_text(wanted), detail_text(&f->detail, status));
        _fail(file, line);
    }
}

void fixture_create(struct fixture *f)
{
    assert_status(f, store_create(&f->create, &f->detail), AUTH_OK);
}

enum auth_status fixture_try_open(struct fixture *f, bool writable, struct store **ret)
{
    const struct store_options options = {f->path, f->key, writable, false};

    f->detail.text[0] = '\0';
    return store_open(&options, ret, &f->detail);
}

struct store *fixture_open(struct fixture *f, bool writable)
{
    struct store *store = NULL;

    assert_status(f, fixture_try_open(f, writable, &store), AUTH_OK);
    return store;
}

struct identity fixture_who(const char *user, const char *realm)
{
    struct identity who = {"", ""};

    (void)snprintf(who.user, sizeof who.user, "%s", user);
    (void)snprintf(who.realm, sizeof who.realm, "%s", realm);
    return who;
}

struct record fixture_record(const char *user, const char *realm, uint8_t seed)
{
    struct record record = {.who = fixture_who(user, realm)};
    struct verifier_set *set = &record.verifiers;

    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        struct scram_verifier *scram = &set->scram[slot];
        size_t size;

        scram->hash = verifier_scram_hash(slot);
        size = crypto_hash_size(scram->hash);
        scram->iterations = VERIFIER_DEFAULT_ITERATIONS;
        scram->salt_len = VERIFIER_NEW_SALT;
        memset(scram->salt, seed + (int)slot, VERIFIER_NEW_SALT);
        memset(scram->stored_key, seed + 10, size);
        memset(scram->server_key, seed + 20, size);
    }
    set->has_cram = true;
    memset(set->cram, seed + 30, sizeof set->cram);
    set->has_checkpass = true;
    memset(set->checkpass, seed + 40, sizeof set->checkpass);
    set->n_digest = 4;
    for (unsigned i = 0; i < 4; i++) {
        set->digest[i].full_name = i % 2 != 0;
        set->digest[i].realm_kind = i < 2 ? DIGEST_REALM_OWN : DIGEST_REALM_EMPTY;
        memset(set->digest[i].ha1, seed + 50 + (int)i, sizeof set->digest[i].ha1);
    }
    return record;
}

void fixture_add(struct store *store, const char *user, const char *realm, uint8_t seed)
{
    struct record record = fixture_record(user, realm, seed);
    struct detail detail = {""};
    enum auth_status status = store_write_batch(store, &record, 1, NULL, &detail);

    if (status != AUTH_OK) {
        print_error("%s\n", detail_text(&detail, status));
        fail();
    }
}

enum auth_status fixture_verdict(struct store *store, const char *user, const char *realm)
{
    struct identity who = fixture_who(user, realm);
    struct store_answer answer;
    enum auth_status status = store_lookup(store, &who, 1, VERIFIER_SCRAM, &answer, NULL);

    return status == AUTH_OK ? answer.verdict : status;
}

struct raw {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static void raw_begin(struct raw *raw, const struct fixture *f, const char *table)
{
    assert_int_equal(mdb_env_create(&raw->env), 0);
    assert_int_equal(mdb_env_set_maxdbs(raw->env, 4), 0);
    assert_int_equal(mdb_env_set_mapsize(raw->env, RAW_MAP), 0);
    assert_int_equal(mdb_env_open(raw->env, f->path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(raw->env, NULL, 0, &raw->txn), 0);
    assert_int_equal(mdb_dbi_open(raw->txn, table, 0, &raw->dbi), 0);
}

static void raw_end(struct raw *raw)
{
    assert_int_equal(mdb_txn_commit(raw->txn), 0);
    mdb_env_close(raw->env);
}

bool raw_read(const struct fixture *f, const char *table, unsigned index, struct raw_row *ret)
{
    struct raw raw;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;

    raw_begin(&raw, f, table);
    assert_int_equal(mdb_cursor_open(raw.txn, raw.dbi, &cursor), 0);
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (unsigned i = 0; rc == 0 && i < index; i++) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc == 0) {
        assert_true(key.mv_size <= sizeof ret->key && value.mv_size <= sizeof ret->value);
        ret->n_key = key.mv_size;
        memcpy(ret->key, key.mv_data, key.mv_size);
        ret->n_value = value.mv_size;
        memcpy(ret->value, value.mv_data, value.mv_size);
    }
    mdb_cursor_close(cursor);
    raw_end(&raw);
    return rc == 0;
}

void raw_write(const struct fixture *f, const char *table, const struct raw_row *row)
{
    struct raw_row copy = *row;
    MDB_val key = {copy.n_key, copy.key};
    MDB_val value = {copy.n_value, copy.value};
    struct raw raw;

    raw_begin(&raw, f, table);
    assert_int_equal(mdb_put(raw.txn, raw.dbi, &key, &value, 0), 0);
    raw_end(&raw);
}

void raw_delete(const struct fixture *f, const char *table, const struct raw_row *row)
{
    struct raw_row copy = *row;
    MDB_val key = {copy.n_key, copy.key};
    struct raw raw;

    raw_begin(&raw, f, table);
    assert_int_equal(mdb_del(raw.txn, raw.dbi, &key, NULL), 0);
    raw_end(&raw);
}

void raw_clear(const struct fixture *f, const char *table, bool drop)
{
    struct raw raw;

    raw_begin(&raw, f, table);
    assert_int_equal(mdb_drop(raw.txn, raw.dbi, drop ? 1 : 0), 0);
    raw_end(&raw);
}

static int only_entries(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

void fixture_list(const struct fixture *f, char *ret, size_t cap)
{
    struct dirent **entries;
    int n = scandir(f->dir, &entries, only_entries, alphasort);

    assert_true(n >= 0);
    ret[0] = '\0';
    for (int i = 0; i < n; i++) {
        size_t used = strlen(ret);

        (void)snprintf(ret + used, cap - used, "%s\n", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void assert_mode(const char *path, mode_t mode)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

void assert_files(const struct fixture *f, const char *names)
{
    char found[NAMES];

    fixture_list(f, found, sizeof found);
    assert_string_equal(found, names);
}

uint8_t *read_file(const char *path, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *p = malloc((size_t)st.st_size + 1);
    assert_non_null(p);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    *ret_n = (size_t)st.st_size;
    return p;
}

const uint8_t *first_key(const uint8_t *file, size_t n)
{
    struct slice rest = slice_of(file, n);
    struct slice word;

    /* "id store-id key time" */
    assert_true(slice_take_until(&rest, ' ', &word) && slice_take_until(&rest, ' ', &word));
    assert_true(rest.n >= KEY_BASE64);
    return rest.p;
}

void write_file(const char *path, const void *p, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

int in_child(void (*body)(void *ctx), void *ctx)
{
    int status = 0;

    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(ctx);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        print_error("child died of signal %d\n", WTERMSIG(status));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
