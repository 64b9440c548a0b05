/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and receiving vhost-user messages, see vu_msg.h. Any thread, one at a
 * time per socket. Calls libc only.
 *
 * The header is received alone, then exactly the payload that it announces. A
 * read past the message would take the descriptors of the next message.
 */
#include "vu_msg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fd.h"

static_assert(sizeof(struct vu_header) == 12, "wire format");
static_assert(sizeof(struct vu_vring_addr) == 40, "wire format");
static_assert(sizeof(struct vu_mem_table) == 264, "wire format");
static_assert(sizeof(struct vu_mem_single) == 40, "wire format");

union fd_control {
	char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	struct cmsghdr align;
};

void vu_msg_fini(struct vu_msg *m)
{
	for (unsigned i = 0; i < m->fd_count; i++)
		fd_close(&m->fd[i]);
	m->fd_count = 0;
}

/* Stores in @iov the parts of @m behind its first @skip bytes; returns their
 * number. */
static size_t message_iov(const struct vu_msg *m, size_t skip,
			  struct iovec iov[2])
{
	const size_t head = sizeof(m->hdr);
	size_t n = 0;

	if (skip < head) {
		iov[n++] =
			(struct iovec){ (char *)&m->hdr + skip, head - skip };
		skip = head;
	}
	iov[n++] = (struct iovec){ (char *)m->payload.raw + (skip - head),
				   m->hdr.size - (skip - head) };
	return n;
}

static void attach_fds(struct msghdr *mh, union fd_control *control,
		       const struct vu_msg *m)
{
	size_t size = m->fd_count * sizeof(int);
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	mh->msg_control = control->buf;
	mh->msg_controllen = CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), m->fd, size);
}

int vu_tx_poll(int sock, const struct vu_msg *m, uint32_t *sent)
{
	const uint32_t size = (uint32_t)sizeof(m->hdr) + m->hdr.size;

	while (*sent < size) {
		union fd_control control;
		struct iovec iov[2];
		struct msghdr mh = {
			.msg_iov = iov,
			.msg_iovlen = message_iov(m, *sent, iov),
		};
		ssize_t n;

		if (m->fd_count && !*sent)
			attach_fds(&mh, &control, m);
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			*sent += (uint32_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int vu_msg_send(int sock, const struct vu_msg *m)
{
	uint32_t sent = 0;
	int rc = vu_tx_poll(sock, m, &sent);

	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

/* Finds out why descriptors of a message are lost: they were too many for @m,
 * or this process could not get them. Returns -errno with @err. */
static int explain_lost_fds(const struct vu_msg *m, struct err *err)
{
	struct rlimit limit = { 0 };
	int fd;

	if (m->fd_count == VU_MAX_FDS)
		return err_set(err, -EPROTO,
			       "more than %d descriptors with one message",
			       VU_MAX_FDS);
	/* tests whether this process can open one more descriptor */
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd >= 0) {
		fd_close(&fd);
		return err_set(err, -EACCES,
			       "only %u of its descriptors arrived: the kernel "
			       "refused the others",
			       m->fd_count);
	}
	if (errno != EMFILE)
		return err_set(err, -errno,
			       "only %u of its descriptors arrived: %s",
			       m->fd_count, strerror(errno));
	getrlimit(RLIMIT_NOFILE, &limit);
	return err_set(err, -EMFILE,
		       "only %u of its descriptors arrived: this process has "
		       "its %llu open (ulimit -n), raise the limit",
		       m->fd_count, (unsigned long long)limit.rlim_cur);
}

static int check_header(const struct vu_header *h, struct err *err)
{
	if ((h->flags & VU_FLAG_VERSION_MASK) != VU_VERSION)
		return err_set(err, -EPROTO, "%s: flags 0x%x: version is not 1",
			       vu_request_name(h->request), h->flags);
	if (h->size > sizeof(((struct vu_msg *)NULL)->payload))
		return err_set(err, -EPROTO,
			       "%s: payload of %u bytes is too large",
			       vu_request_name(h->request), h->size);
	return 0;
}

/* Receives up to @size bytes to @to. Returns the bytes received, 0 at the end
 * of the stream, or -errno with @err. */
static ssize_t receive(int sock, struct vu_rx *rx, void *to, size_t size,
		       struct err *err)
{
	union fd_control control;
	struct iovec iov = { to, size };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	bool is_lost;
	ssize_t n;

	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, -errno, "receiving failed: %s",
			       strerror(errno));
	rx->msg.fd_count +=
		fd_of_message(&mh, rx->msg.fd + rx->msg.fd_count,
			      VU_MAX_FDS - rx->msg.fd_count, &is_lost);
	if (is_lost)
		return explain_lost_fds(&rx->msg, err);
	if (!n && rx->have)
		return err_set(err, -EPROTO,
			       "the peer closed inside a message");
	return n;
}

int vu_rx_poll(int sock, struct vu_rx *rx, struct err *err)
{
	struct vu_header *hdr = &rx->msg.hdr;

	for (;;) {
		uint32_t in_payload = rx->have - (uint32_t)sizeof(*hdr);
		ssize_t n;

		if (rx->have < sizeof(*hdr)) {
			n = receive(sock, rx, (char *)hdr + rx->have,
				    sizeof(*hdr) - rx->have, err);
		} else if (in_payload < hdr->size) {
			n = receive(sock, rx, rx->msg.payload.raw + in_payload,
				    hdr->size - in_payload, err);
		} else {
			return 1;
		}
		if (n <= 0)
			return (int)n;
		rx->have += (uint32_t)n;
		if (rx->have == sizeof(*hdr)) {
			int rc = check_header(hdr, err);

			if (rc)
				return rc;
		}
	}
}

void vu_rx_next(struct vu_rx *rx)
{
	vu_msg_fini(&rx->msg);
	rx->have = 0;
}
