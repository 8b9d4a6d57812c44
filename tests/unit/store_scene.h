/* SPDX-License-Identifier: BSD-2-Clause */
/* A store with one account, alice@example.org, open in a process that forks others. */
#ifndef SASL_LMDB_TEST_STORE_SCENE_H
#define SASL_LMDB_TEST_STORE_SCENE_H

#include "store/store_check.h"
#include "store_fixture.h"

/* What a child that cannot do what the test needs (root, mounts) exits with. */
enum { SKIPPED = 77, NOBODY = 65534, KILLED_BY = 1000 };

/* Sanitizers take all address space, ignore mlock(), and cannot fork beside other threads. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

struct scene {
    struct fixture *f;
    struct store *store;
    int to_child[2]; /* pipes, for say() and hear() */
    int to_parent[2];
    pid_t parent;
    unsigned expected; /* the test's own use */
};

struct scene scene_begin(void **state, bool writable);
void scene_end(struct scene *scene);

void say(const int fds[2]);
void hear(const int fds[2]);

/* Runs body in a child; finish() gives its exit status, or KILLED_BY + signal. */
pid_t start(void (*body)(void *ctx), void *ctx);
int finish(pid_t pid);

/* Exits with 50, showing why, unless a lookup of user@example.org gives this verdict or outage. */
void expect(struct scene *scene, const char *user, enum auth_status verdict);

/* Prints findings. */
extern const struct check_observer scene_observer;

/* The store is sound, all of it known, and has so many accounts. */
void assert_sound(struct fixture *f, struct store *store, uint64_t accounts);

/* Writes n accounts user<first>@example.org, ... in one transaction. */
enum auth_status add_many(struct store *store, unsigned first, unsigned n, struct detail *detail);

#endif
