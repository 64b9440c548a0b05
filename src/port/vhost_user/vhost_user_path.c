/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the path that a vhost-user port listens on. If the path is deleted or
 * replaced, no later front-end finds the port, and the socket itself does not
 * notice. Control thread.
 *
 * Theory of operation. One inotify descriptor serves all ports; it watches the
 * socket files themselves, whose links change when they are deleted or renamed.
 * After any event the paths of all ports are checked.
 */
#include <errno.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "vhost_user.h"

static const char *const path_text[] = {
	[VHOST_USER_PATH_OURS] = "there",
	[VHOST_USER_PATH_DELETED] = "deleted",
	[VHOST_USER_PATH_REPLACED] = "replaced",
};

static struct vhost_user_port *watched; /* [ctl] */
static struct loop_watch watch;
static int inotify_fd = -1;

static enum vhost_user_path look(const struct vhost_user_port *v)
{
	struct stat st;

	if (lstat(v->listener.path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? VHOST_USER_PATH_DELETED
			       : VHOST_USER_PATH_OURS;
	return st.st_dev == v->listener.dev && st.st_ino == v->listener.ino
		       ? VHOST_USER_PATH_OURS
		       : VHOST_USER_PATH_REPLACED;
}

static void check(struct vhost_user_port *v)
{
	enum vhost_user_path now = look(v);

	if (now == v->path_said)
		return;
	v->path_said = now;
	if (now == VHOST_USER_PATH_OURS)
		log_limited(&v->log, LOG_LEVEL_INFO,
			    "port=%s: path=%s: the socket is there again",
			    v->port.name, v->conf.path);
	else
		log_limited(&v->log, LOG_LEVEL_WARN,
			    "port=%s: path=%s: the socket was %s: no front-end "
			    "finds the port; delete the port and add it again",
			    v->port.name, v->conf.path, path_text[now]);
}

static void on_inotify(struct loop_watch *w, uint32_t events)
{
	char buf[4096] __attribute__((aligned(_Alignof(struct inotify_event))));

	(void)w;
	(void)events;
	while (read(inotify_fd, buf, sizeof(buf)) > 0)
		;
	for (struct vhost_user_port *v = watched; v; v = v->next_path)
		check(v);
}

static bool open_inotify(struct loop *loop)
{
	inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (inotify_fd >= 0 &&
	    !loop_watch_add(loop, &watch, inotify_fd, EPOLLIN, on_inotify))
		return true;
	fd_close(&inotify_fd);
	return false;
}

void vhost_user_path_add(struct vhost_user_port *v)
{
	v->path_watch = -1;
	if (!watched && !open_inotify(v->loop))
		return;
	v->path_watch = inotify_add_watch(
		inotify_fd, v->listener.path,
		IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_DONT_FOLLOW);
	v->next_path = watched;
	watched = v;
	check(v); /* the path may have changed before the watch */
}

void vhost_user_path_remove(struct vhost_user_port *v)
{
	struct vhost_user_port **at;

	for (at = &watched; *at && *at != v; at = &(*at)->next_path)
		;
	if (!*at)
		return;
	*at = v->next_path;
	if (v->path_watch >= 0)
		inotify_rm_watch(inotify_fd, v->path_watch);
	if (watched)
		return;
	loop_watch_remove(&watch);
	fd_close(&inotify_fd);
}

void vhost_user_path_show(const struct vhost_user_port *v, struct show *s)
{
	enum vhost_user_path now;

	if (!v->conf.server)
		return;
	now = look(v);
	if (now != VHOST_USER_PATH_OURS)
		show_str(s, "path_is", path_text[now]);
}
