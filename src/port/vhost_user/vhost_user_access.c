/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect to the socket of a vhost-user port: the options mode=, owner=
 * and group=. Control thread. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_access.h"
#include "vhost_user.h"

/* Returns 0 or -errno with @err. Only root gives files away, and others may
 * give them to their own groups. */
static int apply(const struct vhost_user_conf *c, const char *path, mode_t mode,
		 uid_t owner, gid_t group, struct err *err)
{
	if (owner != (uid_t)-1 && lchown(path, owner, (gid_t)-1))
		return err_set(err, -errno,
			       "owner=%.40s: cannot give %s away: %s", c->owner,
			       path, strerror(errno));
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group))
		return err_set(err, -errno,
			       "group=%.40s: cannot give %s to it: %s: a user "
			       "who is not root must be in the group",
			       c->group, path, strerror(errno));
	if (c->mode && chmod(path, mode))
		return err_set(err, -errno, "mode=%.40s: %s: %s", c->mode, path,
			       strerror(errno));
	return 0;
}

int vhost_user_listen(const struct vhost_user_conf *c, struct unix_listener *l,
		      struct err *err)
{
	mode_t mode = S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;
	uid_t owner = (uid_t)-1;
	gid_t group = (gid_t)-1;
	int rc = c->mode ? file_mode_read(c->mode, &mode, err) : 0;

	if (!rc && c->owner)
		rc = file_owner_read(c->owner, &owner, err);
	if (!rc && c->group)
		rc = file_group_read(c->group, &group, err);
	if (!rc)
		rc = unix_listen(l, "path", c->path, mode, err);
	if (rc)
		return rc;
	rc = apply(c, l->path, mode, owner, group, err);
	if (rc)
		unix_unlisten(l);
	return rc;
}

int vhost_user_check_client(const struct vhost_user_conf *c, struct err *err)
{
	const char *key = c->mode    ? "mode"
			  : c->owner ? "owner"
			  : c->group ? "group"
				     : NULL;

	if (!key)
		return 0;
	return err_set(err, -EINVAL,
		       "%s=: is for a socket that the port makes, not with "
		       "server=off",
		       key);
}
