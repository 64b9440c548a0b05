/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of QEMU's command lines that ask for what is so here anyway: they are
 * taken and change nothing. Others are explained. Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine_conf.h"

#define VALUES(...)               \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

/* Of a row with a value, @choices are those that are taken. */
const struct opt_row machine_qemu_rows[] = {
	{ .key = "nodefaults",
	  .kind = OPT_BOOL,
	  .help = "as in QEMU: there are only the devices that are named" },
	{ .key = "no-user-config",
	  .kind = OPT_BOOL,
	  .help = "as in QEMU: there is no such file" },
	{ .key = "no-hpet",
	  .kind = OPT_BOOL,
	  .help = "as in QEMU: there is none" },
	{ .key = "display",
	  .kind = OPT_STRING,
	  .arg = "none",
	  .choices = VALUES("none"),
	  .help = "as in QEMU: there is no screen, the guest's console is the "
		  "serial port" },
	{ .key = "vga",
	  .kind = OPT_STRING,
	  .arg = "none",
	  .choices = VALUES("none"),
	  .help = "as in QEMU: there is no screen, the guest's console is the "
		  "serial port" },
	{ .key = "monitor",
	  .kind = OPT_STRING,
	  .arg = "none",
	  .choices = VALUES("none", "null", "/dev/null"),
	  .help = "as in QEMU: `ringway vm show`, stop, cont, reset and "
		  "powerdown are the monitor" },
	{ .key = "parallel",
	  .kind = OPT_STRING,
	  .arg = "none",
	  .choices = VALUES("none", "null"),
	  .help = "as in QEMU: there is no parallel port" },
	{ .key = "rtc",
	  .kind = OPT_STRING,
	  .arg = "base=utc",
	  .choices = VALUES("base=utc", "base=utc,clock=host"),
	  .help = "as in QEMU: the clock is the host's, in UTC" },
	{ .key = "msg",
	  .kind = OPT_STRING,
	  .arg = "timestamp=on",
	  .choices = VALUES("timestamp=on", "timestamp=off"),
	  .help = "as in QEMU: the log has its own form" },
	{ .key = "numa",
	  .kind = OPT_STRING,
	  .arg = "node,memdev=ID",
	  .help = "as in QEMU: all memory is one node" },
	{ .key = "net",
	  .kind = OPT_STRING,
	  .arg = "none",
	  .help = "as in QEMU: there are only the cards that are named" },
	{ .key = "nic", .kind = OPT_STRING, .arg = "none", .help = "the same" },
	{ NULL },
};

static const struct {
	const char *keys; /* between blanks */
	const char *answer;
} told[] = {
	{ " daemonize ",
	  "a machine stays in the foreground: `setsid -f ringway vm ... "
	  "-serial none --log FILE`, or a unit of systemd" },
	{ " qmp qmp-pretty mon ",
	  "there is no QMP: --control PATH is a JSON-RPC socket, see `ringway "
	  "help --methods`" },
	{ " vnc spice sdl gtk full-screen k usbdevice usb ",
	  "there is no screen and no USB: the guest's console is the serial "
	  "port" },
	{ " audio audiodev soundhw ", "there is no sound" },
	{ " hda hdb hdc hdd cdrom sd mtdblock fda fdb blockdev ",
	  "a disk is -drive file=FILE" },
	{ " snapshot ",
	  "an image is written to: copy it before, or -drive ...,readonly=on" },
	{ " incoming loadvm ", "a machine cannot be moved or saved" },
	{ " gdb s ", "there is no debugger's port" },
	{ " runas chroot sandbox ", "start it as the user that it is to be: it "
				    "needs the group kvm only" },
	{ " virtfs fsdev ", "there is no shared folder: use a disk or the "
			    "network" },
	{ " global set readconfig writeconfig ",
	  "options of a device are those of -device; -config FILE reads a "
	  "file" },
	{ " d D trace ", "--log FILE and --log-level debug are the log" },
	{ " tpmdev smbios fw_cfg watchdog balloon acpitable icount uuid L ",
	  "there is no such thing here" },
	{ " tcg no-kvm ", "KVM runs the guest, nothing else does" },
};

bool machine_qemu_explain(const char *key, struct err *err)
{
	char word[40];

	while (*key == '-')
		key++;
	snprintf(word, sizeof(word), " %.*s ", (int)MIN(strcspn(key, "="), 36u),
		 key);
	for (unsigned i = 0; i < ARRAY_SIZE(told); i++) {
		if (!strstr(told[i].keys, word))
			continue;
		err_set(err, -EINVAL, "-%.*s is an option of QEMU: %s",
			(int)strcspn(key, "="), key, told[i].answer);
		return true;
	}
	return false;
}

static bool is_one_of(const char *const *choices, const char *value)
{
	while (choices && *choices && strcmp(*choices, value) != 0)
		choices++;
	return choices && *choices;
}

/* Takes the -numa line @text, of the only node that there is. */
static int set_node(struct machine_conf *m, const char *text, struct err *err)
{
	bool is_node =
		!strncmp(text, "node", 4) && (!text[4] || text[4] == ',');

	if (!is_node || m->has_node)
		return err_set(err, -EINVAL,
			       "numa=%.80s: all memory and vCPUs are one node: "
			       "leave it out",
			       text);
	m->has_node = true;
	return 0;
}

int machine_qemu_set(struct machine_conf *m, const char *key, const char *value,
		     struct err *err)
{
	const struct opt_row *row = opt_find(machine_qemu_rows, key);

	if (row->kind == OPT_BOOL)
		return 0;
	if (!value)
		return err_set(err, -EINVAL, "%s: needs a value: %s", key,
			       row->arg);
	if (!strcmp(key, "numa"))
		return set_node(m, value, err);
	if (is_one_of(row->choices, value))
		return 0;
	return err_set(err, -EINVAL, "%s=%.80s: must be %s: %s", key, value,
		       row->arg, strchr(row->help, ':') + 2);
}

/* Takes one option of -object memory-backend-memfd. */
static int set_memory(struct machine_conf *m, const struct opt_pair *p,
		      struct err *err)
{
	static const char *const as_ever[] = { "id",	"size", "seal",
					       "merge", "dump", "reserve",
					       NULL };
	const char *value = p->value ? p->value : "on";

	if (is_one_of(as_ever, p->key) ||
	    (!strcmp(p->key, "share") && !strcmp(value, "on")) ||
	    (!strcmp(p->key, "hugetlbsize") && !strcmp(value, "2M")))
		return 0;
	if (!strcmp(p->key, "hugetlb")) {
		m->hugepages = !strcmp(value, "on");
		return 0;
	}
	return err_set(err, -EINVAL,
		       "%.40s=%.40s: not here: memory is a memfd that is "
		       "shared (share=on), -m its size, -hugepages its pages "
		       "of 2 MiB",
		       p->key, value);
}

int machine_qemu_object(struct machine_conf *m, const char *text,
			struct err *err)
{
	struct opt_pair *pairs;
	char *first;
	int count, rc = 0;

	if (strncmp(text, "memory-backend-", 15) != 0)
		return 0;
	count = opt_split(text, &first, &pairs, err);
	if (count < 0)
		return count;
	if (!first || strcmp(first, "memory-backend-memfd") != 0)
		rc = err_set(err, -EINVAL,
			     "memory is a memfd here: leave it out; -hugepages "
			     "is memory of pages of 2 MiB");
	for (int i = 0; i < count && !rc; i++)
		rc = set_memory(m, &pairs[i], err);
	opt_pairs_free(first, pairs, count);
	return rc ? err_prefix(err, rc, "object %.60s", text) : 1;
}

int machine_qemu_name(const char *text, char *name, size_t size,
		      struct err *err)
{
	struct opt_pair *pairs;
	char *first;
	int count = opt_split(text, &first, &pairs, err), rc = 0;
	const char *found = count < 0 ? NULL : first;

	if (count < 0)
		return count;
	for (int i = 0; i < count && !rc; i++) {
		if (!strcmp(pairs[i].key, "guest") && pairs[i].value)
			found = pairs[i].value;
		else if (strcmp(pairs[i].key, "debug-threads") != 0 &&
			 strcmp(pairs[i].key, "process") != 0)
			rc = err_set(err, -EINVAL,
				     "name: '%.40s' is not known here: write "
				     "-name NAME",
				     pairs[i].key);
	}
	if (!rc && found && strchr(found, '/'))
		rc = err_set(err, -EINVAL,
			     "name=%.60s: must not have a '/': the control "
			     "socket's file is called after it",
			     found);
	snprintf(name, size, "%s", found ? found : "");
	opt_pairs_free(first, pairs, count);
	return rc;
}
