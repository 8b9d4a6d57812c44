/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_helper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege.h"
#include "store/files.h"
#include "worker.h"

enum {
    MOST_REQUESTS = 2, /* what one verb has to ask: a new key, the old ones away */
    TRIES = 3,         /* to read the store while others write it */
    PATIENCE = 10000,  /* milliseconds, for each */
};

enum operation { ADD, REMOVE_OLDER };

struct request {
    enum operation operation;
    uint8_t store_id[STORE_ID_SIZE];
    uint32_t id;
};

struct reply {
    enum auth_status status;
    uint32_t id;
    struct detail detail;
};

/* The group that may read the key file too, as store_open() sees it. */
static gid_t data_group(const struct tool *tool)
{
    struct stat st;

    return stat(tool->store_path, &st) == 0 && (st.st_mode & S_IRGRP) != 0 ? st.st_gid
                                                                           : FILES_ANY_GROUP;
}

static enum auth_status remove_older(const struct tool *tool, const struct request *request,
                                     struct detail *detail)
{
    struct keyring *ring = NULL;
    enum auth_status status = keyring_load(tool->key_path, data_group(tool), &ring, detail);

    if (status != AUTH_OK) {
        return status;
    }
    uint32_t id = keyring_latest(ring, request->store_id);
    id = request->id < id ? request->id : id;
    for (uint32_t old = keyring_next(ring, request->store_id, 0);
         status == AUTH_OK && old != 0 && old < id;
         old = keyring_next(ring, request->store_id, old)) {
        status = keyring_remove(tool->key_path, request->store_id, old, NULL, detail);
    }
    keyring_free(ring);
    return status;
}

static void carry_out(const struct tool *tool, const struct request *request, struct reply *ret)
{
    struct stat st;

    memset(ret, 0, sizeof *ret);
    if (request->operation == REMOVE_OLDER) {
        ret->status = remove_older(tool, request, &ret->detail);
    } else if (stat(tool->key_path, &st) != 0) {
        ret->status = file_explain("key file", tool->key_path, errno, &ret->detail);
    } else {
        ret->status = keyring_add(tool->key_path, request->store_id, st.st_mode & 0777,
                                  FILES_ANY_GROUP, &ret->id, &ret->detail);
    }
}

/* Which store it is, as a process of its owner's has read it. */
struct learned {
    const struct tool *tool;
    uint8_t *store_id;
};

/* Without the lock file: whoever may write that has no say in it. */
static int learn(void *ctx)
{
    const struct learned *learned = ctx;
    const struct store_options options = {
        .path = learned->tool->store_path, .key_path = learned->tool->key_path, .nolock = true};
    struct store *store = NULL;
    struct store_info info;

    if (privilege_become_owner(options.path, NULL) != AUTH_OK ||
        store_open(&options, &store, NULL) != AUTH_OK ||
        store_describe(store, &info, NULL) != AUTH_OK) {
        return TOOL_FAILED;
    }
    memcpy(learned->store_id, info.store_id, STORE_ID_SIZE);
    return TOOL_DONE;
}

/* False if it cannot be read; the verb will then find out why. */
static bool learn_store_id(const struct tool *tool, uint8_t ret[STORE_ID_SIZE])
{
    struct learned learned = {tool, worker_shared(STORE_ID_SIZE)};
    struct worker_end end = {.exit = TOOL_FAILED};
    pid_t pid = -1;

    for (unsigned i = 0; learned.store_id != NULL && i < TRIES; i++) {
        if (!worker_start(tool, learn, &learned, &pid)) {
            return false;
        }
        end = worker_wait(pid, PATIENCE);
        if (end.running) {
            (void)kill(pid, SIGKILL);
            (void)worker_wait(pid, -1);
            return false;
        }
        if (end.signal == 0 && end.exit == TOOL_DONE) {
            memcpy(ret, learned.store_id, STORE_ID_SIZE);
            return true;
        }
    }
    return false;
}

struct server {
    const struct tool *tool;
    int fd;
    int verb_fd; /* the verb's end, not to be held here: it would never be seen closed */
    bool have_store_id;
    uint8_t store_id[STORE_ID_SIZE]; /* the only one whose keys are touched */
};

static void answer(const struct server *helper, const struct request *request, struct reply *ret)
{
    if (helper->have_store_id &&
        memcmp(request->store_id, helper->store_id, sizeof request->store_id) == 0) {
        carry_out(helper->tool, request, ret);
        return;
    }
    memset(ret, 0, sizeof *ret);
    ret->status =
        detail_set(&ret->detail, AUTH_NOT_ALLOWED,
                   "asked to change the keys of another store than %s", helper->tool->store_path);
}

static int serve(void *ctx)
{
    const struct server *helper = ctx;
    struct request request;
    struct reply reply;

    close(helper->verb_fd);

    for (unsigned i = 0; i < MOST_REQUESTS &&
                         recv(helper->fd, &request, sizeof request, 0) == (ssize_t)sizeof request;
         i++) {
        answer(helper, &request, &reply);
        if (send(helper->fd, &reply, sizeof reply, MSG_NOSIGNAL) != (ssize_t)sizeof reply) {
            return TOOL_FAILED;
        }
    }
    return TOOL_DONE;
}

bool key_helper_start(struct key_helper *helper, const struct tool *tool)
{
    int fds[2];

    *helper = (struct key_helper){.tool = tool, .pid = -1, .fd = -1};
    if (geteuid() != 0) {
        return true;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        tool_say(tool, "cannot start a process: %s", strerror(errno));
        return false;
    }
    struct server server = {.tool = tool, .fd = fds[1], .verb_fd = fds[0]};
    server.have_store_id = learn_store_id(tool, server.store_id);
    helper->fd = fds[0];
    bool started = worker_start(tool, serve, &server, &helper->pid);
    close(fds[1]);
    if (!started) {
        close(fds[0]);
        helper->fd = -1;
    }
    return started;
}

static enum auth_status ask(struct key_helper *helper, const struct request *request,
                            struct reply *ret, struct detail *detail)
{
    memset(ret, 0, sizeof *ret);
    if (helper->pid < 0) {
        carry_out(helper->tool, request, ret);
    } else if (send(helper->fd, request, sizeof *request, MSG_NOSIGNAL) !=
                   (ssize_t)sizeof *request ||
               recv(helper->fd, ret, sizeof *ret, 0) != (ssize_t)sizeof *ret) {
        return detail_set(detail, AUTH_UNAVAILABLE, "the process that changes the key file died");
    }
    ret->detail.text[sizeof ret->detail.text - 1] = '\0';
    if (ret->status != AUTH_OK && detail != NULL) {
        *detail = ret->detail;
    }
    return ret->status;
}

enum auth_status key_helper_add(struct key_helper *helper, const uint8_t store_id[STORE_ID_SIZE],
                                uint32_t *ret_id, struct detail *detail)
{
    struct request request = {.operation = ADD};
    struct reply reply;

    memcpy(request.store_id, store_id, sizeof request.store_id);
    enum auth_status status = ask(helper, &request, &reply, detail);
    if (status == AUTH_OK) {
        *ret_id = reply.id;
    }
    return status;
}

enum auth_status key_helper_remove_older(struct key_helper *helper,
                                         const uint8_t store_id[STORE_ID_SIZE], uint32_t id,
                                         struct detail *detail)
{
    struct request request = {.operation = REMOVE_OLDER, .id = id};
    struct reply reply;

    memcpy(request.store_id, store_id, sizeof request.store_id);
    return ask(helper, &request, &reply, detail);
}

void key_helper_stop(struct key_helper *helper)
{
    if (helper->pid >= 0) {
        close(helper->fd);
        (void)worker_wait(helper->pid, -1);
        helper->pid = -1;
    }
}
