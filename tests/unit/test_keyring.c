/* SPDX-License-Identifier: BSD-2-Clause */
/* What a key file may hold and who may read it, and where its keys are in memory. */
#include "key_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
