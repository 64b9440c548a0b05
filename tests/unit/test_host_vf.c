/* SPDX-License-Identifier: Apache-2.0 */
/* host/: virtual functions, made, lent and taken away, with a host made of
 * files (host_rig.h); their settings over rtnetlink. */
#include "test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_fs.h"
#include "host_loan.h"
#include "host_rig.h"
#include "host_vf.h"
#include "host_vf_link.h"

#define PF  "0000:01:00.0"
#define VF0 "0000:01:10.0"
#define VF1 "0000:01:10.1"

static struct host_pci pf;

static int set_up(void **state)
{
	(void)state;
	host_rig_start();
	host_rig_device(PF, "igb", 7, "eth5");
	host_rig_sriov(PF, 7);
	host_rig_driver("vfio-pci");
	host_rig_driver("igbvf");
	return host_pci_find(&pf, PF, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	host_rig_stop();
	return 0;
}

static void assert_vfs(unsigned count)
{
	assert_int_equal(host_pci_find(&pf, PF, NULL), 0);
	assert_int_equal(pf.vfs, count);
	assert_int_equal(host_fs_number(-1, "/sys/bus/pci/devices/" PF
					    "/sriov_drivers_autoprobe"),
			 1);
}

static const char *driver_of(const char *address)
{
	static char driver[32];

	host_fs_link(driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver",
		     address);
	return driver;
}

static void test_number(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	assert_vfs(2);
	assert_string_equal(driver_of(VF1), "igbvf");
	assert_int_equal(host_vf_create(&pf, 3, false, &err), 0);
	assert_vfs(3);
	assert_string_equal(driver_of(VF1), "");
	assert_int_equal(host_vf_create(&pf, 8, true, &err), -ERANGE);
	assert_string_equal(err.msg, PF " can have 7 virtual functions, not 8");
	assert_vfs(3);
	assert_int_equal(host_vf_create(&pf, 0, true, &err), 0);
	assert_vfs(0);
	assert_int_equal(host_rig_entries(), 0);
}

static void test_refusals(void **state)
{
	struct host_pci vf, plain;
	struct err err;

	(void)state;
	host_rig_device("0000:02:00.0", "e1000e", 9, NULL);
	assert_int_equal(host_pci_find(&plain, "0000:02:00.0", &err), 0);
	assert_int_equal(host_vf_create(&plain, 1, true, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg,
			    "0000:02:00.0 (vendor 8086, device 10c9, driver "
			    "e1000e) has no virtual functions: the card has no "
			    "SR-IOV");
	host_rig_refuses = "/sriov_numvfs";
	assert_int_equal(host_vf_create(&pf, 1, true, &err), -EACCES);
	assert_string_equal(err.msg, PF ": only root can change the number of "
					"virtual functions");
	host_rig_refuses = NULL;
	host_rig_put("/sys/bus/pci/devices/" PF "/sriov_numvfs", "0\n");
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	assert_vfs(2);
	assert_int_equal(host_pci_vf(&vf, &pf, 1, &err), 0);
	assert_int_equal(host_vf_create(&vf, 1, true, &err), -EINVAL);
	assert_string_equal(err.msg,
			    VF1 " is itself a virtual function, of " PF);

	/* One that the host uses is not taken away, nor its number changed. */
	host_rig_put(
		"/proc/net/route",
		"Iface\nvf1\t0000000A\t0\t1\t0\t0\t0\t000000FF\t0\t0\t0\n");
	assert_int_equal(host_vf_create(&pf, 0, true, &err), -EBUSY);
	assert_string_equal(err.msg,
			    PF " keeps its 2 virtual functions: " VF1
			       " is vf1, which has addresses of the host");
	assert_int_equal(host_vf_create(&pf, 3, true, &err), -EBUSY);
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	assert_vfs(2);
	assert_int_equal(host_rig_entries(), 0);
}

static void test_loan(void **state)
{
	struct host_loan_wish w = { .card = "eth5", .index = 1, .bind = true };
	char address[HOST_ADDRESS], *before = host_rig_snapshot(), *now;
	struct host_loan *l, *other;
	struct err err;

	(void)state;
	assert_int_equal(host_loan_take(&l, &w, address, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "has 0 virtual functions"));
	w.create = 2;
	assert_int_equal(host_loan_take(&l, &w, address, &err), 0);
	assert_string_equal(address, VF1);
	assert_string_equal(driver_of(VF1), "vfio-pci");
	assert_string_equal(driver_of(VF0), "");
	assert_vfs(2);

	/* A second guest gets one of those; what is lent stays. */
	assert_int_equal(host_loan_take(&other, &w, address, &err), -EBUSY);
	w.index = 0;
	assert_int_equal(host_loan_take(&other, &w, address, &err), 0);
	assert_string_equal(address, VF0);
	assert_int_equal(host_vf_create(&pf, 0, true, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "is with a guest of ringway"));
	w.create = 5;
	assert_int_equal(host_loan_take(&l, &w, address, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "has 2 virtual functions and not 5"));

	/* Whoever gives the last one back takes all away. */
	host_loan_give_back(l);
	assert_vfs(2);
	host_loan_give_back(other);
	assert_vfs(0);
	now = host_rig_snapshot();
	assert_string_equal(now, before);
	assert_int_equal(host_rig_entries(), 0);
	free(now);
	free(before);
}

/* `vf create` makes those of a loan into ones that stay. */
static void test_loan_kept(void **state)
{
	struct host_loan_wish w = { .card = PF, .create = 2, .bind = true };
	char address[HOST_ADDRESS];
	struct host_loan *l;
	struct err err;

	(void)state;
	assert_int_equal(host_loan_take(&l, &w, address, &err), 0);
	assert_vfs(2);
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	host_loan_give_back(l);
	assert_vfs(2);
	assert_string_equal(driver_of(VF0), "");
	assert_int_equal(host_rig_entries(), 0);
}

static void ignore(const char *line, void *ctx)
{
	(void)line;
	++*(unsigned *)ctx;
}

/* Runs a loan in a process that kills itself at write @at. Returns whether it
 * got that far. */
static bool run_killed(int at, int acts)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct host_loan_wish w = { .card = "eth5",
					    .create = 2,
					    .bind = true };
		char address[HOST_ADDRESS];
		struct host_loan *l;

		host_rig_kill_at(at, acts);
		if (!host_loan_take(&l, &w, address, NULL))
			host_loan_give_back(l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

/* Kills a loan at each of its writes, calls @then, and wants nothing left. */
static void kill_each(void (*then)(void))
{
	char *before = host_rig_snapshot(), *now;
	unsigned kills = 0;

	for (int acts = 0; acts < 2; acts++)
		for (int at = 0; run_killed(at, acts); at++, kills++) {
			then();
			now = host_rig_snapshot();
			assert_string_equal(now, before);
			free(now);
			assert_int_equal(host_rig_entries(), 0);
		}
	assert_true(kills >= 16);
	free(before);
}

static void restore(void)
{
	unsigned lines = 0;

	assert_int_equal(host_restore(ignore, &lines), 0);
	assert_true(lines >= 1);
}

static void test_killed(void **state)
{
	(void)state;
	kill_each(restore);
}

static void lend_again(void)
{
	struct host_loan_wish w = { .card = "eth5", .create = 2, .bind = true };
	char address[HOST_ADDRESS];
	struct host_loan *l;

	assert_int_equal(host_loan_take(&l, &w, address, NULL), 0);
	host_loan_give_back(l);
}

/* The next loan takes over what a killed process left, also the kernel's
 * autoprobe, which may be off then. */
static void test_killed_then_lent(void **state)
{
	(void)state;
	kill_each(lend_again);
}

/* Two machines begin at once: the second one has looked at the card before the
 * first one made its virtual functions. */
static void test_made_meanwhile(void **state)
{
	struct host_loan_wish w = { .card = "eth5", .create = 2, .bind = true };
	const struct host_pci old = pf;
	char address[HOST_ADDRESS];
	struct host_note *made;
	struct host_loan *l;
	struct err err;

	(void)state;
	assert_int_equal(host_loan_take(&l, &w, address, &err), 0);
	assert_int_equal(host_vf_create_for_now(&old, 2, &made, &err), 0);
	assert_null(made);
	assert_int_equal(host_vf_create_for_now(&old, 3, &made, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "has 2 virtual functions and not 3"));
	assert_int_equal(host_vf_create(&old, 0, true, &err), -EBUSY);
	assert_int_equal(host_rig_entries(), 2);
	host_loan_give_back(l);
	assert_vfs(0);

	/* Made to stay: there is no entry, and none is left. */
	assert_int_equal(host_vf_create(&old, 2, true, &err), 0);
	assert_int_equal(host_vf_create_for_now(&old, 2, &made, &err), 0);
	assert_null(made);
	assert_int_equal(host_rig_entries(), 0);
}

static struct nlattr *put_vf(union nl_message *m, uint32_t index,
			     const struct host_vf_settings *s)
{
	struct ifla_vf_vlan vlan = { index, s->vlan, s->qos };
	struct ifla_vf_spoofchk spoofchk = { index, s->spoofchk };
	struct ifla_vf_trust trust = { index, UINT32_MAX };
	struct ifla_vf_rate rate = { index, s->min_rate, s->max_rate };
	struct ifla_vf_link_state link = { index, (uint32_t)s->link };
	struct nlattr *info = nl_put(m, IFLA_VF_INFO, NULL, 0);
	struct ifla_vf_mac mac = { .vf = index };

	memcpy(mac.mac, s->mac, sizeof(s->mac));
	nl_put(m, IFLA_VF_MAC, &mac, sizeof(mac));
	nl_put(m, IFLA_VF_VLAN, &vlan, sizeof(vlan));
	nl_put(m, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	nl_put(m, IFLA_VF_TRUST, &trust, sizeof(trust));
	nl_put(m, IFLA_VF_RATE, &rate, sizeof(rate));
	nl_put(m, IFLA_VF_LINK_STATE, &link, sizeof(link));
	return info;
}

static void test_answer(void **state)
{
	const struct host_vf_settings in = { .mac = { 0x52, 0x54, 0, 1, 2, 3 },
					     .vlan = 10,
					     .qos = 3,
					     .min_rate = 5,
					     .max_rate = 100,
					     .spoofchk = true,
					     .link = 2 };
	struct host_vf_settings out[2];
	struct ifinfomsg fixed = { .ifi_index = 4 };
	struct nlattr *list, *info;
	union nl_message m;
	uint32_t size;

	(void)state;
	nl_begin(&m, RTM_NEWLINK, 0, &fixed, sizeof(fixed));
	list = nl_put(&m, IFLA_VFINFO_LIST, NULL, 0);
	for (uint32_t i = 1; i < 4; i++) {
		info = put_vf(&m, i, &in);
		nl_end_nest(&m, info);
	}
	nl_end_nest(&m, list);
	host_vf_link_parse(&m.head, out, 2);
	assert_int_equal(out[0].has, 0);
	/* This driver has no trust: it says -1. */
	assert_int_equal(out[1].has, HOST_VF_MAC | HOST_VF_VLAN | HOST_VF_RATE |
					     HOST_VF_SPOOFCHK | HOST_VF_LINK);
	assert_memory_equal(out[1].mac, in.mac, 6);
	assert_int_equal(out[1].vlan, 10);
	assert_int_equal(out[1].qos, 3);
	assert_int_equal(out[1].min_rate, 5);
	assert_int_equal(out[1].max_rate, 100);
	assert_true(out[1].spoofchk);
	assert_int_equal(out[1].link, 2);

	/* A message that ends early is read as far as it goes. */
	size = m.head.nlmsg_len;
	for (m.head.nlmsg_len = 0; m.head.nlmsg_len < size; m.head.nlmsg_len++)
		host_vf_link_parse(&m.head, out, 2);
}

/* What is asked for is what an answer would say: one attribute each. */
static void test_request(void **state)
{
	static const struct {
		unsigned part;
		uint16_t type;
		uint32_t words[3];
		size_t size;
	} rows[] = {
		{ HOST_VF_VLAN, IFLA_VF_VLAN, { 1, 10, 3 }, 12 },
		{ HOST_VF_RATE, IFLA_VF_RATE, { 1, 5, 100 }, 12 },
		{ HOST_VF_SPOOFCHK, IFLA_VF_SPOOFCHK, { 1, 1 }, 8 },
		{ HOST_VF_TRUST, IFLA_VF_TRUST, { 1, 1 }, 8 },
		{ HOST_VF_LINK, IFLA_VF_LINK_STATE, { 1, 2 }, 8 },
	};
	const struct host_vf_settings to = { .vlan = 10,
					     .qos = 3,
					     .min_rate = 5,
					     .max_rate = 100,
					     .spoofchk = true,
					     .trust = true,
					     .link = 2 };
	struct nl_attrs list, vf, data;
	union nl_message m;
	uint16_t type;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		host_vf_link_request(&m, 4, 1, rows[i].part, &to);
		assert_int_equal(m.head.nlmsg_type, RTM_SETLINK);
		assert_true(
			nl_get(nl_attrs_of(&m.head, sizeof(struct ifinfomsg)),
			       IFLA_VFINFO_LIST, &list));
		assert_true(nl_get(list, IFLA_VF_INFO, &vf));
		assert_true(nl_next(&vf, &type, &data));
		assert_int_equal(type, rows[i].type);
		assert_int_equal(data.size, rows[i].size);
		assert_memory_equal(data.at, rows[i].words, rows[i].size);
		assert_false(nl_next(&vf, &type, &data));
	}
}

static void count_line(const char *line, void *ctx)
{
	assert_non_null(strstr(line, "cannot be read"));
	*(unsigned *)ctx += 1;
}

/* A file that we did not write changes no device, and goes. */
static void test_garbage(void **state)
{
	static const char *const texts[] = {
		"",
		"end\n",
		"\nend\n",
		"pid 1\nend\n",
		"\npid x\nend\n",
		"numvfs\ndriver\nend\n",
		"numvfs x\nmac x\ncard\nend\n",
		"numvfs 2x\nautoprobe 0\nend\n",
		"numvfs -7\nautoprobe 0\nend\n",
		"index 1\ncard eth5\nmac 1:2:3\nend\n",
		"\x01\xff\n \nend\n",
	};
	static const char *const kinds[] = { PF "+vfs", VF0 "+driver",
					     VF0 "+mac" };
	char path[80], *before, *after;
	unsigned lines = 0;
	struct err err;

	(void)state;
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	host_rig_put("/sys/bus/pci/devices/" PF "/sriov_drivers_autoprobe",
		     "1");
	before = host_rig_snapshot();
	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			snprintf(path, sizeof(path), "/run/ringway/%s",
				 kinds[k]);
			host_rig_put(path, "%s", texts[i]);
			host_restore(count_line, &lines);
			assert_int_equal(host_rig_entries(), 0);
		}
	after = host_rig_snapshot();
	assert_string_equal(after, before);
	assert_true(lines > 0);
	free(before);
	free(after);
}

static void count_folder(const char *line, void *ctx)
{
	assert_non_null(strstr(line, "is not a folder that only user"));
	*(unsigned *)ctx += 1;
}

/* A journal that others can write is not believed, and that is told. */
static void test_unsafe_folder(void **state)
{
	unsigned lines = 0;
	struct err err;
	char path[HOST_PATH];

	(void)state;
	assert_int_equal(host_vf_create(&pf, 2, true, &err), 0);
	host_rig_put("/run/ringway/" PF "+vfs", "numvfs 0\nend\n");
	host_rig_put("/run/ringway/" VF0 "+driver", "driver \nend\n");
	host_rig_put("/run/ringway/" VF0 "+mac", "end\n");
	chmod(host_fs_path(path, "/run/ringway"), 0777);
	assert_int_equal(host_restore(count_folder, &lines), -EACCES);
	assert_int_equal(lines, 3);
	assert_vfs(2);
}

int main(void)
{
#define HOST_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		HOST_TEST(test_number),
		HOST_TEST(test_refusals),
		HOST_TEST(test_loan),
		HOST_TEST(test_loan_kept),
		HOST_TEST(test_killed),
		HOST_TEST(test_killed_then_lent),
		HOST_TEST(test_made_meanwhile),
		HOST_TEST(test_garbage),
		HOST_TEST(test_unsafe_folder),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
