/* SPDX-License-Identifier: Apache-2.0 */
/* The vDPA bus, see vduse_bus.h. The request runs in its own thread, the rest
 * on the control thread. Calls the kernel and base/. */
#include "vduse_bus.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

#define BUS "/sys/bus/vdpa/devices/"

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[2 * VDUSE_NAME_SIZE];
};

static struct request new_request(uint16_t family, uint8_t command)
{
	return (struct request){
		.head = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
			  .nlmsg_type = family,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.genl = { .cmd = command, .version = 1 },
	};
}

/* Adds a text; all texts of this file fit. */
static void put(struct request *r, uint16_t type, const char *text)
{
	char *at = (char *)r + NLMSG_ALIGN(r->head.nlmsg_len);
	struct nlattr *a = (struct nlattr *)(void *)at;
	size_t size = strlen(text) + 1;

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memcpy(at + NLA_HDRLEN, text, size);
	r->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->head.nlmsg_len) +
				       NLA_ALIGN(a->nla_len));
}

union reply {
	struct nlmsghdr head;
	char bytes[4096];
};

/* Sends @r on @fd and receives the first answer. Returns its size, or -errno,
 * which may be the answer. */
static ssize_t talk(int fd, const struct request *r, union reply *reply)
{
	const struct nlmsgerr *answer = NLMSG_DATA(&reply->head);
	ssize_t n;

	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, reply, sizeof(*reply), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(*answer)))
		return -EPROTO;
	if (reply->head.nlmsg_type == NLMSG_ERROR && answer->error)
		return answer->error;
	return n;
}

/* Returns the number of the family "vdpa", or -errno. */
static int find_family(int fd)
{
	struct request r = new_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	union reply reply;
	ssize_t size, at = NLMSG_LENGTH(GENL_HDRLEN);
	uint16_t id;

	r.head.nlmsg_flags = NLM_F_REQUEST;
	put(&r, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	size = talk(fd, &r, &reply);
	if (size < 0)
		return (int)size;
	while (at + NLA_HDRLEN <= size) {
		struct nlattr a;

		memcpy(&a, reply.bytes + at, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > size - at)
			break;
		if (a.nla_type == CTRL_ATTR_FAMILY_ID &&
		    a.nla_len >= NLA_HDRLEN + sizeof(id)) {
			memcpy(&id, reply.bytes + at + NLA_HDRLEN, sizeof(id));
			return id;
		}
		at += NLA_ALIGN(a.nla_len);
	}
	return -EPROTO;
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

static int ask_kernel(enum vduse_bus_verb verb, const char *name)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	int rc = fd < 0 ? -errno : find_family(fd);
	union reply reply;
	struct request r;
	ssize_t n;

	if (rc >= 0) {
		r = new_request((uint16_t)rc, verb == VDUSE_BUS_ADD
						      ? VDPA_CMD_DEV_NEW
						      : VDPA_CMD_DEV_DEL);
		if (verb == VDUSE_BUS_ADD)
			put(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, "vduse");
		put(&r, VDPA_ATTR_DEV_NAME, name);
		n = talk(fd, &r, &reply);
		rc = n < 0 ? (int)n : 0;
	}
	fd_close(&fd);
	return rc;
}

static void *bus_main(void *arg)
{
	struct vduse_bus *b = arg;

	if (b->verb == VDUSE_BUS_DEL && is_in_use(b->name))
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
