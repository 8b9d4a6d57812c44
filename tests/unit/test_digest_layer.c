/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/digest_layer.h"
#include "fake_host.h"
#include "stanza.h"

#define FILE_NAME "digest_md5_layer.txt"

enum { CEILING = INT32_MAX, BUFFER = 65536 };

static const uint8_t key[DIGEST_LAYER_KEY] = "0123456789abcde";

static struct digest_layer_options options_of(bool server, bool rc4)
{
    return (struct digest_layer_options){
        .server = server, .rc4 = rc4, .peer_buffer = BUFFER, .own_buffer = BUFFER};
}

/* Both ends of one connection: [0] the client, [1] the server. */
static void open_both(struct digest_layer ret[2], bool rc4)
{
    assert_true(crypto_prepare_rc4());
    for (unsigned i = 0; i < 2; i++) {
        const struct digest_layer_options options = options_of(i == 1, rc4);
        assert_int_equal(digest_layer_open(&ret[i], &options, key), AUTH_OK);
    }
}

static void assert_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void close_both(struct digest_layer layers[2])
{
    digest_layer_release(&layers[0]);
    digest_layer_release(&layers[1]);
    assert_zero(layers, 2 * sizeof layers[0]);
}

/* From a block of exactly its size, which is spoilt afterwards. */
static enum auth_status decode(struct digest_layer *layer, struct slice in, struct buf *ret)
{
    uint8_t *block = malloc(in.n > 0 ? in.n : 1);

    assert_non_null(block);
    if (in.n > 0) {
        memcpy(block, in.p, in.n);
    }
    alloc_fail_count(true);
    enum auth_status status = digest_layer_decode(layer, slice_of(block, in.n), ret);
    alloc_fail_count(false);
    memset(block, 0xa5, in.n);
    free(block);
    return status;
}

static enum auth_status encode(struct digest_layer *layer, struct slice in, struct buf *ret)
{
    alloc_fail_count(true);
    enum auth_status status = digest_layer_encode(layer, &in, 1, ret);
    alloc_fail_count(false);
    return status;
}

/* After a refusal nothing is delivered any more, whatever comes. */
static bool stays_refused(struct digest_layer *layer, struct slice good)
{
    struct buf out;
    bool ok = true;

    buf_init(&out, CEILING);
    for (int i = 0; i < 3; i++) {
        ok = ok && decode(layer, good, &out) == AUTH_MALFORMED && out.n == 0;
    }
    ok = ok && decode(layer, slice_of(NULL, 0), &out) == AUTH_MALFORMED && out.n == 0;
    buf_release(&out);
    return ok;
}

static void open_case(const struct stanza_file *file, const struct stanza *s, bool reader,
                      struct digest_layer *ret)
{
    const bool from_server = slice_equal_str(stanza_value(file, s, "from"), "server");
    const struct slice ha1 = stanza_value(file, s, "ha1");
    struct digest_layer_options options =
        options_of(reader ? !from_server : from_server, stanza_number(file, s, "rc4", 0) != 0);

    options.own_buffer = stanza_number(file, s, "max-buffer", 0);
    assert_int_equal(ha1.n, DIGEST_LAYER_KEY);
    assert_int_equal(digest_layer_open(ret, &options, ha1.p), AUTH_OK);
}

/* Reads every packet of a case, in pieces of this size. */
static const char *read_case(const struct stanza_file *file, const struct stanza *s, size_t piece)
{
    struct slice message = slice_of(NULL, 0);
    struct digest_layer layer;
    struct buf out;
    const char *wrong = NULL;

    open_case(file, s, true, &layer);
    buf_init(&out, CEILING);
    for (size_t i = 0; i < s->n && wrong == NULL; i++) {
        struct slice packet = s->fields[i].value;
        enum auth_status status = AUTH_OK;
        if (strcmp(s->fields[i].key, "M") == 0) {
            message = packet;
        }
        if (strcmp(s->fields[i].key, "P") != 0) {
            continue;
        }
        buf_clear(&out);
        while (packet.n > 0 && status == AUTH_OK) {
            struct slice some;
            assert_true(slice_take(&packet, packet.n < piece ? packet.n : piece, &some));
            status = decode(&layer, some, &out);
        }
        if (message.p != NULL) {
            wrong = status != AUTH_OK                       ? "a good packet was refused"
                    : slice_equal(message, buf_slice(&out)) ? NULL
                                                            : "another message";
            message = slice_of(NULL, 0);
        } else if (status != fake_host_status(stanza_value(file, s, "status"))) {
            wrong = "another status";
        } else if (out.n != 0 || !stays_refused(&layer, s->fields[i].value)) {
            wrong = "something is delivered after a refusal";
        }
    }
    buf_release(&out);
    digest_layer_release(&layer);
    assert_zero(&layer, sizeof layer);
    return wrong;
}

/* Our own half must write the same packets. */
static const char *write_case(const struct stanza_file *file, const struct stanza *s)
{
    struct slice message = slice_of(NULL, 0);
    struct digest_layer layer;
    struct buf out;
    const char *wrong = NULL;

    open_case(file, s, false, &layer);
    buf_init(&out, CEILING);
    for (size_t i = 0; i < s->n && wrong == NULL; i++) {
        if (strcmp(s->fields[i].key, "M") == 0) {
            message = s->fields[i].value;
        } else if (strcmp(s->fields[i].key, "P") == 0) {
            buf_clear(&out);
            if (encode(&layer, message, &out) != AUTH_OK ||
                !slice_equal(buf_slice(&out), s->fields[i].value)) {
                wrong = "another packet";
            }
        }
    }
    buf_release(&out);
    digest_layer_release(&layer);
    return wrong;
}

static void vectors(void **state)
{
    static const size_t pieces[] = {1000000, 1, 2, 3, 4, 5, 7, 19};
    struct stanza_file *file = stanza_read(VECTORS, FILE_NAME);
    size_t valid = 0;
    size_t failed = 0;

    (void)state;
    assert_non_null(file);
    assert_true(crypto_prepare_rc4());
    for (size_t i = 0; i < file->n; i++) {
        const struct stanza *s = &file->cases[i];
        const char *wrong = NULL;
        for (size_t j = 0; j < sizeof pieces / sizeof pieces[0] && wrong == NULL; j++) {
            wrong = read_case(file, s, pieces[j]);
        }
        if (stanza_is_valid(s)) {
            valid++;
            if (wrong == NULL && stanza_number(file, s, "decode-only", 0) == 0) {
                wrong = write_case(file, s);
            }
        }
        failed += wrong != NULL && !stanza_complain(file, s, wrong);
    }
    printf("%s: %zu valid, %zu invalid\n", FILE_NAME, valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

/* Several packets, cut into two at every place; the messages come out, and nothing else. */
static void every_cut(void **state)
{
    static const char *const messages[] = {"first", "2", "the third one"};

    (void)state;
    for (int rc4 = 0; rc4 < 2; rc4++) {
        for (size_t cut = 0;; cut++) {
            struct digest_layer ends[2];
            struct buf packets;
            struct buf out;
            open_both(ends, rc4 != 0);
            buf_init(&packets, CEILING);
            buf_init(&out, CEILING);
            for (size_t i = 0; i < 3; i++) {
                assert_int_equal(encode(&ends[0], slice_str(messages[i]), &packets), AUTH_OK);
            }
            const size_t all = packets.n;
            if (cut <= all) {
                assert_int_equal(decode(&ends[1], slice_of(packets.p, cut), &out), AUTH_OK);
                assert_int_equal(decode(&ends[1], slice_of(packets.p + cut, all - cut), &out),
                                 AUTH_OK);
                assert_string_equal(buf_text(&out), "first2the third one");
            }
            buf_release(&packets);
            buf_release(&out);
            close_both(ends);
            if (cut > all) {
                break;
            }
        }
    }
}

/* One bit wrong anywhere in a stream of two packets: no byte of the packet it is in comes out. */
static void every_bit(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (int rc4 = 0; rc4 < 2; rc4++) {
        for (size_t bit = 0; bit < 8 * (size_t)(4 + 5 + DIGEST_LAYER_OVERHEAD); bit++) {
            struct digest_layer ends[2];
            struct buf packets;
            struct buf out;
            open_both(ends, rc4 != 0);
            buf_init(&packets, CEILING);
            buf_init(&out, CEILING);
            assert_int_equal(encode(&ends[1], slice_str("sound"), &packets), AUTH_OK);
            assert_int_equal(encode(&ends[1], slice_str("ditto"), &packets), AUTH_OK);
            packets.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
            enum auth_status status = decode(&ends[0], buf_slice(&packets), &out);
            assert_int_equal(out.n, 0);
            if (status == AUTH_OK) {
                /* The length has grown, within our buffer: it waits for what never comes. */
                assert_true(bit / 8 < 4);
            } else {
                assert_true(stays_refused(&ends[0], buf_slice(&packets)));
                refused++;
            }
            buf_release(&packets);
            buf_release(&out);
            close_both(ends);
        }
    }
    assert_true(refused > 2 * 8 * 21);
}

/* A bad packet behind a good one in the same call: the good one is not delivered either. */
static void nothing_of_a_bad_call(void **state)
{
    struct digest_layer ends[2];
    struct buf packets;
    struct buf out;

    (void)state;
    open_both(ends, false);
    buf_init(&packets, CEILING);
    buf_init(&out, CEILING);
    assert_int_equal(encode(&ends[0], slice_str("good"), &packets), AUTH_OK);
    const size_t first = packets.n;
    assert_int_equal(encode(&ends[0], slice_str("evil"), &packets), AUTH_OK);
    packets.p[first + 4] ^= 1;
    assert_int_equal(decode(&ends[1], buf_slice(&packets), &out), AUTH_MALFORMED);
    assert_int_equal(out.n, 0);
    /* The other direction is not concerned. */
    buf_clear(&packets);
    assert_int_equal(encode(&ends[1], slice_str("bye"), &packets), AUTH_OK);
    assert_int_equal(decode(&ends[0], buf_slice(&packets), &out), AUTH_OK);
    assert_string_equal(buf_text(&out), "bye");
    buf_release(&packets);
    buf_release(&out);
    close_both(ends);
}

/* No packet is longer than the peer's buffer, and every byte arrives in order. */
static void splitting(void **state)
{
    static const uint32_t buffers[] = {17, 18, 20, 21, 22, 36, 100, 1000, 65536, 16777215};
    enum { TEXT = 5000 };
    uint8_t text[TEXT];

    (void)state;
    for (size_t i = 0; i < TEXT; i++) {
        text[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        struct digest_layer ends[2];
        struct buf packets;
        struct buf out;
        for (unsigned j = 0; j < 2; j++) {
            struct digest_layer_options options = options_of(j == 1, i % 2 == 0);
            options.peer_buffer = j == 0 ? buffers[i] : BUFFER;
            options.own_buffer = j == 1 ? buffers[i] : BUFFER;
            assert_int_equal(digest_layer_open(&ends[j], &options, key), AUTH_OK);
        }
        buf_init(&packets, CEILING);
        buf_init(&out, CEILING);
        const struct slice parts[] = {slice_of(text, 1),        slice_of(NULL, 0),
                                      slice_of(text + 1, 0),    slice_of(text + 1, 2000),
                                      slice_of(text + 2001, 1), slice_of(text + 2002, TEXT - 2002)};
        assert_int_equal(digest_layer_encode(&ends[0], parts, 6, &packets), AUTH_OK);
        assert_true(digest_layer_max_message(&ends[0]) >= 1);
        assert_true(digest_layer_max_message(&ends[0]) + DIGEST_LAYER_OVERHEAD <= buffers[i]);
        struct slice rest = buf_slice(&packets);
        while (rest.n > 0) {
            uint32_t length;
            assert_true(slice_take_u32(&rest, &length));
            assert_true(length <= buffers[i] && slice_take(&rest, length, NULL));
        }
        assert_int_equal(decode(&ends[1], buf_slice(&packets), &out), AUTH_OK);
        assert_int_equal(out.n, TEXT);
        assert_memory_equal(out.p, text, TEXT);
        buf_release(&packets);
        buf_release(&out);
        close_both(ends);
    }
}

/* Nothing to say makes no packet and uses no number. */
static void nothing_to_say(void **state)
{
    struct digest_layer ends[2];
    struct buf packets;

    (void)state;
    open_both(ends, false);
    buf_init(&packets, CEILING);
    assert_int_equal(digest_layer_encode(&ends[0], NULL, 0, &packets), AUTH_OK);
    assert_int_equal(encode(&ends[0], slice_of("", 0), &packets), AUTH_OK);
    assert_int_equal(decode(&ends[0], slice_of(NULL, 0), &packets), AUTH_OK);
    assert_int_equal(packets.n, 0);
    assert_int_equal(ends[0].send.sequence, 0);
    buf_release(&packets);
    close_both(ends);
}

/* The last number is used; there is none after it, for either side. */
static void sequence_numbers_end(void **state)
{
    struct digest_layer ends[2];
    struct buf packets;
    struct buf out;

    (void)state;
    open_both(ends, false);
    ends[0].send.sequence = UINT32_MAX;
    ends[1].receive.sequence = UINT32_MAX;
    buf_init(&packets, CEILING);
    buf_init(&out, CEILING);
    assert_int_equal(encode(&ends[0], slice_str("last"), &packets), AUTH_OK);
    assert_memory_equal(packets.p + packets.n - 4, "\xff\xff\xff\xff", 4);
    assert_int_equal(decode(&ends[1], buf_slice(&packets), &out), AUTH_OK);
    assert_string_equal(buf_text(&out), "last");
    assert_int_equal(encode(&ends[0], slice_str("more"), &out), AUTH_TOO_LONG);
    assert_int_equal(encode(&ends[0], slice_str("more"), &out), AUTH_MALFORMED);
    /* A packet that starts again at 0, rightly signed. */
    ends[0].send.sequence = 0;
    ends[0].send.broken = false;
    buf_clear(&packets);
    assert_int_equal(encode(&ends[0], slice_str("wrap"), &packets), AUTH_OK);
    assert_true(stays_refused(&ends[1], buf_slice(&packets)));
    buf_release(&packets);
    buf_release(&out);
    close_both(ends);
}

/* A buffer of the caller that is too small ends the direction it was for. */
static void no_room(void **state)
{
    struct digest_layer ends[2];
    struct buf packets;
    struct buf small;

    (void)state;
    open_both(ends, true);
    buf_init(&packets, CEILING);
    buf_init(&small, 20);
    assert_int_equal(encode(&ends[1], slice_str("too long for 20 bytes"), &small), AUTH_TOO_LONG);
    buf_clear(&small);
    assert_int_equal(encode(&ends[1], slice_str("x"), &small), AUTH_MALFORMED);
    assert_int_equal(encode(&ends[0], slice_str("too long for 20 bytes"), &packets), AUTH_OK);
    assert_int_equal(decode(&ends[1], buf_slice(&packets), &small), AUTH_TOO_LONG);
    assert_true(stays_refused(&ends[1], buf_slice(&packets)));
    buf_release(&packets);
    buf_release(&small);
    close_both(ends);
}

static void options_out_of_range(void **state)
{
    static const uint32_t bad[] = {0, 1, 16, 16777216, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof bad / sizeof bad[0]; i++) {
        struct digest_layer_options options = options_of(false, false);
        struct digest_layer layer;
        *(i % 2 == 0 ? &options.peer_buffer : &options.own_buffer) = bad[i / 2];
        memset(&layer, 0xa5, sizeof layer);
        assert_int_equal(digest_layer_open(&layer, &options, key), AUTH_INTERNAL);
        assert_zero(&layer, sizeof layer);
    }
    digest_layer_release(NULL);
}

static void strengths(void **state)
{
    struct digest_layer ends[2];

    (void)state;
    for (int rc4 = 0; rc4 < 2; rc4++) {
        open_both(ends, rc4 != 0);
        assert_int_equal(digest_layer_ssf(&ends[0]), rc4 ? 128 : 1);
        assert_int_equal(digest_layer_max_message(&ends[1]), BUFFER - 20);
        assert_ptr_equal(digest_layer_out(&ends[0], true), &ends[0].send.out);
        assert_ptr_equal(digest_layer_out(&ends[0], false), &ends[0].receive.out);
        close_both(ends);
    }
}

static void allowed(void **state)
{
    static const struct {
        struct mech_layer_limits limits;
        bool none;
        bool integrity;
        bool rc4;
    } rows[] = {
        {{0, 0, 0, false}, true, false, false},
        {{0, 0, BUFFER, true}, true, false, false},
        {{0, 1, BUFFER, true}, true, true, false},
        {{0, 127, BUFFER, true}, true, true, false},
        {{0, 128, BUFFER, true}, true, true, true},
        {{0, 256, BUFFER, false}, true, true, false},
        {{0, 256, 16, true}, true, false, false},
        {{0, 256, 17, true}, true, true, true},
        {{1, 1, BUFFER, true}, false, true, false},
        {{1, 256, BUFFER, true}, false, true, true},
        {{2, 256, BUFFER, true}, false, false, true},
        {{129, 256, BUFFER, true}, false, false, false},
        {{1, 0, BUFFER, true}, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct mech_layer_limits *limits = &rows[i].limits;
        assert_int_equal(digest_layer_allowed(limits, 0), rows[i].none);
        assert_int_equal(digest_layer_allowed(limits, DIGEST_SSF_INTEGRITY), rows[i].integrity);
        assert_int_equal(digest_layer_allowed(limits, DIGEST_SSF_RC4), rows[i].rc4);
    }
    assert_int_equal(digest_layer_own_buffer(&rows[1].limits), BUFFER);
    assert_int_equal(digest_layer_own_buffer(&(struct mech_layer_limits){.max_buffer = UINT32_MAX}),
                     16777215);
}

/* A peer that announces much and sends little does not make us hold much. */
static void memory_of_a_begun_packet(void **state)
{
    struct digest_layer_options options = options_of(true, false);
    struct digest_layer layer;
    struct buf out;

    (void)state;
    options.own_buffer = DIGEST_LAYER_MAX_BUFFER;
    assert_int_equal(digest_layer_open(&layer, &options, key), AUTH_OK);
    buf_init(&out, CEILING);
    assert_int_equal(decode(&layer,
                            slice_of("\x00\xff\xff\xff"
                                     "0123456789",
                                     14),
                            &out),
                     AUTH_OK);
    assert_in_range(layer.receive.packet.cap, 14, 1024);
    assert_int_equal(out.n, 0);
    buf_release(&out);
    digest_layer_release(&layer);
}

/* Every allocation fails once, alone and with all after it: an error, and never a wrong packet. */
static void allocations_that_fail(void **state)
{
    unsigned count = 0;

    (void)state;
    for (int from_then = 0; from_then < 2; from_then++) {
        for (long at = 0;; at++) {
            struct digest_layer ends[2];
            struct buf packets;
            struct buf out;
            enum auth_status status = AUTH_OK;
            open_both(ends, true);
            buf_init(&packets, CEILING);
            buf_init(&out, CEILING);
            alloc_fail_arm(at, from_then != 0);
            for (int i = 0; i < 200 && status == AUTH_OK; i++) {
                buf_truncate(&packets, 0);
                status = encode(&ends[0], slice_str("a line of text that is sent\r\n"), &packets);
                if (status == AUTH_OK) {
                    status = decode(&ends[1], slice_of(packets.p, 9), &out);
                }
                if (status == AUTH_OK) {
                    status = decode(&ends[1], slice_of(packets.p + 9, packets.n - 9), &out);
                }
            }
            const unsigned failed = alloc_fail_disarm();
            count += failed > 0;
            assert_int_equal(status, failed > 0 ? AUTH_NO_MEMORY : AUTH_OK);
            assert_int_equal(out.n, failed > 0 ? out.n : 200 * 29);
            buf_release(&packets);
            buf_release(&out);
            close_both(ends);
            if (failed == 0) {
                break;
            }
        }
    }
    printf("layer: %u failed allocations\n", count);
    assert_true(count >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(every_bit),
        cmocka_unit_test(nothing_of_a_bad_call),
        cmocka_unit_test(splitting),
        cmocka_unit_test(nothing_to_say),
        cmocka_unit_test(sequence_numbers_end),
        cmocka_unit_test(no_room),
        cmocka_unit_test(options_out_of_range),
        cmocka_unit_test(strengths),
        cmocka_unit_test(allowed),
        cmocka_unit_test(memory_of_a_begun_packet),
        cmocka_unit_test(allocations_that_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
