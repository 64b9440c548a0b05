/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what QEMU's -machine, -accel, -smp, -m and -mem-path say, see
 * machine_conf.h. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "machine_conf.h"
#include "vm.h"

#define OPT_OF(type, k, member, t, ...)                                \
	{                                                              \
		.key = k, .kind = t, .offset = offsetof(type, member), \
		__VA_ARGS__                                            \
	}

enum irqchip { IRQCHIP_ON, IRQCHIP_SPLIT };

static const char *const irqchip_names[] = { "on", "split", NULL };
static const char *const only_off[] = { "off", NULL };
static const char *const only_kvm[] = { "kvm", NULL };

struct board_conf {
	char *type;
	int accel, irqchip, ignored;
};

#define OPT(k, member, t, ...) \
	OPT_OF(struct board_conf, k, member, t, __VA_ARGS__)
/* What this machine does not have: a line of QEMU may say so. */
#define OPT_OFF(k) OPT(k, ignored, OPT_ENUM, .choices = only_off)

static const struct opt_row board_rows[] = {
	OPT("type", type, OPT_STRING, .arg = "NAME"),
	OPT("accel", accel, OPT_ENUM, .choices = only_kvm),
	OPT("kernel-irqchip", irqchip, OPT_ENUM, .choices = irqchip_names),
	OPT_OFF("usb"),
	OPT_OFF("vmport"),
	OPT_OFF("smm"),
	OPT_OFF("hpet"),
	OPT_OFF("graphics"),
	OPT_OFF("dump-guest-core"),
	OPT_OFF("mem-merge"),
	{ NULL },
};

static const struct opt_row accel_rows[] = {
	OPT("accel", accel, OPT_ENUM, .choices = only_kvm),
	OPT("kernel-irqchip", irqchip, OPT_ENUM, .choices = irqchip_names),
	{ NULL },
};

#undef OPT

static bool is_board(const char *type)
{
	return !strcmp(type, "q35") || !strcmp(type, "pc") ||
	       !strcmp(type, "microvm") || !strncmp(type, "pc-", 3);
}

int machine_read_line(const char *option, const char *text, const char *first,
		      const struct opt_row *rows, void *c, struct err *err)
{
	const struct opt_row *tables[] = { rows, NULL };
	struct opt_pair *pairs;
	char *word;
	int count = opt_split(text, &word, &pairs, err), rc = 0;

	if (count < 0)
		return err_prefix(err, count, "%s", option);
	if (word)
		rc = opt_set(rows, c, first, word, err);
	for (int i = 0; i < count && !rc; i++) {
		rc = opt_set(rows, c, pairs[i].key, pairs[i].value, err);
		if (rc == -ENOENT) {
			opt_unknown(tables, pairs[i].key, err);
			rc = -EINVAL;
		}
	}
	opt_pairs_free(word, pairs, count);
	return rc ? err_prefix(err, rc, "%s", option) : 0;
}

static int read_board(struct machine_conf *m, struct err *err)
{
	struct board_conf c = { 0 };
	int rc = 0;

	if (m->machine)
		rc = machine_read_line("machine", m->machine, "type",
				       board_rows, &c, err);
	if (!rc && c.type && !is_board(c.type))
		rc = err_set(err, -EINVAL,
			     "machine=%.40s: there is one machine here: q35, "
			     "pc and microvm are taken for it",
			     c.type);
	if (!rc)
		rc = machine_read_line("accel", m->accel, "accel", accel_rows,
				       &c, err);
	m->split_irqchip = c.irqchip == IRQCHIP_SPLIT;
	opt_free(board_rows, &c);
	return rc;
}

struct smp_conf {
	uint32_t cpus, sockets, cores, threads, maxcpus, one;
};

#define OPT(k, member)                                         \
	OPT_OF(struct smp_conf, k, member, OPT_UINT, .min = 1, \
	       .max = VM_CPUS_MAX, .arg = "N")

static const struct opt_row smp_rows[] = {
	OPT("cpus", cpus),
	OPT("sockets", sockets),
	OPT("cores", cores),
	OPT("threads", threads),
	OPT("maxcpus", maxcpus),
	OPT_OF(struct smp_conf, "dies", one, OPT_UINT, .min = 1, .max = 1),
	OPT_OF(struct smp_conf, "clusters", one, OPT_UINT, .min = 1, .max = 1),
	OPT_OF(struct smp_conf, "modules", one, OPT_UINT, .min = 1, .max = 1),
	OPT_OF(struct smp_conf, "drawers", one, OPT_UINT, .min = 1, .max = 1),
	OPT_OF(struct smp_conf, "books", one, OPT_UINT, .min = 1, .max = 1),
	{ NULL },
};

#undef OPT

/* What is not said is one thread, one socket and as many cores as it takes;
 * with cores=, as many sockets, and with both, as many threads: as QEMU
 * since 6.2. */
static struct cpu_topology make_topology(const struct smp_conf *c)
{
	struct cpu_topology t = { c->sockets, c->cores, c->threads };
	unsigned cpus = c->cpus ? c->cpus : c->maxcpus;

	if (cpus && t.cores && !t.sockets)
		t.sockets = cpus / (t.cores * MAX(t.threads, 1u));
	else if (cpus && t.cores && !t.threads)
		t.threads = cpus / (t.sockets * t.cores);
	t.sockets = MAX(t.sockets, 1u);
	t.threads = MAX(t.threads, 1u);
	if (!t.cores)
		t.cores = MAX(cpus / (t.sockets * t.threads), 1u);
	return t;
}

static int read_smp(struct machine_conf *m, struct err *err)
{
	struct smp_conf c = { 0 };
	int rc = machine_read_line("smp", m->smp, "cpus", smp_rows, &c, err);
	uint64_t count;

	if (rc)
		return rc;
	m->topology = make_topology(&c);
	count = (uint64_t)m->topology.sockets * m->topology.cores *
		m->topology.threads;
	m->cpus = c.cpus ? c.cpus : (uint32_t)MIN(count, UINT32_MAX);
	if (c.maxcpus && c.maxcpus != m->cpus)
		return err_set(err, -EINVAL,
			       "smp: maxcpus=%u: no vCPU comes later: it must "
			       "be the number of vCPUs, %u, or be left out",
			       c.maxcpus, m->cpus);
	if (count != m->cpus)
		return err_set(err, -EINVAL,
			       "smp: sockets=%u,cores=%u,threads=%u make %llu "
			       "vCPUs, not %u",
			       m->topology.sockets, m->topology.cores,
			       m->topology.threads, (unsigned long long)count,
			       m->cpus);
	if (m->cpus > VM_CPUS_MAX)
		return err_set(err, -EINVAL,
			       "smp: %u vCPUs: %u are the most here", m->cpus,
			       VM_CPUS_MAX);
	return 0;
}

/* Finds the size of "SIZE" or "size=SIZE", on the heap: there is no memory that
 * comes later. */
static int find_size(const char *text, char **out, struct err *err)
{
	struct opt_pair *pairs;
	char *first;
	int count = opt_split(text, &first, &pairs, err), rc = 0;
	const char *value = count >= 0 ? first : NULL;

	if (count < 0)
		return count;
	for (int i = 0; i < count && !rc; i++) {
		if (!strcmp(pairs[i].key, "size") && pairs[i].value && !value)
			value = pairs[i].value;
		else
			rc = err_set(err, -EINVAL,
				     "m: '%.40s' is not known here: write -m "
				     "SIZE",
				     pairs[i].key);
	}
	*out = !rc && value ? strdup(value) : NULL;
	opt_pairs_free(first, pairs, count);
	if (!rc && !*out)
		rc = err_set(err, -EINVAL, "m: the value is missing");
	return rc;
}

static const struct opt_row memory_rows[] = {
	OPT_OF(struct machine_conf, "m", memory_size, OPT_SIZE, .min = 16 << 20,
	       .max = 1ull << 42),
	{ NULL },
};

static int read_memory(struct machine_conf *m, struct err *err)
{
	char *value, text[40];
	int rc = find_size(m->memory, &value, err);
	size_t len;

	if (rc)
		return rc;
	len = strlen(value);
	/* QEMU's -m counts in MiB. */
	snprintf(text, sizeof(text), "%.30s%s", value,
		 len && value[len - 1] >= '0' && value[len - 1] <= '9' ? "M"
								       : "");
	free(value);
	rc = opt_set(memory_rows, m, "m", text, err);
	if (!rc && m->memory_size % 4096)
		rc = err_set(err, -EINVAL, "m=%s: must be a multiple of 4 KiB",
			     text);
	return rc;
}

/* -mem-path names a folder of a hugetlbfs: its pages are taken, without a file
 * in it. */
static int read_pages(struct machine_conf *m, struct err *err)
{
	struct statfs fs;

	m->page_size = m->hugepages ? 2 << 20 : 0;
	if (!m->mem_path)
		return 0;
	if (statfs(m->mem_path, &fs) < 0)
		return err_set(err, -errno, "mem-path=%s: %s", m->mem_path,
			       strerror(errno));
	if (fs.f_type != HUGETLBFS_MAGIC)
		return err_set(err, -EINVAL,
			       "mem-path=%s: is no hugetlbfs: leave it out: "
			       "memory is a memfd, which others can share",
			       m->mem_path);
	m->page_size = (uint64_t)fs.f_bsize;
	return 0;
}

int machine_board_read(struct machine_conf *m, struct err *err)
{
	int rc = read_board(m, err);

	if (!rc)
		rc = read_memory(m, err);
	if (!rc)
		rc = read_pages(m, err);
	return rc ? rc : read_smp(m, err);
}
