/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server may answer to `probe`. Input: a byte of options, then all that the server says.
 * Promised: a login's password and what was sent for it are never in the report, which is JSON
 * whatever the server sends.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "probe_smtp.h"

enum { MASK = 1, QUIET = 2, MAX_INPUT = 16384, MAX_REPLIES = 64, TIMEOUT = 60 };

static const char password[] = "not in the report";

static void login(struct probe_smtp *smtp, struct detail *detail)
{
    struct buf challenge;

    buf_init(&challenge, PROBE_LINE_MAX);
    enum auth_status status = probe_smtp_auth(smtp, "AUTH PLAIN", slice_str(password), detail);
    for (unsigned i = 0; status == AUTH_OK && i < MAX_REPLIES; i++) {
        FUZZ_CHECK(smtp->code >= 200 && smtp->code < 600);
        if (probe_smtp_challenge(smtp, &challenge, detail) != AUTH_OK) {
            FUZZ_CHECK(challenge.n == 0);
        }
        status = probe_smtp_auth(smtp, "", slice_str(password), detail);
    }
    FUZZ_CHECK(status == AUTH_OK || status == AUTH_MALFORMED || status == AUTH_UNAVAILABLE ||
               status == AUTH_TOO_LONG);
    buf_release(&challenge);
}

static void check_offer(const struct probe_offer *offer)
{
    FUZZ_CHECK(offer->n_mechanisms <= PROBE_MECHANISMS);
    for (size_t i = 0; i < offer->n_mechanisms; i++) {
        size_t n = strnlen(offer->mechanisms[i], PROBE_MECHANISM_SIZE);
        FUZZ_CHECK(n > 0 && n < PROBE_MECHANISM_SIZE);
        FUZZ_CHECK(slice_is_printable(slice_str(offer->mechanisms[i])));
    }
}

static void check_report(const struct probe_report *report)
{
    struct buf coded;

    FUZZ_CHECK(!report->lost);
    buf_init(&coded, sizeof password * 2);
    crypto_base64_put(&coded, slice_str(password));
    for (size_t i = 0; i < json_array_size(report->dialogue); i++) {
        char *text = json_dumps(json_array_get(report->dialogue, i), 0);
        FUZZ_CHECK(text != NULL);
        FUZZ_CHECK(!fuzz_contains(slice_str(text), slice_str(password)));
        FUZZ_CHECK(!fuzz_contains(slice_str(text), buf_slice(&coded)));
        free(text);
    }
    buf_release(&coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct probe_smtp smtp;
    static const struct tool tool = {.program = "fuzz", .json = true};
    struct probe_report report = {.tool = &tool};
    struct probe_mask mask;
    struct detail detail = {.text = ""};
    struct probe_offer offer;
    int ends[2];

    if (size == 0 || size > MAX_INPUT ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return 0;
    }
    FUZZ_CHECK(send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) == (ssize_t)size - 1);
    FUZZ_CHECK(shutdown(ends[1], SHUT_WR) == 0);
    FUZZ_CHECK(probe_mask_init(&mask, slice_str(password)) == AUTH_OK);
    FUZZ_CHECK(probe_report_init(&report, &tool, "server", "25") == AUTH_OK);
    smtp = (struct probe_smtp){
        .link = {.fd = ends[0], .own = "[192.0.2.1]"},
        .report = &report,
        .timeout = TIMEOUT,
        .quiet = (data[0] & QUIET) != 0,
        .mask_proofs = (data[0] & MASK) != 0,
        .mask = &mask,
    };
    buf_init(&smtp.text, MAX_INPUT);
    buf_init(&smtp.lines, MAX_INPUT);
    buf_init(&smtp.shown, PROBE_LINE_MAX);
    enum auth_status status = probe_smtp_reply(&smtp, &detail);
    if (status == AUTH_OK && probe_smtp_hello(&smtp, &offer, &detail) == AUTH_OK) {
        check_offer(&offer);
        login(&smtp, &detail);
    }
    check_report(&report);
    probe_report_release(&report);
    probe_smtp_close(&smtp);
    probe_mask_release(&mask);
    close(ends[1]);
    return 0;
}
