/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_helper.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/files.h"
#include "worker.h"

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

struct server {
    const struct tool *tool;
    int fd;
    int verb_fd; /* the verb's end, not to be held here: it would never be seen closed */
};

static int serve(void *ctx)
{
    const struct server *helper = ctx;
    struct request request;
    struct reply reply;

    close(helper->verb_fd);

    while (recv(helper->fd, &request, sizeof request, 0) == (ssize_t)sizeof request) {
        carry_out(helper->tool, &request, &reply);
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
    struct server server = {tool, fds[1], fds[0]};
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
