/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over netlink, see netlink.h. Any thread. */
#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fd.h"

void nl_begin(union nl_message *m, uint16_t type, uint16_t flags,
	      const void *fixed, size_t size)
{
	memset(m, 0, NLMSG_SPACE(size));
	m->head = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	};
	memcpy(NLMSG_DATA(&m->head), fixed, size);
}

struct nlattr *nl_put(union nl_message *m, uint16_t type, const void *data,
		      size_t size)
{
	char *at = m->bytes + NLMSG_ALIGN(m->head.nlmsg_len);
	struct nlattr *a = (struct nlattr *)(void *)at;

	memset(at, 0, NLA_HDRLEN + NLA_ALIGN(size));
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + size);
	if (size)
		memcpy(at + NLA_HDRLEN, data, size);
	m->head.nlmsg_len =
		(uint32_t)(at - m->bytes + NLA_HDRLEN + NLA_ALIGN(size));
	return a;
}

void nl_end_nest(union nl_message *m, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)(m->bytes + m->head.nlmsg_len - (char *)nest);
}

/* Returns what the answer of @size bytes says: 0 or -errno. */
static int outcome(const union nl_message *m, ssize_t size)
{
	const struct nlmsgerr *answer = NLMSG_DATA(&m->head);

	if ((size_t)size < NLMSG_HDRLEN || m->head.nlmsg_len > (size_t)size)
		return -EPROTO;
	if (m->head.nlmsg_type != NLMSG_ERROR)
		return 0;
	return m->head.nlmsg_len < NLMSG_LENGTH(sizeof(*answer))
		       ? -EPROTO
		       : answer->error;
}

int nl_ask(int protocol, union nl_message *m)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = send(fd, m, m->head.nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, m, sizeof(*m), MSG_DONTWAIT);
	rc = n < 0 ? -errno : outcome(m, n);
	fd_close(&fd);
	return rc;
}

const void *nl_find(const union nl_message *m, size_t fixed, uint16_t type,
		    size_t want)
{
	size_t at = NLMSG_SPACE(fixed), end = m->head.nlmsg_len;

	while (at + NLA_HDRLEN <= end) {
		struct nlattr a;

		memcpy(&a, m->bytes + at, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > end - at)
			break;
		if (a.nla_type == type && a.nla_len >= NLA_HDRLEN + want)
			return m->bytes + at + NLA_HDRLEN;
		at += NLA_ALIGN(a.nla_len);
	}
	return NULL;
}
