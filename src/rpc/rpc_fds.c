/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that came over a connection and that no request has taken, see
 * rpc_impl.h. Control thread. */
#include <string.h>

#include "fd.h"
#include "rpc_impl.h"

/* Of all connections. A client may send some with half a request and stop. */
#define TOTAL_MAX 256

static void keep(struct rpc_fds *f, int fd)
{
	if (f->count == RPC_MAX_FDS || *f->total >= TOTAL_MAX) {
		fd_close(&fd);
		f->is_lost = true;
		return;
	}
	f->fd[f->count++] = fd;
	++*f->total;
}

/* The kernel passes only as many as RLIMIT_NOFILE leaves room for. */
void rpc_fds_keep(struct rpc_fds *f, struct msghdr *msg)
{
	bool is_lost;
	int fd[RPC_MAX_FDS];
	unsigned n = fd_of_message(msg, fd, RPC_MAX_FDS, &is_lost);

	f->is_lost |= is_lost;
	for (unsigned i = 0; i < n; i++)
		keep(f, fd[i]);
}

int rpc_fds_take(struct rpc_fds *f)
{
	int fd;

	if (!f->count) {
		fd = f->is_lost ? RPC_FD_LOST : -1;
		f->is_lost = false;
		return fd;
	}
	fd = f->fd[0];
	f->count--;
	--*f->total;
	memmove(f->fd, f->fd + 1, f->count * sizeof(f->fd[0]));
	return fd;
}

void rpc_fds_close(struct rpc_fds *f)
{
	for (unsigned i = 0; i < f->count; i++)
		fd_close(&f->fd[i]);
	*f->total -= f->count;
	f->count = 0;
	f->is_lost = false;
}
