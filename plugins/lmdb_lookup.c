/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to auxprop lookups. One login through libsasl2 makes up to four of them, and most ask
 * for nothing of ours: those return before any transaction.
 *
 * The return code is true (no such user, disabled) for our own mechanisms, which ask for decoys
 * and go on with them. Others are told SASL_BADAUTH for a disabled account: libsasl2 would hand
 * SASL_DISABLED to the server, which prints it.
 */
#include "lmdb_plugin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "sasl_glue.h"
#include "sasl_props.h"

enum { LONGEST_VALUE = 2048 };

enum wanted {
    WANT_AUTH_PASSWORD = 1,
    WANT_CRAM = 2,
    WANT_DIGEST_RAW = 4,
    WANT_CHECKPASS = 8,
    WANT_DIGEST = 16,
    WANT_CRYPT = 32,
    WANT_DECOY = 64,
    WANT_UPGRADE = 128,
    WANT_DECOY_SHA_1 = 256,
    WANT_DECOY_SHA_256 = 512,
    WANT_DECOY_SHA_512 = 1024,
    WANT_DECOY_SCRAM = WANT_DECOY_SHA_1 | WANT_DECOY_SHA_256 | WANT_DECOY_SHA_512,
};

/* For our own mechanisms alone. */
enum { WANT_OURS = WANT_DIGEST | WANT_CRYPT | WANT_DECOY | WANT_UPGRADE | WANT_DECOY_SCRAM };

static const struct {
    const char *name;
    enum wanted bit;
} served[] = {
    {PROP_AUTH_PASSWORD, WANT_AUTH_PASSWORD},
    {PROP_CRAM, WANT_CRAM},
    {PROP_DIGEST_RAW, WANT_DIGEST_RAW},
    {PROP_CHECKPASS, WANT_CHECKPASS},
    {PROP_DIGEST, WANT_DIGEST},
    {PROP_CRYPT, WANT_CRYPT},
    {PROP_DECOY, WANT_DECOY},
    {PROP_UPGRADE, WANT_UPGRADE},
    {PROP_DECOY_SHA_1, WANT_DECOY_SHA_1},
    {PROP_DECOY_SHA_256, WANT_DECOY_SHA_256},
    {PROP_DECOY_SHA_512, WANT_DECOY_SHA_512},
};

/* One lookup. */
struct lookup {
    sasl_server_params_t *sparams;
    unsigned flags;
    bool for_us; /* by one of our own mechanisms */
    unsigned wanted;
    struct identity who;
    struct store_answer answer;
    enum auth_status status; /* of setting values */
};

/* The hashes whose SCRAM verifiers are asked for: all, unless it is said which. */
static unsigned wanted_hashes(const struct lookup *l)
{
    if ((l->wanted & WANT_DECOY_SCRAM) == 0 || (l->wanted & WANT_DECOY) != 0) {
        return VERIFIER_SCRAM;
    }
    return ((l->wanted & WANT_DECOY_SHA_1) != 0 ? VERIFIER_SCRAM_SHA_1 : 0) |
           ((l->wanted & WANT_DECOY_SHA_256) != 0 ? VERIFIER_SCRAM_SHA_256 : 0) |
           ((l->wanted & WANT_DECOY_SHA_512) != 0 ? VERIFIER_SCRAM_SHA_512 : 0);
}

/* The bit of a requested property, if it is ours to serve in this lookup. */
static unsigned wanted_bit(const struct propval *prop, unsigned flags, bool for_us)
{
    bool star = prop->name[0] == '*';
    bool for_authzid = (flags & SASL_AUXPROP_AUTHZID) != 0;

    if (star == for_authzid || (prop->values != NULL && (flags & SASL_AUXPROP_OVERRIDE) == 0)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
        if (strcasecmp(prop->name + (star ? 1 : 0), served[i].name) == 0) {
            return for_us ? served[i].bit : served[i].bit & ~(unsigned)WANT_OURS;
        }
    }
    return 0;
}

static void set_value(struct lookup *l, const char *name, struct slice value)
{
    /* Always by name: with a NULL name a value can get lost when the pool grows. */
    if (l->status == AUTH_OK && value.n > 0 &&
        l->sparams->utils->prop_set(l->sparams->propctx, name, (const char *)value.p,
                                    (int)value.n) != SASL_OK) {
        l->status = AUTH_NO_MEMORY;
    }
}

/* A value made in a buffer that is used again. */
static void set_text(struct lookup *l, const char *name, struct buf *text)
{
    if (l->status == AUTH_OK) {
        l->status = buf_status(text);
    }
    set_value(l, name, buf_slice(text));
    buf_clear(text);
}

static void set_one_scram(struct lookup *l, const char *name, const struct scram_verifier *verifier,
                          struct buf *text)
{
    verifier_put_rfc5803(text, verifier);
    set_text(l, name, text);
}

static void set_scram(struct lookup *l, const char *name, const struct verifier_set *set)
{
    const unsigned hashes = wanted_hashes(l);
    struct buf text;

    buf_init(&text, LONGEST_VALUE);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (set->scram[i].iterations > 0 && (hashes & meta_scram_kind(i)) != 0) {
            set_one_scram(l, name, &set->scram[i], &text);
        }
    }
    buf_release(&text);
}

/* Our own mechanisms ask for one, and no others do. */
static bool wants_decoy(const struct lookup *l)
{
    return (l->wanted & (WANT_DECOY | WANT_DECOY_SCRAM)) != 0;
}

/* Only SCRAM, PLAIN and LOGIN have a use for the values; others ask to hear the true verdict. */
static bool decoys_are_wanted(const struct lookup *l)
{
    return wants_decoy(l) && (l->wanted & WANT_AUTH_PASSWORD) != 0;
}

/* Whether this lookup hands over the account's own verifiers. */
static bool is_welcome(const struct lookup *l)
{
    return l->answer.verdict == AUTH_OK;
}

/* In the place of what the account has not: the same values are set for every name. */
static void set_decoy_for(struct lookup *l, const char *name, enum crypto_hash hash,
                          struct buf *text)
{
    const size_t slot = verifier_scram_slot(hash);

    if (!is_welcome(l) || l->answer.record.verifiers.scram[slot].iterations == 0) {
        set_one_scram(l, name, &l->answer.decoys.scram[slot], text);
    }
}

static void set_digests(struct lookup *l, const char *name, const struct verifier_set *set)
{
    struct buf text;

    buf_init(&text, LONGEST_VALUE);
    for (unsigned i = 0; i < set->n_digest;) {
        i = verifier_put_digests(&text, set, i, &l->who);
        set_text(l, name, &text);
    }
    buf_release(&text);
}

static unsigned count_spellings(const struct verifier_set *set)
{
    unsigned n = 0;

    for (unsigned i = 0; i < set->n_digest; i++) {
        n += i == 0 || !verifier_same_spelling(&set->digest[i - 1], &set->digest[i]);
    }
    return n;
}

/*
 * Spellings made of nothing, from the number of those that were handed over up to what an account
 * of this store has. Never under the name of real ones: who knows what they are made of could log
 * in with them.
 */
static void set_digest_decoys(struct lookup *l, const char *name, unsigned handed_over)
{
    static const struct verifier_set nothing = {
        .n_digest = 6,
        .digest = {{.realm_kind = DIGEST_REALM_OWN},
                   {.realm_kind = DIGEST_REALM_OWN, .full_name = true},
                   {.realm_kind = DIGEST_REALM_EMPTY},
                   {.realm_kind = DIGEST_REALM_EMPTY, .full_name = true},
                   {.realm_kind = DIGEST_REALM_EXTRA},
                   {.realm_kind = DIGEST_REALM_EXTRA, .full_name = true}},
        .n_extra_realms = 1,
        .extra_realm = {"no realm of anybody"},
    };
    struct buf text;

    buf_init(&text, LONGEST_VALUE);
    for (unsigned i = handed_over; i < l->answer.decoy_digests; i++) {
        (void)verifier_put_digests(&text, &nothing, i < 6 ? i : 4 + i % 2, &l->who);
        set_text(l, name, &text);
    }
    buf_release(&text);
}

/* The realm string of one form. */
static const char *digest_realm(const struct lookup *l, const struct digest_verifier *digest)
{
    switch (digest->realm_kind) {
    case DIGEST_REALM_OWN:
        return l->who.realm;
    case DIGEST_REALM_EXTRA:
        return l->answer.record.verifiers.extra_realm[digest->extra];
    case DIGEST_REALM_EMPTY:
        break;
    }
    return "";
}

/*
 * The stock DIGEST-MD5 plugin takes one digest and does not say for which spelling. Most likely
 * is: the realm it offers, with the bare user name where that is the account's own realm.
 */
static void set_digest_raw(struct lookup *l, const char *name, const struct verifier_set *set)
{
    const char *offered = glue_default_realm(l->sparams);
    bool own = offered != NULL && strcasecmp(offered, l->who.realm) == 0;

    for (unsigned i = 0; offered != NULL && i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];
        if (!digest->latin1 && digest->full_name != own &&
            strcasecmp(digest_realm(l, digest), offered) == 0) {
            set_value(l, name, slice_of(digest->ha1, sizeof digest->ha1));
            return;
        }
    }
}

/* Whether the account has, and this lookup may hand over, what a property asks for. */
static bool is_there(const struct lookup *l, enum wanted bit)
{
    const struct verifier_set *set = &l->answer.record.verifiers;

    if (!is_welcome(l)) {
        return false;
    }
    switch (bit) {
    case WANT_CRAM:
        return set->has_cram;
    case WANT_CHECKPASS:
        return set->has_checkpass;
    case WANT_DIGEST:
    case WANT_DIGEST_RAW:
        return set->n_digest > 0;
    default:
        return true;
    }
}

/*
 * What stands in for everything that the account lacks or may not use, so that as many values of
 * the same sizes are set for every name. Of the SCRAM verifiers, one for each hash, first the one
 * that PLAIN and LOGIN would check the account with that these decoys stand for, so that refusing
 * it costs the same. In the end a value that is always there, and says that the store is one that
 * serves decoys.
 */
static void set_decoys(struct lookup *l, const char *name)
{
    static const enum crypto_hash by_preference[] = {CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA1};
    static const unsigned kinds[] = {VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512,
                                     VERIFIER_SCRAM_SHA_1};
    static const char as_long_as_a_cram_state[CRYPTO_HMAC_MD5_STATE + 1] =
        "--------------------------------";
    size_t first = 0;

    for (size_t i = VERIFIER_SCRAM_HASHES; i-- > 0;) {
        if ((l->answer.decoy_kinds & kinds[i]) != 0) {
            first = i;
        }
    }
    if (decoys_are_wanted(l)) {
        struct buf text;

        buf_init(&text, LONGEST_VALUE);
        set_decoy_for(l, name, by_preference[first], &text);
        for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
            if (i != first) {
                set_decoy_for(l, name, by_preference[i], &text);
            }
        }
        buf_release(&text);
    }
    if ((l->wanted & WANT_CRAM) != 0 && !is_there(l, WANT_CRAM)) {
        set_value(l, name, slice_str(as_long_as_a_cram_state));
    }
    if ((l->wanted & WANT_DIGEST) != 0) {
        set_digest_decoys(
            l, name, is_there(l, WANT_DIGEST) ? count_spellings(&l->answer.record.verifiers) : 0);
    }
    set_value(l, name, slice_str("-"));
}

/* The one that a SCRAM mechanism would use. */
static void set_scram_decoy(struct lookup *l, const char *name, enum crypto_hash hash)
{
    struct buf text;

    buf_init(&text, LONGEST_VALUE);
    if (decoys_are_wanted(l)) {
        set_decoy_for(l, name, hash, &text);
    }
    buf_release(&text);
}

/* A value of that size for every name; what is no base64 asks for no ticket. */
static void set_ticket_target(struct lookup *l, const char *name)
{
    static const char none[] =
        "----------------------------------------------------------------------------";
    const struct ticket_target *target = &l->answer.target;
    uint8_t bytes[sizeof target->store_id + sizeof target->public_key + sizeof target->version];
    uint8_t *at = bytes;
    struct buf text;

    _Static_assert(sizeof none - 1 == (sizeof bytes + 2) / 3 * 4, "as long as base64 of it");
    memcpy(at, target->store_id, sizeof target->store_id);
    at += sizeof target->store_id;
    memcpy(at, target->public_key, sizeof target->public_key);
    at += sizeof target->public_key;
    memcpy(at, target->version, sizeof target->version);
    buf_init(&text, sizeof none);
    if (l->answer.wants_ticket) {
        crypto_base64_put(&text, slice_of(bytes, sizeof bytes));
    } else {
        buf_put_str(&text, none);
    }
    set_text(l, name, &text);
    buf_release(&text);
}

static void set_property(struct lookup *l, const char *name, enum wanted bit)
{
    const struct verifier_set *set = &l->answer.record.verifiers;

    if ((bit & (WANT_DECOY | WANT_DECOY_SCRAM | WANT_UPGRADE)) == 0 && !is_there(l, bit)) {
        return;
    }
    switch (bit) {
    case WANT_AUTH_PASSWORD:
        set_scram(l, name, set);
        break;
    case WANT_CRAM:
        set_value(l, name, slice_of(set->cram, sizeof set->cram));
        break;
    case WANT_DIGEST_RAW:
        set_digest_raw(l, name, set);
        break;
    case WANT_CHECKPASS:
        set_value(l, name, slice_of(set->checkpass, sizeof set->checkpass));
        break;
    case WANT_DIGEST:
        set_digests(l, name, set);
        break;
    case WANT_CRYPT:
        set_value(l, name, slice_str(set->crypt));
        break;
    case WANT_UPGRADE:
        set_ticket_target(l, name);
        break;
    case WANT_DECOY:
        set_decoys(l, name);
        break;
    case WANT_DECOY_SHA_1:
        set_scram_decoy(l, name, CRYPTO_SHA1);
        break;
    case WANT_DECOY_SHA_256:
        set_scram_decoy(l, name, CRYPTO_SHA256);
        break;
    case WANT_DECOY_SHA_512:
        set_scram_decoy(l, name, CRYPTO_SHA512);
        break;
    case WANT_DECOY_SCRAM: /* a mask */
        break;
    }
}

/* Every value of ours that was asked for. */
static void set_properties(struct lookup *l)
{
    const struct propval *props = l->sparams->utils->prop_get(l->sparams->propctx);

    for (; props != NULL && props->name != NULL; props++) {
        unsigned bit = wanted_bit(props, l->flags, l->for_us);
        if (bit == 0) {
            continue;
        }
        if (props->values != NULL) {
            props_erase(l->sparams, props->name);
        }
        set_property(l, props->name, (enum wanted)bit);
    }
}

/*
 * A name that is not one (two "@", too long) exists nowhere; it is looked up under a name derived
 * from it, so that it costs and shows the same as any other that does not exist.
 */
static enum auth_status stand_in(struct slice name, struct identity *ret)
{
    uint8_t digest[CRYPTO_MAX_HASH];
    struct buf hex;

    enum auth_status status = crypto_digest(CRYPTO_SHA256, &name, 1, digest);
    if (status != AUTH_OK) {
        return status;
    }
    buf_init(&hex, IDENTITY_MAX_USER);
    buf_put_hex(&hex, digest, crypto_hash_size(CRYPTO_SHA256));
    buf_put_str(&hex, "@invalid");
    status = buf_status(&hex);
    if (status == AUTH_OK) {
        status = identity_split(buf_slice(&hex), NULL, ret);
    }
    buf_release(&hex);
    return status;
}

static enum auth_status ask_store(struct lookup *l, struct slice name)
{
    struct detail detail = {{0}};
    struct store *store = NULL;

    enum auth_status status = plugin_identity(l->sparams, name, &l->who);
    if (status == AUTH_BAD_NAME || status == AUTH_TOO_LONG) {
        status = stand_in(name, &l->who);
    }
    if (status == AUTH_OK) {
        status = plugin_store(l->sparams->utils, &store);
        if (status != AUTH_OK) {
            return status;
        }
        status = store_lookup(store, &l->who, (int64_t)time(NULL),
                              decoys_are_wanted(l) ? wanted_hashes(l) : 0, &l->answer, &detail);
    }
    if (status != AUTH_OK) {
        plugin_complain(l->sparams->utils, status, &detail);
    }
    return status;
}

/*
 * The name is the account's own: user alone, user@realm letter for letter, or with the realm as the
 * server itself spells and adds it.
 */
static bool is_settled(const struct lookup *l, struct slice name)
{
    struct slice user;
    struct slice realm = name;

    if (!slice_take_until(&realm, '@', &user)) {
        return true;
    }
    return slice_equal_str(realm, l->who.realm) ||
           (l->sparams->user_realm != NULL && slice_equal_str(realm, l->sparams->user_realm));
}

/*
 * Our mechanisms settle a name before libsasl2 sees it; sasl_checkpass() and the mechanisms of
 * others do not, and the server would go on with whatever spelling the client chose, past what it
 * keys on the name (quotas, sender maps, deny lists). To them only the account's own name exists,
 * as it is with sasldb.
 */
static void refuse_other_spellings(struct lookup *l, struct slice name)
{
    if (!wants_decoy(l) && (l->flags & SASL_AUXPROP_AUTHZID) == 0 && l->answer.verdict == AUTH_OK &&
        !is_settled(l, name)) {
        l->answer.verdict = AUTH_UNKNOWN_USER;
        glue_log_failure(l->sparams->utils, "checkpass", AUTH_UNKNOWN_USER, name,
                         l->sparams->ipremoteport, "realm is not spelled as the account's");
    }
}

static int result_code(const struct lookup *l, struct slice name)
{
    switch (l->answer.verdict) {
    case AUTH_OK:
        return SASL_OK;
    case AUTH_DISABLED:
    case AUTH_EXPIRED:
        if (wants_decoy(l)) {
            return l->answer.verdict == AUTH_DISABLED ? SASL_DISABLED : SASL_EXPIRED;
        }
        glue_log_failure(l->sparams->utils, "checkpass", l->answer.verdict, name,
                         l->sparams->ipremoteport, NULL);
        return SASL_BADAUTH;
    default:
        /* libsasl2 takes SASL_NOUSER for an authorization identity as a failure. */
        return (l->flags & SASL_AUXPROP_AUTHZID) != 0 ? SASL_OK : SASL_NOUSER;
    }
}

int plugin_lookup(void *glob_context, sasl_server_params_t *sparams, unsigned flags,
                  const char *user, unsigned ulen)
{
    unsigned wanted = 0;

    (void)glob_context;
    if (sparams == NULL || user == NULL) {
        return SASL_BADPARAM;
    }
    if (!plugin_is_wanted(sparams)) {
        return SASL_NOMECH;
    }
    const struct propval *props = sparams->utils->prop_get(sparams->propctx);
    const bool for_us = (sparams->flags & PROPS_FOR_US) != 0;
    for (; props != NULL && props->name != NULL; props++) {
        wanted |= wanted_bit(props, flags, for_us);
    }
    if (wanted == 0) {
        return SASL_OK;
    }
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return SASL_NOMEM;
    }
    l->sparams = sparams;
    l->flags = flags;
    l->for_us = for_us;
    l->wanted = wanted;
    struct slice name = slice_of(user, ulen);
    enum auth_status status = ask_store(l, name);
    if (status == AUTH_OK) {
        refuse_other_spellings(l, name);
        set_properties(l);
        status = l->status;
    }
    int code = status == AUTH_OK ? result_code(l, name) : glue_sasl_code(status);
    crypto_wipe(l, sizeof *l);
    free(l);
    return code;
}
