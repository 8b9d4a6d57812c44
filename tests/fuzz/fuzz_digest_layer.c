/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packets of DIGEST-MD5's layers. Input: a byte of options, a byte that says in which pieces
 * the stream comes in, two bytes that say which bit to flip, then bytes that are read as packets
 * and sent as a message. Promised: nothing is delivered of packets made without the key; what was
 * sent arrives, however it is cut; what was changed on the way does not, nor anything after it.
 */
#include <stdlib.h>

#include "engine/digest_layer.h"
#include "fuzz.h"

enum { RC4 = 1, SERVER = 2, SMALL = 4, KEY_OF_VECTORS = 8, MAX_OUT = 1 << 20 };

/* A message is a few packets: more of them cost time and show nothing new. */
enum { MAX_MESSAGE = 128, MAX_PACKETS = 4 };

struct options {
    uint8_t flags;
    uint8_t piece;
    uint16_t flip;
};

static void open_layer(struct digest_layer *layer, const struct options *o, bool server,
                       const uint8_t *ha1)
{
    static int have_rc4 = -1;
    const uint32_t size = (o->flags & SMALL) != 0 ? DIGEST_LAYER_MIN_BUFFER + o->piece : 65536;

    if (have_rc4 < 0) {
        have_rc4 = crypto_prepare_rc4();
    }
    const struct digest_layer_options options = {
        .server = server,
        .rc4 = (o->flags & RC4) != 0 && have_rc4 == 1,
        .peer_buffer = size,
        .own_buffer = size,
    };
    *layer = (struct digest_layer){.open = false};
    FUZZ_CHECK(digest_layer_open(layer, &options, ha1) == AUTH_OK);
}

/* Feeds a stream in pieces. What arrived is in ret, also what did before a failure. */
static enum auth_status receive(struct digest_layer *layer, const struct options *o,
                                struct slice stream, struct buf *ret)
{
    const size_t piece = o->piece == 0 ? stream.n : o->piece;
    struct slice next;
    struct buf got;

    buf_init(&got, MAX_OUT);
    enum auth_status status = AUTH_OK;
    while (status == AUTH_OK && stream.n > 0) {
        FUZZ_CHECK(slice_take(&stream, piece < stream.n ? piece : stream.n, &next));
        uint8_t *block = fuzz_block(next);
        buf_clear(&got);
        status = digest_layer_decode(layer, slice_of(block, next.n), &got);
        free(block);
        FUZZ_CHECK(status == AUTH_OK || got.n == 0);
        buf_put_slice(ret, buf_slice(&got));
    }
    if (status != AUTH_OK) {
        FUZZ_CHECK(status == AUTH_TOO_LONG || status == AUTH_MALFORMED);
        buf_clear(&got);
        FUZZ_CHECK(digest_layer_decode(layer, slice_str("x"), &got) == AUTH_MALFORMED);
        FUZZ_CHECK(got.n == 0);
    }
    buf_release(&got);
    return status;
}

static void forged(const struct options *o, struct slice stream)
{
    /* That of the recorded packets, else one that no input can know. */
    static const uint8_t recorded[DIGEST_LAYER_KEY] = {0x86, 0x85, 0x11, 0x09, 0x58, 0xf4,
                                                       0x26, 0x70, 0xad, 0x1d, 0x0b, 0x25,
                                                       0x95, 0xdb, 0xcd, 0x11};
    const bool known = (o->flags & KEY_OF_VECTORS) != 0;
    struct digest_layer layer;
    struct buf got;

    buf_init(&got, MAX_OUT);
    open_layer(&layer, o, (o->flags & SERVER) != 0,
               known ? recorded : fuzz_password(FUZZ_UNGUESSABLE).p);
    (void)receive(&layer, o, stream, &got);
    FUZZ_CHECK(known || got.n == 0);
    digest_layer_release(&layer);
    FUZZ_CHECK(!layer.open);
    buf_release(&got);
}

static void round_trip(const struct options *o, struct slice in)
{
    const uint8_t *ha1 = fuzz_password(FUZZ_UNGUESSABLE).p;
    struct digest_layer sender;
    struct digest_layer receiver;
    struct buf sent;
    struct buf got;

    buf_init(&sent, MAX_OUT);
    buf_init(&got, MAX_OUT);
    open_layer(&sender, o, (o->flags & SERVER) != 0, ha1);
    const size_t most = MAX_PACKETS * (size_t)digest_layer_max_message(&sender);
    const size_t longest = most < MAX_MESSAGE ? most : MAX_MESSAGE;
    const struct slice message = slice_of(in.p, in.n < longest ? in.n : longest);
    FUZZ_CHECK(digest_layer_encode(&sender, &message, 1, &sent) == AUTH_OK);
    open_layer(&receiver, o, (o->flags & SERVER) == 0, ha1);
    FUZZ_CHECK(receive(&receiver, o, buf_slice(&sent), &got) == AUTH_OK);
    FUZZ_CHECK(slice_equal(buf_slice(&got), message));
    digest_layer_release(&receiver);
    if (sent.n > 0) {
        sent.p[o->flip / 8 % sent.n] ^= (uint8_t)(1 << o->flip % 8);
        buf_clear(&got);
        open_layer(&receiver, o, (o->flags & SERVER) == 0, ha1);
        (void)receive(&receiver, o, buf_slice(&sent), &got);
        FUZZ_CHECK(got.n < message.n && slice_equal(buf_slice(&got), slice_of(message.p, got.n)));
        digest_layer_release(&receiver);
    }
    digest_layer_release(&sender);
    buf_release(&sent);
    buf_release(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct options o;

    if (slice_take_u8(&in, &o.flags) && slice_take_u8(&in, &o.piece) &&
        slice_take_u16(&in, &o.flip)) {
        fuzz_renew();
        forged(&o, in);
        round_trip(&o, in);
    }
    return 0;
}
