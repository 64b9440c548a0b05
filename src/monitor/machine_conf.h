/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a machine, as QEMU spells them. Parsing opens nothing. */
#ifndef RW_MACHINE_CONF_H
#define RW_MACHINE_CONF_H

#include "config.h"
#include "device_types.h"
#include "opt.h"
#include "serial.h"
#include "cpu_topology.h"

/* A device that is no network card. */
struct machine_device {
	const struct device_type *type;
	void *conf; /* heap; its first member is a struct device_conf */
	struct machine_device *next;
};

/* A disk of if=none, for -device virtio-blk-pci,drive=ID. */
struct machine_drive {
	struct opt_pair pair[2]; /* file, and readonly, as -device takes them;
				  * values are heap */
	char *id;
	bool is_used;
	struct machine_drive *next;
};

/* A network card whose rings a vhost back-end serves. */
struct machine_card {
	struct netdev *card, *backend;
	struct vhost_card *vhost; /* NULL: not made yet */
	struct machine_card *next;
};

struct machine_conf {
	char *name;
	char *kernel, *initrd, *append;
	char *memory;	       /* as typed: "512" (MiB), "1G", "size=1G" */
	char *smp;	       /* as typed: "2", "cpus=2" */
	char *machine, *accel; /* as typed */
	char *mem_path;
	char *serial; /* as typed: "stdio", "file:PATH" */
	bool hugepages, mem_prealloc;
	bool no_reboot, nographic, dry_run, enable_kvm;
	int cpu;		       /* one choice */
	struct opt_list device, drive; /* as typed */
	struct opt_list vhost_user;    /* -netdev vhost-user,chardev=ID,... */
	/* Made of these by machine_conf_finish(): */
	uint64_t memory_size; /* bytes */
	uint64_t page_size;   /* of huge pages; 0: none */
	struct cpu_topology topology;
	unsigned cpus; /* of @topology */
	bool split_irqchip;
	struct serial_conf serial_conf;
	unsigned device_count; /* cards and others, each with its order */
	struct machine_device *devices;
	struct machine_drive *drives;
	struct machine_card *cards; /* of vhost back-ends; no ports */
};

extern const struct opt_row machine_rows[];

/*
 * Reads what the options say together: sizes, and the -device and -drive lines.
 * Network cards become ports in @config. Gives every -netdev without net= a
 * network of its own, so that it and its card are a link as in QEMU. @control
 * is the path of the control socket: addresses of cards are made of it. Returns
 * 0 or -errno with @err. Call machine_conf_fini() even then.
 */
int machine_conf_finish(struct machine_conf *m, struct config *config,
			const char *control, struct err *err);
void machine_conf_fini(struct machine_conf *m);

/* Stores name and help text of the @i-th type of -device. Returns false when
 * there are no more. */
bool machine_device_at(unsigned i, const char **name, const char **help);
/* Returns the options of the type @name, or NULL. */
const struct opt_row *machine_device_rows(const char *name);

/* Keeps a -netdev that is QEMU's way to name a vhost-user back-end, and returns
 * 1; 0 for another one, which a port of the switch is; or -errno with @err. */
int machine_keep_netdev(struct machine_conf *m, const char *text,
			struct err *err);

/* Makes the cards of vhost back-ends; the monitor plugs them. Returns 0 or
 * -errno with @err. machine_cards_close() is due in both cases. */
int machine_cards_open(struct machine_conf *m, struct loop *loop,
		       struct err *err);
void machine_cards_close(struct machine_conf *m);

/* --- for machine_*.c only --- */

/* machine_board.c: reads -machine, -accel, -m, -mem-path and -smp. Returns 0 or
 * -errno with @err. */
int machine_board_read(struct machine_conf *m, struct err *err);

/* machine_vhost.c: makes ports of the lines that machine_keep_netdev() kept,
 * before the cards; and takes cards of vhost back-ends, which are no ports, out
 * of @config, after them. Return 0 or -errno with @err. */
int machine_vhost_translate(struct machine_conf *m, struct config *config,
			    struct err *err);
int machine_vhost_take(struct machine_conf *m, struct config *config,
		       struct err *err);
void machine_cards_free(struct machine_conf *m);

/* machine_device.c: adds the device of a -device line; and one of @type with
 * the options @pairs. Return 0 or -errno with @err. */
int machine_device_add(struct machine_conf *m, struct config *config,
		       const char *text, const char *control, struct err *err);
int machine_device_make(struct machine_conf *m, const struct device_type *type,
			const struct opt_pair *pairs, int count,
			struct err *err);

/* machine_drive.c: reads a -drive line. _find() returns the disk @id, which
 * is taken from then on, or NULL with @err. */
int machine_drive_add(struct machine_conf *m, const char *text,
		      struct err *err);
const struct machine_drive *machine_drive_find(struct machine_conf *m,
					       const char *id, struct err *err);
void machine_drives_free(struct machine_conf *m);

#endif
