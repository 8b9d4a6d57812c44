/* SPDX-License-Identifier: BSD-2-Clause */
/* An auxprop plugin that answers from a constant: what the framework alone costs. */
#include <string.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#define EXPORT __attribute__((visibility("default")))

static int lookup(void *glob_context, sasl_server_params_t *sparams, unsigned flags,
                  const char *user, unsigned ulen)
{
    const struct propval *prop = sparams->utils->prop_get(sparams->propctx);

    (void)glob_context;
    (void)user;
    (void)ulen;
    if ((flags & SASL_AUXPROP_AUTHZID) != 0) {
        return SASL_OK;
    }
    for (; prop != NULL && prop->name != NULL; prop++) {
        if (strcmp(prop->name, "*userPassword") == 0 && prop->values == NULL) {
            (void)sparams->utils->prop_set(sparams->propctx, prop->name, "pw", 2);
        }
    }
    return SASL_OK;
}

static char name[] = "floor";
static sasl_auxprop_plug_t plug = {.auxprop_lookup = lookup, .name = name};

EXPORT sasl_auxprop_init_t sasl_auxprop_plug_init;

EXPORT int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                  sasl_auxprop_plug_t **ret, const char *plugname)
{
    (void)utils;
    (void)max_version;
    (void)plugname;
    *out_version = SASL_AUXPROP_PLUG_VERSION;
    *ret = &plug;
    return SASL_OK;
}
