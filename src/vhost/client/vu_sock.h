/* SPDX-License-Identifier: Apache-2.0 */
/* Inside vhost-user as the transport of a vhost client: vu_sock.c has the
 * connection, vu_sock_make.c the messages to the back-end. Control thread. */
#ifndef RW_VU_SOCK_H
#define RW_VU_SOCK_H

#include <sys/types.h>

#include "loop.h"
#include "virtio.h"
#include "vu_client.h"
#include "vu_transport.h"

enum phase { SILENT, SENDING, WAITING };

struct vu_sock {
	struct vu_transport transport;
	int sock;
	struct loop_watch watch;
	uint64_t wanted;   /* protocol features to negotiate */
	uint64_t agreed;   /* protocol features negotiated */
	bool has_protocol; /* the device has VHOST_USER_F_PROTOCOL_FEATURES */
	enum phase phase;
	unsigned part; /* messages made for the current verb */
	uint64_t pairs;
	uint64_t slots;	  /* memory regions that the back-end takes */
	struct vu_msg tx; /* its descriptors are borrowed */
	uint32_t sent;	  /* bytes of tx sent */
	struct vu_rx rx;
	unsigned region_count; /* memory slots: regions that the back-end has */
	struct vu_mem_region region[GMEM_MAX_REGIONS];
};

static inline bool vu_sock_has(const struct vu_sock *s,
			       unsigned protocol_feature)
{
	return feat_has(s->agreed, protocol_feature);
}

/* Makes the next message of @call in s->tx. Returns VU_STEP_WAIT, VU_STEP_DONE
 * when none is left, or VU_STEP_REFUSED with @err. */
int vu_sock_make(struct vu_sock *s, struct vu_call *call, struct err *err);

#endif
