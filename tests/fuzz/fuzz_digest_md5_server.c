/* SPDX-License-Identifier: BSD-2-Clause */
/* DIGEST-MD5, what a client may send to a server, with and without layers. */
#include "engine/digest_md5.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_server(&digest_md5_server, "cXVpdGUgYSBub25jZSwgdGhp", data, size);
    return 0;
}
