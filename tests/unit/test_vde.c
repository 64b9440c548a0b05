/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the vde port, and its request on the wire. */
#include "test.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vde.h"

static void test_mode(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
	} good[] = { { "0700", 0700 },
		     { "660", 0660 },
		     { "0777", 0777 },
		     { "0", 0700 },
		     { "0000", 0700 } };
	static const char *const bad[] = { "8",	   "01000", "-1", "",
					   "0x1f", "7 ",    "rw", "+7" };
	struct err err;
	mode_t mode;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(vde_read_mode(good[i].text, &mode, &err), 0);
		assert_int_equal(mode, good[i].mode);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vde_read_mode(bad[i], &mode, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "octal"));
	}
}

static void test_group(void **state)
{
	static const char *const bad[] = { "nosuchgroup", "", "-1",
					   "4294967295", "1x" };
	struct err err;
	gid_t group;

	(void)state;
	assert_int_equal(vde_read_group("root", &group, &err), 0);
	assert_int_equal(group, 0);
	assert_int_equal(vde_read_group("1234", &group, &err), 0);
	assert_int_equal(group, 1234);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vde_read_group(bad[i], &group, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "/etc/group"));
	}
}

/* As vde_switch reads it, which takes 256 bytes at most. */
static void test_request(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct vde_request, data), 12);
	assert_int_equal(offsetof(struct vde_request, descr), 122);
	assert_true(sizeof(struct vde_request) <= 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
