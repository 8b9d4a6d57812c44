/* SPDX-License-Identifier: BSD-2-Clause */
/* CRAM-MD5, what a client may send to a server. */
#include "engine/cram_md5.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_server(&cram_md5_server, "00112233445566778899aabbccddeeff.1700000000", data, size);
    return 0;
}
