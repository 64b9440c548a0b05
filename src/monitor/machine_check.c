/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the command line without use, see machine_conf.h. */
#include <string.h>

#include "card.h"
#include "log.h"
#include "machine_conf.h"

/* A -netdev is of use to the cards of its network. */
static bool has_card(const struct config *config, const char *net)
{
	for (unsigned i = 0; i < config->netdev_count; i++)
		if (config->netdev[i]->type == &port_card_type &&
		    !strcmp(config->netdev[i]->common.net, net))
			return true;
	return false;
}

void machine_warn_unused(const struct machine_conf *m,
			 const struct config *config)
{
	for (unsigned i = 0; i < config->netdev_count; i++) {
		const struct port_conf *c = &config->netdev[i]->common;

		if (!has_card(config, c->net))
			log_warn("netdev %s: no device uses it: -device "
				 "virtio-net-pci,netdev=%s does",
				 c->id, c->id);
	}
	for (const struct machine_drive *d = m->drives; d; d = d->next)
		if (!d->is_used)
			log_warn("drive %s: no device uses it: -device "
				 "virtio-blk-pci,drive=%s does",
				 d->id, d->id);
}
