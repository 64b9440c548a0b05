/* SPDX-License-Identifier: Apache-2.0 */
/* `vm explain`: the path of a packet as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "print_impl.h"

/* Whether a worker before the @at-th is the same: it serves several queues. */
static bool is_again(const json_t *workers, size_t at)
{
	const json_t *w;
	size_t i;

	json_array_foreach(workers, i, w)
		if (i >= at || json_equal(w, json_array_get(workers, at)))
			return i < at;
	return false;
}

struct mover mover_of(const json_t *d)
{
	struct mover m = { "", "", "" };
	const json_t *workers = json_object_get(d, "workers"), *w;
	size_t i;

	if (*str(d, "host")) {
		snprintf(m.who, sizeof(m.who), "the card");
		snprintf(m.how, sizeof(m.how),
			 "%s of this host reads and writes the guest's memory "
			 "itself",
			 str(d, "host"));
		snprintf(m.to, sizeof(m.to), "its cable");
	} else if (*str(d, "path")) {
		snprintf(m.who, sizeof(m.who), "the vhost-user back-end");
		snprintf(
			m.how, sizeof(m.how),
			"another process, which has the guest's memory mapped");
		snprintf(m.to, sizeof(m.to), "what it is connected to (%.50s)",
			 str(d, "path"));
	} else if (*str(d, "vdpa")) {
		snprintf(m.who, sizeof(m.who), "the vDPA device");
		snprintf(m.how, sizeof(m.how),
			 "hardware, or a driver of the host, that reaches "
			 "%" PRIu64 " MiB of the guest's memory, mapped for it",
			 num(d, "mapped_mib"));
		snprintf(m.to, sizeof(m.to), "the device %s (%s)",
			 str(d, "vdpa_device"), str(d, "vdpa"));
	} else if (*str(d, "tap")) {
		snprintf(m.who, sizeof(m.who), "vhost-net");
		snprintf(m.how, sizeof(m.how),
			 "a kernel thread that copies from and to the guest's "
			 "memory");
		snprintf(m.to, sizeof(m.to), "the tap %s", str(d, "tap"));
	} else {
		json_array_foreach(workers, i, w)
			if (!is_again(workers, i))
				text_append(m.who, sizeof(m.who), ", ",
					    "worker %" JSON_INTEGER_FORMAT,
					    json_integer_value(w));
		if (!*m.who) /* the driver has no ring yet */
			snprintf(m.who, sizeof(m.who), "a worker");
		snprintf(m.how, sizeof(m.how),
			 "a thread of this process that polls for a moment, "
			 "then sleeps");
		snprintf(m.to, sizeof(m.to),
			 "the port's network (`ringway "
			 "show`)");
	}
	return m;
}

bool is_wired(const json_t *d)
{
	bool is = true;
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(d, "rings"), i, r)
		is &= json_is_true(json_object_get(r, "ioeventfd"));
	return is;
}

/* Prints " (N what)" if there is the count @key. */
static void print_count(const json_t *o, const char *key, const char *what)
{
	if (json_object_get(o, key))
		printf(" (%" PRIu64 " %s)", num(o, key), what);
}

/* Returns the sum of @key of the threads whose name begins with @begins. */
static uint64_t of_threads(const json_t *result, const char *begins,
			   const char *key)
{
	uint64_t n = 0;
	const json_t *k;
	size_t i;

	json_array_foreach(json_object_get(result, "threads"), i, k)
		if (!strncmp(str(k, "name"), begins, strlen(begins)))
			n += num(k, key);
	return n;
}

/* What is not counted for a card whose frames pass this process by. */
static void explain_counts(const json_t *result, const json_t *d)
{
	if (*str(d, "tap"))
		printf("  its threads woke up %" PRIu64
		       " times; nobody counts kicks and interrupts, which go "
		       "between KVM and vhost-net\n",
		       of_threads(result, "vhost-", "wakeups"));
	else if (*str(d, "vdpa"))
		puts("  frames, kicks and interrupts are counted by nobody "
		     "here: they go between KVM and the device");
	else if (*str(d, "path"))
		printf("  frames, kicks and interrupts are counted there: of a "
		       "switch, `ringway stats` tells (process %" PRIu64 ")\n",
		       num(d, "peer_pid"));
}

/* How often the guest was interrupted for frames to it. Its receive rings are
 * even (virtio 1.2, clause 5.1.2). */
static void print_signals(const json_t *d)
{
	const json_t *queues = json_object_get(d, "queues"), *q;
	uint64_t n = 0;
	size_t i;

	if (!queues)
		return;
	json_array_foreach(queues, i, q)
		if (num(q, "ring") % 2 == 0)
			n += num(q, "interrupts");
	printf(" (%" PRIu64 " signals)", n);
}

static void explain_card(const json_t *result, const json_t *d,
			 uint64_t injected)
{
	struct mover m = mover_of(d);

	printf("\ncard %s: frames are moved by %s\n  (%s)\n", str(d, "id"),
	       m.who, m.how);
	if (!strcmp(str(d, "plug"), "leaving"))
		puts("  leaving: the guest was asked to let go of it");
	else if (!strcmp(str(d, "plug"), "added"))
		puts("  added while the guest ran");
	printf("  from the guest");
	print_count(d, "frames_out", "frames");
	printf(":\n    1. its driver puts the frame's address into a ring of "
	       "its own memory, and writes to the doorbell unless told not to");
	print_count(d, "kicks", "kicks");
	printf("\n    2. %s\n",
	       is_wired(d) ? "KVM turns that write into a signal on an "
			     "eventfd: the vCPU goes on, this process sees "
			     "nothing"
			   : "the write is an exit to this process, which "
			     "signals the eventfd");
	printf("    3. %s wakes up, or was still looking", m.who);
	print_count(d, "wakeups", "wakeups");
	printf(", and reads the frame out of the guest's memory");
	print_count(d, "bursts_out", "bursts");
	printf("\n    4. it goes to %s\n  to the guest", m.to);
	print_count(d, "frames_in", "frames");
	printf(":\n    1. %s copies it into a buffer that the driver put into "
	       "its ring\n    2. %s signals the eventfd of %s, unless the "
	       "driver said that it looks itself",
	       m.who, m.who,
	       json_is_true(json_object_get(d, "msix")) ? "the queue's MSI-X "
							  "vector"
							: "the card's line");
	print_signals(d);
	printf("\n    3. KVM injects the interrupt (irqfd; %" PRIu64
	       " injected, of all devices and the timer)\n",
	       injected);
	explain_counts(result, d);
}

/* A card that is emulated: nothing passes this process by. */
static void explain_emulated(const json_t *d)
{
	bool has_messages = json_is_true(json_object_get(d, "msix"));

	printf("\ncard %s: an emulated %s, whose frames are moved by workers "
	       "of this process\n  from the guest",
	       str(d, "id"), str(d, "model"));
	print_count(d, "frames_out", "frames");
	puts(":\n    1. its driver puts the frame's address into a ring of its "
	     "own memory, and writes to a register: an exit to this process\n"
	     "    2. the vCPU's thread stores the value, and wakes a worker if "
	     "all sleep");
	printf("    3. the worker reads the frame out of the guest's memory");
	print_count(d, "bursts_out", "bursts");
	printf("\n  to the guest");
	print_count(d, "frames_in", "frames");
	printf(":\n    1. a worker copies it into a buffer of the driver's "
	       "ring, and %s",
	       has_messages ? "signals the eventfd of the queue's MSI-X vector"
			    : "wakes the control thread\n"
			      "    2. that raises the card's line");
	printf(", not more often than the driver asked for");
	print_count(d, "interrupts", "interrupts");
	puts(has_messages ? "\n    2. KVM injects the interrupt (irqfd)\n"
			    "    3. the driver unmasks the next one, and each "
			    "register that it touches is an exit"
			  : "\n    3. the driver reads why, and each register "
			    "that it touches then is an exit");
}

/* A BAR of ports, or a small one, is told in bytes. */
static unsigned bar_shift(const json_t *bar)
{
	return num(bar, "size") < 1024 ? 0 : 10;
}

/* A card of the host: no program of the host sees the frames. */
static void explain_vfio(const json_t *d)
{
	const json_t *v;
	size_t i;

	printf("\ncard %s: the guest's own %s, which moves frames by DMA "
	       "(group %" PRIu64 " of the IOMMU)\n",
	       str(d, "id"), str(d, "host"), num(d, "iommu_group"));
	puts("  from the guest:\n"
	     "    1. its driver puts the frame's address into a ring of its "
	     "own memory, and writes to a register of the card");
	json_array_foreach(json_object_get(d, "bars"), i, v)
		printf("       BAR %" PRIu64 ", %s: %" PRIu64 " of %" PRIu64
		       " %s are mapped%s\n",
		       num(v, "bar"), str(v, "kind"),
		       num(v, "mapped") >> bar_shift(v),
		       num(v, "size") >> bar_shift(v),
		       bar_shift(v) ? "KiB" : "bytes",
		       num(v, "mapped") ? ": no exit there"
					: ": each access is an exit");
	puts("    2. the card reads the frame out of the guest's memory\n"
	     "  to the guest:\n"
	     "    1. the card writes it into a buffer of the driver's ring\n"
	     "    2. the host's kernel gets the card's interrupt and signals "
	     "an eventfd that KVM has (irqfd): no thread of this process");
	json_array_foreach(json_object_get(d, "vectors"), i, v)
		printf("       %s: %" PRIu64 "\n", str(v, "name"),
		       num(v, "interrupts"));
	json_array_foreach(json_object_get(d, "iommu_maps"), i, v)
		printf("  the IOMMU lets it reach the guest's %s, and nothing "
		       "else\n",
		       json_string_value(v));
}

/* Returns the sum of @key of all vCPUs. */
static uint64_t of_vcpus(const json_t *result, const char *part,
			 const char *key)
{
	uint64_t n = 0;
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(result, "vcpus"), i, c)
		n += num(json_object_get(c, part), key);
	return n;
}

static void explain_vsock(const json_t *d)
{
	printf("\nsockets %s: context id %" PRIu64
	       " is moved by %s (a kernel thread, which copies from and to the "
	       "guest's memory)\n",
	       str(d, "id"), num(d, "guest_cid"), str(d, "moved_by"));
	puts("  a program of this host connects by AF_VSOCK to that id; the "
	     "guest reaches the host as id 2\n"
	     "  kicks and interrupts pass between KVM and the kernel thread "
	     "(ioeventfd, irqfd): this process sees no data");
}

void print_vm_explain(const json_t *result)
{
	const json_t *d;
	size_t i;

	print_machine(json_object_get(result, "machine"));
	printf("vCPUs left the guest %" PRIu64 " times: %" PRIu64
	       " were for this process, KVM answered the others\n",
	       of_vcpus(result, "kvm", "exits"),
	       of_vcpus(result, "exits", "port") +
		       of_vcpus(result, "exits", "memory"));
	json_array_foreach(json_object_get(result, "devices"), i, d)
		if (num(d, "virtio_type") == 1)
			explain_card(result, d,
				     of_vcpus(result, "kvm", "irq_injections"));
		else if (*str(d, "host"))
			explain_vfio(d);
		else if (*str(d, "model"))
			explain_emulated(d);
		else if (num(d, "virtio_type") == 19)
			explain_vsock(d);
}
