/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a machine, as QEMU spells them. Parsing opens nothing. */
#ifndef RW_MACHINE_CONF_H
#define RW_MACHINE_CONF_H

#include "card.h"
#include "config.h"
#include "device_types.h"
#include "opt.h"
#include "serial.h"
#include "cpu_topology.h"

/* A device that is no network card. */
struct machine_device {
	const struct device_type *type;
	void *conf; /* heap; its first member is a struct device_conf */
	struct machine_drive *drive; /* of drive=ID, which it has; or NULL */
	struct vfio_lease *lease;    /* of a card of the host that is lent */
	struct machine_device *next;
};

#define MACHINE_DRIVE_PAIRS 5

/* A disk, for -device virtio-blk-pci,drive=ID with if=none. */
struct machine_drive {
	/* Its options as -device takes them; values are heap. */
	struct opt_pair pair[MACHINE_DRIVE_PAIRS];
	unsigned count;
	char *id;
	bool is_used;
	struct machine_drive *next;
};

/* A network card whose rings a vhost back-end serves. */
struct machine_card {
	struct netdev *card; /* NULL: none is plugged into the back-end */
	struct netdev *backend;
	struct vhost_card *vhost; /* NULL: not made yet */
	struct machine_card *next;
};

/* What firmware does. */
struct machine_boot_conf {
	char *order, *once; /* letters as in QEMU; NULL: not said */
	bool has_menu, ignored;
};

struct machine_conf {
	char *name;
	char *kernel, *initrd, *append;
	char *bios;	       /* firmware; NULL with a kernel */
	char *boot;	       /* as typed: "n", "order=cn" */
	char *memory;	       /* as typed: "512" (MiB), "1G", "size=1G" */
	char *smp;	       /* as typed: "2", "cpus=2" */
	char *machine, *accel; /* as typed */
	char *mem_path;
	char *serial; /* as typed: "stdio", "file:PATH" */
	bool hugepages, mem_prealloc;
	bool no_reboot, nographic, dry_run, enable_kvm;
	int cpu;       /* one choice */
	bool is_held;  /* the vCPUs wait for `vm cont` */
	bool has_node; /* a -numa line was read */
	char *pidfile;
	struct opt_list device, drive; /* as typed */
	struct opt_list vhost_user;    /* -netdev vhost-user,chardev=ID,... */
	/* Made of these by machine_conf_finish(): */
	struct machine_boot_conf boot_conf;
	uint64_t memory_size; /* bytes */
	uint64_t page_size;   /* of huge pages; 0: none */
	struct cpu_topology topology;
	unsigned cpus; /* of @topology */
	bool split_irqchip;
	struct serial_conf serial_conf;
	unsigned device_count; /* cards and others, each with its order */
	struct machine_device *devices;
	struct machine_drive *drives;
	struct machine_card *cards; /* on vhost back-ends; no ports */
};

extern const struct opt_row machine_rows[];
extern const struct opt_row machine_drive_rows[]; /* keys of a -drive */

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

/* Stores in @slot the id of the device that each slot of the PCI bus gets, NULL
 * for a free one, after machine_conf_finish(). Returns 0, or -errno with @err
 * when two want the same or have one id, or there are too many. */
#define MACHINE_SLOTS 32
int machine_slots(const struct machine_conf *m, const struct config *c,
		  const char *slot[MACHINE_SLOTS], struct err *err);

/* Returns the order @text of -boot (NULL: none) as the CMOS RAM of a PC has it:
 * four bits for each of three places: 1 floppy, 2 disk, 3 CD-ROM, 4 network. */
uint16_t machine_boot_order(const char *text);

/* Returns whether ports of @type are network cards of a machine. */
bool machine_is_card(const struct port_type *type);

/* Stores name and help text of the @i-th type of -device. Returns false when
 * there are no more. */
bool machine_device_at(unsigned i, const char **name, const char **help);
/* Returns the options of the type @name, or NULL. */
const struct opt_row *machine_device_rows(const char *name);

/* machine_qemu.c: options of QEMU that ask for what is so anyway. _set() takes
 * one of these rows; _object() the memory of -object: 1, or 0 for another one;
 * _name() stores the name in a -name line. Return 0 or -errno with @err. */
extern const struct opt_row machine_qemu_rows[];
int machine_qemu_set(struct machine_conf *m, const char *key, const char *value,
		     struct err *err);
int machine_qemu_object(struct machine_conf *m, const char *text,
			struct err *err);
int machine_qemu_name(const char *text, char *name, size_t size,
		      struct err *err);
/* Returns whether @key, without or with dashes, is another option of QEMU, and
 * sets @err to what to do here instead. */
bool machine_qemu_explain(const char *key, struct err *err);

/* Keeps a -netdev that is QEMU's way to name a vhost-user back-end, and returns
 * 1; 0 for another one, which a port of the switch is; or -errno with @err. */
int machine_keep_netdev(struct machine_conf *m, const char *text,
			struct err *err);

/* Makes the cards of vhost back-ends; the monitor plugs them. Runs the loop
 * while scripts and helpers of taps run. Returns 0 or -errno with @err.
 * machine_cards_close() is due in both cases. */
int machine_cards_open(struct machine_conf *m, struct loop *loop,
		       struct err *err);
void machine_cards_close(struct machine_conf *m);
/* Runs the loop until back-ends that are waited for came. 0 or -errno. */
int machine_cards_wait(struct machine_conf *m, struct err *err);

/* --- for machine_*.c only */
/* machine_board.c: reads -machine, -accel, -m, -mem-path and -smp. Returns 0 or
 * -errno with @err. */
int machine_board_read(struct machine_conf *m, struct err *err);
/* Reads @text, of -@option, into @c; what stands first is that of @first. */
int machine_read_line(const char *option, const char *text, const char *first,
		      const struct opt_row *rows, void *c, struct err *err);

/* machine_boot.c: reads -boot, and checks what the devices are to boot: 0 or
 * -errno with @err. */
int machine_boot_read(struct machine_conf *m, const struct config *config,
		      struct err *err);
void machine_boot_free(struct machine_conf *m);

/* machine_vhost.c: makes ports of the lines that machine_keep_netdev() kept,
 * before the cards; and takes cards of vhost back-ends, which are no ports, out
 * of @config, after them. Return 0 or -errno with @err. */
int machine_vhost_translate(struct machine_conf *m, struct config *config,
			    struct err *err);
int machine_vhost_take(struct machine_conf *m, struct config *config,
		       struct err *err);
void machine_cards_free(struct machine_conf *m);
/* Makes a port of one such line, as the last one of @config. */
int machine_vhost_translate_line(struct config *config, const char *text,
				 struct err *err);
/* Finds out whether @n, which is in @config, is a vhost back-end: *@is; and
 * adds one without a card to @m. */
int machine_vhost_check(const struct config *config, const struct netdev *n,
			bool *is, struct err *err);
int machine_vhost_keep(struct machine_conf *m, struct netdev *backend,
		       struct err *err);
/* machine_card.c: finds the number of queue pairs of the card @c by what is
 * known of its back-end before that is there. Returns 0 or -EINVAL with @err.
 */
int machine_card_pairs(const struct netdev *backend, const struct card_conf *c,
		       unsigned *pairs, struct err *err);
/* Makes a card, as machine_cards_open(). */
int machine_card_open(struct machine_card *c, struct loop *loop,
		      struct err *err);

/* machine_device.c: adds the device of a -device line; and one of @type with
 * the options @pairs. Return 0 or -errno with @err. */
int machine_device_add(struct machine_conf *m, struct config *config,
		       const char *text, const char *control, struct err *err);
int machine_device_make(struct machine_conf *m, const struct device_type *type,
			const struct opt_pair *pairs, int count,
			struct err *err);
/* Takes @d out of @m and frees it. */
void machine_device_free(struct machine_conf *m, struct machine_device *d);

/* machine_drive.c: reads a -drive line. _find() returns the disk @id, taken
 * from then on, or NULL with @err. */
int machine_drive_add(struct machine_conf *m, const char *text,
		      struct err *err);
struct machine_drive *machine_drive_find(struct machine_conf *m, const char *id,
					 struct err *err);
void machine_drives_free(struct machine_conf *m);

#endif
