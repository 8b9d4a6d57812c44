/* SPDX-License-Identifier: BSD-2-Clause */
#include "spelling.h"

#include <limits.h>
#include <string.h>

enum { ROWS = 3 }; /* a swap looks two rows back */

static unsigned lesser(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned spelling_errors(const char *word, const char *meant)
{
    unsigned rows[ROWS][SPELLING_MAX + 1] = {{0}};
    const size_t n = strlen(meant);
    unsigned i = 0;
    if (n > SPELLING_MAX) {
        return UINT_MAX;
    }
    for (unsigned j = 0; j <= n; j++) {
        rows[0][j] = j;
    }
    for (; word[i] != '\0'; i++) {
        const unsigned *before = rows[(i + ROWS - 1) % ROWS];
        const unsigned *above = rows[i % ROWS];
        unsigned *row = rows[(i + 1) % ROWS];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            row[j + 1] = lesser(above[j] + (word[i] != meant[j]), lesser(above[j + 1], row[j]) + 1);
            if (i > 0 && j > 0 && word[i] == meant[j - 1] && word[i - 1] == meant[j]) {
                row[j + 1] = lesser(row[j + 1], before[j - 1] + 1);
            }
        }
    }
    return rows[i % ROWS][n];
}
