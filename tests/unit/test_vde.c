/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the vde port, and its request on the wire. */
#include "test.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "file_access.h"
#include "vde.h"

static void test_mode(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
	} good[] = { { "0700", 0700 },
		     { "660", 0660 },
		     { "0777", 0777 },
		     { "0", 0 },
		     { "0000", 0 } };
	static const char *const bad[] = { "8",	   "01000", "-1", "",
					   "0x1f", "7 ",    "rw", "+7" };
	struct err err;
	mode_t mode;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(file_mode_read(good[i].text, &mode, &err), 0);
		assert_int_equal(mode, good[i].mode);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_mode_read(bad[i], &mode, &err), -EINVAL);
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
	assert_int_equal(file_group_read("root", &group, &err), 0);
	assert_int_equal(group, 0);
	assert_int_equal(file_group_read("1234", &group, &err), 0);
	assert_int_equal(group, 1234);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_group_read(bad[i], &group, &err),
				 -EINVAL);
		assert_non_null(strstr(err.msg, "/etc/group"));
	}
}

static void test_owner(void **state)
{
	static const char *const bad[] = { "nosuchuser", "", "-1", "4294967295",
					   "1x" };
	struct err err;
	uid_t owner;

	(void)state;
	assert_int_equal(file_owner_read("root", &owner, &err), 0);
	assert_int_equal(owner, 0);
	assert_int_equal(file_owner_read("nobody", &owner, &err), 0);
	assert_int_equal(owner, 65534);
	assert_int_equal(file_owner_read("1234", &owner, &err), 0);
	assert_int_equal(owner, 1234);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_owner_read(bad[i], &owner, &err),
				 -EINVAL);
		assert_non_null(strstr(err.msg, "/etc/passwd"));
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
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
