/* SPDX-License-Identifier: BSD-2-Clause */
/* PLAIN, what a server may send to a client. */
#include "engine/plain_client.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_client(&plain_client, "", 0, data, size);
    return 0;
}
