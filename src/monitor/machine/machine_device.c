/* SPDX-License-Identifier: Apache-2.0 */
/* Reads -device and -drive lines, see machine_conf.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "machine_conf.h"
#include "nic.h"
#include "vfio.h"

/* QEMU's other names for the same devices. */
static const struct {
	const char *alias, *name;
	const char *legacy; /* what the name says of disable-legacy, or NULL */
} aliases[] = {
	{ "virtio-net", "virtio-net-pci", NULL },
	{ "virtio-net-pci-transitional", "virtio-net-pci", "off" },
	{ "virtio-net-pci-non-transitional", "virtio-net-pci", "on" },
	{ "virtio-blk", "virtio-blk-pci", NULL },
	{ "virtio-blk-pci-transitional", "virtio-blk-pci", "off" },
	{ "virtio-blk-pci-non-transitional", "virtio-blk-pci", "on" },
	{ "virtio-rng", "virtio-rng-pci", NULL },
	{ "virtio-rng-pci-transitional", "virtio-rng-pci", "off" },
	{ "virtio-rng-pci-non-transitional", "virtio-rng-pci", "on" },
	{ "vhost-vsock", "vhost-vsock-pci", NULL },
	{ "vhost-vsock-pci-non-transitional", "vhost-vsock-pci", "on" },
};

static const char *real_name(const char *type)
{
	for (unsigned i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcmp(aliases[i].alias, type))
			return aliases[i].name;
	return type;
}

/* As opt_split(), with what the name of the type says as one more option. That
 * option itself, which might contradict, is not for such a type, as in QEMU. */
static int split(const char *text, char **first, struct opt_pair **pairs,
		 struct err *err)
{
	const char *legacy = NULL;
	int rc, count = opt_split(text, first, pairs, err);
	char *more;

	for (unsigned i = 0; i < ARRAY_SIZE(aliases) && count >= 0; i++)
		if (*first && !strcmp(aliases[i].alias, *first))
			legacy = aliases[i].legacy;
	if (!legacy)
		return count;
	rc = asprintf(&more, "%s,disable-legacy=%s", text, legacy);
	if (rc < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < count && rc >= 0; i++)
		if (!strncmp((*pairs)[i].key, "disable-", 8)) {
			free(more);
			rc = err_set(err, -EINVAL,
				     "%s: the type says it: leave it away, or "
				     "write %s",
				     (*pairs)[i].key, real_name(*first));
		}
	opt_pairs_free(*first, *pairs, count);
	if (rc < 0)
		return rc;
	count = opt_split(more, first, pairs, err);
	free(more);
	return count;
}

bool machine_is_card(const struct port_type *type)
{
	return type == &port_card_type || nic_is(type);
}

static const struct port_type *find_card(const char *name)
{
	if (!strcmp(port_card_type.name, name))
		return &port_card_type;
	for (unsigned i = 0; nic_types[i]; i++)
		if (!strcmp(nic_types[i]->name, name))
			return nic_types[i];
	return NULL;
}

static const struct device_type *find_type(const char *name)
{
	for (unsigned i = 0; device_types[i]; i++)
		if (!strcmp(device_types[i]->name, name))
			return device_types[i];
	return strcmp(device_vfio_type.name, name) ? NULL : &device_vfio_type;
}

/* Returns what to write instead of a type of QEMU's that is not here, or NULL.
 */
static const char *instead_of(const char *name)
{
	static const struct {
		const char *begins, *write;
	} others[] = {
		{ "virtio-serial", "a console needs no bus: -device "
				   "virtio-console,path=SOCKET" },
		{ "virtconsole", "-device virtio-console,path=SOCKET" },
		{ "virtserialport", "-device virtio-console,path=SOCKET" },
		{ "virtio-scsi", "a disk is -drive file=FILE" },
		{ "scsi-", "a disk is -drive file=FILE" },
		{ "ide-", "a disk is -drive file=FILE" },
		{ "nvme", "a disk is -drive file=FILE" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		if (!strncmp(name, others[i].begins, strlen(others[i].begins)))
			return others[i].write;
	return NULL;
}

static int refuse_type(const char *name, struct err *err)
{
	const char *instead = instead_of(name), *type, *help;
	char list[200] = "";
	size_t n = 0;

	if (instead)
		return err_set(err, -EINVAL,
			       "device: there is no type '%.64s': %s", name,
			       instead);
	for (unsigned i = 0; machine_device_at(i, &type, &help); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      n ? ", " : "", type);
	return err_set(err, -EINVAL,
		       "device: there is no type '%.64s': there are %s", name,
		       list);
}

/* FNV-1a, 32 bits. */
static uint32_t hash_text(uint32_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

/* Makes an address that stays the same from start to start, and differs from
 * those of the other cards and machines of this user. */
static int make_mac(struct netcard_conf *c, const char *id, const char *control,
		    struct err *err)
{
	uint32_t h = hash_text(hash_text(2166136261u, control), id);
	char text[18];

	snprintf(text, sizeof(text), "52:54:00:%02x:%02x:%02x", h & 0xff,
		 h >> 8 & 0xff, h >> 16 & 0xff);
	c->mac = strdup(text);
	return c->mac ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static struct netdev *find_netdev(const struct config *config, const char *id)
{
	for (unsigned i = 0; i < config->netdev_count; i++)
		if (!strcmp(config->netdev[i]->common.id, id) &&
		    !machine_is_card(config->netdev[i]->type))
			return config->netdev[i];
	return NULL;
}

/* Two cards on one -netdev, or with one address, would answer for each other.
 */
static int check_card(const struct netdev *card, const struct config *config,
		      struct err *err)
{
	const struct netcard_conf *c = card->conf;

	for (unsigned i = 0; i < config->netdev_count; i++) {
		const struct netdev *n = config->netdev[i];
		const struct netcard_conf *other = n->conf;

		if (!machine_is_card(n->type))
			continue;
		if (!strcmp(other->netdev, c->netdev))
			return err_set(err, -EEXIST,
				       "netdev=%s: device %s is plugged into "
				       "it: for several cards in a network "
				       "give each a -netdev of its own, with "
				       "the same net=",
				       c->netdev, n->common.id);
		if (!strcasecmp(other->mac, c->mac))
			return err_set(err, -EEXIST,
				       "mac=%s: is the address of device %s: "
				       "each card needs its own",
				       c->mac, n->common.id);
	}
	return 0;
}

static int finish_virtio(struct card_conf *c, const struct machine_conf *m,
			 struct err *err)
{
	if (c->mq && !c->has_queues)
		c->queues = m->cpus;
	return card_check(c, err);
}

static int finish_card(struct netdev *card, const struct machine_conf *m,
		       const struct config *config, const char *control,
		       struct err *err)
{
	struct netcard_conf *c = card->conf;
	const struct netdev *to = find_netdev(config, c->netdev);
	int rc;

	if (!to)
		return err_set(err, -ENOENT,
			       "netdev=%s: there is no -netdev of this id",
			       c->netdev);
	rc = opt_set(port_conf_rows, &card->common, "net", to->common.net, err);
	if (!rc && !c->mac)
		rc = make_mac(c, card->common.id, control, err);
	if (!rc && card->type == &port_card_type)
		rc = finish_virtio(card->conf, m, err);
	return rc ? rc : check_card(card, config, err);
}

/* Adds a card of @type: "id=net0" or so to the pairs of one without an id. */
static int card_add(struct machine_conf *m, struct config *config,
		    const struct port_type *type, const struct opt_pair *pairs,
		    int count, const char *control, struct err *err)
{
	struct opt_pair *all = calloc((size_t)count + 1, sizeof(*all));
	static char id_key[] = "id";
	struct netdev *card;
	char id[80] = "card"; /* without netdev=, which is refused */
	bool has_id = false;
	int rc;

	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < count; i++) {
		all[i] = pairs[i];
		has_id |= !strcmp(pairs[i].key, "id");
		if (!strcmp(pairs[i].key, "netdev") && pairs[i].value)
			snprintf(id, sizeof(id), "%.50s.card", pairs[i].value);
	}
	if (!has_id)
		all[count++] = (struct opt_pair){ id_key, id };
	rc = netdev_parse_pairs(type, all, count, &card, err);
	free(all);
	if (rc)
		return rc;
	((struct netcard_conf *)card->conf)->order = m->device_count++;
	rc = finish_card(card, m, config, control, err);
	if (!rc)
		return config_add(config, card, err);
	err_prefix(err, rc, "device %s", card->common.id);
	netdev_free(card);
	return rc;
}

static int set_one(struct machine_device *d, const struct opt_pair *pair,
		   struct err *err)
{
	const struct opt_row *tables[] = { d->type->rows, NULL };
	int rc = opt_set(d->type->rows, d->conf, pair->key, pair->value, err);

	if (rc != -ENOENT)
		return rc;
	opt_unknown(tables, pair->key, err);
	return -EINVAL;
}

/* Sets one option; drive=ID stands for those of the -drive. */
static int set_option(struct machine_conf *m, struct machine_device *d,
		      const struct opt_pair *pair, struct err *err)
{
	struct machine_drive *drive;
	int rc = 0;

	if (d->type != &device_blk_type || strcmp(pair->key, "drive") != 0)
		return set_one(d, pair, err);
	drive = machine_drive_find(m, pair->value ? pair->value : "", err);
	if (!drive)
		return -ENOENT;
	d->drive = drive;
	for (unsigned i = 0; i < drive->count && !rc; i++)
		rc = set_one(d, &drive->pair[i], err);
	return rc;
}

static bool has_name(const struct machine_conf *m,
		     const struct machine_device *but, const char *id)
{
	for (const struct machine_device *d = m->devices; d; d = d->next)
		if (d != but &&
		    !strcmp(((const struct device_conf *)d->conf)->id, id))
			return true;
	return false;
}

/* Names @d by its type and the first free number. */
static int name_device(const struct machine_conf *m, struct machine_device *d,
		       struct err *err)
{
	struct device_conf *common = d->conf;
	unsigned number = 0;
	char id[80];

	do
		snprintf(id, sizeof(id), "%.60s-%u", d->type->name, number++);
	while (has_name(m, d, id));
	common->id = strdup(id);
	return common->id ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void machine_device_free(struct machine_conf *m, struct machine_device *d)
{
	struct machine_device **at = &m->devices;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	if (d->drive)
		d->drive->is_used = false;
	vfio_lease_give(d->lease);
	opt_free(d->type->rows, d->conf);
	free(d->conf);
	free(d);
}

int machine_device_make(struct machine_conf *m, const struct device_type *type,
			const struct opt_pair *pairs, int count,
			struct err *err)
{
	struct machine_device *d = calloc(1, sizeof(*d)), **at;
	struct device_conf *common;
	int rc, slot;

	if (d)
		d->conf = calloc(1, type->conf_size);
	if (!d || !d->conf) {
		free(d);
		return err_set(err, -ENOMEM, "out of memory");
	}
	d->type = type;
	common = d->conf;
	/* In the list at once: machine_conf_fini() frees it. */
	for (at = &m->devices; *at; at = &(*at)->next)
		;
	*at = d;
	rc = opt_defaults(type->rows, d->conf, err);
	common->order = m->device_count++;
	for (int i = 0; i < count && !rc; i++)
		rc = set_option(m, d, &pairs[i], err);
	if (!rc)
		rc = opt_check(type->rows, d->conf, err);
	if (!rc)
		rc = pci_conf_check(&common->pci, &slot, err);
	if (!rc && !common->id)
		rc = name_device(m, d, err);
	else if (!rc && has_name(m, d, common->id))
		rc = err_set(err, -EEXIST, "id=%s: another device has it",
			     common->id);
	return rc ? err_prefix(err, rc, "device %s",
			       common->id ? common->id : type->name)
		  : 0;
}

int machine_device_add(struct machine_conf *m, struct config *config,
		       const char *text, const char *control, struct err *err)
{
	const struct device_type *type;
	struct opt_pair *pairs;
	char *first;
	int rc, count = split(text, &first, &pairs, err);

	if (count < 0)
		return err_prefix(err, count, "device %.64s", text);
	type = first ? find_type(real_name(first)) : NULL;
	if (!first)
		rc = err_set(err, -EINVAL,
			     "device: the type is missing: write "
			     "TYPE,key=value,...");
	else if (find_card(real_name(first)))
		rc = card_add(m, config, find_card(real_name(first)), pairs,
			      count, control, err);
	else if (type)
		rc = machine_device_make(m, type, pairs, count, err);
	else
		rc = refuse_type(first, err);
	opt_pairs_free(first, pairs, count);
	return rc;
}

/* Cards first: the virtio one, those that are emulated, those of the host. */
bool machine_device_at(unsigned i, const char **name, const char **help)
{
	const struct port_type *card = i ? NULL : &port_card_type;
	const struct device_type *other = NULL;
	unsigned nics = 0;

	while (nic_types[nics])
		nics++;
	if (i && i <= nics)
		card = nic_types[i - 1];
	else if (i == nics + 1)
		other = &device_vfio_type;
	else if (i)
		other = device_types[i - nics - 2];
	if (!card && !other)
		return false;
	*name = card ? card->name : other->name;
	*help = card ? card->help : other->help;
	return true;
}

const struct opt_row *machine_device_rows(const char *name)
{
	const struct device_type *t = find_type(real_name(name));
	const struct port_type *card = find_card(real_name(name));

	if (card)
		return card->rows;
	return t ? t->rows : NULL;
}
