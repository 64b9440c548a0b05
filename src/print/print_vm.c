/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as text: `vm show` with the rates of an interval, and `vm
 * explain`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "print_impl.h"

/* Returns how much the number @key of @now grew since @before, a second. */
static uint64_t rate(const json_t *before, const json_t *now, const char *key,
		     double seconds)
{
	uint64_t a = num(before, key), b = num(now, key);

	return b > a ? (uint64_t)((double)(b - a) / seconds + 0.5) : 0;
}

/* Returns the element of @rows whose @key is the same number as that of @like,
 * or NULL. */
static const json_t *same(const json_t *rows, const char *key,
			  const json_t *like)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (num(row, key) == num(like, key))
			return row;
	return NULL;
}

static void print_machine(const json_t *m)
{
	printf("machine %s: %s, %" PRIu64 " vCPU%s, %" PRIu64
	       " MiB, pid %" PRIu64 ", for %.1f s\n",
	       str(m, "name"), str(m, "state"), num(m, "vcpus"),
	       num(m, "vcpus") == 1 ? "" : "s", num(m, "memory_mib"),
	       num(m, "pid"), (double)num(m, "uptime_ms") / 1000);
}

/* Exits are those of KVM; the last three came to the monitor. */
static void print_vcpus(const json_t *before, const json_t *now, double seconds)
{
	static const char *const head[] = {
		"VCPU",	    ">EXITS/S", ">IO",	     ">MMIO",
		">HALT",    ">IRQ",	">INJECTED", ">PORT*",
		">MEMORY*", ">SIGNAL*", NULL,
	};
	static const char *const of_kvm[] = { "exits",	    "io_exits",
					      "mmio_exits", "halt_exits",
					      "irq_exits",  "irq_injections" };
	static const char *const of_us[] = { "port", "memory", "signal" };
	struct table *t = table_create(head);
	const json_t *c;
	size_t i;

	json_array_foreach(now, i, c) {
		const json_t *old = same(before, "vcpu", c);
		const json_t *kvm = json_object_get(c, "kvm");

		table_row(t);
		table_add(t, "%" PRIu64, num(c, "vcpu"));
		for (unsigned k = 0; k < ARRAY_SIZE(of_kvm); k++)
			if (json_object_get(kvm, of_kvm[k]))
				table_add_short(
					t, rate(json_object_get(old, "kvm"),
						kvm, of_kvm[k], seconds));
			else
				table_add(t, "-");
		for (unsigned k = 0; k < ARRAY_SIZE(of_us); k++)
			table_add_short(t, rate(json_object_get(old, "exits"),
						json_object_get(c, "exits"),
						of_us[k], seconds));
	}
	puts("\nvCPUs, a second (*: exits that this process answers)");
	table_print(t, 2);
}

static const char *role_of(const char *name, bool is_first)
{
	static const struct {
		const char *begins, *is;
	} roles[] = {
		{ "vcpu", "runs the guest" },
		{ "vhost-", "the kernel's vhost-net: moves frames" },
		{ "worker", "moves frames" },
		{ "slirp", "user networking" },
		{ "disk", "reads and writes an image" },
		{ "kvm-", "KVM" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(roles); i++)
		if (!strncmp(name, roles[i].begins, strlen(roles[i].begins)))
			return roles[i].is;
	return is_first ? "control: devices' registers, this answer" : "";
}

static void print_threads(const json_t *before, const json_t *now,
			  const json_t *machine, double seconds)
{
	static const char *const head[] = { "THREAD", ">TID", ">CPU", "DOES",
					    NULL };
	struct table *t = table_create(head);
	const json_t *k;
	size_t i;

	json_array_foreach(now, i, k) {
		const json_t *old = same(before, "tid", k);
		double ms = (double)(num(k, "cpu_ms") - num(old, "cpu_ms"));

		table_row(t);
		table_add(t, "%s", str(k, "name"));
		table_add_num(t, num(k, "tid"), false);
		table_add(t, "%.0f%%", old ? ms / (10 * seconds) : 0);
		table_add(t, "%s",
			  role_of(str(k, "name"),
				  num(k, "tid") == num(machine, "pid")));
	}
	puts("\nthreads");
	table_print(t, 2);
}

static void print_descriptors(const json_t *kinds)
{
	const char *key;
	json_t *v;
	bool is_first = true;

	printf("\ndescriptors: ");
	json_object_foreach((json_t *)kinds, key, v) {
		printf("%s%" JSON_INTEGER_FORMAT " %s", is_first ? "" : ", ",
		       json_integer_value(v), key);
		is_first = false;
	}
	puts("");
}

static void add_rate(struct table *t, const json_t *old, const json_t *now,
		     const char *key, double seconds)
{
	if (json_object_get(now, key))
		table_add_short(t, rate(old, now, key, seconds));
	else
		table_add(t, "-");
}

static void print_devices(const json_t *before, const json_t *now,
			  double seconds)
{
	static const char *const head[] = {
		"DEVICE",     ">SLOT",	   "MOVED BY", "BACK-END",
		"DRIVER",     ">OUT/S",	   ">IN/S",    ">KICKS/S",
		">WAKEUPS/S", ">BURSTS/S", NULL,
	};
	static const char *const rates[] = { "frames_out", "frames_in", "kicks",
					     "wakeups", "bursts_out" };
	struct table *t = table_create(head);
	const json_t *d;
	size_t i;

	json_array_foreach(now, i, d) {
		const json_t *status = json_object_get(d, "status");
		const json_t *old = same(before, "slot", d);
		size_t n = json_array_size(status);

		table_row(t);
		table_add(t, "%s", str(d, "id"));
		table_add_num(t, num(d, "slot"), false);
		table_add(t, "%s",
			  *str(d, "moved_by") ? str(d, "moved_by") : "-");
		table_add(t, "%s",
			  *str(d, "back_end") ? str(d, "back_end") : "-");
		table_add(t, "%s",
			  n ? json_string_value(json_array_get(status, n - 1))
			    : "none");
		for (unsigned k = 0; k < ARRAY_SIZE(rates); k++)
			add_rate(t, old, d, rates[k], seconds);
	}
	puts("\ndevices");
	table_print(t, 2);
}

void print_vm(const json_t *before, const json_t *now, double seconds)
{
	const json_t *machine = json_object_get(now, "machine");

	print_machine(machine);
	print_vcpus(json_object_get(before, "vcpus"),
		    json_object_get(now, "vcpus"), seconds);
	print_threads(json_object_get(before, "threads"),
		      json_object_get(now, "threads"), machine, seconds);
	print_descriptors(json_object_get(now, "descriptors"));
	print_devices(json_object_get(before, "devices"),
		      json_object_get(now, "devices"), seconds);
}

void print_vm_done(const json_t *result)
{
	if (*str(result, "already"))
		printf("the machine is %s already\n", str(result, "already"));
}

/* The words for whoever has the rings of a card. */
struct mover {
	char who[80], how[200], to[80];
};

static struct mover mover_of(const json_t *d)
{
	struct mover m = { "", "", "" };
	const json_t *workers = json_object_get(d, "workers"), *w;
	size_t i;

	if (*str(d, "path")) {
		snprintf(m.who, sizeof(m.who), "the vhost-user back-end");
		snprintf(
			m.how, sizeof(m.how),
			"another process, which has the guest's memory mapped");
		snprintf(m.to, sizeof(m.to), "what it is connected to (%.50s)",
			 str(d, "path"));
	} else if (*str(d, "tap")) {
		snprintf(m.who, sizeof(m.who), "vhost-net");
		snprintf(m.how, sizeof(m.how),
			 "a kernel thread that copies from and to the guest's "
			 "memory");
		snprintf(m.to, sizeof(m.to), "the tap %s", str(d, "tap"));
	} else {
		json_array_foreach(workers, i, w)
			text_append(m.who, sizeof(m.who), ", ",
				    "worker %" JSON_INTEGER_FORMAT,
				    json_integer_value(w));
		snprintf(m.how, sizeof(m.how),
			 "a thread of this process that polls for a moment, "
			 "then sleeps");
		snprintf(m.to, sizeof(m.to),
			 "the port's network (`ringway "
			 "show`)");
	}
	return m;
}

static void print_count(const json_t *o, const char *key, const char *what)
{
	if (json_object_get(o, key))
		printf("%" PRIu64 " %s", num(o, key), what);
	else
		printf("%s: not counted", what);
}

static void explain_card(const json_t *d, uint64_t injected)
{
	struct mover m = mover_of(d);
	bool is_wired = true;
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(d, "rings"), i, r)
		is_wired &= json_is_true(json_object_get(r, "ioeventfd"));
	printf("\ncard %s: frames are moved by %s\n", str(d, "id"), m.who);
	printf("  (%s)\n", m.how);
	printf("  from the guest (");
	print_count(d, "frames_out", "frames");
	printf("):\n    1. its driver puts the frame's address into a ring of "
	       "its own memory, and writes to the doorbell unless told not to\n"
	       "       (");
	print_count(d, "kicks", "kicks");
	printf(")\n    2. %s\n",
	       is_wired ? "KVM turns that write into a signal on an eventfd: "
			  "the vCPU goes on, this process sees nothing"
			: "the write is an exit to this process, which "
			  "signals the eventfd");
	printf("    3. %s wakes up, or was still looking (", m.who);
	print_count(d, "wakeups", "wakeups");
	printf("), and reads the frame out of the guest's memory (");
	print_count(d, "bursts_out", "bursts");
	printf(")\n    4. it goes to %s\n", m.to);
	printf("  to the guest (");
	print_count(d, "frames_in", "frames");
	printf("):\n    1. %s copies it into a buffer that the driver put into "
	       "its ring\n",
	       m.who);
	printf("    2. %s signals the eventfd of %s, unless the driver said "
	       "that it looks itself\n",
	       m.who,
	       json_is_true(json_object_get(d, "msix")) ? "the queue's MSI-X "
							  "vector"
							: "the card's line");
	printf("    3. KVM injects the interrupt (irqfd; %" PRIu64
	       " injected, of all devices and the timer)\n",
	       injected);
}

void print_vm_explain(const json_t *result)
{
	uint64_t injected = 0;
	const json_t *v;
	size_t i;

	print_machine(json_object_get(result, "machine"));
	json_array_foreach(json_object_get(result, "vcpus"), i, v)
		injected += num(json_object_get(v, "kvm"), "irq_injections");
	json_array_foreach(json_object_get(result, "devices"), i, v)
		if (num(v, "virtio_type") == 1)
			explain_card(v, injected);
}
