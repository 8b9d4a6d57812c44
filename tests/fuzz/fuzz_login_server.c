/* SPDX-License-Identifier: BSD-2-Clause */
/* LOGIN, what a client may send to a server. */
#include "engine/login.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_server(&login_server, "", data, size);
    return 0;
}
