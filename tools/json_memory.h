/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON values may hold passwords and verifiers: memory that jansson frees is wiped. */
#ifndef SASL_LMDB_JSON_MEMORY_H
#define SASL_LMDB_JSON_MEMORY_H

/* Once, before any other use of jansson in the process. */
void json_memory_wiped(void);

#endif
