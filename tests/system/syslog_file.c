/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into a server that the system tests start: what it gives to syslog(3) is appended to
 * the file that SYSLOG_FILE names, a line each. A test then sees a server's log on a machine
 * without a syslog daemon, and the log of no other process.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

static char path[LINE_SIZE];

/* At once: some servers clean their environment, and their children log too. */
__attribute__((constructor)) static void remember_path(void)
{
    const char *name = getenv("SYSLOG_FILE");

    (void)snprintf(path, sizeof(path), "%s", name != NULL ? name : "");
}

__attribute__((format(printf, 1, 0))) static void append(const char *format, va_list arguments)
{
    char head[32];
    char line[LINE_SIZE];
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    if (file < 0) {
        return;
    }
    int head_size = snprintf(head, sizeof(head), "[%ld] ", (long)getpid());
    int size = vsnprintf(line, sizeof(line), format, arguments);
    if (head_size > 0 && size > 0) {
        if ((size_t)size >= sizeof(line)) {
            size = (int)sizeof(line) - 1;
        }
        if (line[size - 1] == '\n') {
            size--;
        }
        /* One call: lines of several processes do not mix. */
        const struct iovec parts[] = {
            {head, (size_t)head_size}, {line, (size_t)size}, {(char[]){'\n'}, 1}};
        ssize_t written = writev(file, parts, sizeof(parts) / sizeof(parts[0]));
        (void)written;
    }
    (void)close(file);
}

void vsyslog(int priority, const char *format, va_list arguments)
{
    (void)priority;
    append(format, arguments);
}

void syslog(int priority, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    va_start(arguments, format);
    append(format, arguments);
    va_end(arguments);
}

/* What calls of the two become in programs built with _FORTIFY_SOURCE; glibc declares neither. */
void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments)
{
    (void)priority;
    (void)flag;
    append(format, arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    (void)flag;
    va_start(arguments, format);
    append(format, arguments);
    va_end(arguments);
}
