/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/status.h"

#include <stddef.h>

bool auth_status_is_verdict(enum auth_status status)
{
    return status >= AUTH_UNKNOWN_USER && status <= AUTH_NOT_ALLOWED;
}

bool auth_status_is_outage(enum auth_status status)
{
    return status >= AUTH_NO_MEMORY;
}

const char *auth_status_reason(enum auth_status status)
{
    switch (status) {
    case AUTH_UNKNOWN_USER:
        return "unknown";
    case AUTH_WRONG_PASSWORD:
        return "password";
    case AUTH_DISABLED:
        return "disabled";
    case AUTH_EXPIRED:
        return "expired";
    case AUTH_NO_VERIFIER:
        return "no-verifier";
    case AUTH_NOT_ALLOWED:
        return "policy";
    default:
        return auth_status_is_outage(status) ? "store" : "protocol";
    }
}

static const char *const texts[] = {
    [AUTH_OK] = "success",
    [AUTH_NEED_INPUT] = "input is needed",
    [AUTH_CONTINUE] = "another step is needed",
    [AUTH_UNKNOWN_USER] = "no such user",
    [AUTH_WRONG_PASSWORD] = "wrong password",
    [AUTH_DISABLED] = "the account is disabled",
    [AUTH_EXPIRED] = "the account has expired",
    [AUTH_NO_VERIFIER] = "the account has no verifier for this mechanism",
    [AUTH_NOT_ALLOWED] = "refused by policy",
    [AUTH_MALFORMED] = "malformed message",
    [AUTH_TOO_LONG] = "too long",
    [AUTH_BAD_NAME] = "not a valid name",
    [AUTH_BAD_PASSWORD] = "not a valid password",
    [AUTH_BAD_BINDING] = "channel binding does not match",
    [AUTH_BAD_SERVER] = "the server could not prove itself",
    [AUTH_NO_MEMORY] = "out of memory",
    [AUTH_CRYPTO] = "a cryptographic operation failed",
    [AUTH_UNAVAILABLE] = "no credential store is available",
    [AUTH_STORE_MISSING] = "the store does not exist",
    [AUTH_STORE_DENIED] = "the store may not be accessed",
    [AUTH_STORE_FOREIGN] = "the file is not a store of this format",
    [AUTH_STORE_DAMAGED] = "the store is damaged",
    [AUTH_STORE_BUSY] = "the store is busy",
    [AUTH_STORE_FULL] = "no space left for the store",
    [AUTH_STORE_EXISTS] = "the store exists already",
    [AUTH_STORE_READONLY] = "the store is open for reading only",
    [AUTH_KEY_MISSING] = "the key file does not exist",
    [AUTH_KEY_EXPOSED] = "the key file is readable by others",
    [AUTH_KEY_WRONG] = "the key does not belong to this store",
    [AUTH_KEY_DAMAGED] = "the key file cannot be understood",
    [AUTH_INTERNAL] = "internal error",
};

const char *auth_status_text(enum auth_status status)
{
    if ((unsigned)status >= sizeof texts / sizeof texts[0] || texts[status] == NULL) {
        return "unknown status";
    }
    return texts[status];
}
