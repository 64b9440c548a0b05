/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the negotiated features, for reports. Control thread. */
#include "vu_show.h"

#include <stdio.h>

#include "virtio.h"
#include "vu_msg.h"

static const char *const feature_names[64] = {
	[VIRTIO_NET_F_CSUM] = "CSUM",
	[VIRTIO_NET_F_GUEST_CSUM] = "GUEST_CSUM",
	[VIRTIO_NET_F_CTRL_GUEST_OFFLOADS] = "CTRL_GUEST_OFFLOADS",
	[VIRTIO_NET_F_MTU] = "MTU",
	[VIRTIO_NET_F_MAC] = "MAC",
	[VIRTIO_NET_F_GUEST_TSO4] = "GUEST_TSO4",
	[VIRTIO_NET_F_GUEST_TSO6] = "GUEST_TSO6",
	[VIRTIO_NET_F_GUEST_ECN] = "GUEST_ECN",
	[VIRTIO_NET_F_GUEST_UFO] = "GUEST_UFO",
	[VIRTIO_NET_F_HOST_TSO4] = "HOST_TSO4",
	[VIRTIO_NET_F_HOST_TSO6] = "HOST_TSO6",
	[VIRTIO_NET_F_HOST_ECN] = "HOST_ECN",
	[VIRTIO_NET_F_HOST_UFO] = "HOST_UFO",
	[VIRTIO_NET_F_MRG_RXBUF] = "MRG_RXBUF",
	[VIRTIO_NET_F_STATUS] = "STATUS",
	[VIRTIO_NET_F_CTRL_VQ] = "CTRL_VQ",
	[VIRTIO_NET_F_CTRL_RX] = "CTRL_RX",
	[VIRTIO_NET_F_CTRL_VLAN] = "CTRL_VLAN",
	[VIRTIO_NET_F_CTRL_RX_EXTRA] = "CTRL_RX_EXTRA",
	[VIRTIO_NET_F_GUEST_ANNOUNCE] = "GUEST_ANNOUNCE",
	[VIRTIO_NET_F_MQ] = "MQ",
	[VIRTIO_NET_F_CTRL_MAC_ADDR] = "CTRL_MAC_ADDR",
	[VIRTIO_NET_F_GUEST_USO4] = "GUEST_USO4",
	[VIRTIO_NET_F_GUEST_USO6] = "GUEST_USO6",
	[VIRTIO_NET_F_HOST_USO] = "HOST_USO",
	[VIRTIO_NET_F_HASH_REPORT] = "HASH_REPORT",
	[VIRTIO_NET_F_RSS] = "RSS",
	[VIRTIO_F_NOTIFY_ON_EMPTY] = "NOTIFY_ON_EMPTY",
	[VHOST_F_LOG_ALL] = "LOG_ALL",
	[VIRTIO_F_ANY_LAYOUT] = "ANY_LAYOUT",
	[VIRTIO_F_INDIRECT_DESC] = "INDIRECT_DESC",
	[VIRTIO_F_EVENT_IDX] = "EVENT_IDX",
	[VHOST_USER_F_PROTOCOL_FEATURES] = "PROTOCOL_FEATURES",
	[VIRTIO_F_VERSION_1] = "VERSION_1",
	[VIRTIO_F_ACCESS_PLATFORM] = "ACCESS_PLATFORM",
	[VIRTIO_F_RING_PACKED] = "RING_PACKED",
	[VIRTIO_F_IN_ORDER] = "IN_ORDER",
	[VIRTIO_F_RING_RESET] = "RING_RESET",
};

static const char *const protocol_names[64] = {
	[VU_PROTOCOL_F_MQ] = "MQ",
	[VU_PROTOCOL_F_LOG_SHMFD] = "LOG_SHMFD",
	[VU_PROTOCOL_F_RARP] = "RARP",
	[VU_PROTOCOL_F_REPLY_ACK] = "REPLY_ACK",
	[VU_PROTOCOL_F_NET_MTU] = "NET_MTU",
	[VU_PROTOCOL_F_BACKEND_REQ] = "BACKEND_REQ",
	[VU_PROTOCOL_F_BACKEND_SEND_FD] = "BACKEND_SEND_FD",
	[VU_PROTOCOL_F_RESET_DEVICE] = "RESET_DEVICE",
	[VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS] = "CONFIGURE_MEM_SLOTS",
	[VU_PROTOCOL_F_STATUS] = "STATUS",
};

static void show_bits(struct show *s, const char *key, uint64_t bits,
		      const char *const names[64])
{
	show_array(s, key);
	for (unsigned i = 0; i < 64; i++) {
		char number[8];

		if (!feat_has(bits, i))
			continue;
		snprintf(number, sizeof(number), "%u", i);
		show_str(s, NULL, names[i] ? names[i] : number);
	}
	show_end(s);
}

void vu_show_features(struct show *s, const char *key, uint64_t bits)
{
	show_bits(s, key, bits, feature_names);
}

void vu_show_protocol_features(struct show *s, const char *key, uint64_t bits)
{
	show_bits(s, key, bits, protocol_names);
}
