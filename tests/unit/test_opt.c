/* SPDX-License-Identifier: Apache-2.0 */
/* base/opt: the grammar, every kind of value, and the errors for bad ones. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "opt.h"

static const char *const modes[] = { "fast", "slow", NULL };

struct conf {
	char *id, *path;
	bool server;
	uint32_t queues, mtu;
	bool mtu_set;
	uint64_t sndbuf;
	int mode;
	struct opt_list hostfwd;
};

#define M(m) offsetof(struct conf, m)
static const struct opt_row rows[] = {
	{ "id", OPT_STRING, M(id), .min = 1, .max = 8, .arg = "NAME",
	  .help = "name" },
	{ "path", OPT_PATH, M(path), .required = true, .help = "socket" },
	{ "server", OPT_BOOL, M(server), .def = "on", .help = "listen" },
	{ "queues", OPT_UINT, M(queues), .min = 1, .max = 64, .def = "1",
	  .help = "queue pairs" },
	{ "mtu", OPT_UINT, M(mtu), M(mtu_set), .min = 68, .max = 65535,
	  .help = "largest packet" },
	{ "sndbuf", OPT_SIZE, M(sndbuf), .min = 0, .max = 1ull << 40,
	  .def = "1M", .help = "bound of the buffer" },
	{ "mode", OPT_ENUM, M(mode), .choices = modes, .def = "slow",
	  .help = "how" },
	{ "hostfwd", OPT_LIST, M(hostfwd), .arg = "RULE", .help = "forward" },
	{ NULL },
};

static void test_defaults(void **state)
{
	struct conf c = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(opt_defaults(rows, &c, &err), 0);
	assert_true(c.server);
	assert_int_equal(c.queues, 1);
	assert_int_equal(c.sndbuf, 1 << 20);
	assert_int_equal(c.mode, 1);
	assert_null(c.path);
	assert_false(c.mtu_set);
	assert_int_equal(opt_check(rows, &c, &err), -EINVAL);
	assert_string_equal(err.msg, "path=PATH is missing: socket");
	opt_free(rows, &c);
}

static void test_values(void **state)
{
	struct conf c = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(opt_set(rows, &c, "path", "/a", &err), 0);
	assert_int_equal(opt_set(rows, &c, "path", "/b", &err), 0);
	assert_string_equal(c.path, "/b");
	assert_int_equal(opt_set(rows, &c, "queues", "0x10", &err), 0);
	assert_int_equal(c.queues, 16);
	assert_int_equal(opt_set(rows, &c, "queues", "010", &err), 0);
	assert_int_equal(c.queues, 10);
	assert_int_equal(opt_set(rows, &c, "sndbuf", "3k", &err), 0);
	assert_int_equal(c.sndbuf, 3072);
	assert_int_equal(opt_set(rows, &c, "sndbuf", "1T", &err), 0);
	assert_true(c.sndbuf == 1ull << 40);
	assert_int_equal(opt_set(rows, &c, "server", NULL, &err), 0);
	assert_true(c.server);
	assert_int_equal(opt_set(rows, &c, "noserver", NULL, &err), 0);
	assert_false(c.server);
	assert_int_equal(opt_set(rows, &c, "server", "yes", &err), 0);
	assert_true(c.server);
	assert_int_equal(opt_set(rows, &c, "mtu", "1500", &err), 0);
	assert_true(c.mtu_set);
	assert_int_equal(opt_set(rows, &c, "mode", "fast", &err), 0);
	assert_int_equal(c.mode, 0);
	assert_int_equal(opt_check(rows, &c, &err), 0);
	opt_free(rows, &c);
	assert_null(c.path);
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *key, *value;
		int rc;
		const char *msg;
	} bad[] = {
		{ "queues", "0", -EINVAL,
		  "queues=0: must be a number from 1 to 64" },
		{ "queues", "65", -EINVAL,
		  "queues=65: must be a number from 1 to 64" },
		{ "queues", "-1", -EINVAL,
		  "queues=-1: must be a number from 1 to 64" },
		{ "queues", " 1", -EINVAL,
		  "queues= 1: must be a number from 1 to 64" },
		{ "queues", "1k", -EINVAL,
		  "queues=1k: must be a number from 1 to 64" },
		{ "queues", "0x", -EINVAL,
		  "queues=0x: must be a number from 1 to 64" },
		{ "queues", "", -EINVAL,
		  "queues=: must be a number from 1 to 64" },
		{ "queues", "18446744073709551617", -EINVAL,
		  "queues=18446744073709551617: must be a number from 1 to "
		  "64" },
		{ "queues", NULL, -EINVAL, "queues: needs a value: queues=N" },
		{ "noqueues", NULL, -ENOENT,
		  "unknown option 'noqueues': did you mean queues?" },
		{ "sndbuf", "2T", -EINVAL,
		  "sndbuf=2T: must be a size from 0 to 1T "
		  "(suffixes k, M, G, T)" },
		{ "sndbuf", "1kk", -EINVAL,
		  "sndbuf=1kk: must be a size from 0 to 1T "
		  "(suffixes k, M, G, T)" },
		{ "sndbuf", "99999999999999999T", -EINVAL,
		  "sndbuf=99999999999999999T: must be a size from 0 to 1T "
		  "(suffixes k, M, G, T)" },
		{ "server", "maybe", -EINVAL,
		  "server=maybe: must be on or off" },
		{ "mode", "medium", -EINVAL,
		  "mode=medium: must be one of: fast, slow" },
		{ "mode", NULL, -EINVAL,
		  "mode: needs a value: mode=fast|slow" },
		{ "path", "", -EINVAL, "path=: must be text, not empty" },
		{ "id", "", -EINVAL, "id=: must be text of 1 to 8 bytes" },
		{ "id", "123456789", -EINVAL,
		  "id=123456789: must be text of 1 to 8 bytes" },
		{ "hostfwd", "", -EINVAL, "hostfwd=: must be RULE, not empty" },
		{ "queus", "1", -ENOENT,
		  "unknown option 'queus': did you mean queues?" },
		{ "pth", "1", -ENOENT,
		  "unknown option 'pth': did you mean path?" },
		{ "zzzzz", "1", -ENOENT,
		  "unknown option 'zzzzz': valid are id, path, server, queues, "
		  "mtu, sndbuf, mode, hostfwd" },
	};
	struct conf c = { 0 }, zero = { 0 };
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			opt_set(rows, &c, bad[i].key, bad[i].value, &err),
			bad[i].rc);
		assert_string_equal(err.msg, bad[i].msg);
	}
	assert_memory_equal(&c, &zero, sizeof(c));
}

static void test_list(void **state)
{
	struct conf c = { 0 }, copy;
	struct err err;

	(void)state;
	assert_int_equal(opt_set(rows, &c, "hostfwd", "a", &err), 0);
	assert_int_equal(opt_set(rows, &c, "hostfwd", "b", &err), 0);
	assert_int_equal(opt_set(rows, &c, "hostfwd", "c", &err), 0);
	assert_int_equal(opt_set(rows, &c, "id", "x", &err), 0);
	assert_int_equal(opt_copy(rows, &copy, &c, sizeof(c)), 0);
	assert_int_equal(opt_list_remove(&c.hostfwd, "b"), 0);
	assert_int_equal(opt_list_remove(&c.hostfwd, "b"), -ENOENT);
	assert_int_equal(c.hostfwd.count, 2);
	assert_string_equal(c.hostfwd.value[1], "c");
	assert_int_equal(copy.hostfwd.count, 3);
	assert_string_equal(copy.hostfwd.value[1], "b");
	assert_string_equal(copy.id, "x");
	assert_ptr_not_equal(copy.id, c.id);
	assert_null(copy.path);
	opt_free(rows, &c);
	opt_free(rows, &copy);
}

static void test_split(void **state)
{
	static const struct {
		const char *text, *first;
		int count;
		struct opt_pair pair[3];
	} good[] = {
		{ "", NULL, 0 },
		{ "user", "user", 0 },
		{ "user,id=a", "user", 1, { { (char *)"id", (char *)"a" } } },
		{ "type=user,id=a",
		  NULL,
		  2,
		  { { (char *)"type", (char *)"user" },
		    { (char *)"id", (char *)"a" } } },
		{ "tap,path=/a,,b,server,id=",
		  "tap",
		  3,
		  { { (char *)"path", (char *)"/a,b" },
		    { (char *)"server", NULL },
		    { (char *)"id", (char *)"" } } },
		{ "tap,x=a=b", "tap", 1, { { (char *)"x", (char *)"a=b" } } },
		{ "tap,x=,,,,", "tap", 1, { { (char *)"x", (char *)",," } } },
		{ "a,,b", "a,b", 0 },
		{ "a,,,b", "a,", 1, { { (char *)"b", NULL } } },
	};
	struct opt_pair *pairs;
	struct err err;
	char *first;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		int n = opt_split(good[i].text, &first, &pairs, &err);

		assert_int_equal(n, good[i].count);
		if (good[i].first)
			assert_string_equal(first, good[i].first);
		else
			assert_null(first);
		for (int k = 0; k < n; k++) {
			assert_string_equal(pairs[k].key, good[i].pair[k].key);
			if (good[i].pair[k].value)
				assert_string_equal(pairs[k].value,
						    good[i].pair[k].value);
			else
				assert_null(pairs[k].value);
		}
		opt_pairs_free(first, pairs, n);
	}
}

static void test_bad_split(void **state)
{
	static const char *const bad[] = { "user,", "user,id=a,", "=x",
					   "user,=x", "user,id=a,=" };
	struct opt_pair *pairs;
	struct err err;
	char *first;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		err.msg[0] = '\0';
		assert_int_equal(opt_split(bad[i], &first, &pairs, &err),
				 -EINVAL);
		assert_non_null(strstr(err.msg, "an option is missing"));
		assert_null(first);
		assert_null(pairs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_bad_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
