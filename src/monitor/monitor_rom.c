/* SPDX-License-Identifier: Apache-2.0 */
/* Expansion ROMs of devices: which file, and how firmware gets it. Control
 * thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot_image.h"
#include "fw_cfg.h"
#include "monitor_impl.h"
#include "pci_rom.h"

/* Debian's package ipxe-qemu has the first one, links to it the second. */
static const char *const folders[] = { "/usr/lib/ipxe/qemu", "/usr/share/qemu",
				       NULL };

static int read_rom(const struct boot_image *i, struct pci_rom **out,
		    struct err *err)
{
	int rc = pci_rom_create(i->size, out, err);

	if (rc)
		return rc;
	rc = boot_image_read(i, 0, (*out)->bytes, i->size);
	if (rc)
		err_set(err, rc, "cannot be read: %s", strerror(-rc));
	else if (!pci_rom_is_valid(*out))
		rc = err_set(err, -EINVAL,
			     "is no expansion ROM: it does not begin with 55 "
			     "aa and the data structure of PCI");
	if (rc) {
		pci_rom_destroy(*out);
		*out = NULL;
	}
	return rc;
}

static int load(const char *path, struct pci_rom **out, struct err *err)
{
	struct boot_image i;
	int rc = boot_image_find(path, folders, &i, err);

	if (rc)
		return rc;
	rc = read_rom(&i, out, err);
	boot_image_close(&i);
	return rc;
}

int monitor_load_rom(const struct monitor *m, const struct pci_conf *c,
		     const char *fits, struct pci_rom **out, struct err *err)
{
	const char *path = c->romfile;
	int rc;

	*out = NULL;
	/* Without firmware there is nobody to run it. */
	if (path ? !*path : !fits || m->conf->kernel)
		return 0;
	rc = load(path ? path : fits, out, err);
	if (!rc)
		(*out)->is_for_any = !path;
	if (rc == -ENOENT && !path)
		return 0;
	return rc ? err_prefix(err, rc, "romfile=%.80s", path ? path : fits)
		  : 0;
}

int monitor_add_roms(const struct monitor *m)
{
	char name[40];
	int rc = 0;

	for (const struct plugged *p = m->plugged; p && !rc; p = p->next) {
		if (!p->rom || p->has_rombar)
			continue;
		snprintf(name, sizeof(name), "genroms/slot-%x.rom",
			 monitor_slot(p));
		rc = fw_cfg_add_file(m->fw_cfg, name, p->rom->bytes,
				     p->rom->size);
	}
	return rc;
}
