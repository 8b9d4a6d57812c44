/* SPDX-License-Identifier: BSD-2-Clause */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypto.h"
#include "engine/identity.h"

enum { CHUNK = 4096 }; /* bytes read at once; a terminal's longest line (N_TTY_BUF_SIZE) */

/*
 * The signals that end or stop a process from the keyboard or at a hang-up. SIGTTIN and SIGTTOU
 * stay as they are: they stop a process in the background before it has changed anything.
 */
static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { WATCHED = sizeof watched / sizeof watched[0] };

static volatile sig_atomic_t caught;

static void note_signal(int number)
{
    caught = number;
}

/* Signals and terminal as they were before the question. */
struct guard {
    struct sigaction actions[WATCHED];
    sigset_t mask;
    struct termios terminal;
    bool terminal_changed;
};

/*
 * Signals are blocked except inside ppoll(), so that none can slip in between looking and waiting.
 * What was ignored (nohup) stays ignored.
 */
static void guard_signals(struct guard *guard)
{
    struct sigaction note = {.sa_handler = note_signal};
    sigset_t block;
    sigemptyset(&note.sa_mask);
    sigemptyset(&block);
    for (size_t i = 0; i < WATCHED; i++) {
        sigaddset(&block, watched[i]);
    }
    sigprocmask(SIG_BLOCK, &block, &guard->mask);
    for (size_t i = 0; i < WATCHED; i++) {
        sigaction(watched[i], NULL, &guard->actions[i]);
        if (guard->actions[i].sa_handler != SIG_IGN) {
            sigaction(watched[i], &note, NULL);
        }
    }
    caught = 0;
}

static bool guard_echo(struct guard *guard, enum prompt_typed_ahead typed_ahead)
{
    if (tcgetattr(STDIN_FILENO, &guard->terminal) != 0) {
        return false;
    }
    struct termios silent = guard->terminal;
    silent.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK | ECHOCTL | ECHOPRT | ECHOKE);
    /* The newline shows that Enter was taken. */
    silent.c_lflag |= ICANON | ECHONL | ISIG;
    guard->terminal_changed = true;
    return tcsetattr(STDIN_FILENO, typed_ahead == PROMPT_TAKE ? TCSADRAIN : TCSAFLUSH, &silent) ==
           0;
}

/* Everything back as it was; signals that came meanwhile take effect with the last call. */
static void guard_release(struct guard *guard)
{
    if (guard->terminal_changed) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &guard->terminal);
    }
    for (size_t i = 0; i < WATCHED; i++) {
        sigaction(watched[i], &guard->actions[i], NULL);
    }
    sigprocmask(SIG_SETMASK, &guard->mask, NULL);
}

/* Waits for input. False when a watched signal came. */
static bool wait_for_input(const struct guard *guard)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (caught == 0) {
        if (ppoll(&input, 1, NULL, &guard->mask) > 0) {
            return true;
        }
        if (errno != EINTR) {
            return true; /* read() will say what is wrong */
        }
    }
    return false;
}

static void write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR) {
            return; /* a prompt nobody sees does no harm */
        }
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
}

/* The terminal itself, if standard input lets us write to it: a redirected output stays clean. */
static int prompt_fd(void)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR ? STDIN_FILENO : STDERR_FILENO;
}

/* Whether all of it was taken. */
static enum auth_status taken(const struct buf *password, struct detail *detail)
{
    enum auth_status status = buf_status(password);
    return status == AUTH_TOO_LONG
               ? detail_set(detail, status, "too long: %d bytes at most", IDENTITY_MAX_PASSWORD)
               : status;
}

static enum auth_status read_failed(struct detail *detail)
{
    return detail_set(detail, AUTH_UNAVAILABLE, "cannot read the password: %s", strerror(errno));
}

/* One line of a terminal is one read(). AUTH_CONTINUE: a signal came first. */
static enum auth_status ask_once(const char *prompt, enum prompt_typed_ahead typed_ahead,
                                 struct buf *ret, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    struct guard guard = {.terminal_changed = false};
    uint8_t chunk[CHUNK];
    ssize_t n = 0;

    guard_signals(&guard);
    if (!guard_echo(&guard, typed_ahead)) {
        status = read_failed(detail);
        goto out;
    }
    write_all(prompt_fd(), prompt);
    if (!wait_for_input(&guard)) {
        write_all(prompt_fd(), "\n");
        status = AUTH_CONTINUE;
        goto out;
    }
    n = read(STDIN_FILENO, chunk, sizeof chunk);
    if (n < 0) {
        status = read_failed(detail);
        goto out;
    }
    if (n > 0 && chunk[n - 1] == '\n') {
        n--;
    } else {
        write_all(prompt_fd(), "\n");
    }
    buf_put(ret, chunk, (size_t)n);
    status = taken(ret, detail);

out:
    crypto_wipe(chunk, sizeof chunk);
    guard_release(&guard);
    return status;
}

bool prompt_is_terminal(void)
{
    return isatty(STDIN_FILENO) == 1;
}

enum auth_status prompt_terminal(const char *prompt, enum prompt_typed_ahead typed_ahead,
                                 struct buf *ret, struct detail *detail)
{
    for (;;) {
        enum auth_status status = ask_once(prompt, typed_ahead, ret, detail);
        if (status != AUTH_CONTINUE) {
            return status;
        }
        /* The handlers are the caller's again: this ends the process, or stops it for a while. */
        buf_release(ret);
        (void)raise(caught);
    }
}

enum auth_status prompt_pipe(struct buf *ret, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    uint8_t chunk[CHUNK];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = read_failed(detail);
            break;
        }
        size_t end = 0;
        bool found = slice_find(slice_of(chunk, (size_t)n), '\n', &end);
        if (found && end + 1 != (size_t)n) {
            status = detail_set(detail, AUTH_BAD_PASSWORD,
                                "standard input holds more than one line; a password is one line");
            break;
        }
        buf_put(ret, chunk, found ? end : (size_t)n);
        status = taken(ret, detail);
        if (status != AUTH_OK || found || n == 0) {
            break;
        }
    }
    crypto_wipe(chunk, sizeof chunk);
    return status;
}

enum auth_status prompt_password(const char *prompt, struct buf *ret, struct detail *detail)
{
    return prompt_is_terminal() ? prompt_terminal(prompt, PROMPT_FORGET, ret, detail)
                                : prompt_pipe(ret, detail);
}
