/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options in QEMU's grammar: "type,key=value,key=value". A doubled comma stands
 * for one comma; for booleans "key" means "key=on" and "nokey" "key=off".
 *
 * One row describes an option completely: the parser, the checks, the help
 * text, the man page, completion and the JSON interface come from the row.
 * Parsing fills a plain struct; it opens and changes nothing.
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
	OPT_PATH,   /* as OPT_STRING, but not empty */
	OPT_BOOL,   /* bool: on/off/yes/no/true/false/1/0/y/n */
	OPT_UINT,   /* uint32_t between min and max */
	OPT_UINT64, /* uint64_t between min and max */
	OPT_SIZE,   /* uint64_t with suffix k, M, G, T (powers of 1024) */
	OPT_ENUM,   /* int: index into choices[] */
	OPT_LIST,   /* struct opt_list: the key may be given several times */
};

/* Values of a key that may be given more than once, in order. */
struct opt_list {
	char **value; /* heap array of heap strings */
	unsigned count;
};

/* Whether a command line takes the value without its key. */
enum opt_word {
	OPT_NO_WORD,	 /* no */
	OPT_WORD,	 /* yes */
	OPT_WORD_NEEDED, /* yes, and it must be there, whatever @required says
			  */
};

struct opt_row {
	const char *key;
	enum opt_kind kind;
	size_t offset;	   /* of the member in the configuration struct */
	size_t set_offset; /* of a bool "was given"; 0: none */
	uint64_t min, max; /* bounds of numbers and sizes, and of the length
			    * of OPT_STRING and OPT_PATH; inclusive */
	const char *def;   /* default as text; NULL: none; not for lists */
	const char *const *choices; /* values of OPT_ENUM, and of OPT_LIST if it
				     * is restricted; NULL-terminated */
	bool required;		    /* the option must be given */
	bool runtime;	  /* the option may be changed on a live port */
	bool names_fds;	  /* the value names open descriptors: "7" or "7:8" */
	const char *arg;  /* name of the value in help texts: "PATH", "N" */
	const char *help; /* one line */
	/* On a command line: */
	enum opt_word word;
	const char *letter; /* "w" for the short form -w; NULL: none */
	const char *name;   /* NAME of the form --NAME; NULL: the key */
};

/* A table of rows ends with a row whose key is NULL. */

/* Stores every default of @rows in @conf. Returns 0 or -errno with @err. */
int opt_defaults(const struct opt_row *rows, void *conf, struct err *err);

/*
 * Sets one option; @value NULL means the key stood alone. Returns 0; -ENOENT if
 * @rows has no such key (@err lists the nearest keys; the caller may try its
 * other tables); -EINVAL with @err for a wrong value; or -ENOMEM.
 */
int opt_set(const struct opt_row *rows, void *conf, const char *key,
	    const char *value, struct err *err);

/* Returns 0 if every required option was given, or -EINVAL with @err naming the
 * first missing one. A required number, size, boolean or choice must have a
 * set_offset. */
int opt_check(const struct opt_row *rows, const void *conf, struct err *err);

/* Makes @to a deep copy of @from, both @size bytes; members that are not in
 * @rows are copied bytewise. @to may be uninitialised. Returns 0 or -ENOMEM. */
int opt_copy(const struct opt_row *rows, void *to, const void *from,
	     size_t size);

/* Frees what opt_set() allocated in @conf. */
void opt_free(const struct opt_row *rows, void *conf);

/* Returns the row of @key or NULL. The "nokey" of a boolean has no row. */
const struct opt_row *opt_find(const struct opt_row *rows, const char *key);

/* Returns -ENOENT with @err for a key that is in none of @tables
 * (NULL-terminated): @err lists the nearest keys, or all if none is near. */
int opt_unknown(const struct opt_row *const *tables, const char *key,
		struct err *err);

/* Returns the word of @words (NULL-terminated) that is nearest to @word, or
 * NULL if none is near. */
const char *opt_nearest(const char *const *words, const char *word);

/* Write texts for people into @buf: the usage ("queues=N"), and the legal
 * values
 * ("a number from 1 to 64"). */
void opt_usage(const struct opt_row *row, char *buf, size_t size);
void opt_values(const struct opt_row *row, char *buf, size_t size);

/* Emits the values in @conf. Options without a value are left out. */
void opt_show(const struct opt_row *rows, const void *conf, struct show *s);

/* Append to / remove from an OPT_LIST member. Return 0, -ENOMEM, or -ENOENT if
 * the value to remove is not there. */
int opt_list_add(struct opt_list *l, const char *value);
int opt_list_remove(struct opt_list *l, const char *value);

/* One "key=value" of an option string. */
struct opt_pair {
	char *key;
	char *value; /* NULL: the key stood alone */
};

/*
 * Cuts "[first,]key=value,..." into pairs and returns their number, or -errno
 * with @err. If @first is not NULL, *@first gets the text before the first
 * comma, or NULL if that text has a "=" and so is a pair. Both results are
 * heap: free them with opt_pairs_free().
 */
int opt_split(const char *text, char **first, struct opt_pair **pairs,
	      struct err *err);
void opt_pairs_free(char *first, struct opt_pair *pairs, int count);

#endif
