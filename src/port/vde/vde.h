/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the vde port, a plug in a vde_switch: vde_peer.c has the
 * connection and vde_sock.c the data socket's file (control thread); frames
 * move as those of a datagram port (port/socket/dgram_io.c).
 *
 * The protocol (version 3). The switch listens on DIR/ctl, a stream socket. A
 * plug binds a datagram socket to a path and sends a struct vde_request with
 * it. The switch connects a datagram socket of its own to that path, and
 * answers with the address of its socket, to which the plug connects. From then
 * on each datagram is a frame, and nothing more comes by the stream. The plug
 * is out when the stream is closed.
 *
 * It is spoken here and not by libvdeplug, whose vde_open() waits without an
 * end for an answer, and vde_switch gives none for a port number that it does
 * not have. That would need a thread that nobody can end.
 *
 * Other networks of VDE are reached through a child process (vde_plug.c).
 */
#ifndef RW_VDE_H
#define RW_VDE_H

#include "dgram.h"
#include "log.h"
#include "retry.h"

/* The largest frame that vde_switch takes. It cuts longer ones. */
#define VDE_FRAME_MAX 1518

/* The largest frame that vde_plug passes (libvdeplug.h: VDE_ETHBUFSIZE). */
#define VDE_PLUG_FRAME_MAX (9216 + 14 + 4)

#define VDE_BUFFER	   (4 << 20) /* of a socket; the kernel may grant less */

#define VDE_MAGIC	   0xfeedface
#define VDE_VERSION	   3
#define VDE_DESCR_MAX	   128

struct vde_request {
	uint32_t magic, version;
	uint32_t type; /* port number << 8; 0: any port */
	struct sockaddr_un data;
	char descr[VDE_DESCR_MAX]; /* for people; sent without the rest */
} __attribute__((packed));

enum vde_state {
	VDE_ASKING,    /* the switch shall answer; or vde_plug shall not end */
	VDE_CONNECTED, /* frames may come and go */
	VDE_RETRYING,  /* waits for the timer */
};

struct vde_port {
	struct port port;
	struct dgram_link link;
	struct loop *loop;     /* [const] */
	char *sock;	       /* [const] heap; NULL: the usual places */
	bool is_url;	       /* [const] sock is for vde_plug */
	uint32_t number;       /* [const] wanted port of the switch; 0: any */
	gid_t group;	       /* [const] of the data socket; -1: none */
	mode_t mode;	       /* [const] of the data socket */
	enum vde_state state;  /* [ctl] the rest too */
	struct vde_plug *plug; /* its process; NULL: none */
	int ctl_fd, data_fd;
	struct sockaddr_un own; /* data socket's file; path empty: none */
	char peer[UNIX_PATH_MAX_LEN + 1]; /* the switch's data socket */
	struct loop_watch watch;	  /* of ctl_fd */
	struct loop_timer timer;
	struct retry retry;
	uint64_t since_ms, connections;
	struct err reason; /* of the last end; empty: none */
	bool said_waiting;
	struct log_limit log;
};

/* Begins to connect. Returns 0, or -errno with @err when there is no switch. */
int vde_peer_open(struct vde_port *v, struct err *err);
/* Ends everything; the port is not in use any more. */
void vde_peer_close(struct vde_port *v);
void vde_peer_show(const struct vde_port *v, struct show *out);
/* The process of the port has ended; @why is one sentence. */
void vde_peer_ended(struct vde_port *v, const char *why);

/* Starts vde_plug with the other end of v->data_fd. Returns 0 or -errno with
 * @err. */
int vde_plug_start(struct vde_port *v, struct err *err);
/* Ends it, without waiting, if it runs. */
void vde_plug_stop(struct vde_port *v);
void vde_plug_show(const struct vde_port *v, struct show *out);

/* Opens v->data_fd and binds it to a new file v->own for the switch that
 * listens on @ctl in the folder @dir. Returns 0 or -errno with @err. */
int vde_sock_open(struct vde_port *v, const char *dir, const char *ctl,
		  struct err *err);
/* Removes the file, if it is there. */
void vde_sock_unlink(struct vde_port *v);

#endif
