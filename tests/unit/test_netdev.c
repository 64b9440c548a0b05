/* SPDX-License-Identifier: Apache-2.0 */
/* conf/netdev: parsing of text and JSON, errors, and changes of a live port's
 * options. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_show.h"
#include "netdev.h"
#include "port_types.h"

/* Returns netdev_show() of @n as JSON text; the caller frees it. */
static char *told(const struct netdev *n)
{
	json_t *o = json_object();
	struct json_show j;
	char *text;

	json_show_init(&j, o);
	netdev_show(n, &j.show);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *says;
	} good[] = {
		{ "null,id=n",
		  "{\"type\":\"null\",\"id\":\"n\","
		  "\"net\":\"default\",\"max-macs\":16384,"
		  "\"full\":\"wait\",\"full-us\":10000,\"dot1ad\":false,"
		  "\"offload\":true}" },
		{ "type=null,id=n,net=a-b.c,max-macs=3,offload=off",
		  "{\"type\":\"null\",\"id\":\"n\",\"net\":\"a-b.c\","
		  "\"max-macs\":3,\"full\":\"wait\","
		  "\"full-us\":10000,\"dot1ad\":false,\"offload\":false}" },
		{ "null,nooffload,id=n", "{\"type\":\"null\",\"id\":\"n\","
					 "\"net\":\"default\","
					 "\"max-macs\":16384,\"full\":\"wait\","
					 "\"full-us\":10000,\"dot1ad\":false,"
					 "\"offload\":false}" },
	};
	struct netdev *n, *copy;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		char *text;

		assert_int_equal(netdev_parse(good[i].text, &n, &err), 0);
		copy = netdev_copy(n);
		netdev_free(n);
		text = told(copy);
		assert_string_equal(text, good[i].says);
		free(text);
		netdev_free(copy);
	}
}

/* net=NAME sets the network, net=ADDR[/MASK] the user port's addresses. */
static void test_net(void **state)
{
	static const struct {
		const char *text, *net, *says;
	} table[] = {
		{ "user,id=u", "default", NULL },
		{ "user,id=u,net=lab", "lab", NULL },
		{ "user,id=u,net=10.1.0.0/16", "default",
		  "\"net\":\"10.1.0.0/16\"" },
		{ "user,id=u,net=10.1.0.0,net=lab2", "lab2",
		  "\"net\":\"10.1.0.0\"" },
		{ "null,id=n,net=1.2", "1.2", NULL },
	};
	struct netdev *n;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		char *text;

		assert_int_equal(netdev_parse(table[i].text, &n, &err), 0);
		assert_string_equal(n->common.net, table[i].net);
		text = told(n);
		if (table[i].says)
			assert_non_null(strstr(text, table[i].says));
		free(text);
		netdev_free(n);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{ "", "netdev: the type is missing" },
		{ "id=a", "netdev: the type is missing" },
		{ "nul,id=a", "unknown netdev type 'nul': did you mean null?" },
		{ "zzzzzz,id=a", "unknown netdev type 'zzzzzz': valid are " },
		{ "null", "netdev null: id=NAME is missing" },
		{ "null,offload=7,id=n",
		  "netdev n: offload=7: must be on or off" },
		{ "null,id=n,offlod=on",
		  "netdev n: unknown option 'offlod': did you mean offload?" },
		{ "null,id=n,zzzzzz=1", "netdev n: unknown option 'zzzzzz': "
					"valid are id, net, max-macs, full, "
					"full-us, vlan, trunk, native, dot1ad, "
					"offload" },
		{ "null,id=", "netdev : id=: must be 1 to 63" },
		{ "null,id=a b", "netdev a b: id=a b: must be 1 to 63" },
		{ "null,id=a/b", "netdev a/b: id=a/b: must be 1 to 63" },
		{ "null,id=-a", "netdev -a: id=-a: must be 1 to 63" },
		{ "null,id=a,net=x/y", "netdev a: net=x/y: must be 1 to 63" },
		{ "null,id=a,", "netdev null,id=a,: an option is missing" },
	};
	struct netdev *n;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		err.msg[0] = '\0';
		assert_int_equal(netdev_parse(bad[i].text, &n, &err), -EINVAL);
		if (strncmp(err.msg, bad[i].msg, strlen(bad[i].msg)))
			assert_string_equal(err.msg, bad[i].msg);
	}
}

static int from_json(const char *text, struct netdev **n, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int rc = netdev_parse_json(o, n, err);

	json_decref(o);
	return rc;
}

static void test_json_text(void **state)
{
	struct netdev *n;
	struct err err;

	(void)state;
	assert_int_equal(
		netdev_parse("{\"type\":\"null\",\"id\":\"n\"}", &n, &err), 0);
	assert_string_equal(n->common.id, "n");
	netdev_free(n);
	assert_int_equal(netdev_parse("{\"type\":\"null\"", &n, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "netdev: not JSON at byte 14:"));
}

static void test_json(void **state)
{
	struct netdev *n;
	struct err err;
	char *text;

	(void)state;
	assert_int_equal(from_json("{\"type\":\"null\",\"max-macs\":7,"
				   "\"offload\":false,\"id\":\"n\"}",
				   &n, &err),
			 0);
	text = told(n);
	assert_string_equal(text, "{\"type\":\"null\",\"id\":\"n\","
				  "\"net\":\"default\",\"max-macs\":7,\"full\":"
				  "\"wait\",\"full-us\":10000,\"dot1ad\":false,"
				  "\"offload\":false}");
	free(text);
	netdev_free(n);

	assert_int_equal(from_json("{\"type\":\"null\",\"id\":\"n\","
				   "\"max-macs\":{}}",
				   &n, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "max-macs: must be a string"));
	/* As QEMU writes its options: objects in objects, and {"str": ...}. */
	assert_int_equal(
		from_json("{\"type\":\"stream\",\"id\":\"n\","
			  "\"server\":true,\"addr\":{\"type\":\"inet\","
			  "\"host\":\"::1\",\"port\":\"7\"}}",
			  &n, &err),
		0);
	text = told(n);
	assert_non_null(strstr(text, "\"addr.host\":\"::1\""));
	assert_non_null(strstr(text, "\"addr.port\":\"7\""));
	free(text);
	netdev_free(n);
	assert_int_equal(from_json("{\"type\":\"user\",\"id\":\"n\","
				   "\"hostfwd\":[{\"str\":\"tcp::2-:22\"},"
				   "\"udp::3-:33\"]}",
				   &n, &err),
			 0);
	text = told(n);
	assert_non_null(strstr(text, "[\"tcp::2-:22\",\"udp::3-:33\"]"));
	free(text);
	netdev_free(n);
	assert_int_equal(from_json("{\"type\":\"stream\",\"id\":\"n\","
				   "\"addr\":{\"typo\":1}}",
				   &n, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "addr.typo"));
	assert_int_equal(from_json("{\"type\":\"user\",\"id\":\"n\","
				   "\"hostfwd\":[{\"str\":\"a\",\"b\":1}]}",
				   &n, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "hostfwd: must be a string"));
	assert_int_equal(from_json("{\"type\":\"null\",\"id\":\"n\","
				   "\"max-macs\":-7}",
				   &n, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "netdev n: max-macs=-7: must be"));
	assert_int_equal(
		from_json("{\"type\":\"null\",\"id\":\"a\\u0000b\"}", &n, &err),
		-EINVAL);
	assert_int_equal(from_json("{\"id\":\"n\"}", &n, &err), -EINVAL);
	assert_int_equal(from_json("{\"type\":5,\"id\":\"n\"}", &n, &err),
			 -EINVAL);
}

static void test_change(void **state)
{
	static const struct {
		const char *key, *value, *msg;
	} bad[] = {
		{ "net", "x",
		  "net cannot be changed on a live port: `port "
		  "del n`, then `port add` with the new value" },
		{ "max-macs+", "5",
		  "max-macs+=5: only options given several times take "
		  "+=; write the whole new value after max-macs=" },
		{ "max-mac", "5",
		  "unknown option 'max-mac': did you mean max-macs?" },
	};
	struct netdev *n;
	struct err err;

	(void)state;
	assert_int_equal(netdev_parse("null,id=n", &n, &err), 0);
	assert_int_equal(netdev_change(n, "max-macs", "5", &err), 0);
	assert_int_equal(n->common.max_macs, 5);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			netdev_change(n, bad[i].key, bad[i].value, &err),
			-EINVAL);
		assert_string_equal(err.msg, bad[i].msg);
	}
	netdev_free(n);
}

/* A port type with a list, for the tests of lists. */
struct list_conf {
	struct opt_list fwd;
};
static const struct opt_row list_rows[] = {
	{ .key = "fwd",
	  .kind = OPT_LIST,
	  .offset = offsetof(struct list_conf, fwd),
	  .runtime = true,
	  .help = "rules" },
	{ NULL },
};

static void test_change_list(void **state)
{
	const struct port_type type = { .name = "list",
					.rows = list_rows,
					.conf_size = sizeof(struct list_conf) };
	struct list_conf *conf = calloc(1, sizeof(*conf));
	struct netdev *n = calloc(1, sizeof(*n)), *copy;
	struct err err;

	(void)state;
	n->type = &type;
	n->conf = conf;
	assert_int_equal(netdev_change(n, "fwd+", "a", &err), 0);
	assert_int_equal(netdev_change(n, "fwd+", "b", &err), 0);
	assert_int_equal(conf->fwd.count, 2);
	copy = netdev_copy(n);
	assert_int_equal(netdev_change(n, "fwd-", "a", &err), 0);
	assert_int_equal(netdev_change(n, "fwd-", "a", &err), -ENOENT);
	assert_string_equal(err.msg, "fwd-=a: not there; remove it as `port "
				     "show` writes it");
	assert_int_equal(conf->fwd.count, 1);
	assert_int_equal(netdev_change(n, "fwd", "c", &err), 0);
	assert_int_equal(conf->fwd.count, 1);
	assert_string_equal(conf->fwd.value[0], "c");
	assert_int_equal(netdev_change(n, "fwd", "", &err), 0);
	assert_int_equal(conf->fwd.count, 0);
	assert_int_equal(((struct list_conf *)copy->conf)->fwd.count, 2);
	netdev_free(copy);
	netdev_free(n);
}

/* Checks the rows of all types for faults, such as two rows of one key. */
static void test_rows_are_sound(void **state)
{
	struct err err;

	(void)state;
	for (unsigned i = 0; port_types[i]; i++) {
		const struct port_type *t = port_types[i];
		void *conf = calloc(1, t->conf_size + 1);

		assert_ptr_equal(port_type_find(t->name, &err), t);
		assert_non_null(t->help);
		assert_int_equal(opt_defaults(t->rows, conf, &err), 0);
		opt_free(t->rows, conf);
		free(conf);
		for (const struct opt_row *r = t->rows; r->key; r++) {
			assert_non_null(r->help);
			/* netdev.c tells both kinds of net apart by value */
			if (strcmp(r->key, "net"))
				assert_null(opt_find(port_conf_rows, r->key));
			assert_ptr_equal(opt_find(t->rows, r->key), r);
			assert_true(r->offset < t->conf_size);
		}
	}
}

/* The descriptors that options name, each once. */
static void test_fds(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
		int fd[3];
	} table[] = {
		{ "null,id=n", 0, { 0 } },
		{ "tap,id=t,ifname=tap7,vhostfd=4", 0, { 0 } },
		{ "tap,id=t,fd=7", 1, { 7 } },
		{ "tap,id=t,fds=7:0:12:7", 3, { 7, 0, 12 } },
		{ "tap,id=t,fds=1:2:3:4:5", 3, { 1, 2, 3 } },
		{ "tap,id=t,fd=x", 0, { 0 } },
		{ "tap,id=t,fd=-1", 0, { 0 } },
		{ "tap,id=t,fds=1x:2", 1, { 1 } },
		{ "tap,id=t,fd=99999999999999999999", 0, { 0 } },
		{ "socket,id=s,fd=3", 1, { 3 } },
		{ "stream,id=s,addr.type=fd,addr.str=5", 1, { 5 } },
		{ "dgram,id=s,local.type=fd,local.str=6", 1, { 6 } },
	};
	struct netdev *n;
	struct err err;
	int fd[3];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(netdev_parse(table[i].text, &n, &err), 0);
		assert_int_equal(netdev_fds(n, fd, 3), table[i].count);
		assert_memory_equal(fd, table[i].fd,
				    table[i].count * sizeof(int));
		netdev_free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_net),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_text),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_change_list),
		cmocka_unit_test(test_fds),
		cmocka_unit_test(test_rows_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
