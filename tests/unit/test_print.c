/* SPDX-License-Identifier: Apache-2.0 */
/* print/: each value stands below its title, for every table
 * that the command line prints; a table whose rows do not fit is refused. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "print.h"
#include "table.h"

/* Returns what @print writes to standard output for the JSON @text. */
static const char *printed(void (*print)(const json_t *), const char *text)
{
	static char out[16384];
	json_error_t where;
	json_t *value = json_loads(text, 0, &where);
	int saved = dup(STDOUT_FILENO);
	FILE *file = tmpfile();
	size_t n;

	if (!value)
		fail_msg("%s: %s", where.text, text);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	print(value);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	n = fread(out, 1, sizeof(out) - 1, file);
	out[n] = '\0';
	fclose(file);
	json_decref(value);
	return out;
}

static const char *line(const char *text, unsigned n)
{
	for (; n && text; n--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	assert_non_null(text);
	return text;
}

/* Returns the column of @word in the line at @text, or -1. */
static int find_word(const char *text, const char *word)
{
	size_t length = strcspn(text, "\n"), n = strlen(word);

	for (size_t i = 0; i + n <= length; i++)
		if (!strncmp(text + i, word, n) && (!i || text[i - 1] == ' ') &&
		    (i + n == length || text[i + n] == ' '))
			return (int)i;
	return -1;
}

/* Asserts that in the table whose titles are line @head of @text, @value stands
 * @below lines under @title, flush left or flush right with it. */
static void expect(const char *text, unsigned head, unsigned below,
		   const char *title, const char *value)
{
	int t = find_word(line(text, head), title);
	int v = find_word(line(text, head + below), value);

	if (t < 0 || v < 0 ||
	    (t != v && t + strlen(title) != v + strlen(value)))
		fail_msg("%s is not below %s in\n%s", value, title, text);
}

#define QUEUE                                                                 \
	"\"queue\":101,\"worker\":102,\"frames\":103,\"bytes\":104,"          \
	"\"bursts\":105,\"kicks\":106,\"calls\":107,\"copies\":108,"          \
	"\"polls\":109,\"sleeps\":110,\"segmented\":111,\"checksummed\":112," \
	"\"merged\":113,\"drops\":{\"tx-full\":114}"

#define WORKER                                                            \
	"{\"worker\":1,\"cpu\":2,\"queues\":3,\"frames\":4,\"sleeps\":5," \
	"\"spin_us\":6,\"cycles\":{\"working\":100,\"polling\":700,"      \
	"\"asleep\":200},\"measured\":{\"frames\":10,\"cycles\":"         \
	"{\"lookup\":30,\"copy\":80}}}"

static void test_stats(void **state)
{
	static const char *const column[][2] = {
		{ "PORT", "p1" },	    { "QUEUE", "101" },
		{ "WORKER", "102" },	    { "FRAMES", "103" },
		{ "BYTES", "104" },	    { "BURSTS", "105" },
		{ "KICKS", "106" },	    { "CALLS", "107" },
		{ "COPIES", "108" },	    { "POLLS", "109" },
		{ "SLEEPS", "110" },	    { "CUT", "111" },
		{ "CHECKSUMS", "112" },	    { "MERGED", "113" },
		{ "DROPS", "114 tx-full" },
	};
	const char *text = printed(
		print_stats, "{\"ports\":[{\"id\":\"p1\",\"rx\":[{" QUEUE
			     "}],\"tx\":[{" QUEUE
			     "}],\"tx_down\":9}],\"workers\":[" WORKER "]}");

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(column); i++) {
		expect(text, 0, 1, column[i][0], column[i][1]);
		expect(text, 0, 2, column[i][0], column[i][1]);
	}
	expect(text, 0, 3, "DROPS", "9 link down");
	/* An empty line precedes the workers. */
	expect(text, 5, 1, "WORKER", "1");
	expect(text, 5, 1, "SPIN US", "6");
	expect(text, 5, 1, "WORKING", "10.0%");
	expect(text, 5, 1, "POLLING", "70.0%");
	expect(text, 5, 1, "ASLEEP", "20.0%");
	expect(text, 5, 1, "CYCLES/FRAME", "25");
	expect(text, 8, 1, "MEASURED", "10");
	expect(text, 8, 1, "copy", "8.0");
	expect(text, 8, 1, "CYCLES/FRAME", "11.0");
}

static void print_second(const json_t *r)
{
	print_rates(json_array_get(r, 0), json_array_get(r, 1), 2);
}

static void test_rates(void **state)
{
	const char *text = printed(
		print_second,
		"[{\"ports\":[{\"id\":\"p\",\"rx_frames\":100,\"rx_bytes\":0,"
		"\"tx_frames\":0,\"tx_bytes\":0,\"rx_drops\":0,"
		"\"tx_drops\":0}],\"workers\":[" WORKER "]},"
		"{\"ports\":[{\"id\":\"p\",\"rx_frames\":300,\"rx_bytes\":300,"
		"\"tx_frames\":14,\"tx_bytes\":26,\"rx_drops\":1,"
		"\"tx_drops\":3}],\"workers\":[" WORKER "]}]");

	(void)state;
	expect(text, 0, 1, "IN/S", "100");
	expect(text, 0, 1, "BIT/S", "1200");
	expect(text, 0, 1, "OUT/S", "7");
	expect(text, 0, 1, "DROPS/S", "2");
	expect(text, 3, 1, "QUEUES", "3");
}

static void print_machine_second(const json_t *r)
{
	print_vm(json_array_get(r, 0), json_array_get(r, 1), 2);
}

static void explain_second(const json_t *r)
{
	print_vm_explain(json_array_get(r, 1));
}

#define MACHINE                                                                \
	"{\"machine\":{\"name\":\"m\",\"state\":\"running\",\"vcpus\":1,"      \
	"\"memory_mib\":256,\"pid\":77,\"uptime_ms\":1000},\"vcpus\":["        \
	"{\"vcpu\":0,\"exits\":{\"port\":%d,\"memory\":0,\"signal\":0},"       \
	"\"kvm\":{\"exits\":%d,\"io_exits\":%d,\"irq_injections\":%d}}],"      \
	"\"threads\":[{\"tid\":77,\"name\":\"ringway\",\"cpu_ms\":10,"         \
	"\"wakeups\":%d},{\"tid\":78,\"name\":\"vhost-77\",\"cpu_ms\":%d,"     \
	"\"wakeups\":%d},{\"tid\":90,\"name\":\"lcore\",\"cpu_ms\":%d,"        \
	"\"wakeups\":0,\"of_pid\":89,\"of_program\":\"testpmd\"}],"            \
	"\"descriptors\":{\"eventfd\":3},\"devices\":["                        \
	"{\"id\":\"a\",\"virtio_type\":1,\"slot\":1,\"status\":[\"driver-"     \
	"ok\"],"                                                               \
	"\"msix\":true,\"queue_pairs\":1,\"rings\":[{\"ring\":1,\"size\":256," \
	"\"ioeventfd\":true,\"vector\":2}],\"moved_by\":\"workers\","          \
	"\"workers\":[0,0],\"frames_out\":%d,\"frames_in\":0,\"kicks\":0,"     \
	"\"wakeups\":0,\"bursts_out\":0,\"interrupts\":9,\"queues\":["         \
	"{\"ring\":1,\"frames\":%d,\"kicks\":0,\"interrupts\":%d}]},"          \
	"{\"id\":\"b\",\"virtio_type\":1,\"slot\":2,\"status\":[\"driver-"     \
	"ok\"],"                                                               \
	"\"msix\":true,\"queue_pairs\":1,\"rings\":[{\"ring\":0,\"size\":128," \
	"\"ioeventfd\":true,\"vector\":1}],\"moved_by\":\"vhost-net\","        \
	"\"tap\":\"t0\"}]}"

static void test_machine(void **state)
{
	char json[6000];
	size_t n;
	const char *text;

	(void)state;
	json[0] = '[';
	n = 1 + (size_t)snprintf(json + 1, sizeof(json) - 1, MACHINE, 0, 0, 0,
				 0, 0, 0, 0, 0, 0, 0, 0);
	n += (size_t)snprintf(json + n, sizeof(json) - n, "," MACHINE "]", 2,
			      200, 40, 60, 4, 1000, 24, 500, 600, 602, 604);
	assert_true(n < sizeof(json));
	text = printed(print_machine_second, json);
	expect(text, 3, 1, "EXITS/S", "100");
	expect(text, 3, 1, "IO", "20");
	expect(text, 3, 1, "OTHER", "80");
	expect(text, 3, 1, "INJECTED", "30");
	expect(text, 3, 1, "PORT*", "1");
	expect(text, 7, 1, "WAKEUPS/S", "2");
	expect(text, 7, 2, "CPU", "50%");
	expect(text, 7, 2, "WAKEUPS/S", "12");
	expect(text, 7, 3, "DOES", "of");
	assert_non_null(strstr(text, "of the back-end, testpmd (process 89)"));
	/* What nobody counts has its column and a dash. */
	expect(text, 15, 1, "OUT/S", "300");
	expect(text, 15, 2, "OUT/S", "-");
	assert_non_null(strstr(line(text, 17), "-     -        -          -  "
					       "       -             -\n"));
	expect(text, 20, 1, "RING", "1");
	expect(text, 20, 1, "FRAMES/S", "301");
	expect(text, 20, 1, "INTERRUPTS/S", "302");
	expect(text, 20, 2, "VECTOR", "1");
	expect(text, 20, 2, "FRAMES/S", "-");
	assert_non_null(strstr(text,
			       "\na: worker 0 copies; a kick of the guest "
			       "wakes worker 0 through KVM (ioeventfd)"));
	assert_non_null(strstr(text, "\nb: vhost-net copies;"));
	assert_non_null(strstr(printed(explain_second, json), "(0 signals)"));
	/* Before a driver runs no worker has a ring. */
	text = printed(print_vm_explain,
		       "{\"machine\":{},\"devices\":[{\"id\":\"c\","
		       "\"virtio_type\":1,\"workers\":[],\"rings\":[]}]}");
	assert_non_null(strstr(text, "frames are moved by a worker\n"));
	assert_non_null(strstr(text, "\n    1. a worker copies it"));
}

/* An emulated card has registers in the place of rings, a card of the host is
 * out of sight. */
static void test_machine_without_rings(void **state)
{
	static const char json[] =
		"[{\"machine\":{},\"devices\":[]},{\"machine\":{},\"devices\":["
		"{\"id\":\"e\",\"model\":\"e1000e\",\"slot\":1,\"msix\":true,"
		"\"moved_by\":\"workers\",\"workers\":[0]},"
		"{\"id\":\"v\",\"model\":\"vfio-pci\",\"slot\":2,"
		"\"host\":\"0000:01:00.0\",\"moved_by\":\"the card (DMA)\","
		"\"irq\":\"msi\",\"iommu_group\":6,\"bars\":["
		"{\"bar\":0,\"kind\":\"memory\",\"size\":16384,"
		"\"mapped\":8192},"
		"{\"bar\":2,\"kind\":\"ports\",\"size\":32,\"mapped\":0}]}"
		"]}]";
	const char *text = printed(print_machine_second, json);

	(void)state;
	assert_null(strstr(text, "rings of cards"));
	assert_non_null(strstr(text, "\ne: worker 0 copies; a kick of the "
				     "guest wakes worker 0 through a vCPU's "
				     "exit to this process; worker 0 wakes"));
	assert_non_null(strstr(text, "\nv: the card (0000:01:00.0)"));
	text = printed(explain_second, json);
	assert_non_null(strstr(text, "memory: 8 of 16 KiB are mapped"));
	assert_non_null(strstr(text, "ports: 0 of 32 bytes are mapped"));
}

#define PORT                                                         \
	"{\"id\":\"vm\",\"type\":\"vhost-user\",\"net\":\"lab\","    \
	"\"link\":true,\"captured\":true,\"rx_queues\":2,"           \
	"\"tx_queues\":3,\"offloads\":[\"csum\",\"tso4\",\"tso6\"]," \
	"\"rx_frames\":11,\"tx_frames\":12,\"rx_drops\":6,"          \
	"\"tx_drops\":7,\"macs\":14,\"state\":{\"connected\":true,"  \
	"\"peer_pid\":15}}"

static void test_ports(void **state)
{
	static const char *const column[][2] = {
		{ "PORT", "vm" },
		{ "TYPE", "vhost-user" },
		{ "NET", "lab" },
		{ "LINK", "up" },
		{ "PEER", "pid 15" },
		{ "QUEUES", "2+3" },
		{ "OFFLOADS", "csum tso" },
		{ "FRAMES IN", "11" },
		{ "OUT", "12" },
		{ "DROPS", "13" },
		{ "MACS", "14" },
	};
	const char *text =
		printed(print_port_list, "{\"ports\":[" PORT "," PORT "]}");

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(column); i++) {
		expect(text, 0, 1, column[i][0], column[i][1]);
		expect(text, 0, 2, column[i][0], column[i][1]);
	}
	assert_non_null(strstr(text, " captured\n"));
	text = printed(print_show,
		       "{\"version\":\"1\",\"pid\":2,\"uptime_s\":3,"
		       "\"control\":\"c\",\"networks\":[{\"name\":\"lab\","
		       "\"macs\":1,\"ports\":[" PORT "]}],\"workers\":[{"
		       "\"worker\":4,\"queues\":5},{\"worker\":6,\"cpu\":7}]}");
	expect(text, 3, 1, "MACS", "14");
	/* Only the second row has this value. */
	expect(text, 7, 1, "queues", "5");
	expect(text, 7, 2, "cpu", "7");
}

/* The column of VLANs: each combination of options and its cell. */
static void test_vlans(void **state)
{
	static const char *const table[][2] = {
		{ ",\"vlan\":10", "vlan 10" },
		{ ",\"trunk\":\"10,20-30\"", "trunk 10,20-30" },
		{ ",\"trunk\":\"10,20-30\",\"native\":10",
		  "trunk 10,20-30 native 10" },
		{ ",\"trunk\":\"all\",\"dot1ad\":true", "trunk all dot1ad" },
		{ ",\"vlan\":7,\"dot1ad\":\"on\"", "vlan 7 dot1ad" },
	};
	char json[300];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		const char *text;

		snprintf(json, sizeof(json),
			 "{\"ports\":[{\"id\":\"a\",\"link\":true%s},{\"id\":"
			 "\"b\",\"link\":true,\"vlan\":0,\"dot1ad\":false}]}",
			 table[i][0]);
		text = printed(print_port_list, json);
		expect(text, 0, 1, "VLANS", table[i][1]);
		expect(text, 0, 1, "LINK", "up");
		expect(text, 0, 2, "LINK", "up");
		assert_null(strstr(line(text, 2), "vlan"));
	}
	assert_null(
		strstr(printed(print_port_list, "{\"ports\":[{\"id\":\"a\"}]}"),
		       "VLAN"));
}

static void test_macs(void **state)
{
	const char *text = printed(
		print_macs, "{\"macs\":[{\"mac\":\"02:00:00:00:00:01\","
			    "\"net\":\"lab\",\"port\":\"vm\",\"age_s\":7}],"
			    "\"total\":3}");

	(void)state;
	expect(text, 0, 1, "MAC", "02:00:00:00:00:01");
	expect(text, 0, 1, "NET", "lab");
	expect(text, 0, 1, "PORT", "vm");
	expect(text, 0, 1, "AGE", "7 s");
	assert_non_null(strstr(text, "and 2 more\n"));
	assert_null(strstr(text, "VLAN"));
	text = printed(print_macs, "{\"macs\":[],\"total\":0}");
	assert_string_equal(text, "MAC  NET  PORT  AGE\n");
	/* The column exists where a port has a VLAN option. */
	text = printed(
		print_macs,
		"{\"macs\":[{\"mac\":\"02:00:00:00:00:01\",\"vlan\":4094,"
		"\"net\":\"lab\",\"port\":\"vm\",\"age_s\":7},{\"mac\":"
		"\"02:00:00:00:00:02\",\"net\":\"lab\",\"port\":\"vm\","
		"\"age_s\":8}],\"total\":2}");
	expect(text, 0, 1, "VLAN", "4094");
	expect(text, 0, 1, "PORT", "vm");
	expect(text, 0, 2, "VLAN", "-");
	expect(text, 0, 2, "AGE", "8 s");
}

static void test_moves(void **state)
{
	const char *text =
		printed(print_moves, "{\"moves\":[{\"port\":\"vm\",\"queue\":1,"
				     "\"from\":2,\"to\":3,\"percent\":4}]}");

	(void)state;
	expect(text, 0, 1, "QUEUE", "1");
	expect(text, 0, 1, "FROM", "2");
	expect(text, 0, 1, "TO", "3");
	expect(text, 0, 1, "LOAD", "4 %");
}

/* print_result() shows every value of a back-end, also unknown ones. */
static void test_anything(void **state)
{
	const char *text = printed(
		print_result,
		"{\"id\":\"vm\",\"new\":5,\"words\":[\"a\",\"b\"],\"state\":{"
		"\"flag\":true,\"rings\":[{\"n\":1,\"why\":\"x y\"},{\"n\":2,"
		"\"odd\":{\"this\":3}}]}}");

	(void)state;
	assert_non_null(strstr(text, "new    5\n"));
	assert_non_null(strstr(text, "words  a b\n"));
	assert_non_null(strstr(text, "state:\n  flag  yes\n  rings:\n"));
	expect(text, 6, 1, "why", "x y");
	expect(text, 6, 2, "odd", "3 this");
}

static void test_events(void **state)
{
#define EVENT(kind, more)                                         \
	"{\"event\":\"" kind "\",\"time\":\"T\",\"port\":\"vm\"," \
	"\"net\":\"lab\"" more "}"
	static const char *const table[][2] = {
		{ EVENT("port-added", ""), "T  port-added   vm (lab)\n" },
		{ EVENT("link", ",\"up\":true"),
		  "T  link         vm (lab) up\n" },
		{ EVENT("link", ",\"up\":false,\"lost\":3"),
		  "T  lost 3 events\nT  link         vm (lab) down\n" },
		{ EVENT("mac", ",\"mac\":\"02:00:00:00:00:01\""),
		  "T  mac          vm (lab) 02:00:00:00:00:01\n" },
		{ EVENT("mac", ",\"mac\":\"02:00:00:00:00:01\",\"vlan\":7,"
			       "\"from\":\"x\""),
		  "T  mac          vm (lab) 02:00:00:00:00:01 vlan 7 from "
		  "x\n" },
		{ EVENT("fault", ",\"queue\":1,\"text\":\"bad head\""),
		  "T  fault        vm (lab) queue 1: bad head\n" },
		{ EVENT("queue-move", ",\"queue\":1,\"from\":2,\"to\":3,"
				      "\"percent\":40"),
		  "T  queue-move   vm (lab) queue 1: worker 2 to 3 (40 %)\n" },
		{ "{\"event\":\"device-removed\",\"time\":\"T\","
		  "\"device\":\"n.card\"}",
		  "T  device-removed n.card\n" },
		{ EVENT("unheard-of", ",\"x\":1"),
		  "T  unheard-of   vm (lab)\n" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		assert_string_equal(printed(print_event, table[i][0]),
				    table[i][1]);
}

/* Returns whether a table of three columns refuses rows of these numbers of
 * cells. */
static bool is_refused(const unsigned *cells)
{
	static const char *const head[] = { "A", ">B", "C", NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct table *t = table_create(head);

		freopen("/dev/null", "w", stdout);
		freopen("/dev/null", "w", stderr);
		signal(SIGABRT, SIG_DFL);
		for (; *cells; cells++) {
			table_row(t);
			for (unsigned i = 0; i < *cells; i++)
				table_add(t, "x");
		}
		table_print(t, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static void test_tables_that_do_not_fit(void **state)
{
	(void)state;
	assert_false(is_refused((unsigned[]){ 0 }));
	assert_false(is_refused((unsigned[]){ 3, 3, 0 }));
	assert_true(is_refused((unsigned[]){ 2, 0 }));
	assert_true(is_refused((unsigned[]){ 3, 4, 0 }));
	assert_true(is_refused((unsigned[]){ 3, 2, 3, 0 }));
	/* The total is right, but not each row. */
	assert_true(is_refused((unsigned[]){ 4, 2, 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_machine_without_rings),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_anything),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_tables_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
