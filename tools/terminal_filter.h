/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that was root's and is somebody else's now still has root's terminal as its
 * controlling one, and Linux lets it put characters there as if root had typed them: whoever takes
 * that process over would be root with the next line the shell reads.
 */
#ifndef SASL_LMDB_TERMINAL_FILTER_H
#define SASL_LMDB_TERMINAL_FILTER_H

/*
 * Takes that away, for good, from every thread of this process and from what it starts (seccomp):
 * ioctl(2) with TIOCSTI or TIOCLINUX fails with EPERM, and so does every call made in the way of
 * another architecture. Programs with set-user-ID bits give nothing any more. Where the kernel
 * has no seccomp, or the architecture is not known here, nothing happens. Processors known:
 * x86-64, 64-bit ARM.
 */
void terminal_filter_install(void);

#endif
