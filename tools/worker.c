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

#include "interrupt.h"

enum { POLL_MILLISECONDS = 20, NANOSECONDS = 1000000 };

void *worker_shared(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

bool worker_start(const struct tool *tool, int (*run)(void *ctx), void *ctx, pid_t *ret_pid)
{
    fflush(NULL);
    /* Whoever started the verb may have left it ignored: a child would end unseen. */
    (void)signal(SIGCHLD, SIG_DFL);
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

/* How it ended, if it has. */
static struct worker_end look(pid_t pid, int options)
{
    struct worker_end end = {.running = true};
    int status = 0;
    pid_t got = waitpid(pid, &status, options);

    if (got == pid) {
        end.running = false;
        end.exit = WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_FAILED;
        end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    } else if (got < 0 && errno != EINTR) {
        end = (struct worker_end){.exit = TOOL_FAILED};
    }
    return end;
}

struct worker_end worker_wait(pid_t pid, int milliseconds)
{
    static const struct timespec pause = {0, (long)POLL_MILLISECONDS * NANOSECONDS};
    struct worker_end end = {.running = true};

    for (int waited = 0; milliseconds < 0 || waited <= milliseconds; waited += POLL_MILLISECONDS) {
        end = look(pid, milliseconds < 0 ? 0 : WNOHANG);
        if (!end.running) {
            return end;
        }
        (void)nanosleep(&pause, NULL);
    }
    return end;
}

struct guarded {
    const struct tool *tool;
    int (*run)(void *ctx);
    void *ctx;
    sigset_t mask;
};

static int run_guarded(void *ctx)
{
    const struct guarded *guarded = ctx;

    pthread_sigmask(SIG_SETMASK, &guarded->mask, NULL);
    int code = guarded->run(guarded->ctx);
    return tool_flush(guarded->tool) || code != TOOL_DONE ? code : TOOL_FAILED;
}

static struct worker_end await(pid_t pid, const sigset_t *awaited)
{
    static const struct timespec at_once = {0, 0};
    struct worker_end end = look(pid, WNOHANG);

    while (end.running) {
        int number = sigwaitinfo(awaited, NULL);

        if (interrupt_is(number)) {
            (void)kill(pid, number);
        }
        end = look(pid, WNOHANG);
    }
    /* What a terminal sent to both. */
    while (interrupt_is(end.signal) && sigtimedwait(awaited, NULL, &at_once) > 0) {
    }
    return end;
}

int worker_run(const struct tool *tool, int (*run)(void *ctx), void *ctx)
{
    struct guarded guarded = {.tool = tool, .run = run, .ctx = ctx};
    struct worker_end end = {.exit = TOOL_FAILED};
    sigset_t awaited;
    pid_t pid = -1;

    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    interrupt_add(&awaited);
    pthread_sigmask(SIG_BLOCK, &awaited, &guarded.mask);
    if (worker_start(tool, run_guarded, &guarded, &pid)) {
        end = await(pid, &awaited);
    }
    pthread_sigmask(SIG_SETMASK, &guarded.mask, NULL);
    if (end.signal == 0) {
        return end.exit;
    }
    if (end.signal == SIGPIPE) {
        (void)raise(SIGPIPE); /* nobody reads on: no more is said about that than always */
    } else if (interrupt_is(end.signal)) {
        tool_say(tool, "interrupted by signal %d", end.signal);
    } else {
        tool_say(tool,
                 "%s: reading it ended the process by signal %d; \"sasl-lmdb check\" tells where",
                 tool->store_path, end.signal);
    }
    return TOOL_FAILED;
}
