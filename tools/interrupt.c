/* SPDX-License-Identifier: BSD-2-Clause */
#include "interrupt.h"

#include <stddef.h>

volatile sig_atomic_t interrupt_signal;

static void note(int number)
{
    interrupt_signal = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

bool interrupt_is(int number)
{
    size_t i = 0;

    while (i < SIGNALS && signals[i] != number) {
        i++;
    }
    return i < SIGNALS;
}

void interrupt_add(sigset_t *set)
{
    struct sigaction action;

    for (size_t i = 0; i < SIGNALS; i++) {
        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            sigaddset(set, signals[i]);
        }
    }
}

/* No SA_RESTART: a read() that waits has to come back. */
void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = note};
    sigset_t wanted;

    sigemptyset(&action.sa_mask);
    sigemptyset(&wanted);
    interrupt_add(&wanted);
    for (size_t i = 0; i < SIGNALS; i++) {
        if (sigismember(&wanted, signals[i]) == 1) {
            sigaction(signals[i], &action, NULL);
        }
    }
}
