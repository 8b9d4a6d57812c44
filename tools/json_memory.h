/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON values may hold passwords and verifiers: memory that jansson frees is wiped.
 *
 * Who reads many values one after the other may take what each needs from one block of the thread
 * that is wiped as a whole, rather than piece by piece: json_memory_begin() before a value is made,
 * json_memory_end() when nothing of it is used any longer.
 */
#ifndef SASL_LMDB_JSON_MEMORY_H
#define SASL_LMDB_JSON_MEMORY_H

#include <jansson.h>

/* Once, before any other use of jansson in the process. */
void json_memory_wiped(void);

/* Until json_memory_end() in the same thread. Without memory for a block it does nothing. */
void json_memory_begin(void);

/* Drops the one reference there is to the value made since (NULL is fine), and wipes the block. */
void json_memory_end(json_t *value);

#endif
