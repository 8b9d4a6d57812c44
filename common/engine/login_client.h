/* SPDX-License-Identifier: BSD-2-Clause */
/* LOGIN, client half (draft-murchison-sasl-login-00): the name, then the password. */
#ifndef SASL_LMDB_LOGIN_CLIENT_H
#define SASL_LMDB_LOGIN_CLIENT_H

#include "engine/mech_client.h"

extern const struct mech_client_ops login_client;

#endif
