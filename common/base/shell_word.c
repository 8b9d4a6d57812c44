/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/shell_word.h"

#include <string.h>

bool shell_word_is_plain(const char *word)
{
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@=,+-";

    return *word != '\0' && word[strspn(word, harmless)] == '\0';
}
