/* SPDX-License-Identifier: Apache-2.0 */
/* The vDPA bus, see vduse_bus.h. The request runs in its own thread, the rest
 * on the control thread. Calls the kernel and base/. */
#include "vduse_bus.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/genetlink.h>
#include <linux/vdpa.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "netlink.h"

#define BUS	  "/sys/bus/vdpa/devices/"
#define LET_GO_MS 2000
#define LOOK_MS	  100

static void begin(union nl_message *m, uint16_t family, uint16_t flags,
		  uint8_t command)
{
	struct genlmsghdr genl = { .cmd = command, .version = 1 };

	nl_begin(m, family, flags, &genl, sizeof(genl));
}

static void put(union nl_message *m, uint16_t type, const char *text)
{
	nl_put(m, type, text, strlen(text) + 1);
}

/* Returns the number of the family "vdpa", or -errno. */
static int find_family(void)
{
	union nl_message m;
	const void *found;
	uint16_t id;
	int rc;

	begin(&m, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
	put(&m, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	rc = nl_ask(NETLINK_GENERIC, &m);
	if (rc)
		return rc;
	found = nl_find(&m, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID, sizeof(id));
	if (!found)
		return -EPROTO;
	memcpy(&id, found, sizeof(id));
	return id;
}

/* Stores the first path that matches BUS @name/@pattern, or "". */
static void find_path(const char *name, const char *pattern, char *path,
		      size_t size)
{
	char full[256];
	glob_t found;

	path[0] = '\0';
	snprintf(full, sizeof(full), BUS "%s/%s", name, pattern);
	if (!glob(full, GLOB_NOSORT, NULL, &found))
		snprintf(path, size, "%s", found.gl_pathv[0]);
	globfree(&found);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool vduse_bus_has(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), BUS "%s", name);
	return !access(path, F_OK);
}

void vduse_bus_driver(const char *name, char *driver, size_t size)
{
	char path[128], to[256] = "";

	snprintf(path, sizeof(path), BUS "%s/driver", name);
	if (readlink(path, to, sizeof(to) - 1) < 0)
		to[0] = '\0';
	snprintf(driver, size, "%s", last_part(to));
}

void vduse_bus_ifname(const char *name, char *ifname, size_t size)
{
	char path[256];

	find_path(name, "virtio*/net/*", path, sizeof(path));
	snprintf(ifname, size, "%s", last_part(path));
}

/* Returns whether somebody has the device's vhost-vdpa node open. */
static bool is_in_use(const char *name)
{
	char path[256], node[280];
	int fd, error;

	find_path(name, "vhost-vdpa-*", path, sizeof(path));
	if (!path[0])
		return false;
	snprintf(node, sizeof(node), "/dev/%s", last_part(path));
	fd = open(node, O_RDWR | O_CLOEXEC);
	error = errno;
	if (fd >= 0)
		close(fd);
	return fd < 0 && error == EBUSY;
}

/* Returns whether the node stays open. Who lets go of a device without a
 * process waits for the answer of the next one, which our reader gives now. */
static bool is_held(const char *name)
{
	for (unsigned i = 0; i < LET_GO_MS; i += LOOK_MS) {
		if (!is_in_use(name))
			return false;
		usleep(LOOK_MS * 1000);
	}
	return true;
}

static int ask_kernel(enum vduse_bus_verb verb, const char *name)
{
	int family = find_family();
	union nl_message m;

	if (family < 0)
		return family;
	begin(&m, (uint16_t)family, NLM_F_ACK,
	      verb == VDUSE_BUS_ADD ? VDPA_CMD_DEV_NEW : VDPA_CMD_DEV_DEL);
	if (verb == VDUSE_BUS_ADD)
		put(&m, VDPA_ATTR_MGMTDEV_DEV_NAME, "vduse");
	put(&m, VDPA_ATTR_DEV_NAME, name);
	return nl_ask(NETLINK_GENERIC, &m);
}

static void *bus_main(void *arg)
{
	struct vduse_bus *b = arg;

	if (b->verb == VDUSE_BUS_DEL && is_held(b->name))
		b->rc = -EBUSY;
	else
		b->rc = ask_kernel(b->verb, b->name);
	fd_signal(b->done_fd);
	return NULL;
}

int vduse_thread_start(pthread_t *thread, void *(*main)(void *), void *arg,
		       const char *name)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		pthread_setname_np(*thread, name);
	return -rc;
}

int vduse_bus_init(struct vduse_bus *b)
{
	*b = (struct vduse_bus){ .done_fd = fd_eventfd() };
	return MIN(b->done_fd, 0);
}

void vduse_bus_fini(struct vduse_bus *b)
{
	fd_close(&b->done_fd);
}

int vduse_bus_start(struct vduse_bus *b, enum vduse_bus_verb verb,
		    const char *name)
{
	int rc;

	b->verb = verb;
	snprintf(b->name, sizeof(b->name), "%s", name);
	rc = vduse_thread_start(&b->thread, bus_main, b, "vdpa-bus");
	b->is_running = !rc;
	return rc;
}

int vduse_bus_finish(struct vduse_bus *b)
{
	pthread_join(b->thread, NULL);
	fd_drain(b->done_fd);
	b->is_running = false;
	return b->rc;
}
