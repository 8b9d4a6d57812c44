/* SPDX-License-Identifier: BSD-2-Clause */
/* Which versions of TLS an smtpd takes: too few for today's programs, or more than OpenSSL does. */
#include <string.h>

#include "doctor.h"

enum version { SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3, VERSIONS };

/* Postfix's lists of protocols: "!SSLv3" without it, "TLSv1.2" these only, ">=TLSv1.2" bounds. */
struct protocols {
    bool excluded[VERSIONS];
    bool included[VERSIONS];
    bool any_included;
    enum version least;
    enum version most;
};

static bool take_version(struct slice name, enum version *ret)
{
    static const char *const names[VERSIONS] = {"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    for (int i = 0; i < VERSIONS; i++) {
        if (slice_equal_nocase(name, slice_str(names[i]))) {
            *ret = (enum version)i;
            return true;
        }
    }
    return false;
}

static struct protocols take_protocols(const char *list)
{
    struct protocols ret = {.least = SSL_3, .most = TLS_1_3};
    struct slice rest = slice_str(list);
    struct slice word;
    while (settings_word(&rest, " \t,:", &word)) {
        enum version version = SSL_3;
        bool least = slice_take_literal(&word, ">=");
        bool most = !least && slice_take_literal(&word, "<=");
        bool excluded = !least && !most && slice_take_literal(&word, "!");
        if (!take_version(word, &version)) {
            continue; /* SSLv2, or a number */
        }
        if (least) {
            ret.least = version;
        } else if (most) {
            ret.most = version;
        } else {
            ret.excluded[version] = ret.excluded[version] || excluded;
            ret.included[version] = ret.included[version] || !excluded;
            ret.any_included = ret.any_included || !excluded;
        }
    }
    return ret;
}

static bool takes(const struct protocols *p, enum version version)
{
    return version >= p->least && version <= p->most && !p->excluded[version] &&
           (!p->any_included || p->included[version]);
}

/* Somebody has asked for old versions by name; that of "!SSLv3" they are left is no wish. */
static bool wants_old(const struct protocols *p, const char *list)
{
    bool bound = strstr(list, ">=") != NULL && p->least < TLS_1_2;
    return (bound && (takes(p, TLS_1_0) || takes(p, TLS_1_1))) || p->included[TLS_1_0] ||
           p->included[TLS_1_1];
}

/*
 * OpenSSL 3 has signatures for TLS 1.0 and 1.1 at security level 0 only, which Postfix chooses by
 * itself; a list of ciphers may choose another. The list that does, or NULL.
 */
static const char *list_with_level(struct doctor *d, const struct postfix_service *service)
{
    static const char *const lists[] = {"tls_medium_cipherlist", "tls_high_cipherlist",
                                        "tls_low_cipherlist"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const char *value = postfix_get(&d->postfix, service, lists[i]);
        const char *level = strstr(value, "@SECLEVEL=");
        if (level != NULL && level[strlen("@SECLEVEL=")] != '0') {
            return lists[i];
        }
    }
    return NULL;
}

void doctor_check_protocols(struct doctor *d, const struct postfix_service *service,
                            bool tls_always)
{
    const char *parameter = tls_always ? "smtpd_tls_mandatory_protocols" : "smtpd_tls_protocols";
    const char *list = postfix_get(&d->postfix, service, parameter);
    if (!postfix_is_set(&d->postfix, service, parameter)) {
        return;
    }
    struct protocols p = take_protocols(list);
    const char *usual = doctor_postconf_set(d, service, parameter, ">=TLSv1.2");
    if (!takes(&p, TLS_1_2)) {
        doctor_say(d, takes(&p, TLS_1_3) ? DOCTOR_TLS_TOO_NEW : DOCTOR_TLS_TOO_OLD, service->name,
                   parameter, list, usual, NULL);
    } else if (wants_old(&p, list)) {
        const char *ciphers = list_with_level(d, service);
        if (ciphers != NULL) {
            doctor_say(d, DOCTOR_TLS_OLD_REFUSED, service->name, parameter, list, ciphers,
                       doctor_postconf_for(d, service, ciphers, "DEFAULT:@SECLEVEL=0"), NULL);
        }
    }
}
