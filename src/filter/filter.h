/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's net filters (-object filter-...) between a port and the switch. A port
 * has a chain of filters. Frames that come in by the port pass the chain from
 * its tail to its head, frames that leave by it from the head to the tail, as
 * in QEMU, where the head is next to the netdev.
 *
 * A filter only looks at frames (see), or takes them out of the path (take).
 * Frames go into the path behind a filter through a lane (lane.h).
 *
 * rx is into the switch, tx out of it; queue=rx of a filter are the frames that
 * come in by the port.
 */
#ifndef RW_FILTER_H
#define RW_FILTER_H

#include "port.h"

struct device;
struct filter;

enum filter_queue { FILTER_ALL, FILTER_RX, FILTER_TX };

/* The options of every filter. */
struct filter_conf {
	char *id, *netdev;
	int queue;	/* enum filter_queue */
	bool status;	/* off: frames pass as if it were not there */
	char *position; /* "head", "tail" or "id=NAME" */
	int insert;	/* enum filter_insert: with id=NAME */
};
enum filter_insert { FILTER_BEHIND, FILTER_BEFORE };
extern const struct opt_row filter_conf_rows[];

/* A parsed -object: a type of filter with its options. */
struct filter_spec {
	const struct filter_type *type;
	struct filter_conf common;
	void *conf; /* heap; the type's own options */
};

/* Reads "TYPE,id=NAME,netdev=PORT,key=value,..." into *@out, which the caller
 * frees. Returns 0 or -errno with @err. Pure. */
int filter_parse(const char *text, struct filter_spec **out, struct err *err);
/* The steps of filter_parse(): a spec with the defaults, one option, the check
 * after the last option. */
int filter_spec_create(const char *type, struct filter_spec **out,
		       struct err *err);
int filter_spec_set(struct filter_spec *s, const char *key, const char *value,
		    struct err *err);
int filter_spec_check(struct filter_spec *s, struct err *err);
void filter_spec_free(struct filter_spec *s); /* NULL is fine */

struct filter_ops {
	/* Copies what it wants of @n frames. NULL: it does not look. [worker]
	 */
	void (*see)(struct filter *f, bool is_rx, struct frame *const *frames,
		    unsigned n);
	/* Returns whether the frames leave the path here, copied or dropped.
	 * Called while the filter is off, too: it may still have frames of
	 * before. NULL: it takes none. [worker] */
	bool (*take)(struct filter *f, bool is_rx, struct frame *const *frames,
		     unsigned n);
	/* The functions below run on the control thread. Each may be NULL
	 * except destroy. */
	/* The filter is in its chain. Returns 0 or -errno with @err. */
	int (*start)(struct filter *f, struct err *err);
	/* f->is_on changed. */
	void (*settle)(struct filter *f);
	/* The filter is about to leave its chain: frames that it has go on. */
	void (*drain)(struct filter *f);
	/* No worker has the filter any more. */
	void (*destroy)(struct filter *f);
	/* Adds the filter's own numbers to what is shown of it. */
	void (*show)(const struct filter *f, struct show *s);
};

/* What filters are made with. */
struct filter_env {
	struct port_env port;
	struct device *devices; /* chardevs, for indev= and outdev= */
};

/* A kind of filter: one row in filter_types[]. */
struct filter_type {
	const char *name; /* as in -object NAME,... */
	const char *help; /* one line */
	const struct opt_row *rows;
	size_t conf_size;
	/* Opens what the filter needs for f->spec and f->port. Returns 0 with
	 * the filter, after filter_init(), in *@out; or -errno with @err. */
	int (*create)(const struct filter_env *env, struct port *p,
		      struct filter_spec *spec, struct filter **out,
		      struct err *err);
};
extern const struct filter_type *const filter_types[]; /* ends with NULL */
/* Returns the type @name or NULL with @err. */
const struct filter_type *filter_type_find(const char *name, struct err *err);

/* Embedded in each type's own struct. */
struct filter {
	const struct filter_ops *ops;
	struct filter_spec *spec;   /* [ctl] owned */
	struct port *port;	    /* [const] */
	struct filter_chain *spare; /* [ctl] becomes the chain without it */
	enum filter_queue queue;    /* [const] */
	bool is_on;		    /* [ctl -> worker, atomic] */
};

/* Returns whether @f is there for frames of this direction. */
static inline bool filter_has(const struct filter *f, bool is_rx)
{
	return f->queue != (is_rx ? FILTER_TX : FILTER_RX);
}

/*
 * Makes the filter that @spec describes and puts it into the chain of @p. Owns
 * @spec from now on and frees it on error. Returns 0 or -errno with @err.
 */
int filter_add(const struct filter_env *env, struct port *p,
	       struct filter_spec *spec, struct err *err);
/* Takes @f out of its chain and frees it. */
void filter_remove(struct filter *f);
void filter_remove_all(struct port *p);
/* Turns @f on or off. */
void filter_set_status(struct filter *f, bool on);
/* Returns the filter @id of @p or NULL. */
struct filter *filter_find(const struct port *p, const char *id);
/* Calls @fn for each filter of @p, from head to tail. */
void filter_each(const struct port *p,
		 void (*fn)(const struct filter *f, void *arg), void *arg);
/* Shows all of @f. */
void filter_show(const struct filter *f, struct show *s);

#endif
