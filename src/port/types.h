/* SPDX-License-Identifier: Apache-2.0 */
/* All types of port. The table of ctl/ has a row for each. */
#ifndef RW_PORT_TYPES_H
#define RW_PORT_TYPES_H

#include "port.h"

extern const struct port_type port_bridge_type;
extern const struct port_type port_dgram_type;
extern const struct port_type port_hubport_type;
extern const struct port_type port_geneve_type;
extern const struct port_type port_gre_type;
extern const struct port_type port_l2tpv3_type;
extern const struct port_type port_macvtap_type;
extern const struct port_type port_null_type;
extern const struct port_type port_packet_type;
extern const struct port_type port_socket_type;
extern const struct port_type port_stream_type;
extern const struct port_type port_tap_type;
extern const struct port_type port_user_type;
extern const struct port_type port_vde_type;
extern const struct port_type port_vhost_front_type;
extern const struct port_type port_vduse_type;
extern const struct port_type port_vhost_vdpa_type;
extern const struct port_type port_vhost_user_type;
extern const struct port_type port_vxlan_type;
extern const struct port_type port_xdp_type;

#endif
