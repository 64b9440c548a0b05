/* SPDX-License-Identifier: Apache-2.0 */
/* The port type `macvtap`: its options. Control thread. */
#include "macvtap.h"

#include <errno.h>
#include <linux/if_link.h>

#include "ether_text.h"
#include "tap.h"
#include "types.h"

struct macvtap_conf {
	char *link, *ifname, *mac;
	int mode;
	bool mode_given, gro;
	uint32_t queues;
};

static const char *const mode_names[] = { "bridge", "vepa", "private",
					  "passthru", NULL };
static const uint32_t modes[] = { MACVLAN_MODE_BRIDGE, MACVLAN_MODE_VEPA,
				  MACVLAN_MODE_PRIVATE, MACVLAN_MODE_PASSTHRU };

#define OPT(name, k, ...)                                                  \
	{                                                                  \
		.key = #name, .kind = k,                                   \
		.offset = offsetof(struct macvtap_conf, name), __VA_ARGS__ \
	}

static const struct opt_row macvtap_rows[] = {
	OPT(link, OPT_PATH, .arg = "NAME",
	    .help = "interface on which a macvtap is made; it goes with the "
		    "port"),
	OPT(ifname, OPT_PATH, .arg = "NAME",
	    .help = "name of the macvtap; without link: one that is there"),
	OPT(mode, OPT_ENUM, .choices = mode_names, .def = "bridge",
	    .set_offset = offsetof(struct macvtap_conf, mode_given),
	    .help = "how it reaches other macvtaps on the same interface: "
		    "directly, by the switch outside, or not; passthru: it "
		    "has the interface alone"),
	OPT(mac, OPT_PATH, .arg = "ADDRESS",
	    .help = "address of the macvtap: but with passthru, only frames to "
		    "it and to groups come in"),
	OPT(queues, OPT_UINT, .arg = "N", .min = 1, .max = TAP_MAX_QUEUES,
	    .def = "1", .help = "number of queues"),
	OPT(gro, OPT_BOOL, .def = "on", .runtime = true,
	    .help = "small frames of a TCP or UDP flow go as large ones to "
		    "ports that take those"),
	{ NULL },
};

static int check_names(const struct macvtap_conf *c, struct err *err)
{
	int rc = 0;

	if (c->link)
		rc = tap_if_check_name("link", c->link, err);
	if (!rc && c->ifname)
		rc = tap_if_check_name("ifname", c->ifname, err);
	return rc;
}

static int open_interface(struct tap_if *t, const struct macvtap_conf *c,
			  struct err *err)
{
	struct macvtap_wish wish = { .link = c->link,
				     .ifname = c->ifname,
				     .mode = modes[c->mode],
				     .has_mac = c->mac != NULL };
	int rc = check_names(c, err);

	if (rc)
		return rc;
	if (!c->link && !c->ifname)
		return err_set(err, -EINVAL,
			       "link: is needed, to make a macvtap, or ifname= "
			       "of one that is there");
	if (!c->link && (c->mode_given || c->mac))
		return err_set(err, -EINVAL,
			       "%s: is for a macvtap that is made: needs link=",
			       c->mac ? "mac" : "mode");
	if (c->mac)
		rc = ether_from_text("mac", c->mac, wish.mac, err);
	if (rc)
		return rc;
	return c->link ? macvtap_make(t, &wish, c->queues, err)
		       : macvtap_open(t, c->ifname, c->queues, err);
}

static int macvtap_create(const struct port_env *env,
			  const struct port_conf *common, const void *conf_,
			  struct port **out, struct err *err)
{
	const struct macvtap_conf *c = conf_;
	struct tap_if tap = { 0 };
	const struct tap_setup setup = { .type = &port_macvtap_type,
					 .tap = &tap,
					 .gro = c->gro };
	int rc = open_interface(&tap, c, err);

	if (rc)
		return rc;
	rc = tap_if_set_up(&tap, 0, err);
	if (!rc)
		rc = tap_if_bring_up(&tap, err);
	if (!rc)
		rc = tap_port_create(env, common, &setup, out, err);
	if (rc)
		tap_if_close(&tap);
	return rc;
}

const struct port_type port_macvtap_type = {
	.name = "macvtap",
	.help = "an address of its own on an interface of the host",
	.rows = macvtap_rows,
	.conf_size = sizeof(struct macvtap_conf),
	.create = macvtap_create,
};
