/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets by address, see sock_stream.h. Control thread, and threads of
 * helpers. */
#include "sock_stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"

/* TCP gives up an idle peer that does not answer: probes after so many seconds
 * of silence, so many apart, and so many of them. */
#define PROBE_AFTER 10
#define PROBE_EVERY 5
#define PROBES	    3
/* Socket buffers; the kernel may grant less. TCP adapts its own. */
#define UNIX_BUFFER (4 << 20)

static int listen_tcp(int *fd, const char *key, struct sock_addr *a,
		      struct err *err)
{
	char where[SOCK_ADDR_TEXT];
	int on = 1, rc;

	*fd = socket(a->sa.sa_family,
		     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd >= 0 &&
	    !setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(*fd, &a->sa, a->len) && !listen(*fd, SOMAXCONN)) {
		getsockname(*fd, &a->sa, &a->len);
		return 0;
	}
	rc = -errno;
	fd_close(fd);
	sock_addr_text(a, where);
	return err_set(err, rc, "%s: cannot listen on %s: %s", key, where,
		       strerror(-rc));
}

int sock_stream_listen(struct unix_listener *l, const char *key,
		       struct sock_addr *a, struct err *err)
{
	if (a->sa.sa_family == AF_UNIX)
		return unix_listen(l, key, a->un.sun_path,
				   S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, err);
	return listen_tcp(&l->fd, key, a, err);
}

int sock_stream_error(int fd)
{
	socklen_t size = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return -error;
}

int sock_stream_connect(const struct sock_addr *to, bool *is_done)
{
	struct sock_addr a = *to;
	int rc = sock_addr_resolve(&a), fd;

	if (rc)
		return rc;
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	*is_done = !connect(fd, &a.sa, a.len);
	if (*is_done)
		return fd;
	rc = -errno;
	if (rc == -EINPROGRESS) /* a refusal by this host is there already */
		rc = sock_stream_error(fd);
	if (!rc)
		return fd;
	fd_close(&fd);
	return rc;
}

void sock_stream_tune(int fd, int family)
{
	int after = PROBE_AFTER, every = PROBE_EVERY, count = PROBES;
	int on = 1, size = UNIX_BUFFER;

	if (family == AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof(after));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* TCP_USER_TIMEOUT would also end the connection of a peer that answers that it
 * has no room. */
bool sock_stream_is_silent(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	/* Probes of a closed window are up to two minutes apart. */
	if (!info.tcpi_unacked)
		return info.tcpi_probes >= PROBES;
	return info.tcpi_last_ack_recv >
	       1000 * (PROBE_AFTER + PROBES * PROBE_EVERY);
}
