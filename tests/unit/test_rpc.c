/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/ over a socketpair: good and bad requests, requests in pieces, batches,
 * floods, descriptors, and the end of either side. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "rpc.h"
#include "shm.h"

struct rig {
	struct loop *loop;
	struct rpc_server *server;
	pthread_t thread;
	int fd; /* the client's end */
	char heard[400000];
	size_t heard_size;
	unsigned hooks_run;
	struct rpc_hook hook;
};

static struct rig rig;

struct echo_args {
	char *text;
	uint32_t times;
};

static const struct opt_row echo_params[] = {
	{ .key = "text",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct echo_args, text),
	  .required = true,
	  .help = "what comes back" },
	{ .key = "times",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct echo_args, times),
	  .max = 9,
	  .def = "1",
	  .help = "how often" },
	{ NULL },
};

static int on_echo(struct rpc_call *call)
{
	const struct echo_args *a = call->args;

	assert_ptr_equal(call->ctx, &rig);
	json_object_set_new(call->result, "text", json_string(a->text));
	json_object_set_new(call->result, "times", json_integer(a->times));
	return 0;
}

static int on_fail(struct rpc_call *call)
{
	return err_set(&call->err, -EBUSY, "not now");
}

static int on_free_form(struct rpc_call *call)
{
	json_object_set_new(
		call->result, "n",
		json_integer((json_int_t)json_object_size(call->params)));
	return 0;
}

static int on_take(struct rpc_call *call)
{
	struct stat st;
	int fd, rc = rpc_call_take_fds(call, &fd, 1);

	if (rc)
		return rc;
	json_object_set_new(call->result, "open",
			    json_boolean(!fstat(fd, &st)));
	close(fd);
	return 0;
}

static int on_big(struct rpc_call *call)
{
	char *text = malloc(300001);

	memset(text, 'x', 300000);
	text[300000] = '\0';
	json_object_set_new(call->result, "text", json_string(text));
	free(text);
	return 0;
}

static void on_close(struct rpc_hook *h)
{
	(void)h;
	shm_fetch_add(&rig.hooks_run, 1);
}

static int on_hook(struct rpc_call *call)
{
	rpc_hook_set(&rig.hook, call->conn, on_close);
	rpc_conn_notify(call->conn, "noted", json_pack("{s:i}", "n", 1));
	return 0;
}

static const struct command test_methods[] = {
	{ .method = "echo",
	  .help = "-",
	  .params = echo_params,
	  .args_size = sizeof(struct echo_args),
	  .fn = on_echo },
	{ .method = "fail", .help = "-", .fn = on_fail },
	{ .method = "free", .help = "-", .others = "any", .fn = on_free_form },
	{ .method = "take", .help = "-", .takes_fd = true, .fn = on_take },
	{ .method = "big", .help = "-", .fn = on_big },
	{ .method = "hook", .help = "-", .fn = on_hook },
	{ NULL },
};

static void *run(void *arg)
{
	(void)arg;
	loop_run(rig.loop);
	return NULL;
}

static int start(void **state)
{
	int fd[2];

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.loop = loop_create();
	rig.server = rpc_server_create(rig.loop, test_methods, &rig);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -1;
	if (rpc_server_add(rig.server, fd[0]))
		return -1;
	rig.fd = fd[1];
	return pthread_create(&rig.thread, NULL, run, NULL);
}

static int stop(void **state)
{
	(void)state;
	loop_stop(rig.loop);
	pthread_join(rig.thread, NULL);
	rpc_server_destroy(rig.server);
	loop_destroy(rig.loop);
	fd_close(&rig.fd);
	return 0;
}

static void tell(const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t done = send(rig.fd, text, n, MSG_NOSIGNAL);

		assert_true(done > 0);
		text += done;
		n -= (size_t)done;
	}
}

/* Returns the next line without its newline; keeps what follows it. */
static const char *hear(void)
{
	static char line[400000];
	char *end;

	while (!(end = memchr(rig.heard, '\n', rig.heard_size))) {
		ssize_t n = recv(rig.fd, rig.heard + rig.heard_size,
				 sizeof(rig.heard) - rig.heard_size, 0);

		assert_true(n > 0);
		rig.heard_size += (size_t)n;
	}
	*end++ = '\0';
	strcpy(line, rig.heard);
	rig.heard_size -= (size_t)(end - rig.heard);
	memmove(rig.heard, end, rig.heard_size);
	return line;
}

#define ECHO_REQUEST                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\"," \
	"\"params\":{\"text\":\"hi\"}}"
#define ECHO_REPLY                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":" \
	"{\"text\":\"hi\",\"times\":1}}"

static void test_requests(void **state)
{
	static const struct {
		const char *request, *reply;
	} table[] = {
		{ ECHO_REQUEST, ECHO_REPLY },
		{ ECHO_REQUEST "\r", ECHO_REPLY },
		{ "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"echo\","
		  "\"params\":{\"text\":\"\xc3\xa4\",\"times\":9}}",
		  "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":"
		  "{\"text\":\"\xc3\xa4\",\"times\":9}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"free\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{\"n\":0}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"free\","
		  "\"params\":{\"x\":[],\"y\":{}}}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":2}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fail\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,"
		  "\"message\":\"not now\",\"data\":{\"errno\":\"EBUSY\"}}}" },
		/* bad parameters */
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,"
		  "\"message\":\"text=TEXT is missing: what comes back\","
		  "\"data\":{\"errno\":\"EINVAL\"}}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		  "\"params\":{\"text\":\"a\",\"time\":1}}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,"
		  "\"message\":\"unknown option 'time': did you mean times?\","
		  "\"data\":{\"errno\":\"EINVAL\"}}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		  "\"params\":{\"text\":\"a\",\"times\":10}}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,"
		  "\"message\":\"times=10: must be a number from 0 to 9\","
		  "\"data\":{\"errno\":\"EINVAL\"}}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		  "\"params\":[\"a\"]}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,"
		  "\"message\":\"params must be an object: they go by "
		  "name\"}}" },
		/* no method */
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nosuch\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,"
		  "\"message\":\"unknown method 'nosuch': valid are echo, "
		  "fail, free, take, big, hook\"}}" },
		/* no request */
		{ "{\"id\":1,\"method\":\"free\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,"
		  "\"message\":\"jsonrpc must be \\\"2.0\\\"\"}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}",
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,"
		  "\"message\":\"method must be a string\"}}" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"free\"}",
		  "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
		  "\"message\":\"id must be a string, a number or null\"}}" },
		{ "5", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":"
		       "-32600,\"message\":\"a request must be an "
		       "object\"}}" },
		{ "[]", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":"
			"-32600,\"message\":\"a batch must not be "
			"empty\"}}" },
		{ "[" ECHO_REQUEST ",{\"jsonrpc\":\"2.0\",\"method\":\"free\"},"
		  "1]",
		  "[" ECHO_REPLY ",{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
		  "{\"code\":-32600,\"message\":\"a request must be an "
		  "object\"}}]" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		tell(table[i].request);
		tell("\n");
		assert_string_equal(hear(), table[i].reply);
	}
}

static void test_not_json(void **state)
{
	static const char *const bad[] = {
		"{nonsense",	     "{} {}", "\"",	  "{",
		"{\"a\":1,\"a\":1}", "nul",   "\xff\xfe", "[1,2"
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		tell(bad[i]);
		tell("\n");
		assert_non_null(strstr(hear(), "\"code\":-32700"));
	}
}

/* A batch asks for at most RPC_MAX_BATCH replies; none of a longer one is run.
 */
static void test_long_batch(void **state)
{
	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		tell("[" ECHO_REQUEST);
		for (int i = 1; i < RPC_MAX_BATCH + extra; i++)
			tell("," ECHO_REQUEST);
		tell("]\n");
		if (extra)
			assert_string_equal(
				hear(),
				"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{"
				"\"code\":-32600,\"message\":\"a batch asks "
				"for "
				"at most 100 replies\"}}");
		else
			assert_int_equal(
				strlen(hear()),
				RPC_MAX_BATCH * (strlen(ECHO_REPLY) + 1) + 1);
	}
}

static void test_pieces(void **state)
{
	const char *at = ECHO_REQUEST "\n";

	(void)state;
	for (; *at; at++) {
		char c[2] = { *at };

		tell(c);
		if (*at == ',')
			usleep(1000);
	}
	assert_string_equal(hear(), ECHO_REPLY);
	/* Two and a half requests in one write. Empty lines and notifications
	 * get no reply, whether they work or not. */
	tell("\n\n" ECHO_REQUEST "\n" ECHO_REQUEST
	     "\n{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n"
	     "{\"jsonrpc\":\"2.0\",\"method\":\"nosuch\"}\n"
	     "[{\"jsonrpc\":\"2.0\",\"method\":\"free\"}]\n{\"json");
	assert_string_equal(hear(), ECHO_REPLY);
	assert_string_equal(hear(), ECHO_REPLY);
	tell("rpc\":\"2.0\",\"id\":1,\"method\":\"free\"}\n");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"
				    "{\"n\":0}}");
	/* The last line needs no newline. */
	tell(ECHO_REQUEST);
	shutdown(rig.fd, SHUT_WR);
	assert_string_equal(hear(), ECHO_REPLY);
	assert_int_equal(recv(rig.fd, (char[1]){ 0 }, 1, 0), 0);
}

static void test_too_long(void **state)
{
	char *text = malloc(RPC_MAX_REQUEST + 100001);

	(void)state;
	memset(text, ' ', RPC_MAX_REQUEST + 100000);
	text[RPC_MAX_REQUEST + 100000] = '\0';
	tell(text);
	assert_non_null(strstr(hear(), "a request is at most 1 MiB"));
	/* The rest of that line is skipped, and the next line is served. */
	tell(text);
	tell("\n" ECHO_REQUEST "\n");
	assert_string_equal(hear(), ECHO_REPLY);
	/* A line of exactly the limit is served. */
	text[RPC_MAX_REQUEST - strlen(ECHO_REQUEST)] = '\0';
	tell(text);
	tell(ECHO_REQUEST "\n");
	assert_string_equal(hear(), ECHO_REPLY);
	free(text);
}

/* A client that does not read its replies neither blocks the server nor makes
 * it grow without bound; the server goes on when it reads. */
static void test_slow_reader(void **state)
{
	static const char ask[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n";
	char c;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		tell(ask);
	usleep(20000);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(strlen(hear()), 300045);
	assert_int_equal(recv(rig.fd, &c, 1, MSG_DONTWAIT), -1);
}

static void tell_with_fd(const char *text, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	assert_int_equal(sendmsg(rig.fd, &msg, MSG_NOSIGNAL),
			 (ssize_t)strlen(text));
}

/* Returns whether the other end of the connection is open. */
static bool is_open(int read_end)
{
	char c;

	return recv(read_end, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

#define TAKE_REQUEST "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"take\"}\n"

static void test_descriptors(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	tell_with_fd(TAKE_REQUEST, pair[1]);
	assert_non_null(strstr(hear(), "{\"open\":true}"));
	/* A descriptor that its request does not take is closed, and not given
	 * to the next request. */
	tell_with_fd(ECHO_REQUEST "\n", pair[1]);
	assert_string_equal(hear(), ECHO_REPLY);
	tell(TAKE_REQUEST);
	assert_non_null(strstr(hear(), "0 file descriptors of 1 came along"));
	assert_true(is_open(pair[0]));
	fd_close(&pair[1]); /* the last one: the server has no copy */
	assert_false(is_open(pair[0]));
	fd_close(&pair[0]);
}

/* Lets this process open @n more descriptors; returns the old limit. */
static struct rlimit leave_room(unsigned n)
{
	int next = dup(rig.fd);
	struct rlimit old, tight;

	assert_true(next >= 0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	tight = old;
	tight.rlim_cur = (rlim_t)next + n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	return old;
}

#define LOST                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,"            \
	"\"message\":\"a descriptor that came along was lost: the daemon has " \
	"as "                                                                  \
	"many as it may (RLIMIT_NOFILE), or too many came with requests that " \
	"are not complete\","                                                  \
	"\"data\":{\"errno\":\"EMFILE\"}}}"

static void test_lost_descriptors(void **state)
{
	struct rlimit old = leave_room(0);

	(void)state;
	tell_with_fd(TAKE_REQUEST, rig.fd);
	assert_string_equal(hear(), LOST);
	/* A request without a descriptor gets its own error, and a method that
	 * takes none works. */
	tell(TAKE_REQUEST);
	assert_non_null(strstr(hear(), "0 file descriptors of 1 came along"));
	tell_with_fd(ECHO_REQUEST "\n", rig.fd);
	assert_string_equal(hear(), ECHO_REPLY);
	tell(TAKE_REQUEST);
	assert_non_null(strstr(hear(), "0 file descriptors of 1 came along"));
	setrlimit(RLIMIT_NOFILE, &old);
	tell_with_fd(TAKE_REQUEST, rig.fd);
	assert_non_null(strstr(hear(), "{\"open\":true}"));
}

static void test_close(void **state)
{
	(void)state;
	tell("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hook\"}\n");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"method\":\"noted\","
				    "\"params\":{\"n\":1}}");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"
				    "{}}");
	fd_close(&rig.fd);
	for (unsigned i = 0; i < 1000 && !shm_load(&rig.hooks_run); i++)
		usleep(1000);
	assert_int_equal(shm_load(&rig.hooks_run), 1);
	assert_null(rig.hook.conn);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),	     TEST(test_not_json),
		TEST(test_pieces),	     TEST(test_too_long),
		TEST(test_long_batch),	     TEST(test_slow_reader),
		TEST(test_descriptors),	     TEST(test_close),
		TEST(test_lost_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
