/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about virtual functions. They act on the host by themselves, so
 * that no daemon needs root. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "ether_text.h"
#include "host_fs.h"
#include "host_journal.h"
#include "host_loan.h"
#include "host_vf.h"
#include "host_vf_link.h"
#include "json_show.h"
#include "print.h"

static const struct opt_row json_rows[] = {
	{ .key = "json",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct vf_own, json),
	  .help = "print JSON" },
	{ NULL },
};
const struct opt_row *const vf_list_tables[] = { json_rows, NULL };

static const struct opt_row unbound_rows[] = {
	{ .key = "unbound",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct vf_own, unbound),
	  .help = "no driver of the host gets them: they are for guests" },
	{ NULL },
};
const struct opt_row *const vf_create_tables[] = { unbound_rows, NULL };

static int fail(int rc, const struct err *err)
{
	return rc ? cli_fail(cli_exit_code(rc), "%s", err->msg) : EXIT_DONE;
}

static void tell_stderr(const char *line, void *ctx)
{
	(void)ctx;
	fprintf(stderr, "ringway: %s (left by a ringway that was killed)\n",
		line);
}

static unsigned number(const struct call *call, const char *key)
{
	return (unsigned)strtoul(call_param(call, key), NULL, 0);
}

/* Makes @count virtual functions of the card that the command names. */
static int change(struct call *call, unsigned count, bool is_probed)
{
	struct host_pci pf;
	struct err err;
	int rc;

	host_restore(tell_stderr, NULL);
	rc = host_pci_named(&pf, call_param(call, "dev"), &err);
	if (!rc)
		rc = host_vf_create(&pf, count, is_probed, &err);
	return fail(rc, &err);
}

int vf_create_run(struct call *call)
{
	const struct vf_own *own = call->own;

	return change(call, number(call, "count"), !own->unbound);
}

int vf_delete_run(struct call *call)
{
	return change(call, 0, true);
}

static int show_card(const char *address, void *ctx)
{
	struct host_pci pf;

	if (!host_pci_find(&pf, address, NULL) && pf.max_vfs)
		host_vf_show(&pf, ctx);
	return 0;
}

static int show_cards(const char *dev, struct show *out, struct err *err)
{
	struct host_pci pf;
	int rc;

	if (!dev)
		return host_fs_each("/sys/bus/pci/devices", show_card, out);
	rc = host_pci_named(&pf, dev, err);
	if (!rc && *pf.pf)
		rc = host_pci_find(&pf, pf.pf, err);
	if (!rc)
		host_vf_show(&pf, out);
	return rc;
}

int vf_list_run(struct call *call)
{
	const struct vf_own *own = call->own;
	json_t *result = json_object();
	struct json_show out;
	struct err err;
	int rc;

	json_show_init(&out, result);
	show_array(&out.show, "cards");
	rc = show_cards(call_param(call, "dev"), &out.show, &err);
	show_end(&out.show);
	if (!rc && own->json)
		print_json(stdout, result);
	else if (!rc)
		print_vfs(result);
	json_decref(result);
	return fail(rc, &err);
}

/* The settings as they are written. */
struct settings {
	char *mac;
	uint32_t vlan, qos, rate, min_rate;
	bool spoofchk, trust;
	int link;
	bool vlan_set, qos_set, rate_set, min_rate_set, spoofchk_set, trust_set,
		link_set;
};

#define MEMBER(name)                               \
	.offset = offsetof(struct settings, name), \
	.set_offset = offsetof(struct settings, name##_set)

const struct opt_row vf_setting_rows[] = {
	{ .key = "mac",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct settings, mac) },
	{ .key = "vlan", .kind = OPT_UINT, MEMBER(vlan), .max = 4094 },
	{ .key = "qos", .kind = OPT_UINT, MEMBER(qos), .max = 7 },
	{ .key = "spoofchk", .kind = OPT_BOOL, MEMBER(spoofchk) },
	{ .key = "trust", .kind = OPT_BOOL, MEMBER(trust) },
	{ .key = "rate", .kind = OPT_UINT, MEMBER(rate), .max = UINT32_MAX },
	{ .key = "min_rate",
	  .kind = OPT_UINT,
	  MEMBER(min_rate),
	  .max = UINT32_MAX },
	{ .key = "link",
	  .kind = OPT_ENUM,
	  MEMBER(link),
	  .choices = host_vf_links },
	{ NULL },
};

/* Returns our name of @key, which may be that of ip-link(8). */
static const char *our_name(const char *key)
{
	static const char *const same[][2] = {
		{ "max_tx_rate", "rate" },
		{ "min_tx_rate", "min_rate" },
		{ "state", "link" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(same); i++)
		if (!strcmp(key, same[i][0]))
			return same[i][1];
	return key;
}

/* Reads "KEY=VALUE", or "KEY" "VALUE": returns how many words of @words it has
 * used, or -errno with @err. */
static int read_setting(const json_t *words, size_t at, struct settings *s,
			struct err *err)
{
	const char *word = json_string_value(json_array_get(words, at));
	const char *value = strchr(word, '=');
	char key[32];
	int rc;

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(word, "="), word);
	value = value ? value + 1
		      : json_string_value(json_array_get(words, at + 1));
	if (!value && opt_find(vf_setting_rows, our_name(key)))
		return err_set(err, -EINVAL, "%s: has no value", key);
	rc = opt_set(vf_setting_rows, s, our_name(key), value, err);
	if (rc)
		return rc == -ENOENT ? -EINVAL : rc;
	return strchr(word, '=') ? 1 : 2;
}

static int read_mac(const char *text, uint8_t mac[6], struct err *err)
{
	memset(mac, 0, 6);
	if (!strcmp(text, "00:00:00:00:00:00")) /* none: the guest's choice */
		return 0;
	return ether_from_text("mac", text, mac, err);
}

/* Fills @to with what is to be set, as its bits say; @now has the rest. */
static int to_settings(const struct settings *s,
		       const struct host_vf_settings *now,
		       struct host_vf_settings *to, struct err *err)
{
	if (s->qos_set && !s->vlan_set)
		return err_set(err, -EINVAL,
			       "qos=%u: is set together with vlan=", s->qos);
	*to = *now;
	to->has = (s->mac ? HOST_VF_MAC : 0) |
		  (s->vlan_set ? HOST_VF_VLAN : 0) |
		  (s->rate_set || s->min_rate_set ? HOST_VF_RATE : 0) |
		  (s->spoofchk_set ? HOST_VF_SPOOFCHK : 0) |
		  (s->trust_set ? HOST_VF_TRUST : 0) |
		  (s->link_set ? HOST_VF_LINK : 0);
	to->vlan = s->vlan;
	to->qos = s->qos;
	if (s->rate_set)
		to->max_rate = s->rate;
	if (s->min_rate_set)
		to->min_rate = s->min_rate;
	to->spoofchk = s->spoofchk;
	to->trust = s->trust;
	to->link = s->link;
	return s->mac ? read_mac(s->mac, to->mac, err) : 0;
}

/* Finds the card's interface, and the settings of virtual function @index. */
static int find_vf(const char *dev, unsigned index, char card[1][IFNAMSIZ],
		   struct host_vf_settings *now, struct err *err)
{
	struct host_vf_settings *all;
	struct host_pci pf, vf;
	int rc = host_pci_named(&pf, dev, err);

	if (!rc)
		rc = host_pci_vf(&vf, &pf, index, err);
	if (rc)
		return rc;
	if (!host_pci_ifaces(pf.address, card, 1))
		return err_set(err, -ENODEV,
			       "%s has no interface (driver %s), by which its "
			       "virtual functions are set",
			       pf.address, *pf.driver ? pf.driver : "none");
	all = calloc(index + 1, sizeof(*all));
	rc = all ? host_vf_link_read(card[0], all, index + 1) : -ENOMEM;
	if (!rc)
		*now = all[index];
	free(all);
	return rc ? err_set(err, rc, "%s: %s", card[0], strerror(-rc)) : 0;
}

static int set_all(const struct call *call, struct settings *s, struct err *err)
{
	const json_t *words = json_object_get(call->params, "settings");
	unsigned index = number(call, "index");
	struct host_vf_settings now, to;
	char card[1][IFNAMSIZ];
	int rc = 0;

	for (size_t i = 0; i < json_array_size(words) && rc >= 0; i += rc)
		rc = read_setting(words, i, s, err);
	if (rc >= 0)
		rc = find_vf(call_param(call, "dev"), index, card, &now, err);
	if (!rc)
		rc = to_settings(s, &now, &to, err);
	return rc ? rc : host_vf_link_set(card[0], index, &to, err);
}

int vf_set_run(struct call *call)
{
	struct settings s = { 0 };
	struct err err;
	int rc = set_all(call, &s, &err);

	opt_free(vf_setting_rows, &s);
	return fail(rc, &err);
}

static void tell(const char *line, void *ctx)
{
	*(unsigned *)ctx += 1;
	printf("%s\n", line);
}

static int find_owner(const char *name, void *owner)
{
	int pid = host_note_owner(name);

	if (pid > 0)
		*(int *)owner = pid;
	return 0;
}

int vf_restore_run(struct call *call)
{
	unsigned count = 0;
	int rc, owner = 0;

	(void)call;
	if (geteuid())
		return cli_fail(EXIT_REFUSED,
				"vf restore: only root can give devices back");
	rc = host_restore(tell, &count);
	host_journal_each(find_owner, &owner);
	if (!count && owner)
		printf("nothing to restore: process %d has not ended, and "
		       "still has what it borrowed\n",
		       owner);
	else if (!count)
		printf("nothing to restore\n");
	return rc ? EXIT_REFUSED : EXIT_DONE;
}
