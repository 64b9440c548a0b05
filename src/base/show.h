/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptions of objects for output. An object calls an emitter with names and
 * values; the caller's emitter makes JSON, a table or a metric of them.
 */
#ifndef RW_SHOW_H
#define RW_SHOW_H

#include <stdbool.h>
#include <stdint.h>

struct show {
	const struct show_ops *ops;
};

/* The functions of an emitter. @key is NULL inside an array. The emitter copies
 * strings. */
struct show_ops {
	void (*object)(struct show *s, const char *key); /* lasts until end() */
	void (*array)(struct show *s, const char *key);	 /* lasts until end() */
	void (*end)(struct show *s);
	void (*str)(struct show *s, const char *key, const char *value);
	void (*num)(struct show *s, const char *key, uint64_t value);
	void (*flag)(struct show *s, const char *key, bool value);
};

static inline void show_object(struct show *s, const char *key)
{
	s->ops->object(s, key);
}

static inline void show_array(struct show *s, const char *key)
{
	s->ops->array(s, key);
}

static inline void show_end(struct show *s)
{
	s->ops->end(s);
}

static inline void show_str(struct show *s, const char *key, const char *v)
{
	s->ops->str(s, key, v);
}

static inline void show_num(struct show *s, const char *key, uint64_t v)
{
	s->ops->num(s, key, v);
}

static inline void show_flag(struct show *s, const char *key, bool v)
{
	s->ops->flag(s, key, v);
}

/* Emits an Ethernet address as text. */
void show_mac(struct show *s, const char *key, const uint8_t mac[6]);

#endif
