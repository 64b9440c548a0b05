/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, see command.h, in the order of the help text.
 * cli/fronts.c has the printers of results for people. */
#include "commands.h"

#include "methods_impl.h"

#define PARAMS(type, rows) .params = (rows), .args_size = sizeof(struct type)

/* For the command line only: help has no method. */
struct help_args {
	char *command;
};

static const struct opt_row help_params[] = {
	{ .key = "command",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct help_args, command),
	  .arg = "COMMAND",
	  .help = "the command's name",
	  .word = OPT_WORD },
	{ NULL },
};

/* For the command line only: they act on the host. */
struct vf_args {
	char *dev;
	uint32_t number;
	struct opt_list settings;
};

#define VF_DEV(needed)                                                 \
	{                                                              \
		.key = "dev", .kind = OPT_STRING,                      \
		.offset = offsetof(struct vf_args, dev), .arg = "DEV", \
		.word = (needed),                                      \
		.help = "the card: its interface or PCI address",      \
	}

static const struct opt_row vf_list_params[] = { VF_DEV(OPT_WORD), { NULL } };

static const struct opt_row vf_delete_params[] = { VF_DEV(OPT_WORD_NEEDED),
						   { NULL } };

static const struct opt_row vf_create_params[] = {
	VF_DEV(OPT_WORD_NEEDED),
	{ .key = "count",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vf_args, number),
	  .min = 1,
	  .max = 65535,
	  .arg = "N",
	  .help = "how many the card has then",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

static const struct opt_row vf_set_params[] = {
	VF_DEV(OPT_WORD_NEEDED),
	{ .key = "index",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vf_args, number),
	  .max = 65534,
	  .arg = "INDEX",
	  .help = "number of the virtual function, from 0",
	  .word = OPT_WORD_NEEDED },
	{ .key = "settings",
	  .kind = OPT_LIST,
	  .offset = offsetof(struct vf_args, settings),
	  .arg = "KEY=VALUE",
	  .help = "a setting; also \"KEY VALUE\", as ip link has it",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

const struct command commands[] = {
	{ .name = "up",
	  .help = "start a switch and keep it running",
	  .more = "Makes every port, logs that it is ready, and forwards "
		  "frames until SIGTERM, SIGINT or `ringway down`. A port is "
		  "written as QEMU writes a -netdev; \"-netdev help\" lists "
		  "the types, \"-netdev TYPE,help\" the options of one." },
	{ .name = "vm",
	  .help = "run a virtual machine under KVM",
	  .more = "Boots a Linux kernel, or without -kernel the boot loader "
		  "of a disk, with options as QEMU has them. A "
		  "-netdev is a port of a switch in this process, and -device "
		  "virtio-net-pci,netdev=ID the guest's card on it; \"-device "
		  "help\" lists the devices. The commands below reach the "
		  "machine called \"vm\", or that of --name NAME; every other "
		  "command of ringway reaches it by --control." },
	{ .name = "vm show",
	  .method = "vm.show",
	  .help = "a machine: its vCPUs, threads, devices, and what moves "
		  "frames",
	  .more = "Shows rates of the second that it takes to measure them; "
		  "with --json the counters since the start.",
	  .result = "`machine`, `vcpus` (`exits` to this process, `kvm`: "
		    "counters of KVM), `serial`, `threads` (`cpu_ms`), "
		    "`descriptors`, `devices`",
	  .fn = method_vm_show },
	{ .name = "vm explain",
	  .method = "vm.show",
	  .help = "the path of a packet between a guest and its cards",
	  .more = "With the counts along it, since the start." },
	{ .name = "vm stop",
	  .method = "vm.stop",
	  .help = "halt the vCPUs of a machine",
	  .result = "[`already`]: \"stopped\" when it was",
	  .fn = method_vm_stop },
	{ .name = "vm cont",
	  .method = "vm.cont",
	  .help = "let them go on",
	  .result = "[`already`]: \"running\" when it was",
	  .fn = method_vm_cont },
	{ .name = "vm reset",
	  .method = "vm.reset",
	  .help = "reset a machine, as its reset button",
	  .fn = method_vm_reset },
	{ .name = "vm powerdown",
	  .method = "vm.powerdown",
	  .help = "press a machine's power button; the guest decides",
	  .fn = method_vm_powerdown },
	{ .name = "vm device add",
	  .method = "vm.device.add",
	  .help = "plug a device into a machine that runs, written as behind "
		  "-device",
	  .more = "\"vm device add help\" lists the types, \"vm device add "
		  "TYPE,help\" the options of one. A card's back-end is one of "
		  "-netdev or of `vm netdev add`. The device stays through "
		  "resets. The guest must know hot plug by ACPI, as Linux "
		  "does.",
	  PARAMS(device_args, device_add_params),
	  .result = "`id`, `slot`, `listens` (whether the guest hears of it "
		    "now)",
	  .fn = method_vm_device_add },
	{ .name = "vm device del",
	  .method = "vm.device.del",
	  .help = "ask the guest to let go of a device",
	  .more = "As the button beside a slot. It returns at once; the device "
		  "is leaving until the guest has let go, which a guest may "
		  "never do, and is gone after the next reset at the latest. "
		  "A second time asks again. With --force it is taken away "
		  "without asking.",
	  PARAMS(device_args, device_del_params),
	  .fn = method_vm_device_del },
	{ .name = "vm device list",
	  .method = "vm.device.list",
	  .help = "the devices of a machine, and the back-ends for cards",
	  .result = "`devices` (`id`, `slot`, `type`, `netdev` of a card, "
		    "`plug`: `at start`, `added`, `leaving`), `netdevs` (`id`, "
		    "`type`, `device` that is plugged into it)",
	  .fn = method_vm_device_list },
	{ .name = "vm netdev add",
	  .method = "vm.netdev.add",
	  .help = "add a back-end for a card, written as behind -netdev",
	  .more = "\"vm netdev add help\" lists the types. Without net= it and "
		  "its card are a link of their own. The back-end stays when "
		  "its card goes.",
	  PARAMS(port_add_args, port_add_params),
	  .others = "[`descriptors`]",
	  .fn = method_vm_netdev_add },
	{ .name = "vm netdev del",
	  .method = "vm.netdev.del",
	  .help = "take away a back-end that has no card",
	  PARAMS(device_args, netdev_del_params),
	  .fn = method_vm_netdev_del },
	{ .name = "show",
	  .method = "show",
	  .help = "networks, ports and workers at a glance",
	  .result =
		  "that of `version`, `networks` (each `name`, `kind`, `macs`, "
		  "`ports`), `workers`",
	  .fn = method_show },
	{ .name = "port list",
	  .method = "port.list",
	  .help = "the ports",
	  .result = "`ports`: one summary each",
	  .fn = method_port_list },
	{ .name = "port add",
	  .method = "port.add",
	  .help = "add a port, written as behind -netdev",
	  .more = "Relative paths are taken from the directory that the "
		  "daemon was started in. Descriptors that options name by "
		  "number (fd=7) are those of this command; the daemon gets "
		  "them.",
	  PARAMS(port_add_args, port_add_params),
	  .others = "or `type`, `id` and options by name; [`descriptors`]",
	  .result = "`id`",
	  .fn = method_port_add },
	{ .name = "port del",
	  .method = "port.del",
	  .help = "remove a port",
	  PARAMS(port_args, port_params),
	  .fn = method_port_del },
	{ .name = "port set",
	  .method = "port.set",
	  .help = "change options of a live port",
	  .more = "A list takes KEY+=VALUE to add and KEY-=VALUE to remove a "
		  "value. Only options that \"-netdev TYPE,help\" marks as "
		  "changeable can be set. All changes are made, or none.",
	  PARAMS(port_args, port_params),
	  .others = "and `KEY`, `KEY+`, `KEY-`",
	  .takes_changes = true,
	  .fn = method_port_set },
	{ .name = "port show",
	  .method = "port.show",
	  .help = "everything about a port",
	  PARAMS(port_args, port_params),
	  .result = "`config` (its options), `state` (of its type), `stats`",
	  .fn = method_port_show },
	{ .name = "mac",
	  .method = "mac.list",
	  .help = "learned MAC addresses",
	  PARAMS(mac_args, mac_list_params),
	  .result = "`macs` (`mac`, `net`, `vlan` when in one, `port`, "
		    "`age_s`), `total`",
	  .fn = method_mac_list },
	{ .name = "mac flush",
	  .method = "mac.flush",
	  .help = "forget learned MAC addresses",
	  PARAMS(mac_args, mac_params),
	  .result = "`flushed`",
	  .fn = method_mac_flush },
	{ .name = "stats",
	  .method = "stats",
	  .help = "counters of ports, queues and workers",
	  .more = "Of each worker: the share of its time in rounds that moved "
		  "frames (working), that found none (polling) and asleep, and "
		  "the cycles of working time a frame. One burst in 61 is "
		  "measured by stage, in cycles a frame: ring-read "
		  "(descriptors of both rings), header (snapshot and checks), "
		  "lookup (MAC table, grouping by receiver), offload "
		  "(checksums and segments made in software), copy (into the "
		  "receiver's buffers), publish (used rings), notify (the "
		  "check whether the peer wants an event, and the system call "
		  "for it), syscall (a tap's reads and writes), other "
		  "(counters, capture). Cycles are those of the processor's "
		  "constant-rate counter (TSC); the JSON has their number a "
		  "microsecond.",
	  PARAMS(port_args, optional_port_params),
	  .result = "`ports` with counters of each queue, `workers` (see "
		    "below)",
	  .fn = method_stats },
	{ .name = "rebalance",
	  .method = "rebalance",
	  .help = "spread the queues over the workers by their load",
	  .more = "Prints the moves it made. The load is measured since the "
		  "daemon last read it, which it does four times a second "
		  "while a worker is busy, unless it runs with --rebalance "
		  "off.",
	  .result = "`moves` made (`port`, `queue`, `from`, `to`: workers, "
		    "`percent` of one that it took)",
	  .fn = method_rebalance },
	{ .name = "capture",
	  .method = "capture.start",
	  .help = "write a port's frames to a pcap file or pipe",
	  .more = "Runs until interrupted, until the reader of the pipe goes "
		  "away, or until --count frames were written, then prints how "
		  "many frames it wrote. When writing fails, as on a full "
		  "disk, it prints the reason, and the file ends with a whole "
		  "packet. To watch in Wireshark: ringway "
		  "capture PORT -w - | wireshark -k -i -",
	  PARAMS(capture_args, capture_params),
	  .takes_fd = true,
	  .fn = method_capture_start },
	{ .method = "capture.stop",
	  .help = "end the capture of a port",
	  PARAMS(port_args, port_params),
	  .result = "`frames`, `dropped`, and of a failure `reason`, `error`",
	  .fn = method_capture_stop },
	{ .name = "filter list",
	  .method = "filter.list",
	  .help = "the filters on ports",
	  .result = "`filters`: of each its options and its own numbers",
	  .fn = method_filter_list },
	{ .name = "filter add",
	  .method = "filter.add",
	  .help = "put a filter on a port, written as behind QEMU's -object",
	  .more = "\"ringway filter add help\" lists the types, \"filter add "
		  "TYPE,help\" the options of one.",
	  PARAMS(filter_add_args, filter_add_params),
	  .others = "or `type`, `id`, `netdev` and options by name",
	  .result = "`id`",
	  .fn = method_filter_add },
	{ .name = "filter del",
	  .method = "filter.del",
	  .help = "take a filter off its port",
	  PARAMS(port_args, filter_params),
	  .fn = method_filter_del },
	{ .name = "filter set",
	  .method = "filter.set",
	  .help = "turn a filter on or off: status=on, status=off",
	  PARAMS(port_args, filter_params),
	  .others = "and `status`",
	  .takes_changes = true,
	  .fn = method_filter_set },
	{ .name = "watch",
	  .method = "watch",
	  .help = "print events as they happen",
	  .more = "Prints a line for each port or device that is added or "
		  "removed, link that goes up or down, address that is learned "
		  "or moves, "
		  "fault, and queue that changes its worker; or only for the "
		  "kinds named. Runs until interrupted. A reader that is too "
		  "slow loses lines; the next line says how many.",
	  PARAMS(watch_args, watch_params),
	  .result = "`events`, the kinds; from then on notifications `event` "
		    "(see below)",
	  .fn = method_watch },
	{ .name = "qemu-args",
	  .method = "qemu_args",
	  .help = "what QEMU needs to plug a guest into a port",
	  .more = "As in: qemu-system-x86_64 $(ringway qemu-args vm1) -m 1G "
		  "disk.qcow2",
	  PARAMS(qemu_args_args, qemu_args_params),
	  .result = "`args`: one element a word",
	  .fn = method_qemu_args },
	{ .name = "log-level",
	  .method = "log.level",
	  .help = "print or change how much the daemon logs",
	  PARAMS(log_level_args, log_level_params),
	  .result = "`level`",
	  .fn = method_log_level },
	{ .name = "reload",
	  .method = "config.reload",
	  .help = "read the configuration again and make what changed in it",
	  .more = "Reads the files of --config as at the start, and opens the "
		  "log's file again; SIGHUP does the same. Ports whose lines "
		  "did not change keep their guests and lose no frame, and so "
		  "do those that `port add` made. Of a changed line, options "
		  "that `port set` takes change on the live port; for others "
		  "the port is made anew.",
	  .result = "arrays of ids: `added`, `removed`, `changed`, `replaced`; "
		    "`failed` (`id`, `reason`); `restart`: options and "
		    "chardevs that need a new start",
	  .fn = method_reload },
	{ .name = "save",
	  .method = "config.text",
	  .help = "print the ports and options as they are now, as a "
		  "configuration file",
	  .more = "`ringway up --config FILE` makes the same again.",
	  .result = "`text`",
	  .fn = method_config },
	{ .name = "down",
	  .method = "down",
	  .help = "end the switch; returns when all of it is gone",
	  .result = "empty; the connection closes when all is gone",
	  .fn = method_down },
	{ .name = "vf create",
	  .help = "make virtual functions of a card (SR-IOV)",
	  .more = "Needs root, as the other commands on virtual functions that "
		  "change something. The card has N of them then; if it had "
		  "another number, those are replaced, unless the host or a "
		  "guest uses one. They stay until `vf delete` or the host's "
		  "next start.",
	  PARAMS(vf_args, vf_create_params) },
	{ .name = "vf list",
	  .help = "virtual functions, their settings, and who has them",
	  PARAMS(vf_args, vf_list_params) },
	{ .name = "vf set",
	  .help = "settings of a virtual function",
	  .more = "Of mac=ADDRESS, vlan=N (0: none), qos=N (with vlan=), "
		  "spoofchk=on|off, trust=on|off, rate=N (at most so many "
		  "Mbit/s are sent; 0: no limit), min_rate=N, "
		  "link=auto|enable|disable. `ip link`'s max_tx_rate, "
		  "min_tx_rate and state are taken, too. All are set, or "
		  "none.",
	  PARAMS(vf_args, vf_set_params) },
	{ .name = "vf delete",
	  .help = "take the virtual functions of a card away",
	  .more = "Refused while the host or a guest uses one.",
	  PARAMS(vf_args, vf_delete_params) },
	{ .name = "vf restore",
	  .help = "give devices back that a ringway which was killed had lent "
		  "to guests",
	  .more = "Drivers, interfaces and virtual functions become what they "
		  "were. Prints a line for each thing that it did. Devices of "
		  "machines that run are left alone." },
	{ .name = "version",
	  .method = "version",
	  .help = "version of this program and of the running daemon",
	  .result = "`name`, `version`, `pid`, `uptime_s`, `control`, "
		    "`log_level`",
	  .fn = method_version },
	{ .name = "help",
	  .help = "explain a command, or list all",
	  PARAMS(help_args, help_params) },
	{ NULL },
};
