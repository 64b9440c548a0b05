/* SPDX-License-Identifier: Apache-2.0 */
/* chip/fw_cfg, chip/debug_port: what firmware reads, and what a guest tries. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chip_rig.h"
#include "fw_cfg.h"
#include "layout.h"
#include "le.h"
#include "log.h"

#define DATA (PORT_FW_CFG + 1)

static struct fw_cfg *new_fw_cfg(struct chip_rig *r)
{
	struct fw_cfg *f;
	struct err err;

	assert_int_equal(fw_cfg_create(&r->vm, &f, &err), 0);
	return f;
}

static void take(struct chip_rig *r, void *to, size_t size)
{
	uint8_t *p = to;

	while (size--)
		*p++ = inb(r, DATA);
}

static void read_item(struct chip_rig *r, uint16_t key, void *to, size_t size)
{
	rig_out(r, PORT_FW_CFG, 2, key);
	take(r, to, size);
}

static void test_items(void **state)
{
	struct chip_rig *r = rig_new();
	struct fw_cfg *f = new_fw_cfg(r);
	uint8_t b[8];

	(void)state;
	assert_int_equal(fw_cfg_add_number(f, FW_CFG_CPUS, 0x123), 0);
	read_item(r, FW_CFG_SIGNATURE, b, 6);
	assert_memory_equal(b, "QEMU\0\0", 6);
	read_item(r, FW_CFG_VERSION, b, 4);
	assert_memory_equal(b, "\1\0\0\0", 4); /* no DMA */
	read_item(r, FW_CFG_CPUS, b, 3);
	assert_memory_equal(b, "\x23\1\0", 3);
	read_item(r, FW_CFG_DIRECTORY, b, 4);
	assert_memory_equal(b, "\0\0\0\0", 4);
	fw_cfg_destroy(f);
	rig_free(r);
}

/* Files are found by their names, as SeaBIOS does it. */
static void test_files(void **state)
{
	static const char text[] = "/pci@i0cf8/scsi@4/disk@0,0";
	struct {
		be32 size;
		be16 key;
		be16 reserved;
		char name[56];
	} row;
	struct chip_rig *r = rig_new();
	struct fw_cfg *f = new_fw_cfg(r);
	char name[80], b[80];
	be32 count;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(fw_cfg_add_file(f, "empty", "", 0), 0);
	assert_int_equal(fw_cfg_add_file(f, "bootorder", text, sizeof(text)),
			 0);
	assert_int_equal(fw_cfg_add_file(f, name, "x", 1), 0);
	read_item(r, FW_CFG_DIRECTORY, &count, sizeof(count));
	assert_int_equal(be32toh(count), 3);
	take(r, &row, sizeof(row));
	assert_string_equal(row.name, "empty");
	assert_int_equal(row.size, 0);
	take(r, &row, sizeof(row));
	assert_string_equal(row.name, "bootorder");
	assert_int_equal(be32toh(row.size), sizeof(text));
	read_item(r, be16toh(row.key), b, sizeof(text) + 2);
	assert_memory_equal(b, "/pci@i0cf8/scsi@4/disk@0,0\0\0\0",
			    sizeof(text) + 2);
	/* A name that is too long is cut. */
	read_item(r, FW_CFG_DIRECTORY, &count, sizeof(count));
	for (unsigned i = 0; i < 3; i++)
		take(r, &row, sizeof(row));
	assert_int_equal(strnlen(row.name, sizeof(row.name)), 55);
	fw_cfg_destroy(f);
	rig_free(r);
}

/* Keys that do not exist, other sizes of access, reads behind the end, writes
 */
static void test_strangers(void **state)
{
	struct chip_rig *r = rig_new();
	struct fw_cfg *f = new_fw_cfg(r);
	uint8_t b[4];

	(void)state;
	for (uint32_t key = 0; key <= 0xffff; key++) {
		if (key == FW_CFG_SIGNATURE || key == FW_CFG_VERSION)
			continue;
		read_item(r, (uint16_t)key, b, 2);
		assert_memory_equal(b, "\0\0", 2);
	}
	rig_out(r, PORT_FW_CFG, 2, FW_CFG_SIGNATURE);
	outb(r, PORT_FW_CFG, FW_CFG_VERSION); /* not 16 bits: no choice */
	outb(r, DATA, 'x');
	assert_int_equal(rig_in(r, PORT_FW_CFG, 2), 0);
	assert_int_equal(inb(r, PORT_FW_CFG), 0);
	take(r, b, 4);
	assert_memory_equal(b, "QEMU", 4);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(inb(r, DATA), 0);
	fw_cfg_destroy(f);
	rig_free(r);
}

static void test_limits(void **state)
{
	struct chip_rig *r = rig_new();
	struct fw_cfg *f = new_fw_cfg(r);
	unsigned n = 0;
	struct err err;

	(void)state;
	while (!fw_cfg_add_file(f, "file", "x", 1))
		n++;
	assert_in_range(n, 8, 64);
	assert_int_equal(fw_cfg_add_file(f, "file", "x", 1), -ENOSPC);
	fw_cfg_destroy(f);
	fw_cfg_destroy(NULL);
	r->is_full = true;
	assert_int_equal(fw_cfg_create(&r->vm, &f, &err), -EEXIST);
	rig_free(r);
}

/* Returns how many lines the log has, and the first 4000 bytes. */
static unsigned lines_of(int fd, char *text)
{
	unsigned n = 0;
	ssize_t size;
	char c;

	for (off_t at = 0; pread(fd, &c, 1, at) == 1; at++)
		n += c == '\n';
	size = pread(fd, text, 4000, 0);
	text[MAX(size, (ssize_t)0)] = 0;
	return n;
}

static void test_debug_port(void **state)
{
	static const char said[] = "one\n\n\ntw\x1b[0mo\r\n";
	struct chip_rig *r = rig_new();
	struct debug_port *p;
	struct err err;
	char text[4001];
	FILE *log = tmpfile();

	(void)state;
	assert_non_null(log);
	log_to(fileno(log));
	log_level = LOG_LEVEL_DEBUG;
	assert_int_equal(debug_port_create(&r->vm, &p, &err), 0);
	assert_int_equal(inb(r, PORT_DEBUG), 0xe9);
	for (unsigned i = 0; said[i]; i++)
		outb(r, PORT_DEBUG, (uint8_t)said[i]);
	assert_int_equal(lines_of(fileno(log), text), 2);
	assert_non_null(strstr(text, "firmware: one\n"));
	assert_non_null(strstr(text, "firmware: tw[0mo\n"));
	/* A guest that never stops */
	for (unsigned i = 0; i < 1000000; i++)
		outb(r, PORT_DEBUG, 'x');
	assert_int_equal(lines_of(fileno(log), text), 2000);
	debug_port_destroy(p);
	debug_port_destroy(NULL);
	r->is_full = true;
	assert_int_equal(debug_port_create(&r->vm, &p, &err), -EEXIST);
	log_level = LOG_LEVEL_WARN;
	log_to(STDERR_FILENO);
	fclose(log);
	rig_free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_debug_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
