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

/* Returns what the answer @m of @size bytes says: 0 or -errno. */
static int outcome(const struct nlmsghdr *m, ssize_t size)
{
	const struct nlmsgerr *answer = NLMSG_DATA(m);

	if ((size_t)size < NLMSG_HDRLEN || m->nlmsg_len > (size_t)size)
		return -EPROTO;
	if (m->nlmsg_type != NLMSG_ERROR)
		return 0;
	return m->nlmsg_len < NLMSG_LENGTH(sizeof(*answer)) ? -EPROTO
							    : answer->error;
}

int nl_ask_for(int protocol, const union nl_message *m, struct nlmsghdr *answer,
	       size_t size)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = send(fd, m, m->head.nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, answer, size, MSG_DONTWAIT);
	rc = n < 0 ? -errno : outcome(answer, n);
	fd_close(&fd);
	return rc;
}

int nl_ask(int protocol, union nl_message *m)
{
	return nl_ask_for(protocol, m, &m->head, sizeof(*m));
}

struct nl_attrs nl_attrs_of(const struct nlmsghdr *answer, size_t fixed)
{
	size_t at = NLMSG_SPACE(fixed), end = answer->nlmsg_len;

	if (at > end)
		at = end;
	return (struct nl_attrs){ (const char *)answer + at, end - at };
}

bool nl_next(struct nl_attrs *from, uint16_t *type, struct nl_attrs *data)
{
	struct nlattr a;
	size_t step;

	if (from->size < NLA_HDRLEN)
		return false;
	memcpy(&a, from->at, sizeof(a));
	if (a.nla_len < NLA_HDRLEN || a.nla_len > from->size)
		return false;
	*type = a.nla_type & NLA_TYPE_MASK;
	*data = (struct nl_attrs){ from->at + NLA_HDRLEN,
				   a.nla_len - (size_t)NLA_HDRLEN };
	step = (size_t)NLA_ALIGN(a.nla_len);
	step = step < from->size ? step : from->size;
	from->at += step;
	from->size -= step;
	return true;
}

bool nl_get(struct nl_attrs from, uint16_t type, struct nl_attrs *data)
{
	uint16_t its;

	while (nl_next(&from, &its, data))
		if (its == type)
			return true;
	return false;
}

const void *nl_find(const union nl_message *m, size_t fixed, uint16_t type,
		    size_t want)
{
	struct nl_attrs all = nl_attrs_of(&m->head, fixed), data;

	return nl_get(all, type, &data) && data.size >= want ? data.at : NULL;
}
