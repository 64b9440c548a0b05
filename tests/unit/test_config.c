/* SPDX-License-Identifier: Apache-2.0 */
/* conf/config: files, the daemon's own options, and the line that errors name.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

static char path[64];

static int load(struct config *c, const char *text, size_t size,
		struct err *err)
{
	int fd, rc;

	strcpy(path, "/tmp/rw-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	close(fd);
	err->msg[0] = '\0';
	assert_int_equal(config_init(c, err), 0);
	rc = config_load(c, path, err);
	unlink(path);
	return rc;
}

static void test_file(void **state)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "  workers\t2   # two\n"
				   "--poll-us 50\r\n"
				   "-netdev null,id=a\n"
				   "netdev null,id=b#1,net=lab\n"
				   "log-level debug\n"
				   "mac-age 10\n"
				   "cpus 0,2-3";
	struct config c;
	struct err err;

	(void)state;
	/* A "#" inside a word begins no comment, and an id cannot have it. */
	assert_int_equal(load(&c, text, strlen(text), &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":6: netdev b#1: id=b#1: must be"));
	assert_int_equal(c.netdev_count, 1);
	assert_int_equal(c.daemon.workers, 2);
	assert_string_equal(c.daemon.poll_us, "50");
	config_fini(&c);
}

static void test_defaults(void **state)
{
	struct config c;
	struct err err;

	(void)state;
	assert_int_equal(load(&c, "", 0, &err), 0);
	assert_int_equal(c.daemon.workers, 1);
	assert_string_equal(c.daemon.poll_us, "auto");
	assert_int_equal(c.daemon.mac_age, 300);
	assert_int_equal(c.daemon.log_level, LOG_LEVEL_INFO);
	assert_null(c.daemon.control);
	assert_null(c.daemon.cpus);
	assert_int_equal(c.netdev_count, 0);
	/* A later value replaces an earlier one. */
	assert_int_equal(config_set(&c, "workers", "3", &err), 0);
	assert_int_equal(config_set(&c, "workers", "4", &err), 0);
	assert_int_equal(c.daemon.workers, 4);
	config_fini(&c);
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *msg; /* follows the file's name */
	} bad[] = {
		{ "workers", -EINVAL, ":1: workers: needs a value: workers=N" },
		{ "\nworkers 0", -EINVAL,
		  ":2: workers=0: must be a number from 1 to 64" },
		{ "workers 65", -EINVAL,
		  ":1: workers=65: must be a number from 1 to 64" },
		{ "worker 2", -EINVAL,
		  ":1: unknown option 'worker': did you mean workers?" },
		{ "cpus 3-1", -EINVAL,
		  ":1: cpus=3-1: must be CPU numbers and ranges, as 0,2-3, at "
		  "most 256" },
		{ "poll-us -5", -EINVAL,
		  ":1: poll-us=-5: must be auto or a number from 0 to "
		  "1000000" },
		{ "log-level loud", -EINVAL,
		  ":1: log-level=loud: must be one of: error, warning, info, "
		  "debug" },
		{ "netdev", -EINVAL,
		  ":1: netdev: needs a value: TYPE,id=NAME,..." },
		{ "netdev null,id=a\n\nnetdev null,id=a", -EEXIST,
		  ":3: netdev a: id=a is used twice: each port needs its "
		  "own" },
	};
	struct config c;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			load(&c, bad[i].text, strlen(bad[i].text), &err),
			bad[i].rc);
		assert_memory_equal(err.msg, path, strlen(path));
		assert_string_equal(err.msg + strlen(path), bad[i].msg);
		config_fini(&c);
	}
	assert_int_equal(load(&c, "workers 2\0x\n", 12, &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":1: a zero byte"));
	config_fini(&c);
	assert_int_equal(config_init(&c, &err), 0);
	assert_int_equal(config_load(&c, "/nonexistent/conf", &err), -ENOENT);
	assert_string_equal(err.msg, "config=/nonexistent/conf: No such file "
				     "or directory");
	config_fini(&c);
}

static void test_cpus(void **state)
{
	static const char *const bad[] = {
		"",  ",",  "1,",    "-1",     "1-",
		"a", "1 ", "99999", "0-1023", "18446744073709551617"
	};
	int cpu[CONFIG_MAX_CPUS];
	struct err err;

	(void)state;
	assert_int_equal(config_cpus("0,2-4,1", cpu, &err), 5);
	assert_int_equal(cpu[0], 0);
	assert_int_equal(cpu[1], 2);
	assert_int_equal(cpu[3], 4);
	assert_int_equal(cpu[4], 1);
	assert_int_equal(config_cpus("0-255", cpu, &err), 256);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(config_cpus(bad[i], cpu, &err), -EINVAL);
}

static void test_poll_us(void **state)
{
	static const char *const bad[] = {
		"", "x", "1x", "-1", " 1", "1000001"
	};
	struct err err;
	int us;

	(void)state;
	assert_int_equal(config_poll_us("auto", &us, &err), 0);
	assert_int_equal(us, -1);
	assert_int_equal(config_poll_us("0", &us, &err), 0);
	assert_int_equal(us, 0);
	assert_int_equal(config_poll_us("250", &us, &err), 0);
	assert_int_equal(us, 250);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(config_poll_us(bad[i], &us, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_poll_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
