/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's fw_cfg (its docs/specs/fw_cfg.rst), as far as SeaBIOS needs it: a
 * selector at port 0x510, and the bytes of what it selects, one after the
 * other, at 0x511. Nothing can be written, and there is no DMA: SeaBIOS reads a
 * few hundred bytes, with instructions that KVM hands over in one exit.
 *
 * Threads: the control thread adds items before the vCPUs run; vCPUs read.
 */
#include "fw_cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "le.h"

#define ITEMS	   24
#define FIRST_FILE 0x20

/* A file in the directory */
struct dir_row {
	be32 size;
	be16 key;
	be16 reserved;
	char name[56];
};

struct item {
	uint16_t key;
	uint8_t *data; /* heap */
	size_t size;
};

struct fw_cfg {
	struct vm *vm;
	struct bus_range range;
	struct item item[ITEMS]; /* [const while vCPUs run] */
	unsigned count;
	unsigned files; /* items that are files */
	struct {
		be32 count;
		struct dir_row row[ITEMS];
	} dir; /* [const while vCPUs run] */
	pthread_mutex_t lock;
	const struct item *selected; /* [under the lock] NULL: none */
	size_t at;		     /* [under the lock] the next byte */
};

static void select_item(struct fw_cfg *f, uint16_t key)
{
	f->selected = NULL;
	f->at = 0;
	for (unsigned i = 0; i < f->count; i++)
		if (f->item[i].key == key)
			f->selected = &f->item[i];
}

/* Behind the end there are zeros. */
static uint8_t next_byte(struct fw_cfg *f)
{
	const struct item *i = f->selected;

	return i && f->at < i->size ? i->data[f->at++] : 0;
}

static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct fw_cfg *f = container_of(r, struct fw_cfg, range);
	uint8_t v;

	if (off != 1 || size != 1)
		return 0;
	pthread_mutex_lock(&f->lock);
	v = next_byte(f);
	pthread_mutex_unlock(&f->lock);
	return v;
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct fw_cfg *f = container_of(r, struct fw_cfg, range);

	if (off != 0 || size != 2)
		return;
	pthread_mutex_lock(&f->lock);
	select_item(f, (uint16_t)value);
	pthread_mutex_unlock(&f->lock);
}

int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, size_t size)
{
	struct item *i = &f->item[f->count];

	if (f->count == ITEMS)
		return -ENOSPC;
	i->data = malloc(MAX(size, (size_t)1));
	if (!i->data)
		return -ENOMEM;
	memcpy(i->data, data, size);
	i->key = key;
	i->size = size;
	f->count++;
	return 0;
}

int fw_cfg_add_number(struct fw_cfg *f, uint16_t key, uint16_t number)
{
	le16 v = cpu_to_le16(number);

	return fw_cfg_add(f, key, &v, sizeof(v));
}

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data,
		    size_t size)
{
	struct dir_row *row = &f->dir.row[f->files];
	uint16_t key = (uint16_t)(FIRST_FILE + f->files);
	int rc = fw_cfg_add(f, key, data, size);

	if (rc)
		return rc;
	row->size = htobe32((uint32_t)size);
	row->key = htobe16(key);
	strncpy(row->name, name, sizeof(row->name) - 1);
	f->dir.count = htobe32(++f->files);
	/* The first item is the directory. */
	memcpy(f->item[0].data, &f->dir, sizeof(f->dir));
	return 0;
}

int fw_cfg_create(struct vm *vm, struct fw_cfg **out, struct err *err)
{
	struct fw_cfg *f = calloc(1, sizeof(*f));
	le32 version = cpu_to_le32(1);
	int rc;

	if (!f)
		return err_set(err, -ENOMEM, "fw_cfg: out of memory");
	f->vm = vm;
	pthread_mutex_init(&f->lock, NULL);
	rc = fw_cfg_add(f, FW_CFG_DIRECTORY, &f->dir, sizeof(f->dir));
	if (!rc)
		rc = fw_cfg_add(f, FW_CFG_SIGNATURE, "QEMU", 4);
	if (!rc)
		rc = fw_cfg_add(f, FW_CFG_VERSION, &version, sizeof(version));
	if (rc)
		err_set(err, rc, "fw_cfg: %s", strerror(-rc));
	f->range = (struct bus_range){ .name = "fw_cfg",
				       .base = PORT_FW_CFG,
				       .size = 2,
				       .read = on_read,
				       .write = on_write };
	if (!rc)
		rc = bus_add(&vm->ports, &f->range, err);
	if (rc) {
		fw_cfg_destroy(f);
		return rc;
	}
	*out = f;
	return 0;
}

void fw_cfg_destroy(struct fw_cfg *f)
{
	if (!f)
		return;
	bus_remove(&f->vm->ports, &f->range);
	for (unsigned i = 0; i < f->count; i++)
		free(f->item[i].data);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
