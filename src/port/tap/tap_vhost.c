/* SPDX-License-Identifier: Apache-2.0 */
/* A tap whose frames the kernel's vhost-net moves for a driver: what that
 * driver takes, and its queues. See tap_linux.h. Control thread. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "offload.h"
#include "tap_linux.h"

int tap_if_set_towards(struct tap_if *t, unsigned offloads)
{
	static const struct {
		unsigned offload, flag;
	} rows[] = {
		{ OFFLOAD_CSUM, TUN_F_CSUM }, { OFFLOAD_TSO4, TUN_F_TSO4 },
		{ OFFLOAD_TSO6, TUN_F_TSO6 }, { OFFLOAD_ECN, TUN_F_TSO_ECN },
		{ OFFLOAD_USO4, TUN_F_USO4 }, { OFFLOAD_USO6, TUN_F_USO6 },
	};
	unsigned long flags = 0;

	/* The kernel takes both kinds of UDP segmentation or none. */
	if (!(offloads & OFFLOAD_USO4) || !(offloads & OFFLOAD_USO6))
		offloads &= ~(unsigned)(OFFLOAD_USO4 | OFFLOAD_USO6);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (offloads & rows[i].offload)
			flags |= rows[i].flag;
	return ioctl(t->fd[0], TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

int tap_if_set_active(struct tap_if *t, unsigned count)
{
	for (unsigned i = 0; i < t->count && t->count > 1; i++) {
		bool is_on = i < count;
		struct ifreq r = { .ifr_flags = is_on ? IFF_ATTACH_QUEUE
						      : IFF_DETACH_QUEUE };

		/* EINVAL: it is so already */
		if (ioctl(t->fd[i], TUNSETQUEUE, &r) < 0 && errno != EINVAL)
			return -errno;
	}
	return 0;
}

static int read_counter(const char *name, const char *what, uint64_t *out)
{
	char path[100], text[32];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", name,
		 what);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	*out = fgets(text, sizeof(text), f) ? strtoull(text, NULL, 10) : 0;
	fclose(f);
	return 0;
}

int tap_if_frames(const struct tap_if *t, uint64_t *from_us, uint64_t *to_us)
{
	int rc = read_counter(t->name, "rx_packets", from_us);

	return rc ? rc : read_counter(t->name, "tx_packets", to_us);
}
