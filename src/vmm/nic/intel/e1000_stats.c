/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics registers (13.7). Workers count, vCPU threads read. */
#include "e1000.h"
#include "key.h"

struct e1000_wide *e1000_wide(struct e1000 *e, unsigned off)
{
	static const uint16_t low[] = { E1000_GORCL, E1000_GOTCL, E1000_TORL,
					E1000_TOTL };

	for (unsigned i = 0; i < ARRAY_SIZE(low); i++)
		if ((off & ~4u) == low[i])
			return &e->wide[i];
	return NULL;
}

void e1000_count(struct e1000 *e, unsigned off, uint32_t n)
{
	uint32_t *reg = &e->reg[off / 4];

	if (shm_load(reg) > UINT32_MAX - n)
		shm_store(reg, UINT32_MAX);
	else
		shm_fetch_add(reg, n);
}

void e1000_tally_frames(struct e1000_tally *t, const uint8_t *to, uint32_t n,
			uint32_t len)
{
	static const uint16_t most[] = { 64, 127, 255, 511, 1023 };
	unsigned i = 0;

	while (i < ARRAY_SIZE(most) && len > most[i])
		i++;
	t->frames += n;
	t->bytes += (uint64_t)n * len;
	t->size[i] += n;
	if (to[0] == 0xff)
		t->broadcast += n;
	else if (mac_is_multicast(to))
		t->multicast += n;
}

static void count_bytes(struct e1000 *e, unsigned off, uint64_t n)
{
	shm_fetch_add(&e1000_wide(e, off)->value, n);
}

void e1000_tally_put(struct e1000 *e, const struct e1000_tally *t,
		     const struct e1000_stat_regs *regs)
{
	if (!t->frames)
		return;
	e1000_count(e, regs->good, t->frames);
	e1000_count(e, regs->total, t->frames);
	count_bytes(e, regs->good_bytes, t->bytes);
	count_bytes(e, regs->total_bytes, t->bytes);
	for (unsigned i = 0; i < ARRAY_SIZE(t->size); i++)
		if (t->size[i])
			e1000_count(e, regs->size + 4 * i, t->size[i]);
	if (t->large)
		e1000_count(e, E1000_TSCTC, t->large);
	if (t->multicast)
		e1000_count(e, regs->multicast, t->multicast);
	if (t->broadcast)
		e1000_count(e, regs->broadcast, t->broadcast);
}
