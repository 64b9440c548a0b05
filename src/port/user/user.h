/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the user port: user.c is the port (workers and control thread),
 * user_slirp.c the thread that runs libslirp, user_sockets.c the bound on its
 * sockets, user_change.c its forwarded ports, user_agent.c the targets of
 * guestfwd rules.
 */
#ifndef RW_USER_H
#define RW_USER_H

#include <poll.h>
#include <pthread.h>
#include <slirp/libslirp.h>

#include "log.h"
#include "mring.h"
#include "port.h"
#include "user_conf.h"

struct user_agents;

/* A timer of libslirp. */
struct user_timer {
	SlirpTimerId id;
	void *arg;
	int64_t due_ms; /* INT64_MAX while not armed */
	struct user_timer *next;
};

/* A change that the control thread requests of libslirp's thread. */
struct user_change {
	const struct user_hostfwd *hostfwd; /* rule to add or remove */
	bool is_removal;		    /* remove it */
	int rc;				    /* result: 0 or -errno */
	bool is_done;			    /* @rc is valid */
};

/* The sockets of connections that libslirp has open for a port. */
struct user_sockets {
	uint64_t *open_bits; /* [holder of the library's lock] a bit for each
			      * descriptor number; heap */
	unsigned words;	     /* [holder of the library's lock] of open_bits */
	uint64_t count;	     /* [holder of the library's lock -> any] */
	uint64_t max;	     /* [const] the bound for all ports together */
	uint64_t refused;    /* [thread -> any] frames dropped at the bound */
};

/* libslirp with its thread. */
struct user_slirp {
	const char *name;  /* [const] the port's id; borrowed */
	struct mring *in;  /* workers -> thread: frames from guests */
	struct mring *out; /* thread -> worker: frames to guests */
	int in_fd;	   /* [const] wakes the thread */
	int out_fd;	   /* [const] wakes the worker */
	uint64_t dropped;  /* [thread -> any] frames to guests: out full */
	uint64_t dhcp_unanswered; /* [thread -> any] requests without address */
	struct user_sockets sockets;
	struct user_net net;  /* [const] */
	bool has_dhcp_answer; /* [thread] a DHCP answer was sent since the
			       * last reset */

	Slirp *slirp;		    /* [holder of the library's lock] */
	struct user_timer *timers;  /* [holder of the library's lock] */
	bool must_signal;	    /* [holder of the library's lock] */
	struct user_change *change; /* [holder of the library's lock] */
	pthread_cond_t change_done;

	bool stop; /* [ctl -> thread, atomic] */
	bool has_thread;
	pthread_t thread;
	struct user_agents *agents;
	struct log_limit log; /* of events that guests can trigger */

	/* [thread] descriptors that are polled; [0] is in_fd */
	struct pollfd *pfd;
	unsigned pfd_count, pfd_room;
};

/* Held around every call of the library, by any thread for any port. */
extern pthread_mutex_t user_library;

/* Creates libslirp for the port @name, without a thread yet. @c and @n are used
 * during the call only. Returns 0, or -errno with @err; user_slirp_fini()
 * cleans up in both cases. [ctl] */
int user_slirp_init(struct user_slirp *s, const char *name,
		    const struct user_conf *c, const struct user_net *n,
		    struct err *err);
int user_slirp_start(struct user_slirp *s, struct err *err);
/* Ends the thread, children and connections, and frees all memory. [ctl] */
void user_slirp_fini(struct user_slirp *s);

/* Add or remove a forwarded port. @text is the rule as the user wrote it.
 * Adding returns 0 or -errno with @err. [ctl] */
int user_slirp_add_hostfwd(struct user_slirp *s, const struct user_hostfwd *f,
			   const char *text, struct err *err);
void user_slirp_remove_hostfwd(struct user_slirp *s,
			       const struct user_hostfwd *f);

/* Carries @c out and sets its result. [thread, or ctl without a thread; lock]
 */
void user_change_run(struct user_slirp *s, struct user_change *c);

/* Adds @fd to this round's poll() for @events. Returns its index in s->pfd, or
 * -1 without memory. [thread] */
int user_slirp_poll_fd(struct user_slirp *s, int fd, short events);

/*
 * Sockets. A guest opens one with each flow that it begins. The bound is for
 * all user ports together: half of the descriptors that the process may open
 * (RLIMIT_NOFILE), at most USER_SOCKETS_MAX. The library's lock is held.
 */
#define USER_SOCKETS_MAX 8192
/* Sets the bound. [ctl, before libslirp] */
void user_sockets_init(struct user_slirp *s);
/* libslirp's callbacks: it opened the socket @fd / will close it. */
void user_sockets_opened(int fd, void *slirp);
void user_sockets_closed(int fd, void *slirp);
/* Returns whether libslirp may have a guest's frame. At the bound it may not
 * have one that could open a socket; this is counted and logged. [thread] */
bool user_sockets_admit(struct user_slirp *s, const uint8_t *frame,
			uint32_t size);
/* Forgets all sockets of @s. [ctl, after the thread] */
void user_sockets_fini(struct user_slirp *s);

/*
 * Agents. Each guestfwd rule has a nameless listening UNIX socket. libslirp
 * connects to it for every connection of a guest; the agent accepts and starts
 * the command or connects to the target. @agents may be NULL.
 */
/* Adds an agent for @f. *@path gets the path for libslirp to connect to; the
 * agent owns it. Returns 0 or -errno. [ctl, before the thread] */
int user_agents_add(struct user_agents **agents, const struct user_guestfwd *f,
		    const char **path);
/* Add the agents' descriptors to poll() / handle the events found. [thread] */
void user_agents_fill(struct user_agents *agents, struct user_slirp *s);
void user_agents_serve(struct user_agents *agents, struct user_slirp *s);
/* Ends children and connections. [ctl, after the thread] */
void user_agents_destroy(struct user_agents *agents);

#endif
