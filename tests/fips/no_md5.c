/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An OpenSSL provider that has all that the default one has, except MD5: what a program finds on
 * a machine in FIPS mode. It hands on the default provider's tables, loaded in a context of its
 * own.
 */
#include <stddef.h>
#include <string.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

enum { MAX_DIGESTS = 64 };

static OSSL_LIB_CTX *inner;
static OSSL_PROVIDER *whole;
static OSSL_ALGORITHM digests[MAX_DIGESTS + 1];

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(whole, operation, no_cache);
    size_t n = 0;

    (void)context;
    if (operation != OSSL_OP_DIGEST || all == NULL) {
        return all;
    }
    for (; all->algorithm_names != NULL && n < MAX_DIGESTS; all++) {
        if (strncmp(all->algorithm_names, "MD5", 3) != 0) {
            digests[n++] = *all;
        }
    }
    return digests;
}

static void teardown(void *context)
{
    (void)context;
    OSSL_PROVIDER_unload(whole);
    OSSL_LIB_CTX_free(inner);
}

static OSSL_DISPATCH functions[3];

__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle,
                                                              const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out,
                                                              void **context);

__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle,
                                                              const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out,
                                                              void **context)
{
    (void)handle;
    (void)in;
    inner = OSSL_LIB_CTX_new();
    whole = inner == NULL ? NULL : OSSL_PROVIDER_load(inner, "default");
    if (whole == NULL) {
        return 0;
    }
    functions[0] = (OSSL_DISPATCH){OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query};
    functions[1] = (OSSL_DISPATCH){OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown};
    *out = functions;
    *context = OSSL_PROVIDER_get0_provider_ctx(whole);
    return 1;
}
