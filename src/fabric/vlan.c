/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of the VLAN options, see vlan.h. Pure; any thread. */
#include "vlan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"

const struct port_vlan port_vlan_plain = {
	.pvid = 0,
	.tpid = ETHERTYPE_VLAN,
	/* all but 0 and 4095 */
	.members.bit = { [0] = ~1ull, [1 ... 62] = ~0ull, [63] = ~0ull >> 1 },
};

bool vlan_conf_is_set(const char *text)
{
	return text && *text && strcmp(text, "none");
}

/* Reads a number from 1 to VLAN_MAX at *@p and advances *@p behind it. Returns
 * false when there is none. */
static bool take_vlan(const char **p, unsigned *vlan)
{
	char *end;
	unsigned long n;

	if (**p < '0' || **p > '9')
		return false;
	n = strtoul(*p, &end, 10);
	if (n < 1 || n > VLAN_MAX)
		return false;
	*p = end;
	*vlan = (unsigned)n;
	return true;
}

static int parse_vlan(const char *key, const char *text, uint16_t *vlan,
		      struct err *err)
{
	const char *p = text;
	unsigned n;

	if (!take_vlan(&p, &n) || *p)
		return err_set(err, -EINVAL, "%s=%s: must be 1 to %d, or none",
			       key, text, VLAN_MAX);
	*vlan = (uint16_t)n;
	return 0;
}

static int bad_trunk(const char *text, const char *at, const char *why,
		     struct err *err)
{
	int size = (int)strcspn(at, ",:");

	return err_set(err, -EINVAL,
		       "trunk=%s: '%.*s' %s; right is, for example, "
		       "10:20-30: VLANs from 1 to %d and ranges of them, each "
		       "VLAN once; or none",
		       text, size, at, why, VLAN_MAX);
}

/* Adds the VLANs to the set. Returns false if it had one of them already. */
static bool set_add(struct vlan_set *s, unsigned first, unsigned last)
{
	bool is_new = true;

	for (unsigned v = first; v <= last; v++) {
		is_new &= !vlan_set_has(s, v);
		s->bit[v / 64] |= 1ull << (v % 64);
	}
	return is_new;
}

/* Reads "10,20-30", or the same with colons, which an option string can hold
 * without doubling. */
static int parse_trunk(const char *text, struct vlan_set *set, struct err *err)
{
	unsigned first, last;
	const char *p = text;

	for (;;) {
		const char *at = p;

		if (!take_vlan(&p, &first))
			return bad_trunk(text, at, "is no VLAN", err);
		last = first;
		if (*p == '-') {
			p++;
			if (!take_vlan(&p, &last))
				return bad_trunk(text, at, "is no range", err);
			if (last < first)
				return err_set(err, -EINVAL,
					       "trunk=%s: a range rises: %u-%u",
					       text, last, first);
		}
		if (*p && *p != ',' && *p != ':')
			return bad_trunk(text, at, "is no VLAN", err);
		if (!set_add(set, first, last))
			return bad_trunk(text, at, "names a VLAN again", err);
		if (!*p)
			return 0;
		p++;
	}
}

static int parse(const struct vlan_conf *c, struct port_vlan *v,
		 struct err *err)
{
	int rc;

	v->pvid = VLAN_NONE;
	v->tpid = c->dot1ad ? ETHERTYPE_QINQ : ETHERTYPE_VLAN;
	if (vlan_conf_is_set(c->vlan)) {
		if (vlan_conf_is_set(c->trunk) || vlan_conf_is_set(c->native))
			return err_set(err, -EINVAL,
				       "vlan=%s: cannot stand together with "
				       "%s=%s; one of them must be none",
				       c->vlan,
				       vlan_conf_is_set(c->trunk) ? "trunk"
								  : "native",
				       vlan_conf_is_set(c->trunk) ? c->trunk
								  : c->native);
		rc = parse_vlan("vlan", c->vlan, &v->pvid, err);
		if (!rc)
			set_add(&v->members, v->pvid, v->pvid);
		return rc;
	}
	if (!vlan_conf_is_set(c->trunk) && vlan_conf_is_set(c->native))
		return err_set(
			err, -EINVAL,
			"native=%s: needs trunk=, the VLANs it is one of",
			c->native);
	if (!vlan_conf_is_set(c->trunk)) {
		/* the rules of a port without any, with 802.1ad tags */
		v->pvid = port_vlan_plain.pvid;
		v->members = port_vlan_plain.members;
		return 0;
	}
	rc = parse_trunk(c->trunk, &v->members, err);
	if (rc || !vlan_conf_is_set(c->native))
		return rc;
	rc = parse_vlan("native", c->native, &v->pvid, err);
	if (!rc && !vlan_set_has(&v->members, v->pvid))
		return err_set(err, -EINVAL,
			       "native=%s: must be one of trunk=%s", c->native,
			       c->trunk);
	return rc;
}

int port_vlan_parse(const struct vlan_conf *c, struct port_vlan **out,
		    struct err *err)
{
	struct port_vlan *v;
	int rc;

	*out = NULL;
	if (!vlan_conf_is_set(c->vlan) && !vlan_conf_is_set(c->trunk) &&
	    !vlan_conf_is_set(c->native) && !c->dot1ad)
		return 0;
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	rc = parse(c, v, err);
	if (rc)
		free(v);
	else
		*out = v;
	return rc;
}
