/* SPDX-License-Identifier: BSD-2-Clause */
#include "terminal_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
/* Numbers from here on are x32's: the same architecture, another ioctl. */
#define FIRST_FOREIGN 0x40000000
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_AARCH64
#define FIRST_FOREIGN 0x80000000
#endif

#ifdef NATIVE

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* Jumps over so many instructions if the value loaded compares like that, or not. */
#define JUMP(how, value, yes, no) BPF_JUMP(BPF_JMP | (how) | BPF_K, (value), (yes), (no))

void terminal_filter_install(void)
{
    /*
     * args[1] is the request. The kernel takes its lower 32 bits whatever is above, and these come
     * first in memory, so that loading a word of it is all that has to be looked at.
     */
    static struct sock_filter filter[] = {
        LOAD(arch),
        JUMP(BPF_JEQ, NATIVE, 0, 7),
        LOAD(nr),
        JUMP(BPF_JGE, FIRST_FOREIGN, 5, 0),
        JUMP(BPF_JEQ, SYS_ioctl, 0, 3),
        LOAD(args[1]),
        JUMP(BPF_JEQ, TIOCSTI, 2, 0),
        JUMP(BPF_JEQ, TIOCLINUX, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_ERRNO | EPERM),
    };
    static const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
        (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    }
}

#else

void terminal_filter_install(void)
{
}

#endif
