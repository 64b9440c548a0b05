/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringway up`: reads the options, makes the daemon, reports that it is ready
 * and runs it. run_daemon() calls the steps of the start in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "control_path.h"
#include "daemon.h"
#include "fd.h"
#include "log.h"
#include "port_types.h"

struct up_options {
	bool daemonize;
	bool is_again; /* not the first reading */
};

static const struct opt_row up_rows[] = {
	{ .key = "daemonize",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct up_options, daemonize),
	  .help = "return when ready and go on in the background",
	  .letter = "d" },
	{ NULL },
};

const struct opt_row *const up_tables[] = { net_rows, up_rows, daemon_conf_rows,
					    NULL };

/* Returns 0 if @path can be read a second time, else -EINVAL with @err. A pipe
 * is empty by then, and open() may wait for its writer for ever; /dev/stdin of
 * a daemon in the background is /dev/null. Other errors are left to open(). */
static int check_again(const char *path, struct err *err)
{
	struct stat st;

	if (!path || stat(path, &st) || S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, -EINVAL,
		       "config=%s: is a pipe or a device, which cannot be read "
		       "again: start with a file",
		       path);
}

/* Sets one option of the command line. */
static int set_option(struct config *c, struct up_options *o,
		      const struct arg *arg, struct err *err)
{
	if (!strcmp(arg->key, "config")) {
		int rc = o->is_again ? check_again(arg->text, err) : 0;

		return rc ? rc : config_load(c, arg->text, err);
	}
	if (!strcmp(arg->key, "daemonize"))
		return opt_set(up_rows, o, arg->key, arg->text, err);
	return config_set(c, arg->key, arg->text, err);
}

/* Reads the command line and the files that it names. Returns ARG_END when it
 * was read, ARG_HELP when help was printed, or -errno with @err. config_fini()
 * is due in any case. */
static int parse(int argc, char **argv, struct config *c, struct up_options *o,
		 const struct command *self, struct err *err)
{
	struct args a = { .argc = argc, .argv = argv };
	struct arg arg;
	int rc;

	rc = config_init(c, err);
	while (!rc) {
		rc = args_next(&a, up_tables, &arg, err);
		if (rc == ARG_END)
			return rc;
		if (rc == ARG_HELP) {
			help_print_command(self);
			return rc;
		}
		if (rc == ARG_WORD)
			rc = err_set(err, -EINVAL,
				     "up: '%s' is no option: a port is "
				     "-netdev TYPE,id=NAME,...",
				     arg.text);
		if (rc == -EINVAL && (!strcmp(argv[a.at - 1], "-net") ||
				      !strcmp(argv[a.at - 1], "-nic")))
			explain_old_option(
				argv[a.at - 1], a.at < argc ? argv[a.at] : NULL,
				"the guest's card stays with QEMU", err);
		if (rc != ARG_OPTION)
			return rc;
		if (help_print_net(&arg))
			return ARG_HELP;
		rc = set_option(c, o, &arg, err);
	}
	return rc;
}

/* Tells the service manager that names a socket in $NOTIFY_SOCKET
 * (sd_notify(3)). */
static void notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	static const char ready[] = "READY=1";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (!n || n >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL,
		   (const struct sockaddr *)&sa,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn("NOTIFY_SOCKET=%s: %s", path, strerror(errno));
	fd_close(&fd);
}

/* The daemon's log. */
struct log_file {
	int fd;		 /* -1: standard error */
	char path[300];	 /* empty for standard error */
	bool has_stderr; /* standard error goes there, too */
};

static int open_log(struct log_file *l, const char *path, struct err *err)
{
	snprintf(l->path, sizeof(l->path), "%s", path);
	l->fd = process_open_log(path, err);
	return MIN(l->fd, 0);
}

static bool stderr_is_file(void)
{
	struct stat st;

	return !fstat(STDERR_FILENO, &st) && S_ISREG(st.st_mode);
}

/* Opens a log beside the control socket for a daemon in the background, unless
 * one was named or standard error is a file. */
static int choose_log(struct log_file *l, const char *control,
		      bool is_background, struct err *err)
{
	char path[300];

	if (l->fd >= 0 || !is_background || stderr_is_file())
		return 0;
	snprintf(path, sizeof(path), "%s.log", control);
	return open_log(l, path, err);
}

/* Points the standard descriptors at /dev/null and the log. The working
 * directory stays the same: paths of ports may be relative to it. */
static void let_go(const struct log_file *log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (log->fd >= 0) /* for the output of scripts, too */
		dup2(log->fd, STDERR_FILENO);
	fd_close(&null);
}

static void say_ready(const struct config *c, const char *control,
		      const struct log_file *log)
{
	log_info("ready: %u port%s, control %s%s%s", c->netdev_count,
		 c->netdev_count == 1 ? "" : "s", control,
		 *log->path ? ", log " : "", log->path);
}

/* The command line, which `reload` reads again. */
static struct command_line {
	const struct command *self;
	int argc;
	char **argv;
} command_line;

static int read_again(void *arg, struct config *out, struct err *err)
{
	const struct command_line *l = &command_line;
	struct up_options o = { .is_again = true };
	int rc = parse(l->argc, l->argv, out, &o, l->self, err);

	(void)arg;
	return MIN(rc, 0);
}

static int open_log_again(void *arg, struct err *err)
{
	const struct log_file *l = arg;
	int rc = 0, fd;

	if (l->fd < 0)
		return 0;
	fd = process_open_log(l->path, err);
	if (fd < 0)
		return fd;
	/* In the place of the old one: a worker may be about to write to that
	 * number. */
	if (dup3(fd, l->fd, O_CLOEXEC) < 0)
		rc = err_set(err, -errno, "log=%s: %s", l->path,
			     strerror(errno));
	else if (l->has_stderr)
		dup2(fd, STDERR_FILENO);
	fd_close(&fd);
	return rc;
}

/* Reports that all is up, goes to the background when @ready_fd >= 0 (see
 * run_daemon()), and runs the daemon. */
static int work(struct daemon *d, struct log_file *log, int ready_fd)
{
	const struct daemon_source source = { read_again, open_log_again, log };

	d->source = &source;
	notify_ready();
	if (ready_fd >= 0) {
		log->has_stderr = log->fd >= 0;
		let_go(log);
		if (write(ready_fd, "", 1) < 0)
			log_warn("nobody waits for this daemon");
		fd_close(&ready_fd);
	}
	daemon_run(d);
	daemon_destroy(d);
	return EXIT_DONE;
}

/* Makes and runs the daemon; returns an exit code. With @ready_fd >= 0, writes
 * a byte to it when all is up, and goes to the background. */
static int run_daemon(struct config *c, int ready_fd)
{
	struct log_file log = { .fd = -1 };
	const char *control = c->daemon.control;
	struct daemon *d = NULL;
	char path[256];
	struct err err;
	int rc = 0;

	log_level = (enum log_level)c->daemon.log_level;
	if (!control) {
		rc = control_path_default(path, sizeof(path), true, &err);
		control = path;
	}
	if (!rc)
		rc = process_prepare(&err);
	if (!rc && c->daemon.log)
		rc = open_log(&log, c->daemon.log, &err);
	if (!rc)
		rc = daemon_create(c, control, &d, &err);
	if (!rc)
		rc = choose_log(&log, control, ready_fd >= 0, &err);
	if (rc) {
		if (d)
			daemon_destroy(d);
		config_fini(c);
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	}
	say_ready(c, control, &log);
	if (log.fd >= 0) { /* messages of the start have gone to stderr */
		log_to(log.fd);
		say_ready(c, control, &log);
	}
	config_fini(c);
	return work(d, &log, ready_fd);
}

/* Runs the daemon in a child; the parent returns when the child is ready or has
 * failed. */
static int run_in_background(struct config *c)
{
	int pipe_fd[2], status;
	char byte;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return cli_fail(EXIT_REFUSED, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return cli_fail(EXIT_REFUSED, "fork: %s", strerror(errno));
	if (pid == 0) {
		fd_close(&pipe_fd[0]);
		setsid();
		return run_daemon(c, pipe_fd[1]);
	}
	fd_close(&pipe_fd[1]);
	config_fini(c);
	if (read(pipe_fd[0], &byte, 1) == 1)
		return EXIT_DONE;
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		return WEXITSTATUS(status);
	return cli_fail(EXIT_REFUSED, "the daemon died while it started");
}

int up_run(const struct command *self, int argc, char **argv)
{
	struct up_options o = { 0 };
	struct config c;
	struct err err;
	int rc;

	fd_note_inherited();
	command_line = (struct command_line){ self, argc, argv };
	rc = parse(argc, argv, &c, &o, self, &err);
	if (rc != ARG_END) {
		config_fini(&c);
		return rc == ARG_HELP
			       ? EXIT_DONE
			       : cli_fail(cli_exit_code(rc), "%s", err.msg);
	}
	return o.daemonize ? run_in_background(&c) : run_daemon(&c, -1);
}
