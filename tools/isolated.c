/* SPDX-License-Identifier: BSD-2-Clause */
#include "isolated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "deadline.h"
#include "line_reader.h"
#include "privilege.h"
#include "worker.h"

enum { POLL_MILLISECONDS = 20, TEXT_OF_NOTHING = 65536 };

/* Comes before the text. Both ends are of one program: no byte order to agree on. */
struct answer {
    uint64_t n; /* bytes of text that follow */
    enum auth_status status;
    struct detail detail;
};

struct errand {
    isolated_read *read;
    int copy;
    size_t n;    /* its bytes */
    int ends[2]; /* of the pipe that the answer comes through */
};

static bool write_all(int fd, const void *p, size_t n)
{
    const uint8_t *bytes = p;
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    return true;
}

bool isolated_limit(int resource, unsigned long most)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0) {
        return false;
    }
    limit.rlim_cur = limit.rlim_cur < most ? limit.rlim_cur : most;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool read_all(int fd, int64_t deadline, void *ret, size_t n)
{
    uint8_t *bytes = ret;
    while (n > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (deadline_left(deadline) == 0) {
            return false;
        }
        if (poll(&ready, 1, POLL_MILLISECONDS) <= 0) {
            continue;
        }
        ssize_t got = read(fd, bytes, n);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        if (got > 0) {
            bytes += got;
            n -= (size_t)got;
        }
    }
    return true;
}

/* The file as it is now, in memory: no name to exchange, no owner's permission to read it anew. */
static enum auth_status copy_file(int fd, int *ret, size_t *ret_n, struct detail *detail)
{
    uint8_t chunk[8192];
    off_t at = 0;
    ssize_t n = 0;
    *ret = memfd_create("sasl-lmdb", MFD_CLOEXEC);
    if (*ret < 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "cannot be copied: %s", strerror(errno));
    }
    while ((n = pread(fd, chunk, sizeof chunk, at)) > 0 && at < LINE_READER_MEMORY) {
        if (!write_all(*ret, chunk, (size_t)n)) {
            n = -1;
            break;
        }
        at += n;
    }
    int error = errno;
    crypto_wipe(chunk, sizeof chunk);
    if (n > 0) {
        error = EFBIG;
    } else if (n == 0 && fchmod(*ret, S_IRUSR | S_IRGRP | S_IROTH) == 0) {
        *ret_n = (size_t)at;
        return AUTH_OK;
    }
    close(*ret);
    return detail_set(detail, AUTH_UNAVAILABLE, "cannot be copied: %s", strerror(error));
}

/* Some for the head of a dump of nothing. */
static size_t text_max(size_t n)
{
    return n < (LINE_READER_MEMORY - TEXT_OF_NOTHING) / ISOLATED_TEXT_FOR_A_BYTE
               ? TEXT_OF_NOTHING + n * ISOLATED_TEXT_FOR_A_BYTE
               : LINE_READER_MEMORY;
}

/* In the other process. */
static int run(void *ctx)
{
    const struct errand *errand = ctx;
    struct answer answer = {.status = AUTH_INTERNAL, .detail = {.text = ""}};
    char path[ISOLATED_PATH_SIZE];
    struct buf text;

    close(errand->ends[0]);
    buf_init(&text, text_max(errand->n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", errand->copy);
    answer.status = privilege_become_nobody(&answer.detail);
    if (answer.status == AUTH_OK && !isolated_limit(RLIMIT_CPU, ISOLATED_PROCESSOR_SECONDS)) {
        answer.status = AUTH_UNAVAILABLE;
    }
    /* Libraries look for settings of theirs in the directory they are in. */
    if (answer.status == AUTH_OK && chdir("/") != 0) {
        answer.status = AUTH_UNAVAILABLE;
    }
    if (answer.status == AUTH_OK) {
        answer.status = errand->read(errand->copy, path, &text, &answer.detail);
    }
    answer.n = answer.status == AUTH_OK ? text.n : 0;
    bool sent = write_all(errand->ends[1], &answer, sizeof answer) &&
                write_all(errand->ends[1], text.p, answer.n);
    buf_release(&text);
    return sent ? TOOL_DONE : TOOL_FAILED;
}

static enum auth_status no_answer(int64_t deadline, struct detail *detail)
{
    return deadline_left(deadline) > 0
               ? detail_set(detail, AUTH_STORE_DAMAGED, "is damaged")
               : detail_set(detail, AUTH_STORE_DAMAGED,
                            "is damaged, or too large: it is not read within %d seconds",
                            ISOLATED_SECONDS);
}

/* Whoever wrote this may have been taken over. */
static enum auth_status take_answer(int fd, struct buf *ret, struct detail *detail)
{
    const int64_t deadline = deadline_in(ISOLATED_SECONDS);
    struct answer answer;
    if (!read_all(fd, deadline, &answer, sizeof answer) || (int)answer.status < AUTH_OK ||
        answer.status > AUTH_INTERNAL || answer.n > LINE_READER_MEMORY) {
        return no_answer(deadline, detail);
    }
    answer.detail.text[sizeof answer.detail.text - 1] = '\0';
    if (answer.status != AUTH_OK) {
        return answer.detail.text[0] == '\0'
                   ? answer.status
                   : detail_set(detail, answer.status, "%s", answer.detail.text);
    }
    uint8_t *place = buf_extend(ret, answer.n);
    if (place == NULL) {
        return buf_status(ret);
    }
    return read_all(fd, deadline, place, answer.n) ? AUTH_OK : no_answer(deadline, detail);
}

enum auth_status isolated_run(const struct tool *tool, int fd, isolated_read *read, struct buf *ret,
                              struct detail *detail)
{
    struct errand errand = {.read = read};
    pid_t pid = -1;
    enum auth_status status = copy_file(fd, &errand.copy, &errand.n, detail);

    if (status != AUTH_OK) {
        return status;
    }
    if (pipe2(errand.ends, O_CLOEXEC) != 0) {
        close(errand.copy);
        return detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
    }
    bool started = worker_start(tool, run, &errand, &pid);
    close(errand.copy);
    close(errand.ends[1]);
    status = started ? take_answer(errand.ends[0], ret, detail) : AUTH_UNAVAILABLE;
    close(errand.ends[0]);
    if (started) {
        (void)kill(pid, SIGKILL); /* it has nothing more to say, and may not want to end */
        (void)worker_wait(pid, -1);
    }
    return status;
}
