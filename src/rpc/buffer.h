/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow at one end and are taken off at the other: what was read of a
 * connection and is no whole line yet, and what waits to be written. */
#ifndef RW_BUFFER_H
#define RW_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#define BUFFER_READ 65536 /* room to read into */

/* Zeroed is empty. */
struct buffer {
	char *data; /* heap */
	size_t len, size;
};

/* Makes room for @more bytes behind those there. False: no memory. */
bool buffer_reserve(struct buffer *b, size_t more);

/* Drops the first @n bytes; a large buffer that became empty is given back. */
void buffer_consume(struct buffer *b, size_t n);

void buffer_free(struct buffer *b); /* leaves it empty */

#endif
