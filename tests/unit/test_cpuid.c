/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/vcpu_cpuid: what the leaves about the topology say, of Intel's and AMD's
 * processors, and the numbers of local APICs. */
#include "test.h"

#include <linux/kvm.h>
#include <string.h>

#include "vcpu_cpuid.h"

struct rig {
	struct vm vm;
	struct vcpu cpu;
	struct kvm_cpuid2 *t;
};

static struct kvm_cpuid_entry2 *leaf(struct rig *r, uint32_t function,
				     uint32_t index)
{
	for (uint32_t i = 0; i < r->t->nent; i++)
		if (r->t->entries[i].function == function &&
		    r->t->entries[i].index == index)
			return &r->t->entries[i];
	fail_msg("no leaf %#x.%u", function, index);
	return NULL;
}

/* What KVM offers, as far as it matters, on the processor whose name begins
 * with @vendor. */
static void start(struct rig *r, struct cpu_topology t, unsigned n,
		  const char *vendor)
{
	static const struct kvm_cpuid_entry2 offered[] = {
		{ .function = 0 },
		{ .function = 1, .ebx = 0x12345678, .edx = 1u << 28 },
		{ .function = 4, .index = 0, .eax = 0xfc004121 },
		{ .function = 4, .index = 1, .eax = 0xfc004163 },
		{ .function = 4, .index = 2 },
		{ .function = 0xb, .index = 0 },
		{ .function = 0x1f, .index = 0 },
		{ .function = 0x80000001 },
		{ .function = 0x80000008, .ecx = 0xabc },
		{ .function = 0x8000001d, .index = 3, .eax = 0x163 },
		{ .function = 0x8000001e },
	};

	memset(r, 0, sizeof(*r));
	r->vm.kvm_fd = -1;
	r->vm.topology = t;
	r->cpu.vm = &r->vm;
	r->cpu.id = n;
	r->cpu.apic_id = cpu_topology_apic_id(&t, n);
	r->t = calloc(1, sizeof(*r->t) + 64 * sizeof(r->t->entries[0]));
	assert_non_null(r->t);
	r->t->nent = ARRAY_SIZE(offered);
	memcpy(r->t->entries, offered, sizeof(offered));
	memcpy(&r->t->entries[0].ebx, vendor, 4);
	vcpu_fill_cpuid(r->t, &r->cpu);
}

static void test_numbers(void **state)
{
	static const struct {
		struct cpu_topology t;
		unsigned n, id;
	} cases[] = {
		{ { 1, 64, 1 }, 63, 63 }, { { 2, 2, 2 }, 7, 7 },
		{ { 2, 3, 1 }, 3, 4 },	  { { 2, 3, 1 }, 5, 6 },
		{ { 2, 2, 3 }, 11, 14 },  { { 12, 5, 1 }, 59, 92 },
		{ { 4, 5, 3 }, 59, 114 }, { { 64, 1, 1 }, 63, 63 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(cpu_topology_apic_id(&cases[i].t, cases[i].n),
				 cases[i].id);
	/* All fit into the eight bits of a local APIC's number. */
	for (unsigned s = 1; s <= 64; s++)
		for (unsigned c = 1; s * c <= 64; c++)
			for (unsigned t = 1; s * c * t <= 64; t++) {
				const struct cpu_topology o = { s, c, t };

				assert_in_range(
					cpu_topology_apic_id(&o, s * c * t - 1),
					0, 254);
			}
}

static void test_levels(void **state)
{
	static const uint32_t leaves[] = { 0xb, 0x1f };
	struct rig r;

	(void)state;
	start(&r, (struct cpu_topology){ 2, 3, 2 }, 9, "Genu");
	assert_int_equal(r.cpu.apic_id, 11);
	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
		const struct kvm_cpuid_entry2 *e = leaf(&r, leaves[i], 0);

		assert_int_equal(e->eax, 1);
		assert_int_equal(e->ebx, 2);
		assert_int_equal(e->ecx, 0x100);
		assert_int_equal(e->edx, 11);
		/* KVM did not offer this one. */
		e = leaf(&r, leaves[i], 1);
		assert_true(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		assert_int_equal(e->eax, 3);
		assert_int_equal(e->ebx, 6);
		assert_int_equal(e->ecx, 0x201);
		assert_int_equal(e->edx, 11);
	}
	free(r.t);
}

static void test_intel(void **state)
{
	struct rig r;

	(void)state;
	start(&r, (struct cpu_topology){ 2, 3, 2 }, 9, "Genu");
	assert_int_equal(leaf(&r, 1, 0)->ebx, 0x0b085678);
	assert_true(leaf(&r, 1, 0)->edx >> 28 & 1);
	/* The first cache is the core's, the third the socket's. */
	assert_int_equal(leaf(&r, 4, 0)->eax, 3u << 26 | 1 << 14 | 0x121);
	assert_int_equal(leaf(&r, 4, 1)->eax, 3u << 26 | 7 << 14 | 0x163);
	assert_int_equal(leaf(&r, 4, 2)->eax, 0); /* there is no more */
	assert_int_equal(leaf(&r, 0x80000008, 0)->ecx, 0xabc); /* AMD's */
	free(r.t);
	start(&r, (struct cpu_topology){ 4, 1, 1 }, 3, "Genu");
	assert_int_equal(leaf(&r, 1, 0)->ebx, 0x03015678);
	assert_false(leaf(&r, 1, 0)->edx >> 28 & 1);
	free(r.t);
}

static void test_amd(void **state)
{
	struct rig r;

	(void)state;
	start(&r, (struct cpu_topology){ 2, 3, 2 }, 9, "Auth");
	assert_int_equal(leaf(&r, 0x80000001, 0)->ecx, 2);
	assert_int_equal(leaf(&r, 0x80000008, 0)->ecx, 3 << 12 | 5);
	assert_int_equal(leaf(&r, 0x8000001d, 3)->eax, 7 << 14 | 0x163);
	assert_int_equal(leaf(&r, 0x8000001e, 0)->eax, 11);
	assert_int_equal(leaf(&r, 0x8000001e, 0)->ebx, 1 << 8 | 1);
	assert_int_equal(leaf(&r, 0x8000001e, 0)->ecx, 1);
	free(r.t);
	start(&r, (struct cpu_topology){ 1, 1, 1 }, 0, "Auth");
	assert_int_equal(leaf(&r, 0x80000001, 0)->ecx, 0);
	assert_int_equal(leaf(&r, 0x80000008, 0)->ecx, 0);
	free(r.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_amd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
