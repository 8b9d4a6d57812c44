/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_processes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor_settings.h"

enum {
    PROCESSES_MAX = 64,         /* kept: enough to see how they are */
    PROC_FILE_MAX = 256 * 1024, /* bytes of a file in /proc */
    UIDS = 4,                   /* of a process */
    ID_MAX = INT32_MAX,
    MILLISECONDS = 1000,   /* of a second */
    NANOSECONDS = 1000000, /* of a millisecond */
};

static bool read_proc(const struct doctor_files *files, struct arena *arena, unsigned pid,
                      const char *file, struct slice *ret)
{
    struct buf text;
    buf_init(&text, PROC_FILE_MAX);
    bool read = doctor_read(files, arena_format(arena, "/proc/%u/%s", pid, file), &text) == 0;
    *ret = (struct slice){NULL, 0};
    if (read) {
        *ret = slice_of(arena_copy(arena, buf_slice(&text)), text.n);
    }
    buf_release(&text);
    return read;
}

/*
 * Uid: real effective saved fs; Gid: likewise; Groups: supplementary. False if one of the users is
 * neither root nor the service's own: whoever starts a program gives it its name and environment.
 */
static bool take_status(struct process *process, struct slice status, const struct person *service)
{
    bool believed = true;
    unsigned uids = 0;
    struct slice line;
    struct slice word;
    while (settings_line(&status, &line)) {
        bool uid = slice_take_literal(&line, "Uid:");
        bool groups =
            !uid && (slice_take_literal(&line, "Gid:") || slice_take_literal(&line, "Groups:"));
        while ((uid || groups) && settings_word(&line, " \t", &word)) {
            uint32_t id = 0;
            if (!slice_take_decimal(&word, ID_MAX, &id)) {
                continue;
            }
            if (uid) {
                process->who.uid = id; /* the last is the one files are opened as */
                believed = believed && (id == 0 || (service->known && id == service->uid));
                uids++;
            } else if (process->who.n_groups < PERSON_GROUPS_MAX) {
                process->who.groups[process->who.n_groups++] = id;
            }
        }
        process->have_groups = process->have_groups || groups;
    }
    return believed && uids == UIDS;
}

/*
 * Whether root alone could have put this program there, or whose the machine's files are. One that
 * changes its user when it is started would have its environment of who that is.
 */
static bool is_program_of_root(const struct doctor_files *files, struct arena *arena, unsigned pid)
{
    const char *path = arena_format(arena, "/proc/%u/exe", pid);
    struct stat st;
    struct stat root;
    /* On the machine it leads to the file itself, whatever its name means where we are. */
    bool known = files->root[0] == '\0' ? stat(path, &st) == 0 : doctor_stat(files, path, &st) == 0;
    return known && doctor_stat(files, "/", &root) == 0 && S_ISREG(st.st_mode) &&
           doctor_is_root_s(&st, &root) &&
           (st.st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID)) == 0;
}

/*
 * When the machine was started, in milliseconds since 1970; 0: not known. Not too early: the clock
 * is looked at later than what is taken off it, and that is rounded down.
 */
static int64_t boot_time(const struct doctor_files *files)
{
    struct timespec now;
    struct buf text;
    uint32_t seconds = 0;
    int64_t rest_of_second = 0;
    uint8_t c = 0;
    buf_init(&text, PROC_FILE_MAX);
    bool known = false;
    if (doctor_read(files, "/proc/uptime", &text) == 0) {
        struct slice rest = buf_slice(&text);
        known = slice_take_decimal(&rest, ID_MAX, &seconds) && slice_take_literal(&rest, ".");
        for (int unit = MILLISECONDS / 10;
             unit > 0 && slice_take_byte(&rest, &c) && c >= '0' && c <= '9'; unit /= 10) {
            rest_of_second += (int64_t)unit * (c - '0');
        }
    }
    buf_release(&text);
    return known && clock_gettime(CLOCK_REALTIME, &now) == 0
               ? ((int64_t)now.tv_sec - seconds) * MILLISECONDS + now.tv_nsec / NANOSECONDS -
                     rest_of_second
               : 0;
}

/* The 22nd field of /proc/PID/stat, in ticks; the second has a name in brackets. False: not there.
 */
static bool take_start(struct slice stat, uint32_t *ret)
{
    enum { AFTER_NAME = 20 };
    struct slice word = {NULL, 0};
    while (slice_take_until(&stat, ')', &word)) {
    }
    for (int i = 0; i < AFTER_NAME; i++) {
        if (!settings_word(&stat, " ", &word)) {
            return false;
        }
    }
    return slice_take_decimal(&word, UINT32_MAX, ret);
}

static bool is_wanted(struct slice name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (slice_equal_str(name, *names)) {
            return true;
        }
    }
    return false;
}

static struct process *look_at(const struct doctor_files *files, struct arena *arena, unsigned pid,
                               const char *const *names, const struct person *service, int64_t boot)
{
    struct slice comm;
    struct slice status;
    struct slice stat;
    uint32_t ticks = 0;
    if (!read_proc(files, arena, pid, "comm", &comm) || !is_wanted(settings_trim(comm), names)) {
        return NULL;
    }
    struct process *process = arena_new(arena, sizeof *process);
    if (process == NULL || !read_proc(files, arena, pid, "status", &status) ||
        !take_status(process, status, service) || !is_program_of_root(files, arena, pid)) {
        return NULL;
    }
    process->pid = pid;
    process->name = arena_copy(arena, settings_trim(comm));
    process->who.known = true;
    if (boot > 0 && read_proc(files, arena, pid, "stat", &stat) && take_start(stat, &ticks)) {
        process->started = boot + ((int64_t)ticks + 1) * MILLISECONDS / sysconf(_SC_CLK_TCK);
    }
    (void)read_proc(files, arena, pid, "cmdline", &process->arguments);
    process->have_environment = read_proc(files, arena, pid, "environ", &process->environment);
    (void)read_proc(files, arena, pid, "maps", &process->maps);
    (void)read_proc(files, arena, pid, "mountinfo", &process->mounts);
    return process;
}

struct process *processes_find(const struct doctor_files *files, struct arena *arena,
                               const char *const *names, const struct person *service)
{
    /* All of them, since anybody can start as many as there may be. */
    DIR *entries = doctor_open_directory(files, "/proc");
    const struct dirent *entry = NULL;
    const int64_t boot = boot_time(files);
    struct process *found = NULL;
    unsigned n = 0;
    while (entries != NULL && n < PROCESSES_MAX && (entry = readdir(entries)) != NULL) {
        struct slice digits = slice_str(entry->d_name);
        uint32_t pid = 0;
        if (!slice_take_decimal(&digits, ID_MAX, &pid) || digits.n != 0) {
            continue;
        }
        struct process *process = look_at(files, arena, pid, names, service, boot);
        if (process != NULL) {
            process->next = found;
            found = process;
            n++;
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

const char *process_variable(const struct process *process, struct arena *arena, const char *name)
{
    struct slice rest = process->environment;
    while (rest.n > 0) {
        struct slice entry;
        slice_take_run(&rest, '\0', &entry);
        if (rest.n > 0) {
            rest = slice_of(rest.p + 1, rest.n - 1);
        }
        if (slice_take_literal(&entry, name) && slice_take_literal(&entry, "=")) {
            return arena_copy(arena, entry);
        }
    }
    return NULL;
}

static bool next_argument(struct slice *rest, struct slice *ret)
{
    if (rest->n == 0) {
        return false;
    }
    slice_take_run(rest, '\0', ret);
    if (rest->n > 0) {
        *rest = slice_of(rest->p + 1, rest->n - 1);
    }
    return true;
}

bool process_has_argument(const struct process *process, const char *argument)
{
    struct slice rest = process->arguments;
    struct slice word;
    while (next_argument(&rest, &word)) {
        if (slice_equal_str(word, argument)) {
            return true;
        }
    }
    return false;
}

const char *process_option(const struct process *process, struct arena *arena, const char *option)
{
    struct slice rest = process->arguments;
    struct slice word;
    while (next_argument(&rest, &word)) {
        if (!slice_take_literal(&word, option)) {
            continue;
        }
        if (word.n > 0 || next_argument(&rest, &word)) {
            return arena_copy(arena, word);
        }
    }
    return NULL;
}

/* Mount points have spaces and the like as \040; those match nothing here. */
bool mounts_read_only(struct slice mounts, const char *path)
{
    size_t longest = 0;
    bool read_only = false;
    struct slice line;
    while (settings_line(&mounts, &line)) {
        struct slice field[6]; /* id parent major:minor root mount-point options */
        size_t n = 0;
        while (n < 6 && settings_word(&line, " ", &field[n])) {
            n++;
        }
        if (n < 6) {
            continue;
        }
        struct slice at = field[4];
        bool whole = at.n == 1;
        bool above = whole || (strlen(path) >= at.n && memcmp(path, at.p, at.n) == 0 &&
                               (path[at.n] == '/' || path[at.n] == '\0'));
        /* Later lines are mounted over earlier ones. */
        if (above && at.n >= longest) {
            struct slice option;
            longest = at.n;
            read_only = settings_word(&field[5], ",", &option) && slice_equal_str(option, "ro");
        }
    }
    return read_only;
}
