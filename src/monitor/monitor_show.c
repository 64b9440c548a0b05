/* SPDX-License-Identifier: Apache-2.0 */
/* What `ringway vm show` tells, and the commands of a machine. Control thread;
 * reads /proc about this process. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chips.h"
#include "monitor_impl.h"
#include "nic.h"
#include "uart.h"
#include "vcpu.h"
#include "vhost_card.h"

/* Reads a line of a file of /proc. Returns whether there is one. */
static bool read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool is_read;

	if (!f)
		return false;
	is_read = fgets(text, (int)size, f) != NULL;
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return is_read;
}

/* Returns the processor time in the "stat" line of a thread (proc(5)), in ms.
 */
static uint64_t cpu_ms(const char *stat)
{
	const char *at = strrchr(stat, ')');
	unsigned long long ticks = 0;
	char *end;

	/* fields 3 to 13 are between the name and the two times */
	for (unsigned field = 2; at && field < 13; field++)
		at = strchr(at + 1, ' ');
	if (at) {
		ticks = strtoull(at, &end, 10);
		ticks += strtoull(end, NULL, 10);
	}
	return ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK);
}

/* Returns how often a thread slept and was woken: its voluntary switches. */
static uint64_t wakeups(const char *dir, const char *tid)
{
	static const char key[] = "voluntary_ctxt_switches:";
	char path[300], line[200];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/status", dir, tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, sizeof(key) - 1))
			n = strtoull(line + sizeof(key) - 1, NULL, 10);
	if (f)
		fclose(f);
	return n;
}

static void show_thread(struct show *s, const char *dir, const char *tid)
{
	char path[300], name[32] = "", stat[600];

	snprintf(path, sizeof(path), "%s/%s/comm", dir, tid);
	if (!read_line(path, name, sizeof(name)))
		return;
	snprintf(path, sizeof(path), "%s/%s/stat", dir, tid);
	if (!read_line(path, stat, sizeof(stat)))
		return;
	show_num(s, "tid", strtoul(tid, NULL, 10));
	show_str(s, "name", name);
	show_num(s, "cpu_ms", cpu_ms(stat));
	show_num(s, "wakeups", wakeups(dir, tid));
}

static void show_own_thread(struct show *s, const char *dir, const char *tid)
{
	show_object(s, NULL);
	show_thread(s, dir, tid);
	show_end(s);
}

/* Calls @fn for each number in the directory @path. */
static void each_number(const char *path, struct show *s,
			void (*fn)(struct show *s, const char *path,
				   const char *number))
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (*e->d_name >= '0' && *e->d_name <= '9')
			fn(s, path, e->d_name);
	if (dir)
		closedir(dir);
}

/* Before Linux 6.4 vhost's threads are the kernel's own, with our pid in their
 * name. */
static void show_kernel_thread(struct show *s, const char *dir, const char *pid)
{
	char path[300], name[32], ours[32];

	snprintf(ours, sizeof(ours), "vhost-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/%s/comm", dir, pid);
	if (read_line(path, name, sizeof(name)) && !strcmp(name, ours))
		show_own_thread(s, dir, pid);
}

/* A thread of a back-end: @dir is /proc/PID/task. */
static void show_peer_thread(struct show *s, const char *dir, const char *tid)
{
	char path[64], program[32] = "";
	unsigned long pid = strtoul(dir + strlen("/proc/"), NULL, 10);

	snprintf(path, sizeof(path), "/proc/%lu/comm", pid);
	read_line(path, program, sizeof(program));
	show_object(s, NULL);
	show_thread(s, dir, tid);
	show_num(s, "of_pid", pid);
	show_str(s, "of_program", program);
	show_end(s);
}

static void show_peers(const struct monitor *m, struct show *s)
{
	char path[64];

	for (const struct machine_card *c = m->conf->cards; c; c = c->next) {
		pid_t pid = c->vhost ? vhost_card_peer(c->vhost) : 0;

		if (!pid || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
		each_number(path, s, show_peer_thread);
	}
}

static bool uses_vhost(const struct machine_conf *c)
{
	const struct machine_device *d = c->devices;

	while (d && d->type != &device_vsock_type)
		d = d->next;
	return c->cards || d;
}

static void show_threads(const struct monitor *m, struct show *s)
{
	show_array(s, "threads");
	each_number("/proc/self/task", s, show_own_thread);
	if (uses_vhost(m->conf))
		each_number("/proc", s, show_kernel_thread);
	show_peers(m, s);
	show_end(s);
}

#define KINDS 24

struct kinds {
	unsigned count;
	struct {
		char name[40];
		unsigned count;
	} kind[KINDS];
};

/* Makes the target of a link in /proc/self/fd what all of its kind have in
 * common: "anon_inode:kvm-vcpu:0" becomes "kvm-vcpu". */
static void name_kind(const char *target, char *name, size_t size)
{
	const char *from = target;
	size_t n;

	if (!strcmp(target, "/dev/net/tun"))
		from = "tap";
	else if (!strncmp(target, "anon_inode:", 11))
		from = target + 11 + (target[11] == '[');
	else if (!strncmp(target, "/memfd:", 7))
		from = "memfd";
	else if (*target == '/' && strncmp(target, "/dev/", 5) != 0)
		from = "file";
	n = strncmp(from, "/dev/", 5) ? strcspn(from, ":]") : strlen(from);
	snprintf(name, size, "%.*s", (int)n, from);
}

static void count_descriptor(struct kinds *k, const char *number)
{
	char path[64], target[200], name[40];
	unsigned i = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%.20s", number);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	name_kind(target, name, sizeof(name));
	while (i < k->count && strcmp(k->kind[i].name, name) != 0)
		i++;
	if (i == KINDS)
		return;
	if (i == k->count)
		memcpy(k->kind[k->count++].name, name, sizeof(name));
	k->kind[i].count++;
}

static void show_descriptors(struct show *s)
{
	DIR *dir = opendir("/proc/self/fd");
	struct kinds k = { 0 };
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (*e->d_name != '.')
			count_descriptor(&k, e->d_name);
	if (dir)
		closedir(dir);
	show_object(s, "descriptors");
	for (unsigned i = 0; i < k.count; i++)
		show_num(s, k.kind[i].name, k.kind[i].count);
	show_end(s);
}

static void show_vcpus(const struct vm *vm, struct show *s)
{
	static const char *const names[VCPU_EXITS] = {
		[VCPU_EXIT_PORT] = "port",   [VCPU_EXIT_MEMORY] = "memory",
		[VCPU_EXIT_EOI] = "eoi",     [VCPU_EXIT_SIGNAL] = "signal",
		[VCPU_EXIT_OTHER] = "other",
	};

	show_array(s, "vcpus");
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		const struct vcpu *c = &vm->cpu[i];

		show_object(s, NULL);
		show_num(s, "vcpu", i);
		show_num(s, "tid", (uint64_t)shm_load(&c->tid));
		show_object(s, "exits");
		for (unsigned k = 0; k < VCPU_EXITS; k++)
			show_num(s, names[k], stat_read(&c->exits[k]));
		show_end(s);
		show_object(s, "kvm");
		vcpu_show_kvm(c, s);
		show_end(s);
		show_end(s);
	}
	show_end(s);
}

static void show_plugged(const struct plugged *p, struct show *s)
{
	show_object(s, NULL);
	if (p->nic)
		nic_show_device(p->nic, s);
	else if (p->vfio)
		vfio_show(p->vfio, s);
	else
		virtio_pci_show(p->pci, s);
	monitor_show_plug(p, s);
	show_end(s);
}

static void show_devices(const struct monitor *m, struct show *s)
{
	show_array(s, "devices");
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		for (const struct plugged *p = m->plugged; p; p = p->next)
			if (monitor_slot(p) == slot)
				show_plugged(p, s);
	show_end(s);
}

static void show(void *arg, struct show *s)
{
	const struct monitor *m = arg;

	show_object(s, "machine");
	show_str(s, "name", m->conf->name);
	show_str(s, "state",
		 !m->vm			       ? "starting"
		 : shm_load(&m->vm->is_paused) ? "stopped"
					       : "running");
	show_num(s, "pid", (uint64_t)getpid());
	show_num(s, "vcpus", m->conf->cpus);
	show_num(s, "memory_mib", m->conf->memory_size >> 20);
	show_num(s, "uptime_ms", loop_now_ms() - m->started_ms);
	show_end(s);
	if (m->vm)
		show_vcpus(m->vm, s);
	if (m->uart) {
		show_object(s, "serial");
		uart_show(m->uart, s);
		show_end(s);
	}
	show_threads(m, s);
	show_descriptors(s);
	show_devices(m, s);
}

static int command(void *arg, enum machine_command c, struct err *err)
{
	struct monitor *m = arg;
	int rc = monitor_check_on(m, err);
	bool was;

	if (rc)
		return rc;
	switch (c) {
	case MACHINE_STOP:
	case MACHINE_CONT:
		was = shm_load(&m->vm->is_paused);
		vcpus_pause(m->vm, c == MACHINE_STOP);
		return was == (c == MACHINE_STOP);
	case MACHINE_RESET:
		vm_end(m->vm, VM_END_RESET);
		return 0;
	case MACHINE_POWERDOWN:
		pm_press_button(m->pm);
		return 0;
	}
	return -EINVAL;
}

static bool refuse_port(void *arg, const char *id, struct err *err)
{
	const struct monitor *m = arg;
	const struct machine_card *c = m->conf->cards;
	const char *tap, *vdpa;

	while (c && !(c->card && !strcmp(c->card->common.id, id)) &&
	       strcmp(c->backend->common.id, id) != 0)
		c = c->next;
	if (!c)
		return false;
	if (!c->card) {
		err_set(err, -ENOENT,
			"%s is no port: it waits for a card, as `vm device add "
			"virtio-net-pci,netdev=%s` adds one",
			id, id);
		return true;
	}
	tap = c->vhost ? vhost_card_tap(c->vhost) : NULL;
	vdpa = c->vhost ? vhost_card_vdpa(c->vhost) : NULL;
	if (!c->vhost)
		err_set(err, -ENOENT,
			"%s is no port: a vhost back-end is to move its frames",
			id);
	else if (tap)
		err_set(err, -ENOENT,
			"%s is no port: the kernel's vhost-net moves its "
			"frames. The tap has them: `tcpdump -i %s`; or start "
			"the machine without vhost=on",
			id, tap);
	else if (vdpa)
		err_set(err, -ENOENT,
			"%s is no port: the vDPA device %s moves its frames",
			id, vdpa);
	else
		err_set(err, -ENOENT,
			"%s is no port: its vhost-user back-end, process %d, "
			"moves its frames, and has counters and captures",
			id, (int)vhost_card_peer(c->vhost));
	return true;
}

const struct daemon_machine monitor_machine = {
	.command = command,
	.show = show,
	.refuse_port = refuse_port,
	.device_add = monitor_device_add,
	.device_del = monitor_device_del,
	.device_list = monitor_device_list,
	.netdev_add = monitor_netdev_add,
	.netdev_del = monitor_netdev_del,
};
