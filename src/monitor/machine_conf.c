/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a machine, see machine_conf.h. */
#include "machine_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define OPT(k, member, t, ...)                                               \
	{                                                                    \
		.key = k, .kind = t,                                         \
		.offset = offsetof(struct machine_conf, member), __VA_ARGS__ \
	}

const struct opt_row machine_rows[] = {
	OPT("kernel", kernel, OPT_PATH, .arg = "FILE",
	    .help = "Linux kernel: bzImage or vmlinux"),
	OPT("initrd", initrd, OPT_PATH, .arg = "FILE",
	    .help = "initial RAM disk"),
	OPT("append", append, OPT_STRING, .arg = "TEXT",
	    .help = "command line of the kernel"),
	OPT("m", memory, OPT_STRING, .def = "256", .arg = "SIZE",
	    .help = "memory, in MiB or with a suffix"),
	OPT("smp", smp, OPT_STRING, .def = "1", .arg = "N", .help = "vCPUs"),
	OPT("device", device, OPT_LIST, .arg = "TYPE,...",
	    .help = "a device; \"-device help\" lists the types; may be given "
		    "several times"),
	OPT("drive", drive, OPT_LIST, .arg = "file=FILE,...",
	    .help = "a disk: if=virtio (default), or if=none,id=NAME for a "
		    "-device; may be given several times"),
	OPT("serial", serial, OPT_STRING, .def = "stdio", .arg = "WHERE",
	    .help = "serial port: stdio, none or file:FILE"),
	OPT("nographic", nographic, OPT_BOOL,
	    .help = "as in QEMU: there is no other way here"),
	OPT("name", name, OPT_STRING, .def = "vm", .min = 1, .max = 40,
	    .arg = "NAME",
	    .help = "name of the machine, of its control socket, too"),
	OPT("accel", accel, OPT_ENUM, .def = "kvm",
	    .choices = (const char *const[]){ "kvm", NULL },
	    .help = "as in QEMU: there is no other way here"),
	OPT("enable-kvm", enable_kvm, OPT_BOOL, .help = "the same"),
	OPT("cpu", cpu, OPT_ENUM, .def = "host",
	    .choices = (const char *const[]){ "host", "max", NULL },
	    .help = "as in QEMU: a vCPU has what KVM offers"),
	OPT("hugepages", hugepages, OPT_BOOL,
	    .help = "memory of pages of 2 MiB"),
	OPT("dry-run", dry_run, OPT_BOOL,
	    .help = "print what would be set up, and end"),
	OPT("no-reboot", no_reboot, OPT_BOOL,
	    .help = "end when the guest resets the machine"),
	{ NULL },
};

/* Finds the value of "VALUE" or "KEY=VALUE", the only key that is taken. */
static int only_value(const char *option, const char *key, const char *text,
		      char **out, struct err *err)
{
	struct opt_pair *pairs;
	char *first;
	int count = opt_split(text, &first, &pairs, err), rc = 0;
	const char *value = count >= 0 ? first : NULL;

	if (count < 0)
		return count;
	for (int i = 0; i < count && !rc; i++) {
		if (!strcmp(pairs[i].key, key) && pairs[i].value && !value)
			value = pairs[i].value;
		else
			rc = err_set(err, -EINVAL,
				     "%s: '%.40s' is not known here: write -%s "
				     "%s",
				     option, pairs[i].key, option,
				     !strcmp(key, "size") ? "SIZE" : "N");
	}
	*out = !rc && value ? strdup(value) : NULL;
	opt_pairs_free(first, pairs, count);
	if (!rc && !*out)
		rc = err_set(err, -EINVAL, "%s: the value is missing", option);
	return rc;
}

static int read_memory(struct machine_conf *m, struct err *err)
{
	struct {
		uint64_t size;
	} conf = { 0 };
	static const struct opt_row row[] = {
		{ .key = "m",
		  .kind = OPT_SIZE,
		  .min = 16 << 20,
		  .max = 1ull << 42 },
		{ NULL },
	};
	char *value, text[40];
	int rc = only_value("m", "size", m->memory, &value, err);
	size_t len;

	if (rc)
		return rc;
	len = strlen(value);
	/* QEMU's -m counts in MiB. */
	snprintf(text, sizeof(text), "%.30s%s", value,
		 len && value[len - 1] >= '0' && value[len - 1] <= '9' ? "M"
								       : "");
	free(value);
	rc = opt_set(row, &conf, "m", text, err);
	if (!rc && conf.size % 4096)
		rc = err_set(err, -EINVAL, "m=%s: must be a multiple of 4 KiB",
			     text);
	m->memory_size = conf.size;
	return rc;
}

static int read_smp(struct machine_conf *m, struct err *err)
{
	struct {
		uint32_t cpus;
	} conf = { 0 };
	static const struct opt_row row[] = {
		{ .key = "smp",
		  .kind = OPT_UINT,
		  .min = 1,
		  .max = VM_CPUS_MAX },
		{ NULL },
	};
	char *value;
	int rc = only_value("smp", "cpus", m->smp, &value, err);

	if (rc)
		return rc;
	rc = opt_set(row, &conf, "smp", value, err);
	free(value);
	m->cpus = conf.cpus;
	return rc;
}

/* A network that holds one -netdev and its card is a link. */
static int own_networks(struct config *config, struct err *err)
{
	for (unsigned i = 0; i < config->netdev_count; i++) {
		struct port_conf *c = &config->netdev[i]->common;
		int rc = 0;

		if (!strcmp(c->net, "default"))
			rc = opt_set(port_conf_rows, c, "net", c->id, err);
		if (rc)
			return rc;
	}
	return 0;
}

int machine_conf_finish(struct machine_conf *m, struct config *config,
			const char *control, struct err *err)
{
	int rc = 0;

	if (!m->kernel)
		return err_set(err, -EINVAL,
			       "kernel: missing: -kernel FILE names what to "
			       "boot");
	rc = read_memory(m, err);
	if (!rc)
		rc = read_smp(m, err);
	if (!rc)
		rc = machine_vhost_translate(m, config, err);
	if (!rc)
		rc = own_networks(config, err);
	for (unsigned i = 0; i < m->drive.count && !rc; i++)
		rc = machine_drive_add(m, m->drive.value[i], err);
	for (unsigned i = 0; i < m->device.count && !rc; i++)
		rc = machine_device_add(m, config, m->device.value[i], control,
					err);
	return rc ? rc : machine_vhost_take(m, config, err);
}

void machine_conf_fini(struct machine_conf *m)
{
	struct machine_device *d;

	while ((d = m->devices)) {
		m->devices = d->next;
		opt_free(d->type->rows, d->conf);
		free(d->conf);
		free(d);
	}
	machine_drives_free(m);
	machine_cards_free(m);
	opt_free(machine_rows, m);
}
