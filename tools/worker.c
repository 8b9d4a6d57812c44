/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MILLISECONDS = 20, NANOSECONDS = 1000000 };

void *worker_shared(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

bool worker_start(const struct tool *tool, int (*run)(void *ctx), void *ctx, pid_t *ret_pid)
{
    fflush(NULL);
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0) {
        tool_say(tool, "cannot start a process: %s", strerror(errno));
        return false;
    }
    if (pid == 0) {
        /* Whoever ends the verb ends this too. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int code = getppid() == parent ? run(ctx) : TOOL_FAILED;
        fflush(NULL);
        _exit(code);
    }
    *ret_pid = pid;
    return true;
}

struct worker_end worker_wait(pid_t pid, int milliseconds)
{
    static const struct timespec pause = {0, (long)POLL_MILLISECONDS * NANOSECONDS};
    struct worker_end end = {.running = true};
    int status = 0;

    for (int waited = 0; milliseconds < 0 || waited <= milliseconds; waited += POLL_MILLISECONDS) {
        pid_t got = waitpid(pid, &status, milliseconds < 0 ? 0 : WNOHANG);
        if (got == pid) {
            end.running = false;
            end.exit = WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_FAILED;
            end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            return end;
        }
        if (got < 0 && errno != EINTR) {
            return (struct worker_end){.exit = TOOL_FAILED};
        }
        (void)nanosleep(&pause, NULL);
    }
    return end;
}
