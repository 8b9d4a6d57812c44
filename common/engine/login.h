/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LOGIN, server half (draft-murchison-sasl-login-00): the challenges "Username:" and "Password:",
 * byte for byte, since clients compare them. The user name may come as initial response.
 */
#ifndef SASL_LMDB_LOGIN_H
#define SASL_LMDB_LOGIN_H

#include "engine/mech.h"

extern const struct mech_server_ops login_server;

#endif
