/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a vde port with its switch, see vde.h. Control thread.
 *
 * Through vde_plug there is no answer: a process that lives for PLUG_MS has its
 * network.
 *
 * A port whose switch ends or does not answer tries again for ever, with a
 * delay that grows from DELAY_MS on (retry.h).
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "vde.h"
#include "workers.h"

#define DELAY_MS 1000
/* Longest wait for the answer. */
#define ANSWER_MS 2000
/* Until this time a process that ends has not found its network. */
#define PLUG_MS 200
/* Most datagrams of others in front of those of the switch. */
#define STRANGE_MAX 1024

static void on_timer(struct loop_timer *t);

/* Ends the connection, or the try to make one, and arranges the next try. */
static void give_up(struct vde_port *v)
{
	loop_watch_remove(&v->watch);
	port_set_txqs(&v->port, NULL, 0, 0);
	rxq_detach(&v->link.rx);
	vde_plug_stop(v);
	vde_sock_unlink(v);
	fd_close(&v->data_fd);
	fd_close(&v->ctl_fd);
	v->peer[0] = '\0';
	v->state = VDE_RETRYING;
	loop_timer_arm(v->loop, &v->timer, retry_take(&v->retry), on_timer);
}

/* A try to connect has failed with v->reason. */
static void fail(struct vde_port *v)
{
	if (!v->said_waiting)
		log_limited(&v->log, LOG_LEVEL_INFO,
			    "port=%s: cannot connect: %s; trying again",
			    v->port.name, v->reason.msg);
	v->said_waiting = true;
	give_up(v);
}

static void end_connection(struct vde_port *v, const char *why)
{
	err_set(&v->reason, -EPIPE, "%s", why);
	log_limited(&v->log, LOG_LEVEL_INFO, "port=%s: disconnected: %s",
		    v->port.name, why);
	retry_ended(&v->retry, loop_now_ms() - v->since_ms);
	give_up(v);
}

/* Reads the answer: the address of the switch's socket. Returns 0 or -errno
 * with
 * @err. */
static int read_answer(struct vde_port *v, struct sockaddr_un *to,
		       struct err *err)
{
	ssize_t n = recv(v->ctl_fd, to, sizeof(*to), MSG_DONTWAIT);
	char number[40] = "";

	if (v->number)
		snprintf(number, sizeof(number),
			 "port=%u: ", (unsigned)v->number);
	if (n <= 0)
		return err_set(err, -ECONNREFUSED,
			       "%sthe switch refused the connection", number);
	if (n <= (ssize_t)offsetof(struct sockaddr_un, sun_path) ||
	    to->sun_family != AF_UNIX || !to->sun_path[0])
		return err_set(err, -EPROTO,
			       "sock: what answered is no vde_switch");
	/* the rest of a short answer, and the end of a long one */
	if (n < (ssize_t)sizeof(*to))
		memset((char *)to + n, 0, sizeof(*to) - (size_t)n);
	snprintf(v->peer, sizeof(v->peer), "%.*s", UNIX_PATH_MAX_LEN,
		 to->sun_path);
	return 0;
}

/* Connects the data socket to that of the switch. Returns 0 or -errno with
 * @err.
 */
static int take_answer(struct vde_port *v, struct err *err)
{
	struct sockaddr_un to;
	int rc = read_answer(v, &to, err);
	char byte;

	if (rc)
		return rc;
	if (connect(v->data_fd, (const struct sockaddr *)&to, sizeof(to)))
		return err_set(err, -errno, "sock: the switch's socket %s: %s",
			       v->peer, strerror(errno));
	vde_sock_unlink(v);
	/* Until now anybody could send to the file. */
	for (unsigned i = 0; i < STRANGE_MAX; i++)
		if (recv(v->data_fd, &byte, 1, MSG_DONTWAIT) < 0)
			break;
	return 0;
}

/* Gives the data socket to the workers. Returns 0 or -errno with @err. */
static int begin_connection(struct vde_port *v, struct err *err)
{
	struct txq *tx = &v->link.tx;
	int rc;

	dgram_link_reset(&v->link, v->data_fd);
	rc = rxq_attach(&v->link.rx);
	if (!rc)
		rc = port_set_txqs(&v->port, &tx, 1, 0);
	if (rc)
		return err_set(err, rc, "sock: %s", strerror(-rc));
	v->state = VDE_CONNECTED;
	v->since_ms = loop_now_ms();
	v->connections++;
	v->said_waiting = false;
	loop_timer_disarm(&v->timer);
	log_limited(&v->log, LOG_LEVEL_INFO, "port=%s: connected",
		    v->port.name);
	return 0;
}

static void on_ctl(struct loop_watch *w, uint32_t events)
{
	struct vde_port *v = container_of(w, struct vde_port, watch);
	char byte;

	(void)events;
	if (v->state == VDE_ASKING) {
		if (take_answer(v, &v->reason) ||
		    begin_connection(v, &v->reason))
			fail(v);
		return;
	}
	if (recv(v->ctl_fd, &byte, 1, MSG_DONTWAIT) > 0)
		end_connection(v, "the switch said something unknown");
	else
		end_connection(v, "the switch closed the connection");
}

/* Sends the request. Returns 0 or -errno. */
static int ask(struct vde_port *v)
{
	struct vde_request r = {
		.magic = VDE_MAGIC,
		.version = VDE_VERSION,
		.type = v->number << 8,
		.data = v->own,
	};
	size_t size = offsetof(struct vde_request, descr);
	ssize_t sent;

	size += (size_t)snprintf(r.descr, sizeof(r.descr),
				 "ringway %s user=%d pid=%d", v->port.name,
				 (int)geteuid(), (int)getpid());
	sent = send(v->ctl_fd, &r, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == (ssize_t)size)
		return 0;
	return sent < 0 ? -errno : -EAGAIN;
}

/* Connects to the switch in @dir and asks for a port. Returns 0 or -errno with
 * @err; what was opened stays open. */
static int dial(struct vde_port *v, const char *dir, struct err *err)
{
	char real[PATH_MAX], ctl[PATH_MAX + 8];
	int rc;

	snprintf(ctl, sizeof(ctl), "%s/ctl", dir);
	rc = v->ctl_fd = unix_connect_nowait("sock", ctl, NULL);
	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ECONNREFUSED)
		return err_set(err, rc,
			       "sock=%s: no vde_switch is there: start it with "
			       "`vde_switch -s %s`",
			       dir, dir);
	if (rc < 0)
		return err_set(err, rc, "sock=%s: cannot connect to %s: %s",
			       dir, ctl, strerror(-rc));
	/* the switch has another working directory */
	if (!realpath(dir, real))
		return err_set(err, -errno, "sock=%s: %s", dir,
			       strerror(errno));
	rc = vde_sock_open(v, real, ctl, err);
	if (rc)
		return rc;
	rc = ask(v);
	if (!rc)
		rc = loop_watch_add(v->loop, &v->watch, v->ctl_fd, EPOLLIN,
				    on_ctl);
	if (rc)
		return err_set(err, rc, "sock=%s: %s", dir, strerror(-rc));
	v->state = VDE_ASKING;
	loop_timer_arm(v->loop, &v->timer, ANSWER_MS, on_timer);
	return 0;
}

/* Dials the switch of sock=, or the first one at a usual place. Returns 0 or
 * -errno with @err. */
static int begin(struct vde_port *v, struct err *err)
{
	static const char *const usual[] = { "/run/vde.ctl", "/tmp/vde.ctl" };
	char ctl[32];
	int rc;

	if (v->is_url) {
		rc = vde_plug_start(v, err);
		if (rc)
			return rc;
		v->state = VDE_ASKING;
		loop_timer_arm(v->loop, &v->timer, PLUG_MS, on_timer);
		return 0;
	}
	if (v->sock)
		return dial(v, v->sock, err);
	for (unsigned i = 0; i < ARRAY_SIZE(usual); i++) {
		snprintf(ctl, sizeof(ctl), "%s/ctl", usual[i]);
		if (!access(ctl, F_OK))
			return dial(v, usual[i], err);
	}
	return err_set(err, -ENOENT,
		       "sock: there is no vde_switch in %s or %s: name its "
		       "folder with sock=",
		       usual[0], usual[1]);
}

/* Returns -ETIMEDOUT with @err: the switch gave no answer. */
static int no_answer(const struct vde_port *v, struct err *err)
{
	if (v->number)
		return err_set(err, -ETIMEDOUT,
			       "port=%u: the switch does not answer: has it "
			       "this port, and may this user have it?",
			       (unsigned)v->number);
	return err_set(err, -ETIMEDOUT,
		       "sock: the switch does not answer: is it full, and may "
		       "it connect to our socket (mode, group)?");
}

static void on_timer(struct loop_timer *t)
{
	struct vde_port *v = container_of(t, struct vde_port, timer);
	int rc;

	if (v->state != VDE_ASKING)
		rc = begin(v, &v->reason);
	else if (v->is_url)
		rc = begin_connection(v, &v->reason);
	else
		rc = no_answer(v, &v->reason);
	if (rc)
		fail(v);
}

void vde_peer_ended(struct vde_port *v, const char *why)
{
	if (v->state == VDE_CONNECTED) {
		end_connection(v, why);
		return;
	}
	err_set(&v->reason, -EPIPE, "sock=%s: %s", v->sock, why);
	fail(v);
}

int vde_peer_open(struct vde_port *v, struct err *err)
{
	retry_init(&v->retry, DELAY_MS);
	return begin(v, err);
}

void vde_peer_close(struct vde_port *v)
{
	give_up(v);
	loop_timer_disarm(&v->timer);
	log_limit_fini(&v->log);
}

void vde_peer_show(const struct vde_port *v, struct show *out)
{
	static const char *const names[] = {
		[VDE_ASKING] = "connecting",
		[VDE_CONNECTED] = "connected",
		[VDE_RETRYING] = "waiting to try again",
	};

	show_str(out, "state", names[v->state]);
	if (*v->peer)
		show_str(out, "peer", v->peer);
	vde_plug_show(v, out);
	show_num(out, "connections", v->connections);
	if (*v->reason.msg)
		show_str(out, "last_disconnect", v->reason.msg);
}
