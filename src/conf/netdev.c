/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses -netdev options into a struct netdev, see netdev.h. Control thread and
 * command line; pure.
 *
 * A key is looked up in the rows that all types share, then in the type's own.
 */
#include "netdev.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "json_opt.h"
#include "opt_line.h"
#include "port_types.h"

#define ID_MAX_LEN 63

static struct netdev *netdev_create(const struct port_type *type,
				    struct err *err)
{
	struct netdev *n = calloc(1, sizeof(*n));

	if (n) {
		n->type = type;
		n->conf = calloc(1, MAX(type->conf_size, (size_t)1));
	}
	if (!n || !n->conf) {
		free(n);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (opt_defaults(port_conf_rows, &n->common, err) ||
	    opt_defaults(type->rows, n->conf, err)) {
		netdev_free(n);
		return NULL;
	}
	return n;
}

void netdev_free(struct netdev *n)
{
	if (!n)
		return;
	opt_free(port_conf_rows, &n->common);
	opt_free(n->type->rows, n->conf);
	free(n->conf);
	free(n);
}

struct netdev *netdev_copy(const struct netdev *n)
{
	struct netdev *c = calloc(1, sizeof(*c));
	size_t size = MAX(n->type->conf_size, (size_t)1);

	if (!c)
		return NULL;
	c->type = n->type;
	c->conf = malloc(size);
	if (!c->conf)
		goto err_free;
	if (opt_copy(n->type->rows, c->conf, n->conf, size))
		goto err_free;
	if (opt_copy(port_conf_rows, &c->common, &n->common,
		     sizeof(c->common))) {
		netdev_free(c);
		return NULL;
	}
	return c;
err_free:
	free(c->conf);
	free(c);
	return NULL;
}

/* Returns whether the type, not the common rows, gets the option. The key net
 * has two meanings: QEMU's user network has net=ADDR[/MASK], and every port of
 * ours net=NAME. A value with a "/" or one that looks like an IPv4 address is
 * the type's. */
static bool is_for_type(const struct netdev *n, const char *key,
			const char *value)
{
	if (!value || !opt_find(n->type->rows, key))
		return false;
	return strchr(value, '/') ||
	       (strchr(value, '.') &&
		strspn(value, "0123456789.") == strlen(value));
}

/* Says what is wrong with @key, which no table has. */
static int refuse_key(const struct netdev *n, const char *key, struct err *err)
{
	const struct opt_row *tables[] = { port_conf_rows, n->type->rows,
					   NULL };
	const char *instead = port_key_elsewhere(n->type, key);

	if (instead)
		return err_set(err, -EINVAL, "%s: %s", key, instead);
	opt_unknown(tables, key, err);
	return -EINVAL;
}

static int set(void *ctx, const char *key, const char *value, struct err *err)
{
	struct netdev *n = ctx;
	int rc = -ENOENT;

	if (!is_for_type(n, key, value))
		rc = opt_set(port_conf_rows, &n->common, key, value, err);
	if (rc == -ENOENT)
		rc = opt_set(n->type->rows, n->conf, key, value, err);
	return rc == -ENOENT ? refuse_key(n, key, err) : rc;
}

/* Checks a name, which appears in paths, log lines and commands: it consists of
 * letters, digits and "._-:", which no shell interprets. */
static int check_name(const char *key, const char *name, struct err *err)
{
	size_t len = strlen(name);

	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-:", *c))
			goto refuse;
	if (len && len <= ID_MAX_LEN && name[0] != '-')
		return 0;
refuse:
	return err_set(err, -EINVAL,
		       "%s=%.80s: must be 1 to %d of the letters a-z, A-Z, "
		       "0-9, '.', '_', ':' and '-', not '-' first",
		       key, name, ID_MAX_LEN);
}

/* Checks @n after all options are set, unless @rc is already an error. Puts the
 * port's name in front of an error. */
static int finish(struct netdev *n, int rc, struct err *err)
{
	if (!rc)
		rc = opt_check(port_conf_rows, &n->common, err);
	if (!rc)
		rc = check_name("id", n->common.id, err);
	if (!rc)
		rc = check_name("net", n->common.net, err);
	if (!rc)
		rc = port_conf_check(&n->common, err);
	if (!rc)
		rc = opt_check(n->type->rows, n->conf, err);
	if (!rc && n->type->derive)
		rc = n->type->derive(&n->common, n->conf, err);
	if (rc)
		err_prefix(err, rc, "%s %.64s",
			   n->type->option ? n->type->option : "netdev",
			   n->common.id ? n->common.id : n->type->name);
	return rc;
}

/* Reads all @pairs but the one at @skip. */
static int read_pairs(const struct port_type *type,
		      const struct opt_pair *pairs, int count, int skip,
		      struct netdev **out, struct err *err)
{
	struct netdev *n = netdev_create(type, err);
	int rc = 0;

	if (!n)
		return -ENOMEM;
	/* The id is set first: errors of the other options then name it. */
	for (int pass = 0; pass < 2 && !rc; pass++)
		for (int i = 0; i < count && !rc; i++)
			if (i != skip &&
			    pass == (strcmp(pairs[i].key, "id") != 0))
				rc = set(n, pairs[i].key, pairs[i].value, err);
	rc = finish(n, rc, err);
	if (rc)
		netdev_free(n);
	else
		*out = n;
	return rc;
}

int netdev_parse_pairs(const struct port_type *type,
		       const struct opt_pair *pairs, int count,
		       struct netdev **out, struct err *err)
{
	return read_pairs(type, pairs, count, -1, out, err);
}

static int parse_pairs(const char *type_name, const struct opt_pair *pairs,
		       int count, struct netdev **out, struct err *err)
{
	const struct port_type *type;
	int type_at = -1;

	for (int i = 0; i < count && !type_name; i++)
		if (!strcmp(pairs[i].key, "type") && pairs[i].value) {
			type_name = pairs[i].value;
			type_at = i;
		}
	if (!type_name)
		return err_set(err, -EINVAL,
			       "netdev: the type is missing: write "
			       "TYPE,id=NAME,key=value,...");
	type = port_type_find(type_name, err);
	if (!type)
		return -EINVAL;
	return read_pairs(type, pairs, count, type_at, out, err);
}

static const struct opt_row *find_row(const struct port_type *type,
				      const char *key)
{
	const struct opt_row *row = opt_find(port_conf_rows, key);

	return row ? row : opt_find(type->rows, key);
}

struct pairs {
	const struct port_type *type; /* NULL: parse_pairs() will refuse */
	struct opt_pair *pair;
	int count;
};

/* An unknown key passes: parse_pairs() names it. */
static bool is_list(const void *ctx, const char *key)
{
	const struct pairs *p = ctx;
	const struct opt_row *row = p->type ? find_row(p->type, key) : NULL;

	return !row || row->kind == OPT_LIST;
}

static int collect(void *ctx, const char *key, const char *value,
		   struct err *err)
{
	struct pairs *p = ctx;
	struct opt_pair *grown =
		reallocarray(p->pair, (size_t)p->count + 1, sizeof(*grown));
	size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
	char *both = malloc(key_size + value_size);

	if (grown)
		p->pair = grown;
	if (!grown || !both) {
		free(both);
		return err_set(err, -ENOMEM, "out of memory");
	}
	/* Key and value share one allocation, as in opt_split(). */
	memcpy(both, key, key_size);
	memcpy(both + key_size, value, value_size);
	p->pair[p->count++] = (struct opt_pair){ both, both + key_size };
	return 0;
}

int netdev_parse_json(const json_t *object, struct netdev **out,
		      struct err *err)
{
	const char *type = json_string_value(json_object_get(object, "type"));
	struct pairs p = { .type = type ? port_type_find(type, err) : NULL };
	int rc = type && !p.type ? -EINVAL : 0;

	if (!rc)
		rc = json_opt_each(object, is_list, collect, &p, err);
	if (!rc)
		rc = parse_pairs(NULL, p.pair, p.count, out, err);
	opt_pairs_free(NULL, p.pair, p.count);
	return rc;
}

/* Parses JSON text, which QEMU's -netdev also takes. */
static int parse_json_text(const char *text, struct netdev **out,
			   struct err *err)
{
	json_error_t where;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	int rc;

	if (!object)
		return err_set(err, -EINVAL, "netdev: not JSON at byte %d: %s",
			       where.position, where.text);
	rc = netdev_parse_json(object, out, err);
	json_decref(object);
	return rc;
}

int netdev_parse(const char *text, struct netdev **out, struct err *err)
{
	struct opt_pair *pairs;
	int rc, count;
	char *type;

	if (text[0] == '{')
		return parse_json_text(text, out, err);
	count = opt_split(text, &type, &pairs, err);
	if (count < 0)
		return err_prefix(err, count, "netdev %.64s", text);
	rc = parse_pairs(type, pairs, count, out, err);
	opt_pairs_free(type, pairs, count);
	return rc;
}

/* Adds the numbers in @text ("7" or "7:8") to the @count in @fd; returns their
 * new count. */
static unsigned add_fds(const char *text, int *fd, unsigned count, unsigned max)
{
	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long number = strtoul(text, &end, 10);
		unsigned i = 0;

		while (i < count && (unsigned long)fd[i] != number)
			i++;
		if (i == count && count < max && number <= INT_MAX)
			fd[count++] = (int)number;
		text = *end == ':' ? end + 1 : "";
	}
	return count;
}

unsigned netdev_fds(const struct netdev *n, int *fd, unsigned max)
{
	unsigned count = 0;

	for (const struct opt_row *r = n->type->rows; r->key; r++) {
		const char *text = NULL;

		if (r->names_fds)
			memcpy(&text, (const char *)n->conf + r->offset,
			       sizeof(text));
		if (text)
			count = add_fds(text, fd, count, max);
	}
	return count;
}

static int change_list(const struct opt_row *row, void *conf, char how,
		       const char *value, struct err *err)
{
	struct opt_list *l = (void *)((char *)conf + row->offset);
	const struct opt_row only[] = { *row, { NULL } };

	if (how == '-') {
		if (opt_list_remove(l, value))
			return err_set(err, -ENOENT,
				       "%s-=%s: not there; remove it as `port "
				       "show` writes it",
				       row->key, value);
		return 0;
	}
	if (how != '+') {
		opt_free(only, conf);
		if (!*value)
			return 0;
	}
	return opt_set(only, conf, row->key, value, err);
}

#define CHANGE_NAME_SIZE 64

/* Stores @key without a "+" or "-" at its end in @name. Returns that character,
 * or '='. */
static char split_change(const char *key, char name[CHANGE_NAME_SIZE])
{
	size_t len = strlen(key);
	char how = '=';

	if (len && strchr("+-", key[len - 1]))
		how = key[--len];
	if (len >= CHANGE_NAME_SIZE)
		len = CHANGE_NAME_SIZE - 1;
	memcpy(name, key, len);
	name[len] = '\0';
	return how;
}

bool netdev_takes_list(const struct netdev *n, const char *key)
{
	char name[CHANGE_NAME_SIZE];
	const struct opt_row *row;

	split_change(key, name);
	row = find_row(n->type, name);
	return !row || row->kind == OPT_LIST;
}

int netdev_change(struct netdev *n, const char *key, const char *value,
		  struct err *err)
{
	const struct opt_row *tables[] = { port_conf_rows, n->type->rows,
					   NULL };
	char name[CHANGE_NAME_SIZE], how = split_change(key, name);
	const struct opt_row *row;
	void *conf = &n->common;

	row = opt_find(port_conf_rows, name);
	if (!row) {
		row = opt_find(n->type->rows, name);
		conf = n->conf;
	}
	if (!row) {
		opt_unknown(tables, name, err);
		return -EINVAL;
	}
	if (!row->runtime)
		return err_set(err, -EINVAL,
			       "%s cannot be changed on a live port: `port "
			       "del %s`, then `port add` with the new value",
			       name, n->common.id);
	if (row->kind == OPT_LIST)
		return change_list(row, conf, how, value, err);
	if (how != '=')
		return err_set(err, -EINVAL,
			       "%s%c=%s: only options given several times take "
			       "%c=; write the whole new value after %s=",
			       name, how, value, how, name);
	return opt_set(conf == n->conf ? n->type->rows : port_conf_rows, conf,
		       name, value, err);
}

bool netdev_equal(const struct netdev *a, const struct netdev *b,
		  bool *runtime_only)
{
	bool common, own, is_equal;

	*runtime_only = false;
	if (a->type != b->type)
		return false;
	is_equal = opt_equal(port_conf_rows, &a->common, &b->common, &common);
	is_equal &= opt_equal(a->type->rows, a->conf, b->conf, &own);
	*runtime_only = common && own;
	return is_equal;
}

void netdev_show(const struct netdev *n, struct show *s)
{
	show_str(s, "type", n->type->name);
	opt_show(port_conf_rows, &n->common, s);
	opt_show(n->type->rows, n->conf, s);
}
