/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasldb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolated.h"
#include "line_reader.h"
#include "store/kv.h"

enum {
    HEAD_SIZE = 32,
    MEMORY_MAX = 1 << 30, /* bytes of a program's address space */
    SAID_MAX = 4096,      /* bytes of a program's messages; what comes behind them is lost */
    NOT_STARTED = 126,
};

enum database { DATABASE_NONE, DATABASE_BERKELEY, DATABASE_GDBM, DATABASE_LMDB };

/* Magic numbers are written in the byte order of the machine that made the file. */
static const struct {
    size_t offset;
    uint32_t magic;
    enum database database;
} magics[] = {
    {12, 0x00061561, DATABASE_BERKELEY}, /* hash */
    {12, 0x00053162, DATABASE_BERKELEY}, /* tree */
    {0, 0x13579acd, DATABASE_GDBM},      {0, 0x13579ace, DATABASE_GDBM},
    {0, 0x13579acf, DATABASE_GDBM},      {0, 0x13579ad0, DATABASE_GDBM},
    {0, 0x13579ad1, DATABASE_GDBM},      {16, 0xbeefc0de, DATABASE_LMDB},
};

/* A copy of the file, and what it is called. */
struct copy {
    int fd;
    const char *path;
};

static enum auth_status damaged(struct detail *detail)
{
    return detail_set(detail, AUTH_STORE_DAMAGED, "is damaged");
}

/* What cannot be looked into beforehand, like a pipe, is text if anything. */
static enum database recognise(int fd)
{
    uint8_t head[HEAD_SIZE] = {0};
    if (pread(fd, head, sizeof head, 0) <= 0) {
        return DATABASE_NONE;
    }
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        uint32_t word = 0;
        memcpy(&word, head + magics[i].offset, sizeof word);
        if (word == magics[i].magic || word == __builtin_bswap32(magics[i].magic)) {
            return magics[i].database;
        }
    }
    return DATABASE_NONE;
}

static const char *find_program(const char *const *candidates)
{
    for (; *candidates != NULL; candidates++) {
        if (access(*candidates, X_OK) == 0) {
            return *candidates;
        }
    }
    return NULL;
}

/*
 * In the new process: output in a pipe, messages in a file, the file, hardly an environment, no
 * more than it needs.
 */
static void become(const char *program, char *const *argv, int file, int output, int messages)
{
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char locale[] = "LC_ALL=C";
    char *const environment[] = {path, locale, NULL};
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(messages, STDERR_FILENO) >= 0 && fcntl(file, F_SETFD, 0) == 0 &&
        isolated_limit(RLIMIT_AS, MEMORY_MAX) && isolated_limit(RLIMIT_CORE, 0) &&
        isolated_limit(RLIMIT_FSIZE, SAID_MAX) && signal(SIGXFSZ, SIG_IGN) != SIG_ERR) {
        execve(program, argv, environment);
    }
    _exit(NOT_STARTED);
}

/* Starts the program, which ends with this process. -1 and errno. */
static pid_t start(const char *program, char *const *argv, int file, int output, int messages)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            become(program, argv, file, output, messages);
        }
        _exit(NOT_STARTED);
    }
    return pid;
}

/* The status that waitpid() gives; -1 for none. */
static int wait_for(pid_t pid)
{
    int how = -1;
    pid_t got = -1;
    do {
        got = waitpid(pid, &how, 0);
    } while (got < 0 && errno == EINTR);
    return got == pid ? how : -1;
}

/*
 * That it could not, and the first line of what it said: from behind the name it has for the file,
 * which is that of a copy and means nothing to anybody else.
 */
static enum auth_status tell_failure(const char *program, const struct copy *copy, int messages,
                                     struct detail *detail)
{
    char said[SAID_MAX + 1];
    ssize_t n = pread(messages, said, SAID_MAX, 0);
    said[n < 0 ? 0 : n] = '\0';
    said[strcspn(said, "\n")] = '\0';
    const char *name = strstr(said, copy->path);
    const char *why = name == NULL ? said : name + strlen(copy->path);
    why += strspn(why, ": ");
    return detail_set(detail, AUTH_UNAVAILABLE, "%s could not read it%s%s", program,
                      *why == '\0' ? "" : ": ", why);
}

/* All that the program prints. */
static enum auth_status collect(const char *program, char *const *argv, const struct copy *copy,
                                int messages, struct buf *ret, struct detail *detail)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
    }
    pid_t pid = start(program, argv, copy->fd, ends[1], messages);
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return detail_set(detail, AUTH_UNAVAILABLE, "%s cannot be started: %s", program,
                          strerror(error));
    }
    enum line_result result = LINE_INTERRUPTED;
    while (result == LINE_INTERRUPTED) {
        result = line_reader_load(ends[0], ret, &error);
    }
    close(ends[0]);
    int how = wait_for(pid);
    if (result == LINE_TOO_LONG) {
        return detail_set(detail, AUTH_STORE_DAMAGED,
                          "is damaged: %s finds more in it than there can be", program);
    }
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU) {
        return detail_set(detail, AUTH_STORE_DAMAGED,
                          "is damaged, or too large: %s comes to no end with it", program);
    }
    if (WIFSIGNALED(how)) {
        return damaged(detail);
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == NOT_STARTED) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s cannot be started", program);
    }
    return how == 0 && result == LINE_READ ? AUTH_OK
                                           : tell_failure(program, copy, messages, detail);
}

static enum auth_status dump(const char *const *candidates, const char *package, bool dash,
                             const struct copy *copy, struct buf *ret, struct detail *detail)
{
    const char *program = find_program(candidates);
    char file[ISOLATED_PATH_SIZE];
    char standard_output[] = "-";
    if (program == NULL) {
        return detail_set(detail, AUTH_UNAVAILABLE,
                          "%s is needed to read this file and is not there (Debian package %s); "
                          "or let it write the text elsewhere and import that",
                          candidates[0], package);
    }
    memcpy(file, copy->path, sizeof file);
    int messages = memfd_create("messages", MFD_CLOEXEC);
    if (messages < 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
    }
    char *name = strdup(program);
    char *const argv[] = {name, file, dash ? standard_output : NULL, NULL};
    enum auth_status status =
        name == NULL ? AUTH_NO_MEMORY : collect(program, argv, copy, messages, ret, detail);
    free(name);
    close(messages);
    return status;
}

static enum auth_status put_pair(void *ctx, struct slice key, struct slice value)
{
    struct buf *text = ctx;
    buf_put_byte(text, ' ');
    buf_put_hex(text, key.p, key.n);
    buf_put_str(text, "\n ");
    buf_put_hex(text, value.p, value.n);
    buf_put_byte(text, '\n');
    return buf_status(text);
}

static enum auth_status walk(struct kv_txn *txn, void *ctx)
{
    struct buf *text = ctx;
    unsigned table = 0;
    enum auth_status status = kv_table(txn, KV_UNNAMED, AUTH_STORE_FOREIGN, &table);
    if (status != AUTH_OK) {
        return status;
    }
    buf_clear(text);
    buf_put_str(text, "VERSION=3\nformat=bytevalue\nHEADER=END\n");
    status = kv_scan(txn, table, slice_of(NULL, 0), put_pair, text);
    buf_put_str(text, "DATA=END\n");
    return status == AUTH_OK ? buf_status(text) : status;
}

/* The layer's own sentence, which would name the copy, is told to nobody. */
static enum auth_status dump_lmdb(const char *path, struct buf *ret, struct detail *detail)
{
    const struct kv_options options = {.writable = false, .nolock = true};
    struct kv_env *env = NULL;
    enum auth_status status = kv_open(path, &options, &env, NULL);
    if (status == AUTH_OK) {
        status = kv_read(env, walk, ret, NULL);
    }
    kv_close(env);
    /* Too long: pages that lead back to themselves. */
    bool bad =
        status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN || status == AUTH_TOO_LONG;
    return bad ? damaged(detail) : status;
}

/* In a process of its own: see isolated.h. */
static enum auth_status read_copy(int fd, const char path[ISOLATED_PATH_SIZE], struct buf *ret,
                                  struct detail *detail)
{
    static const char *const db_dump[] = {"/usr/bin/db_dump", "/usr/bin/db5.3_dump",
                                          "/usr/local/bin/db_dump", NULL};
    static const char *const gdbm_dump[] = {"/usr/bin/gdbm_dump", "/usr/local/bin/gdbm_dump", NULL};
    const struct copy copy = {fd, path};
    switch (recognise(fd)) {
    case DATABASE_BERKELEY:
        return dump(db_dump, "db-util", false, &copy, ret, detail);
    case DATABASE_GDBM:
        return dump(gdbm_dump, "gdbmtool", true, &copy, ret, detail);
    case DATABASE_LMDB:
        return dump_lmdb(path, ret, detail);
    default:
        return AUTH_CONTINUE;
    }
}

enum auth_status sasldb_file_read(const struct tool *tool, int fd, struct buf *ret,
                                  struct detail *detail)
{
    return recognise(fd) == DATABASE_NONE ? AUTH_CONTINUE
                                          : isolated_run(tool, fd, read_copy, ret, detail);
}
