/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_layer.h"

#include <string.h>

enum {
    LENGTH_FIELD = 4,
    MAC_SIZE = 10, /* of the 16 bytes of HMAC-MD5 */
    TYPE_SIZE = 2,
    SEQUENCE_SIZE = 4,
    MESSAGE_TYPE = 1,
    LARGEST_OUT = INT32_MAX, /* bytes; carriers count in int */
};

static const uint64_t past_last_sequence = (uint64_t)UINT32_MAX + 1;

/* RFC 2831 2.3 and 2.4, with "client-to-server" or "server-to-client" put in. */
static const char *const signing_constant[2] = {
    "Digest session key to client-to-server signing key magic constant",
    "Digest session key to server-to-client signing key magic constant",
};
static const char *const sealing_constant[2] = {
    "Digest H(A1) to client-to-server sealing key magic constant",
    "Digest H(A1) to server-to-client sealing key magic constant",
};

bool digest_layer_allowed(const struct mech_layer_limits *limits, unsigned ssf)
{
    if (ssf < limits->min_ssf || ssf > limits->max_ssf) {
        return false;
    }
    return ssf == 0 || (limits->max_buffer >= DIGEST_LAYER_MIN_BUFFER &&
                        (ssf != DIGEST_SSF_RC4 || limits->rc4));
}

uint32_t digest_layer_own_buffer(const struct mech_layer_limits *limits)
{
    return limits->max_buffer < DIGEST_LAYER_MAX_BUFFER ? limits->max_buffer
                                                        : DIGEST_LAYER_MAX_BUFFER;
}

static enum auth_status derive(const uint8_t ha1[DIGEST_LAYER_KEY], const char *constant,
                               uint8_t ret[DIGEST_LAYER_KEY])
{
    const struct slice parts[] = {slice_of(ha1, DIGEST_LAYER_KEY), slice_str(constant)};

    return crypto_digest(CRYPTO_MD5, parts, 2, ret);
}

static enum auth_status open_stream(struct digest_stream *s, bool from_server, bool rc4,
                                    uint32_t max_packet, const uint8_t ha1[DIGEST_LAYER_KEY])
{
    uint8_t sealing[DIGEST_LAYER_KEY];

    *s = (struct digest_stream){.max_packet = max_packet};
    buf_init(&s->packet, LENGTH_FIELD + (size_t)max_packet);
    buf_init(&s->out, LARGEST_OUT);
    enum auth_status status = derive(ha1, signing_constant[from_server], s->key);
    if (status == AUTH_OK && rc4) {
        /* The first n bytes of H(A1), n being 16 for this cipher (2.4). */
        status = derive(ha1, sealing_constant[from_server], sealing);
        if (status == AUTH_OK) {
            status = crypto_rc4_new(sealing, &s->rc4);
        }
        crypto_wipe(sealing, sizeof sealing);
    }
    return status;
}

static void release_stream(struct digest_stream *s)
{
    crypto_rc4_free(s->rc4);
    buf_release(&s->packet);
    buf_release(&s->out);
}

static bool is_buffer(uint32_t size)
{
    return size >= DIGEST_LAYER_MIN_BUFFER && size <= DIGEST_LAYER_MAX_BUFFER;
}

/*
 * What may be sent in one packet. The RFC's maxbuf is the packet without its length field (as RFC
 * 4422 3.7 has it), but some peers count those four bytes as well: they are left free where that
 * is possible at all.
 */
static uint32_t send_limit(uint32_t peer_buffer)
{
    return peer_buffer > DIGEST_LAYER_OVERHEAD + LENGTH_FIELD ? peer_buffer - LENGTH_FIELD
                                                              : peer_buffer;
}

enum auth_status digest_layer_open(struct digest_layer *layer,
                                   const struct digest_layer_options *options,
                                   const uint8_t ha1[DIGEST_LAYER_KEY])
{
    *layer = (struct digest_layer){.open = true};
    if (!is_buffer(options->peer_buffer) || !is_buffer(options->own_buffer)) {
        digest_layer_release(layer);
        return AUTH_INTERNAL;
    }
    enum auth_status status = open_stream(&layer->send, options->server, options->rc4,
                                          send_limit(options->peer_buffer), ha1);
    if (status == AUTH_OK) {
        status =
            open_stream(&layer->receive, !options->server, options->rc4, options->own_buffer, ha1);
    }
    if (status != AUTH_OK) {
        digest_layer_release(layer);
    }
    return status;
}

void digest_layer_release(struct digest_layer *layer)
{
    if (layer != NULL && layer->open) {
        release_stream(&layer->send);
        release_stream(&layer->receive);
        crypto_wipe(layer, sizeof *layer);
    }
}

unsigned digest_layer_ssf(const struct digest_layer *layer)
{
    return layer->send.rc4 != NULL ? DIGEST_SSF_RC4 : DIGEST_SSF_INTEGRITY;
}

uint32_t digest_layer_max_message(const struct digest_layer *layer)
{
    return layer->send.max_packet - DIGEST_LAYER_OVERHEAD;
}

struct buf *digest_layer_out(struct digest_layer *layer, bool encoded)
{
    return encoded ? &layer->send.out : &layer->receive.out;
}

static void put_u32(uint8_t ret[SEQUENCE_SIZE], uint64_t value)
{
    for (size_t i = 0; i < SEQUENCE_SIZE; i++) {
        ret[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* HMAC(Ki, {SeqNum, msg})[0..9] (RFC 2831 2.3); ret has room for all of the HMAC. */
static enum auth_status make_mac(const struct digest_stream *s, struct slice message,
                                 uint8_t ret[DIGEST_LAYER_KEY])
{
    uint8_t sequence[SEQUENCE_SIZE] = {0};
    const struct slice parts[] = {slice_of(sequence, sizeof sequence), message};

    put_u32(sequence, s->sequence);
    return crypto_hmac(CRYPTO_MD5, slice_of(s->key, sizeof s->key), parts, 2, ret);
}

/* Copies the next n bytes of the parts to ret and moves on. */
static void gather(const struct slice **parts, size_t *at, size_t n, uint8_t *ret)
{
    while (n > 0) {
        const size_t left = (*parts)->n - *at;
        const size_t take = left < n ? left : n;
        if (take > 0) {
            memcpy(ret, (*parts)->p + *at, take);
        }
        ret += take;
        n -= take;
        *at += take;
        if (*at == (*parts)->n) {
            (*parts)++;
            *at = 0;
        }
    }
}

/* One packet of n bytes taken from the parts. */
static enum auth_status put_packet(struct digest_stream *s, const struct slice **parts, size_t *at,
                                   size_t n, struct buf *ret)
{
    uint8_t mac[DIGEST_LAYER_KEY] = {0};

    if (s->sequence == past_last_sequence) {
        return AUTH_TOO_LONG;
    }
    buf_put_u32(ret, (uint32_t)(n + DIGEST_LAYER_OVERHEAD));
    uint8_t *body = buf_extend(ret, n + MAC_SIZE);
    if (body == NULL) {
        return buf_status(ret);
    }
    gather(parts, at, n, body);
    enum auth_status status = make_mac(s, slice_of(body, n), mac);
    memcpy(body + n, mac, MAC_SIZE);
    crypto_wipe(mac, sizeof mac);
    if (status == AUTH_OK && s->rc4 != NULL) {
        status = crypto_rc4_apply(s->rc4, body, body, n + MAC_SIZE);
    }
    buf_put_u16(ret, MESSAGE_TYPE);
    buf_put_u32(ret, (uint32_t)s->sequence++);
    return status == AUTH_OK ? buf_status(ret) : status;
}

enum auth_status digest_layer_encode(struct digest_layer *layer, const struct slice *parts,
                                     size_t n_parts, struct buf *ret)
{
    struct digest_stream *s = &layer->send;
    const size_t most = digest_layer_max_message(layer);
    enum auth_status status = s->broken ? AUTH_MALFORMED : AUTH_OK;
    size_t left = 0;
    size_t at = 0;

    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].n > LARGEST_OUT - left) {
            status = AUTH_TOO_LONG;
            break;
        }
        left += parts[i].n;
    }
    while (status == AUTH_OK && left > 0) {
        const size_t n = left < most ? left : most;
        status = put_packet(s, &parts, &at, n, ret);
        left -= n;
    }
    s->broken = status != AUTH_OK;
    return status;
}

/*
 * Opens one packet, given without its length field, and appends its message. The parts in clear
 * are looked at first; nothing else is compared before the MAC is, in constant time.
 */
static enum auth_status open_packet(struct digest_stream *s, struct slice packet, struct buf *ret)
{
    const size_t n = packet.n - DIGEST_LAYER_OVERHEAD;
    struct slice tail = slice_of(packet.p + n + MAC_SIZE, TYPE_SIZE + SEQUENCE_SIZE);
    uint8_t mac[DIGEST_LAYER_KEY];
    uint16_t type = 0;
    uint32_t sequence = 0;

    if (!slice_take_u16(&tail, &type) || !slice_take_u32(&tail, &sequence) ||
        type != MESSAGE_TYPE || sequence != s->sequence) {
        return AUTH_MALFORMED;
    }
    uint8_t *body = buf_extend(ret, n + MAC_SIZE);
    if (body == NULL) {
        return buf_status(ret);
    }
    enum auth_status status = AUTH_OK;
    if (s->rc4 != NULL) {
        status = crypto_rc4_apply(s->rc4, packet.p, body, n + MAC_SIZE);
    } else {
        memcpy(body, packet.p, n + MAC_SIZE);
    }
    if (status == AUTH_OK) {
        status = make_mac(s, slice_of(body, n), mac);
    }
    if (status == AUTH_OK && !crypto_equal(mac, body + n, MAC_SIZE)) {
        status = AUTH_MALFORMED;
    }
    crypto_wipe(mac, sizeof mac);
    if (status == AUTH_OK) {
        buf_truncate(ret, ret->n - MAC_SIZE);
        s->sequence++;
    }
    return status;
}

/* The length field, once it is there, says how much of the stream belongs to this packet. */
static enum auth_status packet_length(const struct digest_stream *s, struct slice begun,
                                      size_t *ret)
{
    uint32_t length = 0;

    *ret = LENGTH_FIELD;
    if (!slice_take_u32(&begun, &length)) {
        return AUTH_OK;
    }
    if (length > s->max_packet) {
        return AUTH_TOO_LONG;
    }
    *ret += length;
    return length >= DIGEST_LAYER_OVERHEAD ? AUTH_OK : AUTH_MALFORMED;
}

/* Moves up to `want` bytes, all told, from the input into the packet that has begun. */
static enum auth_status collect(struct digest_stream *s, struct slice *in, size_t want)
{
    const size_t missing = want - s->packet.n;
    struct slice piece = slice_of(NULL, 0);

    if (!slice_take(in, in->n < missing ? in->n : missing, &piece)) {
        return AUTH_INTERNAL;
    }
    buf_put_slice(&s->packet, piece);
    return buf_status(&s->packet);
}

/* Takes one step through the input: more of a packet, or a whole one. */
static enum auth_status take_some(struct digest_stream *s, struct slice *in, struct buf *ret)
{
    size_t length = 0;
    struct slice whole = *in;
    const bool begun = s->packet.n > 0;

    if (s->sequence == past_last_sequence) {
        return AUTH_MALFORMED;
    }
    enum auth_status status = packet_length(s, begun ? buf_slice(&s->packet) : *in, &length);
    if (status != AUTH_OK) {
        return status;
    }
    if (!begun && length > LENGTH_FIELD && in->n >= length) {
        /* The usual case, a packet that has come in one piece, is not copied first. */
        if (!slice_take(in, length, &whole)) {
            return AUTH_INTERNAL;
        }
    } else {
        status = collect(s, in, length);
        if (status == AUTH_OK && length == LENGTH_FIELD) {
            /* Refused as soon as it is known, not when more has come. */
            status = packet_length(s, buf_slice(&s->packet), &length);
        }
        if (status != AUTH_OK || s->packet.n < length || s->packet.n == LENGTH_FIELD) {
            return status;
        }
        whole = buf_slice(&s->packet);
    }
    if (!slice_take(&whole, LENGTH_FIELD, NULL)) {
        return AUTH_INTERNAL;
    }
    status = open_packet(s, whole, ret);
    buf_truncate(&s->packet, 0);
    return status;
}

enum auth_status digest_layer_decode(struct digest_layer *layer, struct slice in, struct buf *ret)
{
    struct digest_stream *s = &layer->receive;
    enum auth_status status = s->broken ? AUTH_MALFORMED : AUTH_OK;

    while (status == AUTH_OK && in.n > 0) {
        status = take_some(s, &in, ret);
    }
    if (status != AUTH_OK) {
        s->broken = true;
        buf_clear(&s->packet);
        buf_clear(ret);
    }
    return status;
}
