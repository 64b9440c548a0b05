/* SPDX-License-Identifier: Apache-2.0 */
/* base/sock_addr: addresses of options, their text, and errors. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "sock_addr.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *is;
		bool is_multicast;
	} cases[] = {
		{ "127.0.0.1:1", "127.0.0.1:1", false },
		{ "localhost:65535", "127.0.0.1:65535", false },
		{ "[::1]:80", "[::1]:80", false },
		{ "::1:80", "[::1]:80", false },
		{ "[::]:80", "[::]:80", false },
		{ "239.1.2.3:5", "239.1.2.3:5", true },
		{ "[ff02::1]:5", "[ff02::1]:5", true },
		{ "[fe80::1%lo]:5", "[fe80::1%lo]:5", false },
		{ "ff02::1%lo:5", "[ff02::1%lo]:5", true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[SOCK_ADDR_TEXT];
		struct sock_addr a, b;
		struct err err;

		assert_int_equal(
			sock_addr_host_port(&a, "k", cases[i].text, &err), 0);
		sock_addr_text(&a, text);
		assert_string_equal(text, cases[i].is);
		assert_int_equal(sock_addr_is_multicast(&a),
				 cases[i].is_multicast);
		assert_int_equal(sock_addr_host_port(&b, "k", text, &err), 0);
		assert_true(sock_addr_equal(&a, &b));
		b.in.sin_port ^= 1;
		assert_false(sock_addr_equal(&a, &b));
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"",
		"1",
		"a",
		"127.0.0.1",
		"1.2.3:4",
		"1.2.3.4:65536",
		"1.2.3.4:-1",
		"1.2.3.4: 1",
		"x.y:1",
		"1.2.3.4:",
		"[::1:80",
		"[::g]:1",
		"[]:1:",
		"[fe80::1%nowhere0]:1",
		"1.2.3.4%lo:1",
		"[fe80::1%]:1",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sock_addr a;
		struct err err = { "" };

		assert_true(sock_addr_host_port(&a, "k", cases[i], &err) < 0);
		assert_int_equal(err.msg[0], 'k');
	}
}

/* With port 0 the host stands alone, as options name it. */
static void test_without_port(void **state)
{
	static const char *const hosts[] = { "0.0.0.0", "192.0.2.1", "::1",
					     "fe80::1%lo" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		char text[SOCK_ADDR_TEXT];
		struct sock_addr a;
		struct err err;

		assert_int_equal(
			sock_addr_inet(&a, "k", hosts[i], "p", "0", &err), 0);
		sock_addr_text(&a, text);
		assert_string_equal(text, hosts[i]);
	}
}

/* The interface of a scope is looked up by its name at each use. */
static void test_resolve(void **state)
{
	struct sock_addr a;
	struct err err;

	(void)state;
	assert_int_equal(sock_addr_inet(&a, "k", "fe80::1%lo", "p", "1", &err),
			 0);
	a.in6.sin6_scope_id = 12345;
	assert_int_equal(sock_addr_resolve(&a), 0);
	assert_int_equal(a.in6.sin6_scope_id, 1);
	strcpy(a.scope, "nowhere0");
	assert_int_equal(sock_addr_resolve(&a), -ENODEV);
	assert_int_equal(sock_addr_inet(&a, "k", "::1", "p", "1", &err), 0);
	assert_int_equal(sock_addr_resolve(&a), 0);
}

static void test_unix_path(void **state)
{
	char path[110], text[SOCK_ADDR_TEXT];
	struct sock_addr a;
	struct err err;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	assert_int_equal(sock_addr_unix(&a, "k", path, &err), 0);
	sock_addr_text(&a, text);
	assert_string_equal(text, path);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(sock_addr_unix(&a, "k", path, &err), -ENAMETOOLONG);
	assert_int_equal(a.len, 0);
	assert_int_equal(sock_addr_unix(&a, "k", "", &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_without_port),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_unix_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
