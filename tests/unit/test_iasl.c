/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI's own compiler reads our tables: disassembled without a complaint, and
 * the DSDT compiled again is the same. Skipped (77) without iasl. */
#include "boot_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "layout.h"

static char dir[] = "/tmp/ringway-iasl-XXXXXX";

/* Runs a command in the folder. Returns its status; its output is in log. */
static int run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && { %s; } >log 2>&1", dir,
		 command);
	return system(line);
}

static void show_log(void)
{
	char line[64];

	snprintf(line, sizeof(line), "cat %s/log >&2", dir);
	(void)!system(line);
}

static void assert_run(const char *command)
{
	if (run(command)) {
		fprintf(stderr, "failed: %s\n", command);
		show_log();
		fail();
	}
}

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

static void save(const char *name, const void *data, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static void save_table(const struct gmem *ram, uint64_t gpa)
{
	const uint8_t *p = rig_at(ram, gpa, 8);
	char name[5] = { 0 };

	memcpy(name, p, 4);
	save(name, rig_at(ram, gpa, get(p + 4, 4)), get(p + 4, 4));
}

static void save_all(const struct gmem *ram)
{
	const uint8_t *rsdp = rig_at(ram, ACPI_RSDP, 36);
	uint64_t xsdt = get(rsdp + 24, 8);
	const uint8_t *p = rig_at(ram, xsdt, 36 + 24);

	save_table(ram, xsdt);
	for (unsigned i = 0; i < 3; i++)
		save_table(ram, get(p + 36 + 8 * i, 8));
	p = rig_at(ram, get(p + 36, 8), 276);
	save_table(ram, get(p + 36, 4));
	save_table(ram, get(p + 40, 4));
}

static void test_tables(void **state)
{
	static const char *const names[] = { "XSDT", "FACP", "FACS",
					     "APIC", "MCFG", "DSDT" };
	struct gmem *ram = rig_ram(64);
	char command[128];

	(void)state;
	assert_int_equal(boot_acpi(ram, ACPI_RSDP,
				   &(struct cpu_topology){ 1, 64, 1 }, true),
			 0);
	save_all(ram);
	gmem_put(ram);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(command, sizeof(command),
			 "iasl -d %s.dat && ! grep -iE "
			 "'error|warning|invalid|incorrect' log %s.dsl",
			 names[i], names[i]);
		assert_run(command);
	}
}

/* Runs after test_tables(). -oa: no optimizations that we do not do. */
static void test_again(void **state)
{
	(void)state;
	assert_run("iasl -oa -p again DSDT.dsl && "
		   "grep -q '0 Errors, 0 Warnings' log");
	/* The compiler's name and version are in bytes 28 to 35, the sum in
	 * byte 9. */
	assert_run("cmp -n 9 DSDT.dat again.aml && "
		   "cmp -i 36 DSDT.dat again.aml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_again),
	};
	int rc;

	if (system("iasl -v >/dev/null 2>&1"))
		return 77;
	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (!rc)
		run("rm -f *.dat *.dsl *.aml log");
	rmdir(dir);
	return rc;
}
