/* SPDX-License-Identifier: Apache-2.0 */
/* See nic_rig.h. */
#include "test.h"

#include <linux/pci_regs.h>
#include <string.h>
#include <time.h>
#undef PCI_IO_BASE

#include "layout.h"
#include "le.h"
#include "nic_rig.h"
#include "offload.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static unsigned sink_tx_burst(struct txq *q, struct frame *const *frames,
			      unsigned n)
{
	struct sink *s = container_of(q, struct sink, tx);

	for (unsigned i = 0; i < n && s->count < NIC_RIG_KEPT; i++) {
		struct kept *k = &s->frame[s->count];

		k->len = frames[i]->len;
		k->hdr = frames[i]->hdr;
		frame_copy(frames[i], 0, k->data,
			   MIN(k->len, (uint32_t)sizeof(k->data)));
		shm_store_release(&s->count, s->count + 1);
	}
	return n;
}

static const struct port_ops sink_ops = { .tx_burst = sink_tx_burst };
static const struct port_type sink_type = { .name = "sink" };

static void add_sink(struct nic_rig *r)
{
	struct port_env env = switch_port_env(r->w.sw);
	struct port_conf conf = { .id = TEXT("sink"),
				  .net = TEXT("n"),
				  .max_macs = 8 };
	struct sink *k = calloc(1, sizeof(*k));
	struct txq *tx = &k->tx;
	struct err err;

	assert_int_equal(
		port_init(&k->port, &env, &sink_type, &sink_ops, &conf, 1), 0);
	k->tx.port = &k->port;
	k->port.txq[0] = tx;
	k->port.rxq_count = 0;
	assert_int_equal(port_set_txqs(&k->port, &tx, 1, 0), 0);
	assert_int_equal(switch_add_port(r->w.sw, &k->port, "n", &err), 0);
	r->sink = k;
}

static void remove_sink(struct nic_rig *r)
{
	switch_remove_port(r->w.sw, &r->sink->port);
	port_set_txqs(&r->sink->port, NULL, 0, 0);
	port_fini(&r->sink->port);
	free(r->sink);
}

static void add_card(struct nic_rig *r, const struct port_type *type)
{
	struct port_env env = switch_port_env(r->w.sw);
	struct port_conf conf = { .id = TEXT("card"),
				  .net = TEXT("n"),
				  .max_macs = 8,
				  .full = PORT_FULL_DROP };
	struct netcard_conf nic = { .netdev = TEXT("n"),
				    .mac = TEXT("02:00:00:00:00:07") };
	const struct pci_plug how = { .slot = NIC_RIG_SLOT };
	struct err err;

	env.loop = r->rig.vm.loop;
	assert_int_equal(type->create(&env, &conf, &nic, &r->card, &err), 0);
	assert_int_equal(switch_add_port(r->w.sw, r->card, "n", &err), 0);
	assert_int_equal(nic_plug(r->card, r->bus, r->rig.vm.ram, &how, &err),
			 0);
	rig_config_write(&r->rig, NIC_RIG_SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_IO |
				 PCI_COMMAND_MASTER);
}

void nic_rig_init(struct nic_rig *r, const struct port_type *type)
{
	struct err err;

	vmm_rig_init(&r->rig);
	r->w = start(1);
	assert_int_equal(pci_bus_create(&r->rig.vm, &r->bus, &err), 0);
	add_sink(r);
	r->source = add_port(&r->w, "source", "n");
	add_card(r, type);
}

void nic_rig_fini(struct nic_rig *r)
{
	nic_unplug(r->card);
	switch_remove_port(r->w.sw, r->card);
	r->card->ops->destroy(r->card);
	remove_port(&r->w, r->source);
	remove_sink(r);
	pci_bus_destroy(r->bus);
	stop(&r->w);
	vmm_rig_fini(&r->rig);
}

uint8_t *nic_rig_mem(struct nic_rig *r, uint32_t at)
{
	return r->rig.ram + at;
}

void nic_rig_sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ 0, (long)ms * 1000000 }, NULL);
}

bool nic_rig_line(struct nic_rig *r)
{
	rig_settle(&r->rig);
	return r->rig
		.level[IRQ_PCI_FIRST + (NIC_RIG_SLOT & (IRQ_PCI_COUNT - 1))];
}

bool nic_rig_wait_line(struct nic_rig *r)
{
	for (unsigned i = 0; i < 2000 && !nic_rig_line(r); i++)
		nic_rig_sleep_ms(1);
	return nic_rig_line(r);
}

const struct kept *nic_rig_wait_kept(struct nic_rig *r, unsigned n)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (shm_load_acquire(&r->sink->count) >= n)
			break;
		nic_rig_sleep_ms(1);
	}
	assert_int_equal(shm_load_acquire(&r->sink->count), n);
	return &r->sink->frame[n - 1];
}

void nic_rig_wait_unwanted(struct nic_rig *r, unsigned n)
{
	const uint64_t *drops = r->card->txq[0]->stats.drops;

	for (unsigned i = 0; i < 2000; i++) {
		if (stat_read(&drops[DROP_TX_UNWANTED]) == n)
			return;
		nic_rig_sleep_ms(1);
	}
	assert_int_equal(stat_read(&drops[DROP_TX_UNWANTED]), n);
}

void nic_rig_send(struct nic_rig *r, const char *dst, unsigned len)
{
	struct message *m = fifo_next(&r->source->q[0].in);

	assert_non_null(m);
	make_udp(m, 7, 1, 0, len);
	m->len = len;
	memcpy(m->data, dst, 6);
	fifo_push(&r->source->q[0].in);
	fifo_kick(&r->source->q[0]);
}

void nic_rig_send_tagged(struct nic_rig *r, const char *dst, unsigned vid)
{
	struct message *m = fifo_next(&r->source->q[0].in);

	assert_non_null(m);
	make_udp(m, 7, 1, 0, vid);
	memcpy(m->data, dst, 6);
	memmove(m->data + 16, m->data + 12, m->len - 12);
	put_be16(m->data + 12, 0x8100);
	put_be16(m->data + 14, (uint16_t)vid);
	m->len += 4;
	fifo_push(&r->source->q[0].in);
	fifo_kick(&r->source->q[0]);
}

uint8_t *nic_rig_make(struct nic_rig *r, uint32_t at, uint32_t len, bool is_tcp)
{
	uint8_t *f = nic_rig_mem(r, at);

	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7);
	memset(f, 0, 54);
	f[0] = 2;
	f[5] = 99;
	memcpy(f + 6, NIC_RIG_MAC, 6);
	put_be16(f + 12, 0x0800);
	f[14] = 0x45;
	put_be16(f + 16, (uint16_t)(len - 14));
	f[22] = 64;
	f[23] = is_tcp ? 6 : 17;
	put_be32(f + 26, 0x0a000001);
	put_be32(f + 30, 0x0a000002);
	if (is_tcp)
		f[46] = 0x50;
	else
		put_be16(f + 38, (uint16_t)(len - 34));
	return f;
}

void nic_rig_check_sums(const struct kept *k)
{
	const uint8_t *f = k->data;
	uint16_t size = (uint16_t)(k->len - 34);
	uint64_t pseudo =
		csum_add(0, f + 26, 8) + htobe16(f[23]) + htobe16(size);

	assert_int_equal(get_be16(f + 16), k->len - 14);
	assert_int_equal(csum_fold(csum_add(0, f + 14, 20)), 0);
	assert_int_equal(csum_fold(csum_add(pseudo, f + 34, size)), 0);
}
