/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error sentences for requests of a person or a program. A sentence names the
 * object, the key, the value and what would be right. It is made where the
 * fault is known and printed once at the top (command line, JSON-RPC reply).
 */
#ifndef RW_ERR_H
#define RW_ERR_H

#include "util.h"

struct err {
	char msg[512];
};

/* Stores the message, replacing an earlier one, and returns @rc, a -errno: a
 * caller writes "return err_set(err, -EINVAL, ...)". @err may be NULL. */
int err_set(struct err *err, int rc, const char *fmt, ...) __printf(3, 4);

/* Puts "prefix: " in front of the stored message. Returns @rc. */
int err_prefix(struct err *err, int rc, const char *fmt, ...) __printf(3, 4);

#ifdef __clang_analyzer__
/* clang-tidy sees one .c file at a time and must know what err_set() returns.
 */
void err_says(struct err *err, const char *fmt, ...);
#define err_set(err, rc, ...)	 (err_says(err, __VA_ARGS__), (rc))
#define err_prefix(err, rc, ...) (err_says(err, __VA_ARGS__), (rc))
#endif

#endif
