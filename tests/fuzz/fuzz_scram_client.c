/* SPDX-License-Identifier: BSD-2-Clause */
/* SCRAM, what a server may send to a client, with and without channel binding. */
#include "engine/scram_client.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_client(&scram_client, "Y2xpZW50IG5vbmNl", FUZZ_HIDES_PASSWORD | FUZZ_SERVER_PROVES, data,
                size);
    return 0;
}
