/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mistake on purpose: nothing is wiped. Linked into a second set of plugins, by --wrap of what
 * crypto_wipe() and the buffers call, in its plain and in its fortified form.
 */
#include <stddef.h>

void __wrap_explicit_bzero(void *p, size_t n);
void __wrap___explicit_bzero_chk(void *p, size_t n, size_t room);

void __wrap_explicit_bzero(void *p, size_t n)
{
    (void)p;
    (void)n;
}

void __wrap___explicit_bzero_chk(void *p, size_t n, size_t room)
{
    (void)p;
    (void)n;
    (void)room;
}
