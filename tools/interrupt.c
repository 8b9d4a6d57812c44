/* SPDX-License-Identifier: BSD-2-Clause */
#include "interrupt.h"

#include <stddef.h>

volatile sig_atomic_t interrupt_signal;

static void note(int number)
{
    interrupt_signal = number;
}

/* No SA_RESTART: a read() that waits has to come back. What was ignored (nohup) stays ignored. */
void interrupt_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction before;
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
}
