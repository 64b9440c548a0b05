/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several UDP datagrams of one size as one message: the kernel cuts what is
 * sent (UDP_SEGMENT, Linux 4.18) and joins what arrives (UDP_GRO, Linux 5.0).
 * See udp(7).
 */
#ifndef RW_UDP_GSO_H
#define RW_UDP_GSO_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SOL_UDP
#define SOL_UDP IPPROTO_UDP
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO	    104
#endif

#define UDP_GSO_FRAMES	64    /* datagrams in a message, at most */
#define UDP_GSO_BYTES	65000 /* and bytes; UDP over IPv4 takes 65507 */
#define UDP_GSO_CONTROL CMSG_SPACE(sizeof(uint16_t))

/* Returns whether @fd is a UDP socket. */
static inline bool udp_is_udp(int fd)
{
	int protocol;
	socklen_t size = sizeof(protocol);

	return !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) &&
	       protocol == IPPROTO_UDP;
}

/* Lets datagrams come joined on @fd. Returns 0 or -errno. */
static inline int udp_set_gro(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0 ? -errno
								     : 0;
}

/* Returns the size of each datagram in @m (the last may be shorter), or 0 if it
 * is a single one. */
static inline size_t udp_gro_size(struct msghdr *m)
{
	int size;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 ? (size_t)size : 0;
	}
	return 0;
}

/* Adds a control message to those of @m, whose room is large enough. */
static inline void sock_put_control(struct msghdr *m, int level, int type,
				    const void *data, size_t size)
{
	struct cmsghdr *c =
		(struct cmsghdr *)(void *)((uint8_t *)m->msg_control +
					   m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	m->msg_controllen += CMSG_SPACE(size);
}

/* Has @m cut into datagrams of @size bytes; @control has UDP_GSO_CONTROL bytes
 * and stays with @m. */
static inline void udp_gso_set(struct msghdr *m, uint8_t *control,
			       uint16_t size)
{
	m->msg_control = control;
	m->msg_controllen = 0;
	sock_put_control(m, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
}

#endif
