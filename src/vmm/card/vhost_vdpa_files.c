/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a vDPA device, see vhost_impl.h: the kernel tells who has its
 * /dev/vhost-vdpa-N open nothing, so the files are watched. Control thread, but
 * for close_late(); calls the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "vhost_impl.h"

bool vhost_vdpa_name(const struct vhost_card *v, char *name, size_t size)
{
	char link[64], to[300], *end, *from;
	struct stat st;
	ssize_t n;

	if (fstat(v->vdpa.dev.fd, &st))
		return false;
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	n = readlink(link, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	end = strrchr(to, '/');
	if (!end)
		return false;
	*end = '\0';
	from = strrchr(to, '/');
	snprintf(name, size, "%.63s", from ? from + 1 : to);
	return true;
}

/* Notes whether the process of a VDUSE device has its file open, and whether
 * the file is there at all. */
static void read_news(struct vhost_vdpa *p)
{
	union {
		struct inotify_event head;
		char bytes[1024];
	} news;
	ssize_t n;

	while ((n = read(p->node_fd, &news, sizeof(news))) > 0)
		for (ssize_t at = 0; at < n;) {
			struct inotify_event e;

			memcpy(&e, news.bytes + at, sizeof(e));
			at += (ssize_t)(sizeof(e) + e.len);
			if (e.wd == p->process_wd)
				p->is_deserted = e.mask & IN_CLOSE;
		}
}

/* Who deletes the device waits until nobody has it open. Its file has gone
 * then. */
static bool is_taken_away(const struct vhost_vdpa *p)
{
	struct stat st;

	return !fstat(p->dev.fd, &st) && !st.st_nlink;
}

static void on_node(struct loop_watch *w, uint32_t events)
{
	struct vhost_card *v =
		container_of(w, struct vhost_card, vdpa.node_watch);
	struct vhost_vdpa *p = &v->vdpa;
	bool was_deserted = p->is_deserted;

	(void)events;
	read_news(p);
	if (v->state == VHOST_AWAY && was_deserted && !p->is_deserted)
		vhost_link_try_soon(v);
	if (!vhost_is_up(v) || !(p->is_deserted || is_taken_away(p)))
		return;
	err_set(&v->reason, -ENODEV, "%s: %s", p->dev.name,
		p->is_deserted ? "the process of the VDUSE device ended"
			       : "the device was taken away");
	vhost_link_fail(v);
}

void vhost_vdpa_unwatch(struct vhost_card *v)
{
	struct vhost_vdpa *p = &v->vdpa;

	loop_watch_remove(&p->node_watch);
	fd_close(&p->node_fd);
	p->is_deserted = false;
}

int vhost_vdpa_watch(struct vhost_card *v)
{
	struct vhost_vdpa *p = &v->vdpa;
	char path[100], name[64];

	vhost_vdpa_unwatch(v);
	p->node_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->node_fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->dev.fd);
	if (inotify_add_watch(p->node_fd, path, IN_ATTRIB) < 0)
		return -errno;
	if (vhost_vdpa_name(v, name, sizeof(name))) {
		snprintf(path, sizeof(path), "/dev/vduse/%s", name);
		p->process_wd =
			inotify_add_watch(p->node_fd, path, IN_OPEN | IN_CLOSE);
	}
	return loop_watch_add(v->loop, &p->node_watch, p->node_fd, EPOLLIN,
			      on_node);
}

static void *close_late(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

/* The kernel resets a device whose last descriptor is closed, and waits for the
 * process of one of VDUSE, which is not there any more: as long as that one has
 * allowed for an answer. The control thread cannot. */
static void leave_to_thread(int fd)
{
	pthread_attr_t detached;
	pthread_t thread;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &detached, close_late,
			   (void *)(intptr_t)fd))
		close(fd);
	pthread_attr_destroy(&detached);
}

void vhost_vdpa_ending(const struct vhost_card *v)
{
	if (v->vdpa.is_deserted && v->vdpa.dev.fd >= 0)
		leave_to_thread(v->vdpa.dev.fd);
}
