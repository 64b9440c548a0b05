/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU command line of a guest on a vhost-user port. Control thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost_user.h"

#define DEFAULT_MEMORY ((uint64_t)1 << 30)
#define QUEUE_SIZE     1024 /* the most QEMU allows */

struct text {
	char *at;
	size_t left;
	bool overflow;
};

static void put(struct text *t, const char *fmt, ...) __printf(2, 3);

static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->left) {
		t->overflow = true;
		return;
	}
	t->at += n;
	t->left -= (size_t)n;
}

/* Puts a value in QEMU's option grammar: a comma is doubled. */
static void put_value(struct text *t, const char *value)
{
	for (; *value; value++)
		put(t, *value == ',' ? ",," : "%c", *value);
}

/* Puts an absolute path: QEMU may be started in another directory. */
static void put_path(struct text *t, const char *path)
{
	char *dir = *path == '/' ? NULL : getcwd(NULL, 0);

	if (dir) {
		put_value(t, dir);
		put(t, "/");
	}
	free(dir);
	put_value(t, path);
}

/* Puts a QEMU identifier: letters, digits, "-", "." and "_". */
static void put_id(struct text *t, const char *name)
{
	put(t, "rw-");
	for (; *name; name++)
		put(t, "%c",
		    strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-._")
			    ? *name
			    : '_');
}

/* Puts a locally administered address whose lower five bytes are the FNV-1a
 * hash of @name: the same name always has the same address. */
static void put_mac(struct text *t, const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	put(t, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(h >> 32 & 0xff),
	    (unsigned)(h >> 24 & 0xff), (unsigned)(h >> 16 & 0xff),
	    (unsigned)(h >> 8 & 0xff), (unsigned)(h & 0xff));
}

static bool has_kvm(void)
{
	char line[4096];
	bool has = false;
	FILE *f;

	if (access("/dev/kvm", R_OK | W_OK))
		return false;
	f = fopen("/proc/cpuinfo", "r");
	if (!f)
		return false;
	while (!has && fgets(line, sizeof(line), f))
		has = strstr(line, " vmx") || strstr(line, " svm");
	fclose(f);
	return has;
}

int vhost_user_qemu_args(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err)
{
	const struct vhost_user_port *v =
		container_of(p, struct vhost_user_port, port);
	struct text t = { buf, size, false };
	bool kvm = has_kvm();

	if (kvm)
		put(&t, "-accel\nkvm\n");
	put(&t,
	    "-object\nmemory-backend-memfd,id=rw-mem,share=on,size=%" PRIu64
	    "\n-machine\nmemory-backend=rw-mem\n",
	    memory ? memory : DEFAULT_MEMORY);
	put(&t, "-chardev\nsocket,id=");
	put_id(&t, p->name);
	put(&t, ",path=");
	put_path(&t, v->conf.path);
	/* The connecting side reconnects. */
	put(&t, v->conf.server ? ",reconnect=1\n" : ",server=on\n");
	put(&t, "-netdev\nvhost-user,id=");
	put_id(&t, p->name);
	put(&t, "-net,chardev=");
	put_id(&t, p->name);
	put(&t, ",queues=%u\n-device\nvirtio-net-pci,netdev=", v->pairs.count);
	put_id(&t, p->name);
	put(&t, "-net,mac=");
	put_mac(&t, p->name);
	put(&t, ",rx_queue_size=%d,tx_queue_size=%d", QUEUE_SIZE, QUEUE_SIZE);
	if (v->pairs.count > 1)
		put(&t, ",mq=on");
	if (v->conf.mtu)
		put(&t, ",host_mtu=%u", v->conf.mtu);
	/* QEMU before version 10 crashes with vhost-user and MSI-X when it
	 * emulates the processor. */
	if (!kvm)
		put(&t, ",vectors=0");
	put(&t, "\n");
	if (t.overflow)
		return err_set(err, -ENOSPC, "the arguments are too long");
	return 0;
}
