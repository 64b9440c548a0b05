/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the serial port, see serial.h. */
#include "serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "sock_stream.h"

static int read_socket(struct serial_conf *c, const char *text,
		       struct device *devices, struct err *err)
{
	struct device *taken;
	int rc;

	c->kind = SERIAL_SOCKET;
	rc = device_take(devices, "serial", text, "serial", &c->sock, &taken,
			 err);
	if (!rc && !c->sock.server)
		rc = err_set(err, -EINVAL,
			     "serial=%.80s: server=off is not here: the "
			     "machine listens: write server=on",
			     text);
	return rc;
}

static bool has_chardev(const struct device *d, const char *id)
{
	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	return d;
}

static int read_chardev(struct serial_conf *c, const char *id,
			struct device *devices, struct err *err)
{
	if (!has_chardev(devices, id))
		return err_set(err, -ENOENT,
			       "serial=chardev:%.64s: there is no -chardev of "
			       "this id",
			       id);
	return read_socket(c, id, devices, err);
}

int serial_read(struct serial_conf *c, const char *text, struct device *devices,
		struct err *err)
{
	static const struct {
		const char *text;
		enum serial_kind kind;
	} words[] = {
		{ "none", SERIAL_NONE },   { "null", SERIAL_NULL },
		{ "stdio", SERIAL_STDIO }, { "mon:stdio", SERIAL_STDIO },
		{ "pty", SERIAL_PTY },
	};

	*c = (struct serial_conf){ 0 };
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(text, words[i].text)) {
			c->kind = words[i].kind;
			return 0;
		}
	if (!strncmp(text, "unix:", 5) || !strncmp(text, "tcp:", 4))
		return read_socket(c, text, devices, err);
	if (!strncmp(text, "chardev:", 8))
		return read_chardev(c, text + 8, devices, err);
	if (strncmp(text, "file:", 5) != 0 || !text[5])
		return err_set(err, -EINVAL,
			       "serial=%.80s: must be stdio, none, null, pty, "
			       "file:FILE, unix:PATH,server=on, "
			       "tcp:HOST:PORT,server=on or chardev:ID",
			       text);
	c->kind = SERIAL_FILE;
	c->path = text + 5;
	return 0;
}

static int open_file(struct serial *s, const char *path, struct err *err)
{
	s->out = s->other_fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	return s->out < 0 ? err_set(err, -errno, "serial=file:%s: %s", path,
				    strerror(errno))
			  : 0;
}

/* Makes a pseudo terminal that passes every byte on and echoes none. */
static int make_pty(struct serial *s, char *name, size_t size)
{
	struct termios t;

	s->in = s->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->in < 0 || unlockpt(s->in) < 0)
		return -errno;
	if (ptsname_r(s->in, name, size))
		return -errno;
	s->other_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->other_fd < 0 || tcgetattr(s->other_fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	return tcsetattr(s->other_fd, TCSANOW, &t) < 0 ? -errno : 0;
}

static int open_pty(struct serial *s, struct err *err)
{
	char name[64];
	int rc = make_pty(s, name, sizeof(name));

	if (rc)
		return err_set(err, rc, "serial=pty: %s", strerror(-rc));
	log_info("serial port: is %s", name);
	return 0;
}

static int open_socket(struct serial *s, const struct device *d,
		       struct loop *loop, struct err *err)
{
	struct sock_addr a = d->addr;
	char text[SOCK_ADDR_TEXT];
	int rc = sock_stream_listen(&s->server.listener, "serial", &a, err);

	if (rc)
		return rc;
	rc = sock_server_start(&s->server, loop);
	if (rc)
		return err_set(err, rc, "serial: %s", strerror(-rc));
	sock_addr_text(&a, text);
	log_info("serial port: listens at %s", text);
	return 0;
}

int serial_open(struct serial *s, const struct serial_conf *c,
		struct loop *loop, struct err *err)
{
	*s = (struct serial){ .kind = c->kind,
			      .in = -1,
			      .out = -1,
			      .other_fd = -1,
			      .server = { .listener.fd = -1, .client = -1 } };
	switch (c->kind) {
	case SERIAL_STDIO:
		s->in = STDIN_FILENO;
		s->out = STDOUT_FILENO;
		return 0;
	case SERIAL_FILE:
		return open_file(s, c->path, err);
	case SERIAL_PTY:
		return open_pty(s, err);
	case SERIAL_SOCKET:
		return open_socket(s, &c->sock, loop, err);
	case SERIAL_NONE:
	case SERIAL_NULL:
		break;
	}
	return 0;
}

void serial_close(struct serial *s)
{
	if (s->kind == SERIAL_PTY)
		fd_close(&s->in);
	if (s->kind == SERIAL_PTY || s->kind == SERIAL_FILE)
		fd_close(&s->other_fd);
	if (s->kind == SERIAL_SOCKET)
		sock_server_stop(&s->server);
	s->kind = SERIAL_NONE;
}
