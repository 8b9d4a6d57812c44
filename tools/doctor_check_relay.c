/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may send where through an smtpd. The lists of restrictions are followed the way Postfix
 * does, for two clients: a stranger from anywhere, and one who has logged in; both want to reach a
 * foreign domain. Each list lets the client on or refuses him; one refusal is enough.
 */
#include <string.h>

#include "doctor.h"

enum verdict {
    NOTHING, /* the end was reached: the list does not refuse */
    PERMITS,
    REFUSES,
};

static const char *const refusing[] = {"reject",
                                       "defer",
                                       "reject_unauth_destination",
                                       "defer_unauth_destination",
                                       "check_relay_domains",
                                       "defer_if_permit"};

static bool is_refusing(struct slice word)
{
    for (size_t i = 0; i < sizeof refusing / sizeof refusing[0]; i++) {
        if (slice_equal_nocase(word, slice_str(refusing[i]))) {
            return true;
        }
    }
    return false;
}

/* Follows a list; *ret_word is the word that decided. */
static enum verdict follow(const char *list, bool logged_in, struct slice *ret_word)
{
    struct slice rest = slice_str(list);
    struct slice word;
    bool only_warn = false;
    while (settings_word(&rest, " \t,{}", &word)) {
        *ret_word = word;
        if (slice_equal_nocase(word, slice_str("warn_if_reject"))) {
            only_warn = true;
            continue;
        }
        if (is_refusing(word) && !only_warn) {
            return REFUSES;
        }
        if (slice_equal_nocase(word, slice_str("permit")) ||
            slice_equal_nocase(word, slice_str("static:permit")) ||
            (logged_in && slice_equal_nocase(word, slice_str("permit_sasl_authenticated")))) {
            return PERMITS;
        }
        only_warn = false;
    }
    return NOTHING;
}

static const char *const relay_lists[] = {"smtpd_relay_restrictions",
                                          "smtpd_recipient_restrictions"};
enum { RELAY_LISTS = sizeof relay_lists / sizeof relay_lists[0] };

/* What Postfix has by default: own hosts, who has logged in, and mail for own domains. */
static const char *set_usual(struct doctor *d, const struct postfix_service *service,
                             const char *parameter, const char *end)
{
    return doctor_postconf_set(
        d, service, parameter,
        arena_format(&d->arena, "permit_mynetworks, permit_sasl_authenticated, %s", end));
}

static const char *list_of(struct doctor *d, const struct postfix_service *service,
                           const char *parameter)
{
    return postfix_get(&d->postfix, service, parameter);
}

static bool allows_networks(struct doctor *d, const struct postfix_service *service)
{
    return settings_list_has(list_of(d, service, "smtpd_relay_restrictions"),
                             "permit_mynetworks") ||
           settings_list_has(list_of(d, service, "smtpd_recipient_restrictions"),
                             "permit_mynetworks");
}

enum { RESTRICTIONS_MAX = 1000 }; /* of one list, with those in its classes */

/*
 * Whether smtpd takes a list for one that can refuse; a restriction class is looked into. *left is
 * how many restrictions still are.
 */
static bool can_refuse(struct doctor *d, const struct postfix_service *service, const char *list,
                       unsigned *left)
{
    struct slice rest = slice_str(list);
    struct slice word;
    while (*left > 0 && settings_word(&rest, " \t,{}", &word)) {
        --*left;
        const char *name = arena_copy(&d->arena, word);
        if (slice_equal_nocase(word, slice_str("warn_if_reject"))) {
            (void)settings_word(&rest, " \t,{}", &word);
            continue;
        }
        if (is_refusing(word)) {
            return true;
        }
        if (slice_equal_nocase(word, slice_str("permit"))) {
            return false;
        }
        if (settings_list_has(list_of(d, service, "smtpd_restriction_classes"), name) &&
            can_refuse(d, service, list_of(d, service, name), left)) {
            return true;
        }
    }
    return false;
}

/* Without that smtpd ends, whatever the other lists say. */
static bool is_served(struct doctor *d, const struct postfix_service *service)
{
    for (size_t i = 0; i < RELAY_LISTS; i++) {
        unsigned left = RESTRICTIONS_MAX;
        if (can_refuse(d, service, list_of(d, service, relay_lists[i]), &left)) {
            return true;
        }
    }
    return false;
}

/* Both lists have to let a stranger pass before he relays. */
static void check_strangers(struct doctor *d, const struct postfix_service *service)
{
    static const char *const earlier[] = {"smtpd_client_restrictions", "smtpd_helo_restrictions",
                                          "smtpd_sender_restrictions"};
    const char *open = NULL;
    struct slice word = {NULL, 0};
    struct slice by = {NULL, 0};
    for (size_t i = 0; i < sizeof earlier / sizeof earlier[0]; i++) {
        if (follow(list_of(d, service, earlier[i]), false, &word) == REFUSES) {
            return;
        }
    }
    for (size_t i = 0; i < RELAY_LISTS; i++) {
        enum verdict verdict = follow(list_of(d, service, relay_lists[i]), false, &word);
        if (verdict == REFUSES) {
            return;
        }
        if (verdict == PERMITS) {
            open = relay_lists[i];
            by = word;
        }
    }
    if (open != NULL) {
        const char *mend = set_usual(d, service, open, "reject_unauth_destination");
        doctor_say(d, DOCTOR_OPEN_RELAY, service->name, arena_copy(&d->arena, by), open,
                   doctor_and_restart(d, "postfix", mend), NULL);
    }
}

static void check_logged_in(struct doctor *d, const struct postfix_service *service)
{
    static const char *const lists[] = {"smtpd_client_restrictions", "smtpd_helo_restrictions",
                                        "smtpd_sender_restrictions", "smtpd_relay_restrictions",
                                        "smtpd_recipient_restrictions"};
    bool named = false;
    const char *refused_by = NULL;
    struct slice refused_word = {NULL, 0};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const char *list = list_of(d, service, lists[i]);
        struct slice word = {NULL, 0};
        named = named || settings_list_has(list, "permit_sasl_authenticated");
        if (refused_by == NULL && follow(list, true, &word) == REFUSES) {
            refused_by = lists[i];
            refused_word = word;
        }
    }
    if (refused_by == NULL) {
        return;
    }
    if (!named) {
        doctor_say(d, DOCTOR_PERMIT_MISSING, service->name,
                   set_usual(d, service, refused_by, arena_copy(&d->arena, refused_word)), NULL);
    } else {
        doctor_say(d, DOCTOR_PERMIT_LATE, service->name, refused_by,
                   arena_copy(&d->arena, refused_word),
                   set_usual(d, service, refused_by, arena_copy(&d->arena, refused_word)), NULL);
    }
}

enum { IPV4_BITS = 32, OCTET_MAX = 255 };

/* a.b.c.d/n; what is left out at the end is zero. False for anything else. */
static bool take_network(struct slice text, uint32_t *ret, uint32_t *ret_bits)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t octet = 0;
        if (!slice_take_decimal(&text, OCTET_MAX, &octet) ||
            (i < 3 && !slice_take_literal(&text, "."))) {
            return false;
        }
        *ret = *ret << 8 | octet;
    }
    *ret_bits = IPV4_BITS;
    return text.n == 0 || (slice_take_literal(&text, "/") &&
                           slice_take_decimal(&text, IPV4_BITS, ret_bits) && text.n == 0);
}

/* RFC 1918 3. */
static bool is_private(uint32_t network, uint32_t bits)
{
    static const struct {
        uint32_t network;
        uint32_t bits;
    } ranges[] = {{0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}};
    for (size_t i = 0; bits < IPV4_BITS && i < sizeof ranges / sizeof ranges[0]; i++) {
        uint32_t shift = IPV4_BITS - ranges[i].bits;
        if (network >> shift == ranges[i].network >> shift) {
            return true;
        }
    }
    return false;
}

static void check_networks(struct doctor *d, const struct postfix_service *service)
{
    enum { CLASS_A = 8 }; /* nobody's own network has fewer bits */
    struct slice rest = slice_str(list_of(d, service, "mynetworks"));
    struct slice word;
    const char *command = doctor_postconf_set(d, service, "mynetworks", "127.0.0.0/8 [::1]/128");
    while (settings_word(&rest, " \t,", &word)) {
        const char *text = arena_copy(&d->arena, word);
        uint32_t network = 0;
        uint32_t bits = 0;
        if (strcmp(text, "[::]/0") == 0 || strcmp(text, "::/0") == 0 ||
            strcmp(text, "static:all") == 0) {
            doctor_say(d, DOCTOR_MYNETWORKS_WORLD, service->name, text, command, NULL);
        } else if (take_network(word, &network, &bits)) {
            if (bits < CLASS_A) {
                doctor_say(d, DOCTOR_MYNETWORKS_WORLD, service->name, text, command, NULL);
            } else if (is_private(network, bits)) {
                doctor_say(d, DOCTOR_MYNETWORKS_PRIVATE, service->name, text, command, NULL);
            }
        }
    }
}

void doctor_check_relay(struct doctor *d, const struct postfix_service *service)
{
    if (is_served(d, service)) {
        check_strangers(d, service);
    } else {
        const char *mend = set_usual(d, service, relay_lists[0], "reject_unauth_destination");
        doctor_say(d, DOCTOR_RELAY_UNSET, service->name, doctor_and_restart(d, "postfix", mend),
                   NULL);
    }
    if (allows_networks(d, service)) {
        check_networks(d, service);
    }
    if (postfix_is_on(&d->postfix, service, "smtpd_sasl_auth_enable")) {
        check_logged_in(d, service);
    }
}
