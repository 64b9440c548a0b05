/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user port's inside: user.c is the port (workers and control thread),
 * user_slirp.c the thread that runs libslirp, user_change.c its forwarded
 * ports, user_agent.c what stands behind guestfwd rules.
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

/* A timer that libslirp asked for. */
struct user_timer {
	SlirpTimerId id;
	void *arg;
	int64_t due_ms; /* INT64_MAX while not armed */
	struct user_timer *next;
};

/* Something the control thread wants done on the thread. */
struct user_change {
	const struct user_hostfwd *hostfwd; /* to add, or to remove */
	bool is_removal;
	int rc;
	bool is_done;
};

/* libslirp with its thread. */
struct user_slirp {
	const char *name;	  /* [const] the port's id; borrowed */
	struct mring *in;	  /* workers -> thread: frames from guests */
	struct mring *out;	  /* thread -> worker: frames to guests */
	int in_fd;		  /* [const] wakes the thread */
	int out_fd;		  /* [const] wakes the worker */
	uint64_t dropped;	  /* [thread -> any] for guests; out was full */
	uint64_t dhcp_unanswered; /* [thread -> any] no address was left */
	struct user_net net;	  /* [const] */
	bool has_dhcp_answer;	  /* [thread] since it was last set false */

	Slirp *slirp;		    /* [holder of the library's lock] */
	struct user_timer *timers;  /* [holder of the library's lock] */
	bool must_signal;	    /* [holder of the library's lock] */
	struct user_change *change; /* [holder of the library's lock] */
	pthread_cond_t change_done;

	bool stop; /* [ctl -> thread, atomic] */
	bool has_thread;
	pthread_t thread;
	struct user_agents *agents;
	struct log_limit log; /* of what guests can bring about */

	/* [thread] what is polled; [0] is in_fd */
	struct pollfd *pfd;
	unsigned pfd_count, pfd_room;
};

/* Held around every call of the library, by whatever thread and port. */
extern pthread_mutex_t user_library;

/* Starts libslirp, without a thread yet, for the port @name. @c and @n are
 * needed during the call only. 0, or -errno with @err; then user_slirp_fini()
 * cleans up. [ctl] */
int user_slirp_init(struct user_slirp *s, const char *name,
		    const struct user_conf *c, const struct user_net *n,
		    struct err *err);
int user_slirp_start(struct user_slirp *s, struct err *err);
/* Ends the thread, children, connections; frees everything. [ctl] */
void user_slirp_fini(struct user_slirp *s);

/* Rules of the host's side. @text is what the user wrote. [ctl] */
int user_slirp_add_hostfwd(struct user_slirp *s, const struct user_hostfwd *f,
			   const char *text, struct err *err);
void user_slirp_remove_hostfwd(struct user_slirp *s,
			       const struct user_hostfwd *f);

/* Makes @c and says so in it. [thread, or ctl while there is none; lock] */
void user_change_run(struct user_slirp *s, struct user_change *c);

/* Has @fd polled for @events; returns its index in s->pfd, or -1. [thread] */
int user_slirp_poll_fd(struct user_slirp *s, int fd, short events);

/*
 * Agents: each guestfwd rule has a listening UNIX socket without a name, to
 * which libslirp connects for every connection of a guest. An agent accepts,
 * and starts the command or connects to the target. All NULL-safe.
 */
/* 0 or -errno. [ctl, before the thread] */
int user_agents_add(struct user_agents **agents, const struct user_guestfwd *f,
		    const char **path);
/* What to poll / what to do about what poll() found. [thread] */
void user_agents_fill(struct user_agents *agents, struct user_slirp *s);
void user_agents_serve(struct user_agents *agents, struct user_slirp *s);
/* Ends children and connections. [ctl, after the thread] */
void user_agents_destroy(struct user_agents *agents);

#endif
