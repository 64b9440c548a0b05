/* SPDX-License-Identifier: Apache-2.0 */
/* A byte queue on the heap: bytes are appended at the end and consumed at the
 * front. A connection has one for bytes that it read and that are no whole line
 * yet, and the server's also has one for bytes that wait to be written. */
#ifndef RW_BUFFER_H
#define RW_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#define BUFFER_READ 65536 /* room to read into */

/* A zeroed buffer is empty. */
struct buffer {
	char *data;	  /* heap */
	size_t len, size; /* bytes used and allocated */
};

/* Makes room for @more bytes behind the @b->len in use. Returns false when out
 * of memory. */
bool buffer_reserve(struct buffer *b, size_t more);

/* Drops the first @n bytes, and frees a large buffer that became empty. */
void buffer_consume(struct buffer *b, size_t n);

/* Frees the memory and leaves @b empty. */
void buffer_free(struct buffer *b);

#endif
