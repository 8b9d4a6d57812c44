/* SPDX-License-Identifier: BSD-2-Clause */
/* PLAIN, what a client may send to a server. */
#include "engine/plain.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_server(&plain_server, "", data, size);
    return 0;
}
