/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_scene.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/files.h"
#include "store/key_turn.h"
#include "store/keyring.h"

#define ID_A "000102030405060708090a0b0c0d0e0f"
#define ID_B "ffffffffffffffffffffffffffffffff"
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//////////////////////////////////////////8="

static const uint8_t id_a[STORE_ID_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t id_b[STORE_ID_SIZE] = {255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255};

static enum auth_status load(struct fixture *f, gid_t group, struct keyring **ret)
{
    f->detail.text[0] = '\0';
    return keyring_load(f->key, group, ret, &f->detail);
}

static void write_key_file(struct fixture *f, const char *text, mode_t mode)
{
    (void)unlink(f->key);
    write_file(f->key, text, strlen(text), mode);
}

static void good_files(void **state)
{
    static const char *const texts[] = {
        "1 " ID_A " " KEY_A "\n",
        "1 " ID_A " " KEY_A,
        "# a comment\n\n1 " ID_A " " KEY_A "\n\n#\n",
        "1 " ID_A " " KEY_A "\n2 " ID_A " " KEY_B "\n1 " ID_B " " KEY_A "\n",
        "1 " ID_A " " KEY_A "\n4294967295 " ID_A " " KEY_B "\n",
        "1 " ID_A " " KEY_A " 4294967295\n",
        "1 " ID_A " " KEY_A " 0",
    };
    struct fixture *f = *state;
    uint8_t seal[CRYPTO_AEAD_KEY] = {0};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct keyring *ring = NULL;

        write_key_file(f, texts[i], 0600);
        assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
        const struct key *key = keyring_find(ring, id_a, 1);
        assert_non_null(key);
        assert_int_equal(key->id, 1);
        assert_memory_equal(key->store_id, id_a, sizeof id_a);
        if (i == 0) {
            memcpy(seal, key->seal, sizeof seal);
        }
        assert_memory_equal(key->seal, seal, sizeof seal);
        assert_int_equal(key->since, strstr(texts[i], "= 4294967295") != NULL ? UINT32_MAX : 0);
        assert_null(keyring_find(ring, id_a, 7));
        assert_null(keyring_find(ring, id_a, 0));
        keyring_free(ring);
    }
    keyring_free(NULL);
}

static void an_empty_file_has_no_keys(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;

    write_key_file(f, "# nothing here\n", 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_null(keyring_find(ring, id_a, 1));
    keyring_free(ring);
}

/* Everything derived differs from everything else, with the key and with the store. */
static void derived_keys_are_unrelated(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    uint8_t raw[32];
    size_t n = 0;

    write_key_file(f, "1 " ID_A " " KEY_A "\n2 " ID_A " " KEY_B "\n1 " ID_B " " KEY_A "\n", 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    const struct key *keys[] = {keyring_find(ring, id_a, 1), keyring_find(ring, id_a, 2),
                                keyring_find(ring, id_b, 1)};
    assert_int_equal(crypto_base64_take(slice_str(KEY_A), raw, sizeof raw, &n), AUTH_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_not_equal(keys[i]->seal, keys[i]->name, 32);
        assert_memory_not_equal(keys[i]->seal, keys[i]->check, KEY_CHECK_SIZE);
        assert_memory_not_equal(keys[i]->name, keys[i]->check, KEY_CHECK_SIZE);
        assert_memory_not_equal(keys[i]->seal, raw, 32);
        assert_memory_not_equal(keys[i]->name, raw, 32);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(keys[i]->seal, keys[j]->seal, 32);
            assert_memory_not_equal(keys[i]->name, keys[j]->name, 32);
            assert_memory_not_equal(keys[i]->check, keys[j]->check, KEY_CHECK_SIZE);
        }
    }
    keyring_free(ring);
}

static void bad_lines(void **state)
{
    static const char *const lines[] = {
        "x",
        "1",
        "1 ",
        "1 " ID_A,
        "1 " ID_A " ",
        "0 " ID_A " " KEY_A,
        "-1 " ID_A " " KEY_A,
        "01 " ID_A " " KEY_A,
        "+1 " ID_A " " KEY_A,
        "4294967296 " ID_A " " KEY_A,
        "99999999999999999999 " ID_A " " KEY_A,
        " 1 " ID_A " " KEY_A,
        "1  " ID_A " " KEY_A,
        "1\t" ID_A " " KEY_A,
        "1 " ID_A "  " KEY_A,
        "1 " ID_A " " KEY_A " ",
        "1 " ID_A " " KEY_A "\r",
        "1 " ID_A " " KEY_A "x",
        "1 " ID_A " " KEY_A "1",
        "1 " ID_A " " KEY_A " x",
        "1 " ID_A " " KEY_A "  1",
        "1 " ID_A " " KEY_A " 1 ",
        "1 " ID_A " " KEY_A " 01",
        "1 " ID_A " " KEY_A " 4294967296",
        "1 00" ID_A " " KEY_A,
        "1 0001 " KEY_A,
        "1 000102030405060708090a0b0c0d0e0g " KEY_A,
        "1 000102030405060708090A0B0C0D0E0F " KEY_A,
        "1 " ID_A " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "1 " ID_A " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "1 " ID_A " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
        "1 " ID_A " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
        "1 " ID_A " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka xwdHh8=",
        "1 " ID_A " " KEY_A "\n1 " ID_A " " KEY_B,
        "1 " ID_A " " KEY_A "\n1 " ID_A " " KEY_A,
        "1 " ID_A " " KEY_A "\n # comment",
    };
    struct fixture *f = *state;
    char text[512];

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (int newline = 0; newline < 2; newline++) {
            struct keyring *ring = NULL;

            (void)snprintf(text, sizeof text, "#\n%s%s", lines[i], newline ? "\n" : "");
            write_key_file(f, text, 0600);
            assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_DAMAGED);
            assert_null(ring);
            assert_non_null(strstr(f->detail.text, "line "));
            assert_null(strstr(f->detail.text, "AAEC"));
        }
    }
}

static void nul_bytes_and_size(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    char *big = malloc(70000);

    assert_non_null(big);
    memset(big, '#', 70000);
    write_file(f->key, big, 65536, 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    keyring_free(ring);
    ring = NULL;
    write_file(f->key, big, 65537, 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_DAMAGED);
    memset(big, 0, 70000);
    write_file(f->key, big, 4096, 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_DAMAGED);
    assert_null(ring);
    free(big);
}

static void exposure(void **state)
{
    static const struct {
        mode_t mode;
        bool to_data_group; /* the data file is readable by the key file's group */
        bool fine;
    } cases[] = {
        {0600, false, true},  {0400, false, true},  {0700, false, true},  {0640, true, true},
        {0440, true, true},   {0640, false, false}, {0604, false, false}, {0644, true, false},
        {0660, true, false},  {0650, true, false},  {0610, false, false}, {0602, true, false},
        {0601, false, false}, {0666, true, false},  {0777, true, false},
    };
    struct fixture *f = *state;
    struct stat st;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct keyring *ring = NULL;

        write_key_file(f, "1 " ID_A " " KEY_A "\n", cases[i].mode);
        assert_int_equal(stat(f->key, &st), 0);
        gid_t group = cases[i].to_data_group ? st.st_gid : FILES_ANY_GROUP;
        assert_status(f, load(f, group, &ring), cases[i].fine ? AUTH_OK : AUTH_KEY_EXPOSED);
        if (!cases[i].fine) {
            assert_null(ring);
            assert_non_null(strstr(f->detail.text, "chmod 06"));
            /* Readable by some group, but not by the data file's. */
            assert_status(f, load(f, st.st_gid + 1, &ring), AUTH_KEY_EXPOSED);
        }
        keyring_free(ring);
    }
}

static void what_is_no_file(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;

    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_MISSING);
    assert_int_equal(mkdir(f->key, 0700), 0);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_DAMAGED);
    assert_int_equal(rmdir(f->key), 0);
    assert_int_equal(mkfifo(f->key, 0600), 0);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_DAMAGED);
    assert_int_equal(unlink(f->key), 0);
    assert_int_equal(symlink("/nonexistent/key", f->key), 0);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_KEY_MISSING);
    assert_null(ring);
}

static void load_as_nobody(void *ctx)
{
    struct fixture *f = ctx;
    struct keyring *ring = NULL;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(77);
    }
    enum auth_status status = load(f, FILES_ANY_GROUP, &ring);
    _exit(status == AUTH_STORE_DENIED && strstr(f->detail.text, "mode 0600") != NULL ? 0 : 1);
}

static void unreadable_is_not_missing(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(f->dir, 0755), 0);
    write_key_file(f, "1 " ID_A " " KEY_A "\n", 0600);
    assert_int_equal(in_child(load_as_nobody, f), 0);
}

/* The line of /proc/self/smaps about the mapping of p that begins with name. */
static bool smaps_line(const void *p, const char *name, char *ret, int cap)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    bool inside = false;
    bool found = false;
    char line[512];

    if (smaps == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof line, smaps) != NULL) {
        unsigned long from = 0;
        unsigned long to = 0;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        }
        found = inside && (name == NULL || strncmp(line, name, strlen(name)) == 0);
    }
    (void)snprintf(ret, (size_t)cap, "%s", line);
    (void)fclose(smaps);
    return found;
}

static void keys_live_in_pages_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    struct rlimit limit;
    char line[512];

    write_key_file(f, "1 " ID_A " " KEY_A "\n", 0600);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    const struct key *key = keyring_find(ring, id_a, 1);
    if (!smaps_line(key, NULL, line, sizeof line)) {
        keyring_free(ring);
        skip();
    }
    assert_non_null(strstr(line, " r--p "));
    assert_true(smaps_line(key, "VmFlags:", line, sizeof line));
    assert_non_null(strstr(line, " dd")); /* not dumped */
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (!SANITIZED && limit.rlim_cur >= 1 << 20) {
        assert_non_null(strstr(line, " lo")); /* not swapped */
    }
    keyring_free(ring);
}

static void add_and_remove(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    struct stat st;
    uint32_t id = 0;
    char names[256];
    const time_t before = time(NULL);

    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 1);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 2);
    assert_status(f, keyring_add(f->key, id_b, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 1);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_memory_not_equal(keyring_find(ring, id_a, 1)->seal, keyring_find(ring, id_a, 2)->seal,
                            32);
    assert_non_null(keyring_find(ring, id_b, 1));
    const uint32_t since = keyring_find(ring, id_b, 1)->since;
    assert_in_range(since, before, time(NULL));
    keyring_free(ring);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_OK);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_null(keyring_find(ring, id_a, 1));
    assert_non_null(keyring_find(ring, id_a, 2));
    assert_int_equal(keyring_find(ring, id_b, 1)->since, since);
    keyring_free(ring);
    /* The number of a key that is gone does not come back while a later one is there. */
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 3);

    assert_status(f, keyring_remove(f->key, id_a, 3, NULL, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, 2, NULL, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
    assert_status(f, keyring_remove(f->key, id_b, 1, NULL, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "");
    assert_status(f, keyring_remove(f->key, id_b, 1, NULL, &f->detail), AUTH_KEY_MISSING);
}

static void a_file_of_somebody_elses_outlives_its_last_key(void **state)
{
    struct fixture *f = *state;
    const struct file_mode before = {0600, FILES_ANY_USER, FILES_ANY_GROUP};
    struct stat st;
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, id, &before, &f->detail), AUTH_OK);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void other_lines_and_rights_stay(void **state)
{
    struct fixture *f = *state;
    struct stat before;
    struct stat after;
    uint32_t id = 0;
    size_t n = 0;

    write_key_file(f, "# by hand\n\n7 " ID_A " " KEY_A, 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->key, 1, 2), 0);
    }
    assert_int_equal(stat(f->key, &before), 0);
    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 8);
    assert_int_equal(stat(f->key, &after), 0);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_int_equal(after.st_mode & 07777, 0640);
    char *text = (char *)read_file(f->key, &n);
    const char *begin = "# by hand\n\n7 " ID_A " " KEY_A "\n8 " ID_A " ";
    assert_memory_equal(text, begin, strlen(begin));
    free(text);
    assert_status(f, keyring_remove(f->key, id_a, 8, NULL, &f->detail), AUTH_OK);
    assert_int_equal(stat(f->key, &after), 0);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_mode & 07777, 0640);
}

static void nothing_is_added_where_it_should_not(void **state)
{
    struct fixture *f = *state;
    char elsewhere[FIXTURE_PATH + 32];
    char names[256];
    uint32_t id = 0;
    size_t n = 0;

    (void)snprintf(elsewhere, sizeof elsewhere, "%s/real", f->dir);
    write_file(elsewhere, "#\n", 2, 0600);
    assert_int_equal(symlink(elsewhere, f->key), 0);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_STORE_DENIED);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_STORE_DENIED);
    free(read_file(elsewhere, &n));
    assert_int_equal(n, 2);
    assert_int_equal(unlink(f->key), 0);

    write_key_file(f, "garbage\n", 0600);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_KEY_DAMAGED);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_KEY_DAMAGED);
    write_key_file(f, "4294967295 " ID_A " " KEY_A "\n", 0600);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_KEY_DAMAGED);
    assert_int_equal(id, 0);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\nreal\n");

    (void)snprintf(elsewhere, sizeof elsewhere, "%s/none/key", f->dir);
    assert_status(f, keyring_add(elsewhere, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_STORE_MISSING);
}

static void modes_do_not_depend_on_the_umask(void **state)
{
    static const mode_t masks[] = {0777, 0, 077, 022};
    struct fixture *f = *state;
    struct stat st;
    uint32_t id = 0;

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t before = umask(masks[i]);
        enum auth_status status = keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail);
        umask(before);
        assert_status(f, status, AUTH_OK);
        assert_int_equal(stat(f->key, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
    }
}

static void add_with_limit(void *ctx)
{
    struct fixture *f = ctx;
    const struct rlimit limit = {10, 10};
    uint32_t id = 0;

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(77);
    }
    enum auth_status status = keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail);
    _exit(status == AUTH_STORE_FULL ? 0 : 1);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    char names[256];

    write_key_file(f, "1 " ID_A " " KEY_A "\n", 0600);
    assert_int_equal(in_child(add_with_limit, f), 0);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_non_null(keyring_find(ring, id_a, 1));
    keyring_free(ring);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

/* Killed between writing and renaming, one leaves keys lying about; the next clears them away. */
static void what_a_killed_one_left_goes(void **state)
{
    struct fixture *f = *state;
    static const char *const stay[] = {"key.bak", "key.0123456789abcde", "key.0123456789abcdef0",
                                       "key.0123456789ABCDEF", "other.0123456789abcdef"};
    char path[FIXTURE_PATH + 64];
    char names[512];
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    (void)snprintf(path, sizeof path, "%s/key.00112233445566ff", f->dir);
    write_file(path, "1 x", 3, 0600);
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, stay[i]);
        write_file(path, "x", 1, 0600);
    }
    (void)snprintf(path, sizeof path, "%s/key.ffffffffffffffff", f->dir);
    assert_int_equal(symlink("key", path), 0);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_null(strstr(names, "key.00112233445566ff"));
    assert_non_null(strstr(names, "key.ffffffffffffffff")); /* a link is none of ours */
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        assert_non_null(strstr(names, stay[i]));
    }
}

/* Who may only read the key file and its directory can lock them, and keeps no change away. */
static void locks_of_readers_stop_nobody(void **state)
{
    struct fixture *f = *state;
    char names[256];
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    int directory = open(f->dir, O_RDONLY | O_DIRECTORY);
    int key = open(f->key, O_RDONLY);
    assert_true(directory >= 0 && key >= 0);
    assert_int_equal(flock(directory, LOCK_EX), 0);
    assert_int_equal(flock(key, LOCK_EX), 0);
    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_OK);
    close(key);
    close(directory);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

static void nobody_else_can_open_what_a_turn_locks(void **state)
{
    struct fixture *f = *state;
    char path[FIXTURE_PATH + 32];
    char names[256];
    struct key_turn turn;
    struct stat st;

    (void)snprintf(path, sizeof path, "%s-lock", f->key);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->dir, 1, FILES_ANY_GROUP), 0);
    }
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 1 : geteuid());
    key_turn_end(&turn);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "");

    /* One that was killed leaves its file; one that others may open is none of ours. */
    write_file(path, "", 0, 0600);
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    key_turn_end(&turn);
    write_file(path, "", 0, 0644);
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_STORE_DENIED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("key", path), 0);
    assert_int_not_equal(key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    assert_int_equal(unlink(path), 0);
}

enum { WRITERS = 3, KEYS_EACH = 4 };

static void add_some(void *ctx)
{
    struct fixture *f = ctx;
    uint32_t id = 0;

    for (unsigned n = 0; n < KEYS_EACH;) {
        enum auth_status status = keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail);
        if (status != AUTH_OK && status != AUTH_STORE_BUSY) {
            _exit(1);
        }
        n += status == AUTH_OK;
    }
    _exit(0);
}

/* No key of one is lost by the change of another. */
static void several_take_turns(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    pid_t pids[WRITERS];
    char names[256];

    for (unsigned i = 0; i < WRITERS; i++) {
        pids[i] = start(add_some, f);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(finish(pids[i]), 0);
    }
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    for (uint32_t id = 1; id <= WRITERS * KEYS_EACH; id++) {
        assert_non_null(keyring_find(ring, id_a, id));
    }
    keyring_free(ring);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_files),
        TEST(an_empty_file_has_no_keys),
        TEST(derived_keys_are_unrelated),
        TEST(bad_lines),
        TEST(nul_bytes_and_size),
        TEST(exposure),
        TEST(what_is_no_file),
        TEST(unreadable_is_not_missing),
        TEST(keys_live_in_pages_of_their_own),
        TEST(add_and_remove),
        TEST(a_file_of_somebody_elses_outlives_its_last_key),
        TEST(other_lines_and_rights_stay),
        TEST(nothing_is_added_where_it_should_not),
        TEST(modes_do_not_depend_on_the_umask),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(what_a_killed_one_left_goes),
        TEST(locks_of_readers_stop_nobody),
        TEST(nobody_else_can_open_what_a_turn_locks),
        TEST(several_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
