/* SPDX-License-Identifier: BSD-2-Clause */
/* CRAM-MD5, what a server may send to a client. */
#include "engine/cram_md5_client.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_client(&cram_md5_client, "", FUZZ_HIDES_PASSWORD, data, size);
    return 0;
}
