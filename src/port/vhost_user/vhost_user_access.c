/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect to the socket of a vhost-user port: the options mode=, owner=
 * and group=. Control thread. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_access.h"
#include "vhost_user.h"

/* What the options say. */
struct access {
	mode_t mode;
	uid_t owner; /* -1: ours */
	gid_t group; /* -1: ours */
};

/* Returns 0 or -errno with @err. Only root gives files away, and others may
 * give them to their own groups. */
static int apply(const struct vhost_user_conf *c, const char *path,
		 const struct access *a, struct err *err)
{
	if (a->owner != (uid_t)-1 && lchown(path, a->owner, (gid_t)-1))
		return err_set(err, -errno,
			       "owner=%.40s: cannot give %s away: %s", c->owner,
			       path, strerror(errno));
	if (a->group != (gid_t)-1 && lchown(path, (uid_t)-1, a->group))
		return err_set(err, -errno,
			       "group=%.40s: cannot give %s to it: %s: a user "
			       "who is not root must be in the group",
			       c->group, path, strerror(errno));
	if (c->mode && chmod(path, a->mode))
		return err_set(err, -errno, "mode=%.40s: %s: %s", c->mode, path,
			       strerror(errno));
	return 0;
}

static int read_access(const struct vhost_user_conf *c, struct access *a,
		       struct err *err)
{
	int rc = 0;

	*a = (struct access){ S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, (uid_t)-1,
			      (gid_t)-1 };
	if (c->mode)
		rc = file_mode_read(c->mode, &a->mode, err);
	if (!rc && c->owner)
		rc = file_owner_read(c->owner, &a->owner, err);
	if (!rc && c->group)
		rc = file_group_read(c->group, &a->group, err);
	return rc;
}

int vhost_user_listen(const struct vhost_user_conf *c, struct unix_listener *l,
		      struct err *err)
{
	struct access a;
	int rc = read_access(c, &a, err);

	if (!rc)
		rc = unix_listen(l, "path", c->path, a.mode, err);
	if (rc)
		return rc;
	rc = apply(c, l->path, &a, err);
	if (rc)
		unix_unlisten(l);
	return rc;
}

int vhost_user_check_access(const struct vhost_user_conf *c, struct err *err)
{
	const char *key = c->mode    ? "mode"
			  : c->owner ? "owner"
			  : c->group ? "group"
				     : NULL;
	struct access a;

	if (!key || c->server)
		return read_access(c, &a, err);
	return err_set(err, -EINVAL,
		       "%s=: is for a socket that the port makes, not with "
		       "server=off",
		       key);
}
