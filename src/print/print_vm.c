/* SPDX-License-Identifier: Apache-2.0 */
/* `vm show` as text, with the rates of an interval. */
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

void print_machine(const json_t *m)
{
	printf("machine %s: %s, %" PRIu64 " vCPU%s, %" PRIu64
	       " MiB, pid %" PRIu64 ", for %.1f s\n",
	       str(m, "name"), str(m, "state"), num(m, "vcpus"),
	       num(m, "vcpus") == 1 ? "" : "s", num(m, "memory_mib"),
	       num(m, "pid"), (double)num(m, "uptime_ms") / 1000);
}

/* Returns the rate of the exits of KVM that no other column has: doorbells that
 * KVM answers, page faults, registers. */
static uint64_t other_exits(const json_t *old, const json_t *kvm,
			    double seconds)
{
	static const char *const named[] = { "io_exits", "mmio_exits",
					     "halt_exits", "irq_exits",
					     "irq_window_exits" };
	uint64_t all = rate(old, kvm, "exits", seconds), n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(named); i++)
		n += rate(old, kvm, named[i], seconds);
	return all > n ? all - n : 0;
}

static void add_rate(struct table *t, const json_t *old, const json_t *now,
		     const char *key, double seconds)
{
	if (json_object_get(now, key))
		table_add_short(t, rate(old, now, key, seconds));
	else
		table_add(t, "-");
}

/* Exits are those of KVM; the last three came to the monitor. */
static void print_vcpus(const json_t *before, const json_t *now, double seconds)
{
	static const char *const head[] = {
		"VCPU",	    ">EXITS/S", ">IO",	  ">MMIO",     ">HALT",
		">IRQ",	    ">WINDOW",	">OTHER", ">INJECTED", ">PORT*",
		">MEMORY*", ">SIGNAL*", NULL,
	};
	static const char *const of_kvm[] = {
		"exits",      "io_exits",  "mmio_exits",
		"halt_exits", "irq_exits", "irq_window_exits"
	};
	static const char *const of_us[] = { "port", "memory", "signal" };
	struct table *t = table_create(head);
	const json_t *c;
	size_t i;

	json_array_foreach(now, i, c) {
		const json_t *old = same(before, "vcpu", c);
		const json_t *kvm = json_object_get(c, "kvm");
		const json_t *old_kvm = json_object_get(old, "kvm");

		table_row(t);
		table_add(t, "%" PRIu64, num(c, "vcpu"));
		for (unsigned k = 0; k < ARRAY_SIZE(of_kvm); k++)
			add_rate(t, old_kvm, kvm, of_kvm[k], seconds);
		if (json_object_get(kvm, "exits"))
			table_add_short(t, other_exits(old_kvm, kvm, seconds));
		else
			table_add(t, "-");
		add_rate(t, old_kvm, kvm, "irq_injections", seconds);
		for (unsigned k = 0; k < ARRAY_SIZE(of_us); k++)
			table_add_short(t, rate(json_object_get(old, "exits"),
						json_object_get(c, "exits"),
						of_us[k], seconds));
	}
	puts("\nvCPUs, a second: exits by reason, interrupts injected (*: "
	     "exits "
	     "that this process answers)");
	table_print(t, 2);
}

static const char *role_of(const char *name, bool is_first)
{
	static const struct {
		const char *begins, *is;
	} roles[] = {
		{ "vcpu", "runs the guest" },
		{ "vhost-", "the kernel's vhost: moves frames, or the data of "
			    "sockets" },
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
	static const char *const head[] = { "THREAD",	  ">TID", ">CPU",
					    ">WAKEUPS/S", "DOES", NULL };
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
		table_add_short(t, old ? rate(old, k, "wakeups", seconds) : 0);
		if (num(k, "of_pid"))
			table_add(t,
				  "of the back-end, %s (process %" PRIu64 ")",
				  str(k, "of_program"), num(k, "of_pid"));
		else
			table_add(
				t, "%s",
				role_of(str(k, "name"),
					num(k, "tid") == num(machine, "pid")));
	}
	puts("\nthreads (a wakeup: it slept, and somebody woke it)");
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

static void print_device_rates(const json_t *before, const json_t *now,
			       double seconds)
{
	static const char *const head[] = {
		"DEVICE",    ">SLOT",	    "PLUGGED",	  "MOVED BY",
		"BACK-END",  "DRIVER",	    "=>OUT/S",	  "=>IN/S",
		"=>KICKS/S", "=>WAKEUPS/S", "=>BURSTS/S", "=>INTERRUPTS/S",
		NULL,
	};
	static const char *const rates[] = { "frames_out", "frames_in",
					     "kicks",	   "wakeups",
					     "bursts_out", "interrupts" };
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
		table_add(t, "%s", str(d, "plug"));
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
	puts("\ndevices (-: not seen from this process)");
	table_print(t, 2);
}

/* An emulated card has a model, and no virtio number. */
static bool is_card(const json_t *d)
{
	return num(d, "virtio_type") == 1 || *str(d, "model");
}

static const char *way_of(const json_t *d, uint64_t ring)
{
	if (ring == 2 * num(d, "queue_pairs"))
		return "control";
	return ring & 1 ? "from the guest" : "to the guest";
}

static void add_rings(struct table *t, const json_t *old, const json_t *d,
		      double seconds)
{
	static const char *const rates[] = { "frames", "kicks", "interrupts" };
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(d, "rings"), i, r) {
		const json_t *q = same(json_object_get(d, "queues"), "ring", r);
		const json_t *before =
			same(json_object_get(old, "queues"), "ring", r);

		table_row(t);
		table_add(t, "%s", str(d, "id"));
		table_add_num(t, num(r, "ring"), false);
		table_add(t, "%s", way_of(d, num(r, "ring")));
		table_add_num(t, num(r, "size"), false);
		if (json_object_get(r, "vector"))
			table_add_num(t, num(r, "vector"), false);
		else
			table_add(t, "-");
		for (unsigned k = 0; k < ARRAY_SIZE(rates); k++)
			add_rate(t, before, q, rates[k], seconds);
	}
}

static void print_rings(const json_t *before, const json_t *now, double seconds)
{
	static const char *const head[] = { "CARD",	 "RING",
					    "WAY",	 ">SIZE",
					    "=>VECTOR",	 "=>FRAMES/S",
					    "=>KICKS/S", "=>INTERRUPTS/S",
					    NULL };
	size_t i, rings = 0;
	struct table *t;
	const json_t *d;

	json_array_foreach(now, i, d)
		if (is_card(d))
			rings += json_array_size(json_object_get(d, "rings"));
	if (!rings)
		return;
	t = table_create(head);
	json_array_foreach(now, i, d)
		if (is_card(d))
			add_rings(t, same(before, "slot", d), d, seconds);
	puts("\nrings of cards, a second");
	table_print(t, 2);
}

/* Who copies, who kicks, who wakes. */
static void print_roles(const json_t *now)
{
	const json_t *d;
	size_t i;

	json_array_foreach(now, i, d) {
		struct mover m;

		if (!is_card(d) ||
		    (!*str(d, "model") &&
		     !json_array_size(json_object_get(d, "rings"))))
			continue;
		m = mover_of(d);
		if (*str(d, "host")) {
			printf("\n%s: %s (%s) moves frames by DMA; registers "
			       "are mapped, a kick wakes nobody; its "
			       "interrupts (%s) wake the guest through KVM "
			       "(irqfd)\n",
			       str(d, "id"), m.who, str(d, "host"),
			       str(d, "irq"));
			continue;
		}
		printf("\n%s: %s copies; a kick of the guest wakes %s through "
		       "%s; %s wakes the guest through %s\n",
		       str(d, "id"), m.who, m.who,
		       is_wired(d) && !*str(d, "model")
			       ? "KVM (ioeventfd)"
			       : "a vCPU's exit to this process",
		       m.who,
		       json_is_true(json_object_get(d, "msix"))
			       ? "KVM (irqfd)"
			       : "this process, which raises the line");
	}
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
	print_device_rates(json_object_get(before, "devices"),
			   json_object_get(now, "devices"), seconds);
	print_rings(json_object_get(before, "devices"),
		    json_object_get(now, "devices"), seconds);
	print_roles(json_object_get(now, "devices"));
}

void print_added_device(const json_t *result)
{
	if (!json_is_true(json_object_get(result, "listens")))
		printf("%s is in slot %" PRIu64
		       ", but the guest does not listen for hot plug: it finds "
		       "the device when it looks, at the latest after a "
		       "reset\n",
		       str(result, "id"), num(result, "slot"));
}

void print_devices(const json_t *result)
{
	static const char *const head[] = { "DEVICE", ">SLOT",	 "TYPE",
					    "NETDEV", "PLUGGED", NULL };
	static const char *const head2[] = { "NETDEV", "TYPE", "DEVICE", NULL };
	struct table *t = table_create(head);
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(result, "devices"), i, d) {
		table_row(t);
		table_add(t, "%s", str(d, "id"));
		table_add_num(t, num(d, "slot"), false);
		table_add(t, "%s", str(d, "type"));
		table_add(t, "%s", *str(d, "netdev") ? str(d, "netdev") : "-");
		table_add(t, "%s", str(d, "plug"));
	}
	table_print(t, 0);
	puts("");
	t = table_create(head2);
	json_array_foreach(json_object_get(result, "netdevs"), i, d) {
		table_row(t);
		table_add(t, "%s", str(d, "id"));
		table_add(t, "%s", str(d, "type"));
		table_add(t, "%s", *str(d, "device") ? str(d, "device") : "-");
	}
	table_print(t, 0);
}

void print_vm_done(const json_t *result)
{
	if (*str(result, "already"))
		printf("the machine is %s already\n", str(result, "already"));
}
