/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/detail.h"

#include <stdarg.h>
#include <stdio.h>

enum auth_status detail_set(struct detail *detail, enum auth_status status, const char *format, ...)
{
    if (detail != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(detail->text, sizeof detail->text, format, args);
        va_end(args);
    }
    return status;
}

const char *detail_text(const struct detail *detail, enum auth_status status)
{
    if (detail == NULL || detail->text[0] == '\0') {
        return auth_status_text(status);
    }
    return detail->text;
}
