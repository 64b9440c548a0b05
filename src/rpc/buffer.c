/* SPDX-License-Identifier: Apache-2.0 */
/* See buffer.h. Any thread; a buffer belongs to one thread. */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *b, size_t more)
{
	size_t size = b->size ? b->size : 4096;
	char *grown;

	if (b->size - b->len >= more)
		return true;
	while (size - b->len < more)
		size *= 2;
	grown = realloc(b->data, size);
	if (!grown)
		return false;
	b->data = grown;
	b->size = size;
	return true;
}

void buffer_consume(struct buffer *b, size_t n)
{
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	if (!b->len && b->size > BUFFER_READ)
		buffer_free(b);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
