/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mark by which "cmake --install" tells a plugin of ours, of any version, from somebody else's
 * file of the same name. It is looked for as bytes in the file: keep the text up to the version.
 */
static const char ident[] __attribute__((used)) = "@(#)sasl-lmdb plugin " SASL_LMDB_VERSION;
