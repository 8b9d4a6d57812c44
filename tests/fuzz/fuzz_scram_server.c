/* SPDX-License-Identifier: BSD-2-Clause */
/* SCRAM, what a client may send to a server, with and without channel binding. */
#include "engine/scram_server.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_server(&scram_server, "c2VydmVyIG5vbmNlIG9mIG91cnMu", data, size);
    return 0;
}
