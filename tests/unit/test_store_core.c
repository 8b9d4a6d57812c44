/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core file of a process that serves lookups holds no key: neither the raw one nor what is
 * derived from it. What must be there, so that the search proves something, is found.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/keyring.h"
#include "store_scene.h"

enum { RAW = 32, LOOKUPS = 20 };

static const char mark[] = "this text is in every core file of this program";

static void serve_and_abort(void *ctx)
{
    struct scene *scene = ctx;
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    const struct store_options options = {scene->f->path, scene->f->key, false, false};
    volatile char *here = strdup(mark);
    struct store *store = NULL;

    if (here == NULL || setrlimit(RLIMIT_CORE, &unlimited) != 0 || chdir(scene->f->dir) != 0 ||
        store_open(&options, &store, NULL) != AUTH_OK) {
        _exit(70);
    }
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    for (int i = 0; i < LOOKUPS; i++) {
        if (fixture_verdict(store, "alice", "example.org") != AUTH_OK ||
            fixture_verdict(store, "nobody", "example.org") != AUTH_UNKNOWN_USER) {
            _exit(71);
        }
    }
    abort();
}

/* The core file in a directory, or NULL. */
static uint8_t *find_core(const char *dir, size_t *ret_n)
{
    DIR *d = opendir(dir);
    uint8_t *core = NULL;

    assert_non_null(d);
    for (struct dirent *entry; core == NULL && (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, "core", 4) == 0) {
            char path[FIXTURE_PATH + 300];

            (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            core = read_file(path, ret_n);
        }
    }
    closedir(d);
    return core;
}

static bool pattern_is_plain(void)
{
    char pattern[128] = "";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, pattern, sizeof pattern - 1);

    if (fd >= 0) {
        close(fd);
    }
    return n > 0 && strncmp(pattern, "core", 4) == 0;
}

/* Which of a key's parts is in the core file; NULL for none. */
static const char *key_part_in(const uint8_t *core, size_t n, const struct key *key,
                               const uint8_t raw[RAW], const uint8_t *text)
{
    return memmem(core, n, raw, RAW) != NULL                      ? "the raw key"
           : memmem(core, n, raw, RAW / 2) != NULL                ? "half of the raw key"
           : memmem(core, n, text, KEY_BASE64 - 4) != NULL        ? "the key file's text"
           : memmem(core, n, key->seal, sizeof key->seal) != NULL ? "the seal key"
           : memmem(core, n, key->name, sizeof key->name) != NULL ? "the name key"
                                                                  : NULL;
}

static void a_core_file_holds_no_key(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_info info;
    struct keyring *ring = NULL;
    uint8_t raw[RAW];
    size_t n_text = 0;
    size_t n_raw = 0;
    size_t n = 0;

    if (SANITIZED || !pattern_is_plain()) {
        print_message("skipped: core files go elsewhere here, or are too large\n");
        scene_end(&scene);
        skip();
    }
    assert_status(scene.f, store_describe(scene.store, &info, NULL), AUTH_OK);
    store_close(scene.store); /* the child has nothing of ours in its memory */
    scene.store = NULL;
    int end = finish(start(serve_and_abort, &scene));
    assert_true(end == KILLED_BY + SIGABRT);
    uint8_t *core = find_core(scene.f->dir, &n);
    if (core == NULL) {
        print_message("skipped: no core file was written\n");
        scene_end(&scene);
        skip();
    }
    uint8_t *text = read_file(scene.f->key, &n_text);
    const uint8_t *base64 = first_key(text, n_text);
    assert_int_equal(crypto_base64_take(slice_of(base64, KEY_BASE64), raw, sizeof raw, &n_raw),
                     AUTH_OK);
    assert_int_equal(n_raw, RAW);
    assert_int_equal(keyring_load(scene.f->key, (gid_t)-1, &ring, NULL), AUTH_OK);
    const struct key *key = keyring_find(ring, info.store_id, info.key_id);
    assert_non_null(key);
    assert_non_null(memmem(core, n, mark, sizeof mark));
    const char *found = key_part_in(core, n, key, raw, base64);
    if (found != NULL) {
        print_error("the core file of %zu bytes holds %s\n", n, found);
        fail();
    }
    print_message("core file of %zu bytes: no key\n", n);
    /* The search would have found it. */
    uint8_t *with_key = malloc(n + sizeof key->seal);
    assert_non_null(with_key);
    memcpy(with_key, core, n);
    memcpy(with_key + n, key->seal, sizeof key->seal);
    assert_non_null(key_part_in(with_key, n + sizeof key->seal, key, raw, base64));
    free(with_key);
    free(core);
    free(text);
    keyring_free(ring);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_core_file_holds_no_key, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
