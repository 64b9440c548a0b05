/* SPDX-License-Identifier: Apache-2.0 */
/* See file_access.h. Names are looked up in the files only: a directory service
 * may not answer, and the control thread would wait for it. */
#include "file_access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 65536 /* of a group with many members */

int file_mode_read(const char *text, mode_t *mode, struct err *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (text[strspn(text, "01234567")] || end == text || value > 0777)
		return err_set(err, -EINVAL,
			       "mode=%.20s: must be an octal number up to 0777",
			       text);
	*mode = (mode_t)value;
	return 0;
}

/* Returns whether @text is the number of a user or group; -1 is none. */
static bool read_id(const char *text, unsigned *id)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*id = (unsigned)number;
	return text[0] >= '0' && text[0] <= '9' && !*end && number < UINT32_MAX;
}

int file_owner_read(const char *text, uid_t *owner, struct err *err)
{
	struct passwd entry, *found = NULL;
	char buf[LINE_SIZE];
	FILE *f;

	if (read_id(text, owner))
		return 0;
	f = fopen("/etc/passwd", "re");
	while (f && !fgetpwent_r(f, &entry, buf, sizeof(buf), &found) &&
	       strcmp(found->pw_name, text) != 0)
		found = NULL;
	if (f)
		fclose(f);
	if (!found)
		return err_set(err, -EINVAL,
			       "owner=%.64s: must be a user's number, or its "
			       "name in /etc/passwd",
			       text);
	*owner = found->pw_uid;
	return 0;
}

int file_group_read(const char *text, gid_t *group, struct err *err)
{
	struct group entry, *found = NULL;
	char buf[LINE_SIZE];
	FILE *f;

	if (read_id(text, group))
		return 0;
	f = fopen("/etc/group", "re");
	while (f && !fgetgrent_r(f, &entry, buf, sizeof(buf), &found) &&
	       strcmp(found->gr_name, text) != 0)
		found = NULL;
	if (f)
		fclose(f);
	if (!found)
		return err_set(err, -EINVAL,
			       "group=%.64s: must be a group's number, or its "
			       "name in /etc/group",
			       text);
	*group = found->gr_gid;
	return 0;
}
