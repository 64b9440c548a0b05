/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's vhost-vsock and the context id of a guest, see vsock.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fd.h"
#include "vsock.h"

#define DEVICE "/dev/vhost-vsock"

/* The descriptor itself stays open: a machine that is reset needs it again. */
static int take_passed(const char *text, struct err *err)
{
	char *end;
	long number = strtol(text, &end, 10);
	int fd = -1;

	if (end != text && !*end && number >= 0 && number <= INT32_MAX)
		fd = fd_find_named((int)number);
	if (fd >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd
		       : err_set(err, -EBADF,
				 "vhostfd=%s: must be the number of an open "
				 "descriptor of " DEVICE,
				 text);
}

static int open_device(struct err *err)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return err_set(
		err, -errno, "cannot open " DEVICE ": %s%s", strerror(errno),
		errno == ENOENT || errno == ENODEV ? " (modprobe vhost_vsock)"
		: errno == EACCES
			? ": it needs the right to it (group kvm), or "
			  "vhostfd=N of somebody who has it"
			: "");
}

static int take_cid(int fd, uint64_t cid, struct err *err)
{
	if (!ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid))
		return 0;
	if (errno == EADDRINUSE)
		return err_set(err, -EADDRINUSE,
			       "guest-cid=%llu: another machine of this host "
			       "has it: choose one from 3 on",
			       (unsigned long long)cid);
	if (errno == ENOTTY || errno == EBADF)
		return err_set(err, -EBADF, "vhostfd: must be an open " DEVICE);
	return err_set(err, -errno, "guest-cid=%llu: " DEVICE ": %s",
		       (unsigned long long)cid, strerror(errno));
}

int vsock_open(const struct vsock_conf *conf, struct err *err)
{
	int fd = conf->vhost_fd ? take_passed(conf->vhost_fd, err)
				: open_device(err);
	int rc = fd < 0 ? fd : take_cid(fd, conf->guest_cid, err);

	if (rc && fd >= 0)
		fd_close(&fd);
	return rc ? rc : fd;
}
