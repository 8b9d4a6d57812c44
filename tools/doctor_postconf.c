/* SPDX-License-Identifier: BSD-2-Clause */
/* What Postfix works out by itself can only Postfix tell: one short run of postconf. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "doctor_postfix.h"

enum {
    ANSWER_MAX = 64 * 1024,
    SECONDS = 10, /* for all of it */
    CHUNK = 1024,
};

/* Reads until the end, the ceiling or the time is over. */
static void collect(int fd, struct buf *ret)
{
    time_t end = time(NULL) + SECONDS;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (buf_status(ret) == AUTH_OK && time(NULL) < end) {
        uint8_t chunk[CHUNK];
        if (poll(&wait, 1, SECONDS * 100) <= 0) {
            continue;
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return;
        }
        if (n > 0) {
            buf_put(ret, chunk, (size_t)n);
        }
    }
}

static void run(const char *postconf, const char *directory, int out)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char language[] = "LANG=C";
    static char *const environment[] = {path, language, NULL};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0) {
        _exit(127);
    }
    execle(postconf, postconf, "-x", "-c", directory, "myhostname", "mydomain", "mynetworks",
           (char *)NULL, environment);
    _exit(127);
}

void postfix_ask_postconf(struct postfix *postfix, const char *postconf)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        run(postconf, postfix->directory, ends[1]);
    }
    close(ends[1]);
    if (pid > 0) {
        struct buf answer;
        int status = 0;
        buf_init(&answer, ANSWER_MAX);
        collect(ends[0], &answer);
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        /* A postconf that was killed after its last line has said everything. */
        postfix_take_main(&postfix->computed, postfix->arena, buf_slice(&answer));
        buf_release(&answer);
    }
    close(ends[0]);
}
