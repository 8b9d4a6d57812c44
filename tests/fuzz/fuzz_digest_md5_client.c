/* SPDX-License-Identifier: BSD-2-Clause */
/* DIGEST-MD5, what a server may send to a client, with and without layers. */
#include "engine/digest_md5_client.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_client(&digest_md5_client, "Y25vbmNl", FUZZ_HIDES_PASSWORD | FUZZ_SERVER_PROVES, data,
                size);
    return 0;
}
