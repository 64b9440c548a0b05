/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options in QEMU's grammar: "type,key=value,key=value", a doubled comma stands
 * for one, "key" alone for "key=on" and "nokey" for "key=off" (booleans only).
 *
 * One row per option is the whole truth about it: the parser, the checks, the
 * help text, the man page, completion and the JSON interface come from the row.
 * Parsing fills a plain struct; nothing is opened or changed.
 */
#ifndef RW_OPT_H
#define RW_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "show.h"

enum opt_kind {
	OPT_STRING, /* char *, heap, NULL while unset; min and max bound
		     * its length when max is not 0 */
	OPT_PATH,   /* the same; must not be empty */
	OPT_BOOL,   /* bool: on/off/yes/no/true/false/1/0 */
	OPT_UINT,   /* uint32_t between min and max */
	OPT_SIZE,   /* uint64_t with suffix k, M, G, T (powers of 1024) */
	OPT_ENUM,   /* int: index into choices[] */
	OPT_LIST,   /* struct opt_list: the key may stand several times */
};

/* Values of a key that may be given more than once, in order. */
struct opt_list {
	char **value; /* heap, each one heap too */
	unsigned count;
};

/* May a value stand on a command line without its key? */
enum opt_word {
	OPT_NO_WORD,
	OPT_WORD,
	OPT_WORD_NEEDED, /* and must, even where the row is not required */
};

struct opt_row {
	const char *key;
	enum opt_kind kind;
	size_t offset;	   /* of the member in the configuration struct */
	size_t set_offset; /* of a bool "was given", or 0 for none */
	uint64_t min, max; /* OPT_UINT, OPT_SIZE; inclusive */
	const char *def;   /* default as text, NULL for none; no lists */
	const char *const *choices; /* OPT_ENUM; OPT_LIST where only some values
				     * are right; NULL-terminated */
	bool required;
	bool runtime;	  /* may be changed on a live port */
	const char *arg;  /* the value in help texts: "PATH", "N" */
	const char *help; /* one line */
	/* On a command line: */
	enum opt_word word;
	const char *letter; /* "w": -w is the same; NULL: none */
	const char *name;   /* its --NAME there; NULL: the key */
};

/* A table ends with a row whose key is NULL. */

/* Puts every default of @rows into @conf. */
int opt_defaults(const struct opt_row *rows, void *conf, struct err *err);

/*
 * Sets one option. Returns 0, -ENOENT when no table has the key (the caller
 * may try its other tables; @err then lists the nearest keys), -EINVAL with
 * @err for a value that is wrong, -ENOMEM.
 */
int opt_set(const struct opt_row *rows, void *conf, const char *key,
	    const char *value, struct err *err);

/* Is every required option there? -EINVAL with @err naming the first that is
 * not. A required number, size, boolean or choice has a set_offset. */
int opt_check(const struct opt_row *rows, const void *conf, struct err *err);

/* Makes @to, whose content is not looked at, a deep copy of @from; of what is
 * not in @rows, all @size bytes are copied as they are. 0 or -ENOMEM. */
int opt_copy(const struct opt_row *rows, void *to, const void *from,
	     size_t size);

/* Frees what opt_set() allocated in @conf. */
void opt_free(const struct opt_row *rows, void *conf);

/* The row of @key or NULL; "nokey" of a boolean has no row of its own. */
const struct opt_row *opt_find(const struct opt_row *rows, const char *key);

/* Sets @err for a key that none of @tables (NULL-terminated) has: the nearest
 * keys, or all of them when none is near. Returns -ENOENT. */
int opt_unknown(const struct opt_row *const *tables, const char *key,
		struct err *err);

/* The same for words of any list, NULL-terminated: nearest to @word, or NULL
 * when none is. */
const char *opt_nearest(const char *const *words, const char *word);

/* "queues=N", and "1 to 64", what a value may be; both for people. */
void opt_usage(const struct opt_row *row, char *buf, size_t size);
void opt_values(const struct opt_row *row, char *buf, size_t size);

/* Tells the values in @conf; options that are not given are left out. */
void opt_show(const struct opt_row *rows, const void *conf, struct show *s);

/* Appends to / removes from an OPT_LIST member. -ENOENT: value not there. */
int opt_list_add(struct opt_list *l, const char *value);
int opt_list_remove(struct opt_list *l, const char *value);

/* One "key=value" of an option string. */
struct opt_pair {
	char *key;
	char *value; /* NULL: the key stood alone */
};

/*
 * Cuts "[first,]key=value,..." into pairs; when @first is not NULL, the text
 * before the first comma goes there unless it has a "=", which makes it a pair
 * (then *@first is NULL). Both are heap: free with opt_pairs_free(). Returns
 * the number of pairs or -errno.
 */
int opt_split(const char *text, char **first, struct opt_pair **pairs,
	      struct err *err);
void opt_pairs_free(char *first, struct opt_pair *pairs, int count);

#endif
