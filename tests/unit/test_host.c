/* SPDX-License-Identifier: Apache-2.0 */
/* host/: devices, groups, uses, and binding to vfio-pci, with a host made of
 * files; a process killed between any two of its writes. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_bind.h"
#include "host_fs.h"
#include "host_journal.h"
#include "host_rig.h"

#define NIC   "0000:01:00.0"
#define OTHER "0000:01:00.1"

static int set_up(void **state)
{
	(void)state;
	host_rig_start();
	host_rig_device(NIC, "igb", 7, "eth5");
	host_rig_driver("vfio-pci");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	host_rig_stop();
	return 0;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *address;
	} rows[] = {
		{ "0000:00:05.0", "0000:00:05.0" },
		{ "00:05.0", "0000:00:05.0" },
		{ "3:1f.7", "0000:03:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" },
		{ "ABCD:EF:0a.1", "abcd:ef:0a.1" },
		{ "0000:00:20.0", NULL },
		{ "0000:00:05.8", NULL },
		{ "0000:00:05", NULL },
		{ "05.0", NULL },
		{ "", NULL },
		{ "eth0", NULL },
		{ "0000:00:05.0x", NULL },
		{ "0000:00:05.0/../..", NULL },
		{ "0000:00:05.00", NULL },
	};
	char address[HOST_ADDRESS];
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc = host_pci_parse(rows[i].text, address, &err);

		assert_int_equal(rc, rows[i].address ? 0 : -EINVAL);
		if (!rc)
			assert_string_equal(address, rows[i].address);
		else
			assert_non_null(strstr(err.msg, "is no PCI address"));
	}
}

static void test_device(void **state)
{
	struct host_pci d, vf;
	char names[2][IFNAMSIZ];
	struct err err;

	(void)state;
	host_rig_sriov(NIC, 4);
	assert_int_equal(host_pci_of_iface(&d, "eth5", &err), 0);
	assert_string_equal(d.address, NIC);
	assert_string_equal(d.driver, "igb");
	assert_int_equal(d.class, 0x020000);
	assert_int_equal(d.vendor, 0x8086);
	assert_int_equal(d.group, 7);
	assert_int_equal(d.max_vfs, 4);
	assert_int_equal(host_pci_ifaces(NIC, names, 2), 1);
	assert_string_equal(names[0], "eth5");

	assert_int_equal(host_pci_vf(&vf, &d, 1, &err), -ENODEV);
	assert_string_equal(err.msg, NIC " has 0 virtual functions (of at "
					 "most 4), none with index 1: "
					 "`ringway vf create` makes them");
	assert_int_equal(
		host_fs_write("2", "/sys/bus/pci/devices/" NIC "/sriov_numvfs"),
		0);
	assert_int_equal(host_pci_vf(&vf, &d, 1, &err), 0);
	assert_string_equal(vf.pf, NIC);
	assert_int_equal(vf.index, 1);
	assert_string_equal(vf.driver, "igbvf");

	assert_int_equal(host_pci_of_iface(&d, "eth9", &err), -ENODEV);
	assert_int_equal(host_pci_of_iface(&d, "../net/eth5", &err), -ENODEV);
	assert_int_equal(host_pci_find(&d, "0000:09:00.0", &err), -ENODEV);
	assert_string_equal(err.msg, "there is no PCI device 0000:09:00.0 "
				     "(lspci -D lists them)");
}

static void test_group(void **state)
{
	struct host_pci d;
	struct err err;

	(void)state;
	assert_int_equal(host_pci_find(&d, NIC, &err), 0);
	assert_int_equal(host_pci_check_group(&d, &err), 0);
	host_rig_device("0000:00:01.0", "pcieport", 7, NULL);
	assert_int_equal(host_pci_check_group(&d, &err), 0);
	host_rig_device(OTHER, "e1000e", 7, NULL);
	assert_int_equal(host_pci_check_group(&d, &err), -EBUSY);
	assert_string_equal(
		err.msg,
		NIC ": a guest gets IOMMU group 7 as a whole, and " OTHER
		    " of it has the driver e1000e: give the guest that one as "
		    "well (-device vfio-pci,host=" OTHER "), or take its "
		    "driver away: echo " OTHER
		    " >/sys/bus/pci/drivers/e1000e/unbind");
	host_rig_device("0000:02:00.0", "igb", -1, NULL);
	assert_int_equal(host_pci_find(&d, "0000:02:00.0", &err), 0);
	assert_int_equal(host_pci_check_group(&d, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "no group"));
}

static void test_no_iommu(void **state)
{
	struct host_pci d;
	struct err err;

	(void)state;
	host_rig_stop();
	host_rig_start();
	host_rig_device(NIC, "igb", -1, NULL);
	assert_int_equal(host_pci_find(&d, NIC, &err), 0);
	assert_int_equal(host_pci_check_group(&d, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "no IOMMU"));
}

static void test_use(void **state)
{
	static const char head[] = "Iface\tDestination\tGateway \tFlags\tRefCnt"
				   "\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
	struct host_pci d;
	struct err err;

	(void)state;
	host_pci_find(&d, NIC, &err);
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_NONE);
	host_rig_put("/proc/net/if_inet6",
		     "fe800000000000005054 08 40 20 80     eth5\n");
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_NONE);
	host_rig_put("/proc/net/route",
		     "%seth5\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t"
		     "0\t0\n",
		     head);
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_SOME);
	assert_string_equal(err.msg,
			    NIC " is eth5, which has addresses of the host");

	/* The route of a bridge is that of its port. */
	host_rig_put("/sys/class/net/eth5/upper_br0/x", "%s", "");
	host_rig_put("/sys/class/net/br0/flags", "0x1003\n");
	host_rig_put("/proc/net/route",
		     "%sbr0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0"
		     "\t0\n",
		     head);
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_ROUTE);
	assert_string_equal(err.msg, NIC " is eth5, which has the host's "
					 "default route through br0");
	host_rig_put("/proc/net/route", "%s", head);
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_SOME);
	assert_string_equal(err.msg, NIC " is eth5, which is part of br0");
	host_rig_put("/proc/net/ipv6_route",
		     "00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00 "
		     "fe800000000000000000000000000001 00000400 00000001 "
		     "00000000 00000003     eth5\n");
	assert_int_equal(host_pci_use(&d, &err), HOST_USE_ROUTE);
}

static void assert_same(const char *before)
{
	char *now = host_rig_snapshot();

	assert_string_equal(now, before);
	free(now);
	assert_int_equal(host_rig_entries(), 0);
}

static void test_bind(void **state)
{
	char *before, driver[32];
	struct host_bind *b, *second;
	struct err err;

	(void)state;
	host_rig_put("/sys/class/net/eth5/flags", "0x1003\n");
	before = host_rig_snapshot();
	assert_int_equal(host_bind_take(&b, NIC, &err), 0);
	host_fs_link(driver, sizeof(driver),
		     "/sys/bus/pci/devices/" NIC "/driver");
	assert_string_equal(driver, "vfio-pci");
	assert_int_equal(host_rig_entries(), 1);
	assert_false(host_fs_exists("/sys/class/net/eth5"));

	assert_int_equal(host_bind_take(&second, NIC, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "in use by another ringway (process"));
	assert_int_equal(host_bind_restore(NIC "+driver", &err), 0);

	host_bind_give_back(b);
	/* The interface came back down, and was set up again. */
	assert_same(before);
	free(before);
}

/* A device that had no driver gets none; one of vfio-pci keeps it. */
static void test_bind_others(void **state)
{
	struct host_bind *b;
	char *before;
	struct err err;

	(void)state;
	host_rig_device(OTHER, NULL, 8, NULL);
	before = host_rig_snapshot();
	assert_int_equal(host_bind_take(&b, OTHER, &err), 0);
	host_bind_give_back(b);
	assert_same(before);
	free(before);
	host_rig_device("0000:02:00.0", "vfio-pci", 9, NULL);
	before = host_rig_snapshot();
	assert_int_equal(host_bind_take(&b, "0000:02:00.0", &err), 0);
	assert_int_equal(host_rig_entries(), 0);
	host_bind_give_back(b);
	assert_same(before);
	free(before);
}

static void test_bind_fails(void **state)
{
	static const char *const refused[] = { "/driver_override",
					       "/driver/unbind" };
	struct host_bind *b;
	char *before = host_rig_snapshot();
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
		host_rig_refuses = refused[i];
		assert_int_equal(host_bind_take(&b, NIC, &err), -EACCES);
		assert_null(b);
		host_rig_refuses = NULL;
		host_rig_put("/sys/bus/pci/devices/" NIC "/driver_override",
			     "(null)\n");
		assert_same(before);
	}
	free(before);
	host_rig_stop();
	host_rig_start();
	host_rig_device(NIC, "igb", 7, "eth5");
	before = host_rig_snapshot();
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(host_bind_take(&b, NIC, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no module vfio-pci"));
	assert_same(before);
	free(before);
}

/* Runs take and give back in a process that kills itself at write @at
 * (host_rig_kill_at). Returns whether it got that far. */
static bool run_killed(int at, int acts)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct host_bind *b;

		host_rig_kill_at(at, acts);
		if (!host_bind_take(&b, NIC, NULL))
			host_bind_give_back(b);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

static int restore(const char *name, void *ctx)
{
	struct err told;

	*(unsigned *)ctx += host_bind_restore(name, &told);
	return 0;
}

/* Wherever it is killed, before or after the effect of a write, restoring makes
 * everything as it was, and so does the next one that takes the device. */
static void test_killed(void **state)
{
	char *before = host_rig_snapshot();
	unsigned kills = 0, restored = 0;
	struct host_bind *b;

	(void)state;
	for (int acts = 0; acts < 2; acts++)
		for (int at = 0; run_killed(at, acts); at++, kills++) {
			host_journal_each(restore, &restored);
			assert_same(before);
		}
	assert_int_equal(restored, kills);
	assert_true(kills >= 12);
	for (int at = 0; run_killed(at, 1); at++) {
		assert_int_equal(host_bind_take(&b, NIC, NULL), 0);
		host_bind_give_back(b);
		assert_same(before);
	}
	free(before);
}

/* An entry that was only half written is of a change that was not begun. */
static void test_half_entry(void **state)
{
	char *before = host_rig_snapshot();
	struct host_bind *b;
	struct err told;

	(void)state;
	host_rig_put("/run/x", "%s", "");
	assert_int_equal(host_bind_take(&b, NIC, NULL), 0);
	host_bind_give_back(b);
	host_rig_put("/run/ringway/" NIC "+driver", "driver ig");
	assert_int_equal(host_bind_restore(NIC "+driver", &told), 0);
	assert_same(before);
	free(before);
}

int main(void)
{
#define HOST_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		HOST_TEST(test_addresses),   HOST_TEST(test_device),
		HOST_TEST(test_group),	     HOST_TEST(test_no_iommu),
		HOST_TEST(test_use),	     HOST_TEST(test_bind),
		HOST_TEST(test_bind_others), HOST_TEST(test_killed),
		HOST_TEST(test_half_entry),  HOST_TEST(test_bind_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
