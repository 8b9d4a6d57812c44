/* SPDX-License-Identifier: BSD-2-Clause */
#include "isolated.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "line_reader.h"
#include "privilege.h"
#include "worker.h"

/* Comes before the text. Both ends are of one program: no byte order to agree on. */
struct answer {
    uint64_t n; /* bytes of text that follow */
    enum auth_status status;
    struct detail detail;
};

struct errand {
    isolated_read *read;
    int copy;
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

static bool read_all(int fd, void *ret, size_t n)
{
    uint8_t *bytes = ret;
    while (n > 0) {
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
static enum auth_status copy_file(int fd, int *ret, struct detail *detail)
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
        return AUTH_OK;
    }
    close(*ret);
    return detail_set(detail, AUTH_UNAVAILABLE, "cannot be copied: %s", strerror(error));
}

/* In the other process. */
static int run(void *ctx)
{
    const struct errand *errand = ctx;
    struct answer answer = {.status = AUTH_INTERNAL, .detail = {.text = ""}};
    char path[ISOLATED_PATH_SIZE];
    struct buf text;

    close(errand->ends[0]);
    buf_init(&text, LINE_READER_MEMORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", errand->copy);
    answer.status = privilege_become_nobody(&answer.detail);
    /* A change of user took back what worker_start() had asked for. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
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

/* Whoever wrote this may have been taken over. */
static enum auth_status take_answer(int fd, struct buf *ret, struct detail *detail)
{
    struct answer answer;
    if (!read_all(fd, &answer, sizeof answer) || (int)answer.status < AUTH_OK ||
        answer.status > AUTH_INTERNAL || answer.n > LINE_READER_MEMORY) {
        return detail_set(detail, AUTH_STORE_DAMAGED, "is damaged");
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
    return read_all(fd, place, answer.n) ? AUTH_OK
                                         : detail_set(detail, AUTH_STORE_DAMAGED, "is damaged");
}

enum auth_status isolated_run(const struct tool *tool, int fd, isolated_read *read, struct buf *ret,
                              struct detail *detail)
{
    struct errand errand = {.read = read};
    pid_t pid = -1;
    enum auth_status status = copy_file(fd, &errand.copy, detail);

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
