/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of the guest's accesses, see bus.h. The lock is held for the search
 * only: a handler may move ranges (the guest moves a BAR). */
#include "bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shm.h"

void bus_init(struct bus *b)
{
	memset(b, 0, sizeof(*b));
	pthread_rwlock_init(&b->lock, NULL);
}

void bus_fini(struct bus *b)
{
	pthread_rwlock_destroy(&b->lock);
	free(b->range);
	b->range = NULL;
	b->count = 0;
}

/* Returns the index of the first range that ends behind @addr. */
static unsigned search(const struct bus *b, uint64_t addr)
{
	unsigned low = 0, high = b->count;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		const struct bus_range *r = b->range[mid];

		if (addr >= r->base && addr - r->base >= r->size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int insert(struct bus *b, struct bus_range *r, struct err *err)
{
	unsigned at = search(b, r->base);
	struct bus_range **grown;

	if (at < b->count && (b->range[at]->base <= r->base ||
			      b->range[at]->base - r->base < r->size))
		return err_set(err, -EEXIST,
			       "%s: addresses 0x%" PRIx64 "+0x%" PRIx64
			       " are those of %s",
			       r->name, r->base, r->size, b->range[at]->name);
	grown = realloc(b->range, (b->count + 1) * sizeof(struct bus_range *));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	b->range = grown;
	memmove(&grown[at + 1], &grown[at],
		(b->count - at) * sizeof(struct bus_range *));
	grown[at] = r;
	b->count++;
	return 0;
}

int bus_add(struct bus *b, struct bus_range *r, struct err *err)
{
	int rc;

	if (!r->size || r->base + (r->size - 1) < r->base)
		return err_set(err, -EINVAL,
			       "%s: 0x%" PRIx64 "+0x%" PRIx64
			       " is no range of addresses",
			       r->name, r->base, r->size);
	pthread_rwlock_wrlock(&b->lock);
	rc = insert(b, r, err);
	pthread_rwlock_unlock(&b->lock);
	return rc;
}

void bus_remove(struct bus *b, struct bus_range *r)
{
	pthread_rwlock_wrlock(&b->lock);
	for (unsigned i = 0; i < b->count; i++) {
		if (b->range[i] != r)
			continue;
		memmove(&b->range[i], &b->range[i + 1],
			(b->count - i - 1) * sizeof(struct bus_range *));
		b->count--;
		break;
	}
	pthread_rwlock_unlock(&b->lock);
}

/* Returns the range that @addr is in and stores its place there, or NULL. */
static struct bus_range *find(struct bus *b, uint64_t addr, uint64_t *off)
{
	struct bus_range *r = NULL;
	unsigned at;

	pthread_rwlock_rdlock(&b->lock);
	at = search(b, addr);
	if (at < b->count && b->range[at]->base <= addr) {
		r = b->range[at];
		*off = addr - r->base;
	}
	pthread_rwlock_unlock(&b->lock);
	if (!r)
		shm_fetch_add(&b->strays, 1);
	return r;
}

static uint64_t ones(unsigned size)
{
	return size < 8 ? (1ull << (8 * size)) - 1 : ~0ull;
}

/* Does the access if it begins in a range and ends there. Returns how many
 * bytes were done: all, or 0 when it must be done byte by byte. */
static unsigned try_read(struct bus *b, uint64_t addr, unsigned size,
			 uint64_t *value)
{
	uint64_t off;
	struct bus_range *r = find(b, addr, &off);

	*value = ones(size);
	if (!r)
		return size;
	if (r->size - off < size)
		return 0;
	*value &= r->read(r, off, size);
	return size;
}

static unsigned try_write(struct bus *b, uint64_t addr, unsigned size,
			  uint64_t value)
{
	uint64_t off;
	struct bus_range *r = find(b, addr, &off);

	if (!r)
		return size;
	if (r->size - off < size)
		return 0;
	r->write(r, off, size, value & ones(size));
	return size;
}

uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size)
{
	uint64_t value, byte;

	if (try_read(b, addr, size, &value))
		return value;
	value = 0;
	for (unsigned i = 0; i < size; i++) {
		try_read(b, addr + i, 1, &byte);
		value |= byte << (8 * i);
	}
	return value;
}

void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value)
{
	if (try_write(b, addr, size, value))
		return;
	for (unsigned i = 0; i < size; i++)
		try_write(b, addr + i, 1, value >> (8 * i));
}
