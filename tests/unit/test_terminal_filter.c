/* SPDX-License-Identifier: BSD-2-Clause */
#include "terminal_filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

/* The error of an ioctl on no file at all: EBADF if it gets as far as that. */
static int error_of(uint64_t request)
{
    char character = 'x';

    errno = 0;
    return syscall(SYS_ioctl, -1, request, &character) == 0 ? 0 : errno;
}

/* 0, or which of the expectations was not met. */
static int look(void)
{
    static const uint64_t high = UINT64_C(1) << 40;

    if (error_of(TIOCSTI) != EBADF || error_of(TIOCLINUX) != EBADF) {
        return 1;
    }
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
        return SKIPPED;
    }
    terminal_filter_install();
    if (error_of(TIOCSTI) != EPERM || error_of(TIOCLINUX) != EPERM) {
        return 2;
    }
    if (error_of(TIOCSTI | high) != EPERM || error_of(TIOCLINUX | high) != EPERM) {
        return 3;
    }
    /* Prompts need these. */
    if (error_of(TCGETS) != EBADF || error_of(TCSETSF) != EBADF || error_of(TIOCGWINSZ) != EBADF) {
        return 4;
    }
#ifdef __x86_64__
    enum { X32 = 0x40000000, X32_IOCTL = X32 + 514 };

    if (syscall(X32_IOCTL, -1, TIOCSTI, "x") == 0 || errno != EPERM) {
        return 5;
    }
#endif
    return 0;
}

static void nothing_is_typed_for_root(void **state)
{
    int status = 0;

    (void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
    skip();
#endif
    pid_t pid = fork();
    if (pid == 0) {
        _exit(look());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#ifdef __x86_64__

/* The way of a 32-bit program, which any program can go. */
static long ioctl_of_i386(int fd, uint32_t request, uint32_t argument)
{
    enum { I386_IOCTL = 54 };
    long result = 0;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(I386_IOCTL), "b"(fd), "c"(request), "d"(argument)
                     : "memory");
    return (int)result;
}

static void nor_as_a_32_bit_program(void **state)
{
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        /* A kernel without 32-bit programs ends the process, filter or not. */
        if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 || ioctl_of_i386(-1, TIOCSTI, 0) != -EBADF) {
            _exit(SKIPPED);
        }
        terminal_filter_install();
        _exit(ioctl_of_i386(-1, TIOCSTI, 0) == -EPERM ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == SKIPPED) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_typed_for_root),
#ifdef __x86_64__
        cmocka_unit_test(nor_as_a_32_bit_program),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
