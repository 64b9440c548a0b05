/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the methods and their parameters, for commands.c. */
#ifndef RW_METHODS_IMPL_H
#define RW_METHODS_IMPL_H

#include "daemon.h"
#include "rpc.h"

/* Parameters of methods about one port, or about one or all ports. */
struct port_args {
	char *id;
};
extern const struct opt_row port_params[];	    /* id required */
extern const struct opt_row optional_port_params[]; /* no id: all ports */

/* methods_daemon.c */
int method_version(struct rpc_call *call);
int method_show(struct rpc_call *call);
int method_stats(struct rpc_call *call);
int method_rebalance(struct rpc_call *call);
int method_down(struct rpc_call *call);
int method_vm_show(struct rpc_call *call);
int method_vm_stop(struct rpc_call *call);
int method_vm_cont(struct rpc_call *call);
int method_vm_reset(struct rpc_call *call);
int method_vm_powerdown(struct rpc_call *call);
struct device_args {
	char *device, *id;
	bool force;
};
extern const struct opt_row device_add_params[], device_del_params[];
extern const struct opt_row netdev_del_params[];
int method_vm_device_add(struct rpc_call *call);
int method_vm_device_del(struct rpc_call *call);
int method_vm_device_list(struct rpc_call *call);
int method_vm_netdev_add(struct rpc_call *call);
int method_vm_netdev_del(struct rpc_call *call);

struct log_level_args {
	int level;
	bool level_set;
};
extern const struct opt_row log_level_params[];
int method_log_level(struct rpc_call *call);

/* methods_mac.c */
struct mac_args {
	char *id, *net;
	uint32_t limit;
};
extern const struct opt_row mac_params[], mac_list_params[];
int method_mac_list(struct rpc_call *call);
int method_mac_flush(struct rpc_call *call);

/* methods_port.c */
int method_port_list(struct rpc_call *call);
int method_port_show(struct rpc_call *call);
struct port_add_args {
	char *netdev;
};
extern const struct opt_row port_add_params[];
int method_port_add(struct rpc_call *call);
/* Calls @fn with a copy of the parameters without `descriptors`. Until it
 * returns, options name the descriptors that came along, or else those that the
 * daemon was started with. Those that nobody took are closed. */
int methods_with_fds(struct rpc_call *call,
		     int (*fn)(struct rpc_call *call, const json_t *params));
int method_port_del(struct rpc_call *call);
int method_port_set(struct rpc_call *call);

struct qemu_args_args {
	char *id;
	uint64_t memory;
};
extern const struct opt_row qemu_args_params[];
int method_qemu_args(struct rpc_call *call);

/* methods_capture.c */
struct capture_args {
	char *id;
	uint32_t snaplen;
	uint64_t count;
	int direction; /* enum capture_direction */
};
extern const struct opt_row capture_params[];
int method_capture_start(struct rpc_call *call);
int method_capture_stop(struct rpc_call *call);

/* methods_config.c */
int method_reload(struct rpc_call *call);
int method_config(struct rpc_call *call);

/* methods_filter.c */
struct filter_add_args {
	char *object;
};
extern const struct opt_row filter_add_params[], filter_params[];
int method_filter_add(struct rpc_call *call);
int method_filter_del(struct rpc_call *call);
int method_filter_set(struct rpc_call *call);
int method_filter_list(struct rpc_call *call);

/* methods_watch.c */
struct watch_args {
	struct opt_list events;
};
extern const struct opt_row watch_params[];
int method_watch(struct rpc_call *call);

/* port_show.c: shows a port's values in the object that the caller opened. */
void port_show_summary(const struct daemon_port *p, struct show *s);
void port_show_all(const struct daemon_port *p, struct show *s);

#endif
