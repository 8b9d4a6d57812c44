/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The security layers of DIGEST-MD5: integrity (RFC 2831 2.3) and, with RC4 as the only cipher,
 * confidentiality (2.4). A layer turns what one side says into packets
 *   length[4] message mac[10] type[2] sequence[4]
 * (message and mac encrypted where there is a cipher), and a stream of packets, however it was cut
 * on its way, back into messages.
 *
 * A packet that is too long, forged, repeated, left out or out of order ends the layer: that call
 * delivers nothing, not even what came before it, and every later one is refused. The same holds
 * for sending once a packet could not be made, since its sequence number is gone.
 *
 * Threads: one that encodes and one that decodes may work at the same time.
 */
#ifndef SASL_LMDB_DIGEST_LAYER_H
#define SASL_LMDB_DIGEST_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/mech.h"

enum {
    DIGEST_LAYER_OVERHEAD = 16,          /* bytes of a packet beside its message and length */
    DIGEST_LAYER_MIN_BUFFER = 17,        /* maxbuf is larger than 16 (RFC 2831 2.1.1) */
    DIGEST_LAYER_MAX_BUFFER = 16777215,  /* and at most this */
    DIGEST_LAYER_DEFAULT_BUFFER = 65536, /* where a side does not say */
    DIGEST_LAYER_KEY = 16,
    DIGEST_SSF_INTEGRITY = 1, /* strength factors as applications count them */
    DIGEST_SSF_RC4 = 128,
};

/*
 * True if the layer of this strength (0, DIGEST_SSF_INTEGRITY, DIGEST_SSF_RC4) is within the limits
 * and we can have it.
 */
bool digest_layer_allowed(const struct mech_layer_limits *limits, unsigned ssf);

/* The maxbuf to tell the peer. */
uint32_t digest_layer_own_buffer(const struct mech_layer_limits *limits);

struct digest_layer_options {
    bool server;          /* our side of the exchange */
    bool rc4;             /* confidentiality, else integrity alone */
    uint32_t peer_buffer; /* maxbuf of the peer: no packet is longer, its length field aside */
    uint32_t own_buffer;  /* our maxbuf: a longer packet is refused */
};

/* One direction. */
struct digest_stream {
    uint8_t key[DIGEST_LAYER_KEY]; /* Kic or Kis */
    struct crypto_rc4 *rc4;        /* NULL: integrity alone */
    uint64_t sequence;             /* of the next packet; past 32 bits there is none */
    uint32_t max_packet;           /* bytes, without the length field */
    bool broken;
    struct buf packet; /* receiving: a packet that has not come in whole */
    struct buf out;    /* for carriers that must keep what they hand out; see digest_layer_out() */
};

/* Zeroed means no layer. Members are this module's own. */
struct digest_layer {
    bool open;
    struct digest_stream send;
    struct digest_stream receive;
};

/*
 * Begins a layer with the keys made from H(A1) of the exchange (RFC 2831 2.1.2.1, raw). AUTH_OK,
 * AUTH_CRYPTO (no RC4 here), AUTH_NO_MEMORY, AUTH_INTERNAL for buffers out of range; nothing is
 * held then.
 */
MUST_USE enum auth_status digest_layer_open(struct digest_layer *layer,
                                            const struct digest_layer_options *options,
                                            const uint8_t ha1[DIGEST_LAYER_KEY]);

/* Wipes and frees everything. NULL or a zeroed layer is fine. */
void digest_layer_release(struct digest_layer *layer);

/* DIGEST_SSF_INTEGRITY or DIGEST_SSF_RC4. */
unsigned digest_layer_ssf(const struct digest_layer *layer);

/* The longest message that fits into one packet, in bytes; at least 1. */
uint32_t digest_layer_max_message(const struct digest_layer *layer);

/*
 * Appends to ret the packets for the parts taken as one stretch of bytes, in as many packets as
 * the peer's buffer asks for; no bytes, no packet. AUTH_OK, AUTH_TOO_LONG past 2^32 packets or
 * the ceiling of ret, AUTH_NO_MEMORY, AUTH_CRYPTO; AUTH_MALFORMED after any of these. What ret
 * holds after a failure is not to be sent.
 */
MUST_USE enum auth_status digest_layer_encode(struct digest_layer *layer, const struct slice *parts,
                                              size_t n_parts, struct buf *ret);

/*
 * Takes the next bytes of the peer's stream and appends to ret the messages that they complete.
 * AUTH_OK, AUTH_TOO_LONG for a packet past our buffer or the ceiling of ret, AUTH_MALFORMED for
 * any other packet that does not belong here, AUTH_NO_MEMORY, AUTH_CRYPTO. After a failure ret is
 * empty and every further call returns AUTH_MALFORMED.
 */
MUST_USE enum auth_status digest_layer_decode(struct digest_layer *layer, struct slice in,
                                              struct buf *ret);

/*
 * A buffer that lives as long as the layer, for a carrier that must hand out pointers: one for
 * what was encoded, one for what was decoded. The layer itself never touches it.
 */
struct buf *digest_layer_out(struct digest_layer *layer, bool encoded);

#endif
