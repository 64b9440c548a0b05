/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports over sockets, with the frames that QEMU's netdevs of the same names
 * send: `stream` puts a length in front of each frame, `dgram` sends each frame
 * as a datagram, and `socket` is the older spelling of both. No offloads pass.
 * `l2tpv3` and `packet` are datagram ports with a header in front of each
 * frame.
 *
 * stream.c and dgram.c have the options; stream_peer.c and dgram_sock.c open
 * the sockets (control thread); stream_io.c and dgram_io.c are the data path
 * (workers); socket.c translates the older options.
 */
#ifndef RW_SOCKET_H
#define RW_SOCKET_H

#include "port.h"
#include "sock_addr.h"

/* The first value of addr.type=, local.type= and remote.type=. */
enum socket_kind { SOCKET_INET, SOCKET_UNIX, SOCKET_FD };
extern const char *const socket_kinds[];

/* What a stream port shall do; borrowed during stream_create(). */
struct stream_setup {
	const struct port_type *type;
	const char *key;       /* option that error texts name */
	struct sock_addr addr; /* where to listen or connect; of an fd: none */
	int fd;		       /* taken over on success; -1: none */
	bool server, server_given;
	uint32_t reconnect_ms; /* first delay; 0: never */
};

int stream_create(const struct port_env *env, const struct port_conf *common,
		  const struct stream_setup *setup, struct port **out,
		  struct err *err);

/*
 * A header between the datagram's own and the frame, embedded in its owner.
 */
struct dgram_encap {
	unsigned size;	    /* bytes that put() writes, at most DGRAM_HDR_MAX */
	bool wants_control; /* check() looks at control messages */
	/* Writes the header of @f, before which @ahead frames are prepared and
	 * not sent yet. [holder of the queue's lock] */
	void (*put)(const struct dgram_encap *e, const struct frame *f,
		    unsigned ahead, uint8_t *to);
	/* The next @frames frames are sent. NULL: it makes no difference.
	 * [holder of the queue's lock] */
	void (*sent)(struct dgram_encap *e, unsigned frames);
	/* Returns the bytes in front of the frame in the datagram @data of @len
	 * bytes, which came with @m, or -reason (enum drop_reason) for one
	 * without a frame for us. May move the frame's first bytes forward, and
	 * sets its offloads, which are zeroed. [worker] */
	int (*check)(const struct dgram_encap *e, struct msghdr *m,
		     uint8_t *data, size_t len, struct vnet_hdr *hdr);
	/* NULL: there is nothing to show. [ctl] */
	void (*show)(const struct dgram_encap *e, struct show *out);
};
#define DGRAM_HDR_MAX 64

/* What a datagram port shall do; borrowed during dgram_create(). */
struct dgram_setup {
	const struct port_type *type;
	/* options that error texts name: of the socket, and of addresses */
	const char *key, *local_key, *remote_key;
	bool loops; /* the port would take what it sends if that came back */
	struct sock_addr local;	 /* len 0: none given */
	struct sock_addr remote; /* receiver of all frames; len 0: the one that
				  * @fd is connected to, if any */
	int fd;			 /* taken over on success; -1: none */
	int socket_type;	 /* 0: SOCK_DGRAM */
	int protocol;		 /* of SOCK_RAW */
	struct dgram_encap *encap; /* heap, first member of its owner; taken
				    * over on success; NULL: none */
};

int dgram_create(const struct port_env *env, const struct port_conf *common,
		 const struct dgram_setup *setup, struct port **out,
		 struct err *err);

/* Sets large socket buffers; the kernel may grant less. */
void sock_set_buffers(int fd);
#define SOCK_BUFFER (4 << 20)
/* Returns how many datagrams the kernel has dropped at socket @fd, for which
 * the buffer had no room. */
uint32_t sock_drops(int fd);

/* Returns whether the datagram socket @fd has no more datagrams: @got is the
 * result of recvmmsg(), @error its errno. *@errors counts the errors in a row.
 * Any thread. */
bool sock_is_dry(int fd, int got, int error, unsigned *errors);

/* Returns the reason to drop a frame whose sending by a datagram socket failed
 * with @error, or DROP_COUNT if it shall wait. Any thread. */
enum drop_reason sock_drop_reason(int error);

#endif
