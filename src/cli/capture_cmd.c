/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringway capture`: opens the file here, with the user's rights, and passes
 * the descriptor to the daemon, which writes. The capture lasts as long as this
 * connection. After SIGINT or SIGTERM the command sends capture.stop, and the
 * daemon writes the last frames before it replies.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "fd.h"
#include "print.h"

static const struct opt_row capture_rows[] = {
	{ .key = "write",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct capture_own, write),
	  .required = true,
	  .arg = "FILE",
	  .help = "pcap file to write; - is standard output",
	  .letter = "w" },
	{ NULL },
};
const struct opt_row *const capture_tables[] = { capture_rows, NULL };

static int open_output(const char *path, struct err *err)
{
	bool is_stdout = !strcmp(path, "-");
	int fd;

	if (is_stdout && isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL,
			       "write=-: standard output is a terminal: pipe "
			       "it to a program or name a file");
	fd = is_stdout ? dup(STDOUT_FILENO)
		       : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			      0666);
	if (fd < 0)
		return err_set(err, -errno, "write=%s: %s", path,
			       strerror(errno));
	return fd;
}

/* Returns a descriptor that becomes readable at SIGINT or SIGTERM. */
static int catch_interrupt(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Waits until the user or the daemon ends the capture. Returns the final
 * numbers, which the caller owns, or NULL with @err. */
static json_t *wait_for_end(struct client *c, const char *id, int signal_fd,
			    struct err *err)
{
	struct pollfd pfd[] = { { .fd = c->fd, .events = POLLIN },
				{ .fd = signal_fd, .events = POLLIN } };
	json_t *message, *numbers = NULL;
	int rc = 0;

	client_wait_for_events(c);
	while (!client_has_line(c) && poll(pfd, 2, -1) < 0 && errno == EINTR)
		;
	/* Both sides may end it at once: the notification and the reply both
	 * have the numbers. */
	if (pfd[1].revents)
		rc = client_send(c, "capture.stop",
				 json_pack("{s:s}", "id", id), NULL, err);
	if (rc)
		return NULL;
	message = client_receive(c, err);
	if (!message)
		return NULL;
	numbers = json_object_get(message, "params");
	if (!numbers)
		numbers = client_result(message, &rc, err);
	json_incref(numbers);
	json_decref(message);
	return numbers;
}

static int run_capture(struct client *c, const struct call *call,
		       json_t **numbers, struct err *err)
{
	const struct capture_own *own = call->own;
	const char *id = call_param(call, "id");
	struct client_fds fds = { .count = 1 };
	json_t *reply, *result = NULL;
	int rc, fd, signal_fd;

	/* The port is checked before the file is opened and truncated. */
	rc = client_call(c, "port.show", json_pack("{s:s}", "id", id), &result,
			 err);
	if (!rc && json_is_true(json_object_get(result, "captured")))
		rc = err_set(err, -EBUSY,
			     "port %s is being captured already: end that "
			     "capture first",
			     id);
	json_decref(result);
	if (rc)
		return rc;
	fd = open_output(own->write, err);
	if (fd < 0)
		return fd;
	signal_fd = catch_interrupt();
	fds.fd = &fd;
	rc = client_send(c, "capture.start", json_incref(call->params), &fds,
			 err);
	fd_close(&fd);
	if (rc)
		return rc;
	reply = client_receive(c, err);
	if (!reply || !client_result(reply, &rc, err)) {
		json_decref(reply);
		return reply ? rc : -EPIPE;
	}
	json_decref(reply);
	*numbers = wait_for_end(c, id, signal_fd, err);
	fd_close(&signal_fd);
	return *numbers ? 0 : -EPIPE;
}

static void print_numbers(const json_t *n, const char *id)
{
	json_int_t frames = json_integer_value(json_object_get(n, "frames"));
	json_int_t dropped = json_integer_value(json_object_get(n, "dropped"));
	const char *reason = json_string_value(json_object_get(n, "reason"));

	fprintf(stderr, "%s: %" JSON_INTEGER_FORMAT " frames captured", id,
		frames);
	if (dropped)
		fprintf(stderr, ", %" JSON_INTEGER_FORMAT " missed", dropped);
	if (reason && strcmp(reason, "done") && strcmp(reason, "stopped"))
		fprintf(stderr, " (%s)", reason);
	fputc('\n', stderr);
}

/* Prints how the capture ended and returns an exit code. Prints to stderr where
 * standard output is the capture itself. */
static int tell_end(const struct call *call, const json_t *numbers)
{
	const struct capture_own *own = call->own;
	const json_t *error = json_object_get(numbers, "error");

	if (call->json)
		print_json(strcmp(own->write, "-") ? stdout : stderr, numbers);
	else if (!error)
		print_numbers(numbers, call_param(call, "id"));
	if (!error)
		return EXIT_DONE;
	return cli_fail(EXIT_REFUSED,
			"capture %s: write=%s: %s: the capture ends after "
			"%" JSON_INTEGER_FORMAT " frames",
			call_param(call, "id"), own->write,
			json_string_value(json_object_get(numbers, "reason")),
			json_integer_value(json_object_get(numbers, "frames")));
}

int capture_run(struct call *call)
{
	json_t *numbers = NULL;
	struct client c;
	struct err err;
	int rc, code;

	rc = client_open(&c, call->control, call->timeout, &err);
	if (!rc) {
		rc = run_capture(&c, call, &numbers, &err);
		client_close(&c);
	}
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	code = tell_end(call, numbers);
	json_decref(numbers);
	return code;
}
