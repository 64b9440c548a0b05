/* SPDX-License-Identifier: Apache-2.0 */
/* Default place of the control socket, see control_path.h. Command line. */
#include "control_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void choose_directory(char *buf, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	unsigned uid = geteuid();

	if (runtime && runtime[0] == '/') {
		snprintf(buf, size, "%s/ringway", runtime);
		return;
	}
	snprintf(buf, size, "/run/user/%u", uid);
	if (access(buf, W_OK | X_OK) == 0)
		snprintf(buf, size, "/run/user/%u/ringway", uid);
	else
		snprintf(buf, size, "/tmp/ringway-%u", uid);
}

int control_path_of(const char *file, char *buf, size_t size, bool make,
		    struct err *err)
{
	char dir[200];
	struct stat st;

	choose_directory(dir, sizeof(dir));
	snprintf(buf, size, "%s/%s", dir, file);
	if (make && mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno,
			       "control=%s: cannot make the directory: %s "
			       "(choose another with --control)",
			       buf, strerror(errno));
	if (lstat(dir, &st) < 0)
		return 0; /* connect() will tell */
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, -EPERM,
			       "control=%s: %s is not a directory of user %u "
			       "that only he can write (choose another with "
			       "--control)",
			       buf, dir, geteuid());
	return 0;
}

int control_path_default(char *buf, size_t size, bool make, struct err *err)
{
	const char *chosen = getenv("RINGWAY_CONTROL");

	if (chosen && *chosen) {
		if ((size_t)snprintf(buf, size, "%s", chosen) < size)
			return 0;
		return err_set(err, -ENAMETOOLONG,
			       "RINGWAY_CONTROL=%.80s...: too long", chosen);
	}
	return control_path_of("control.sock", buf, size, make, err);
}
