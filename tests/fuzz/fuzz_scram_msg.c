/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four messages of SCRAM, the gs2 header among them. What has been read, printed and read again
 * is the same.
 */
#include <stdlib.h>

#include "engine/scram_msg.h"
#include "fuzz.h"

static bool same(struct slice a, struct slice b)
{
    return slice_equal(a, b) && (a.p == NULL) == (b.p == NULL);
}

static void client_first(struct slice in, struct buf *b)
{
    struct scram_client_first m;
    struct scram_client_first back;
    const char *detail = NULL;

    if (scram_parse_client_first(in, &m, &detail) != AUTH_OK) {
        FUZZ_CHECK(detail != NULL);
        return;
    }
    FUZZ_CHECK(m.gs2.header.n + m.bare.n == in.n && m.nonce.n <= SCRAM_MAX_NONCE);
    FUZZ_CHECK((m.gs2.binding == SCRAM_BINDING_USED) == (m.gs2.binding_name.p != NULL));
    scram_put_gs2(b, &m.gs2);
    scram_put_client_first_bare(b, &m);
    FUZZ_CHECK(scram_parse_client_first(buf_slice(b), &back, &detail) == AUTH_OK);
    FUZZ_CHECK(back.gs2.binding == m.gs2.binding);
    FUZZ_CHECK(same(back.gs2.binding_name, m.gs2.binding_name));
    FUZZ_CHECK(slice_equal(back.gs2.authzid, m.gs2.authzid));
    FUZZ_CHECK(same(back.username, m.username) && same(back.nonce, m.nonce));
}

static void server_first(struct slice in, struct buf *b)
{
    struct scram_server_first m;
    struct scram_server_first back;
    const char *detail = NULL;

    if (scram_parse_server_first(in, &m, &detail) == AUTH_OK) {
        scram_put_server_first(b, &m);
        FUZZ_CHECK(scram_parse_server_first(buf_slice(b), &back, &detail) == AUTH_OK);
        FUZZ_CHECK(same(back.nonce, m.nonce) && same(back.salt, m.salt));
        FUZZ_CHECK(back.iterations == m.iterations && m.iterations > 0);
    }
}

static void client_final(struct slice in, struct buf *b)
{
    struct scram_client_final m;
    struct scram_client_final back;
    const char *detail = NULL;

    if (scram_parse_client_final(in, &m, &detail) == AUTH_OK) {
        FUZZ_CHECK(m.without_proof.p == in.p);
        FUZZ_CHECK(m.without_proof.n + 3 + m.proof.n == in.n); /* ,p= */
        scram_put_client_final_without_proof(b, &m);
        scram_put_proof(b, m.proof);
        FUZZ_CHECK(scram_parse_client_final(buf_slice(b), &back, &detail) == AUTH_OK);
        FUZZ_CHECK(same(back.binding, m.binding) && same(back.nonce, m.nonce));
        FUZZ_CHECK(same(back.proof, m.proof));
    }
}

static void server_final(struct slice in, struct buf *b)
{
    struct scram_server_final m;
    struct scram_server_final back;
    const char *detail = NULL;

    if (scram_parse_server_final(in, &m, &detail) == AUTH_OK) {
        FUZZ_CHECK((m.verifier.p == NULL) != (m.error.p == NULL));
        scram_put_server_final(b, &m);
        FUZZ_CHECK(scram_parse_server_final(buf_slice(b), &back, &detail) == AUTH_OK);
        FUZZ_CHECK(same(back.verifier, m.verifier) && same(back.error, m.error));
    }
}

/*
 * Any name can be written and read back; what reads is written the same way. A comma ends a name
 * before anybody decodes it.
 */
static void names(struct slice in, struct buf *b)
{
    struct buf back;

    buf_init(&back, 3 * SCRAM_MAX_MESSAGE);
    if (scram_decode_name(in, b)) {
        scram_put_name(&back, buf_slice(b));
        FUZZ_CHECK(slice_find(in, ',', NULL) || slice_equal(buf_slice(&back), in));
    } else {
        FUZZ_CHECK(b->n == 0);
    }
    buf_release(b);
    buf_release(&back);
    if (in.n > 0 && in.n <= SCRAM_MAX_MESSAGE) {
        scram_put_name(b, in);
        FUZZ_CHECK(scram_decode_name(buf_slice(b), &back) && slice_equal(buf_slice(&back), in));
    }
    buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(struct slice, struct buf *) = {
        client_first, server_first, client_final, server_final, names};
    struct buf b;

    for (size_t i = 0; i < sizeof parsers / sizeof parsers[0]; i++) {
        uint8_t *block = fuzz_block(slice_of(data, size));
        buf_init(&b, 3 * SCRAM_MAX_MESSAGE);
        parsers[i](slice_of(block, size), &b);
        buf_release(&b);
        free(block);
    }
    return 0;
}
