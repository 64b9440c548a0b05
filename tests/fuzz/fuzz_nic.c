/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/nic: whatever a guest writes to registers, descriptors and buffers of an
 * emulated card, and whatever frames come, nothing breaks, what the card sends
 * are frames, and a card that is plugged anew has no work. The first byte of
 * the input chooses the model; the others are operations with their arguments.
 * A worker's part is done by this thread, so that an input does the same each
 * time.
 */
#include "test.h"

#include <linux/pci_regs.h>
#include <string.h>
#undef PCI_IO_BASE

#include "fake_port.h"
#include "fuzz.h"
#include "log.h"
#include "nic_frame.h"
#include "offload.h"
#include "vmm_rig.h"
#include "workers.h"

#define SLOT	 5
#define MAC	 "\2\0\0\0\0\7"
#define AREA	 0x8000u /* the input writes below; descriptors may be there */
#define RECEIVED 9300u

struct guest {
	struct vmm_rig rig;
	struct world w;
	struct pci_bus *bus;
	struct port *card;
	struct burst burst;
	uint8_t out[FRAME_MAX];
	const uint8_t *data;
	size_t left;
};

/* Takes a number of @size bytes from the input; behind its end there are zeros.
 */
static uint64_t take(struct guest *g, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && g->left; i++, g->data++, g->left--)
		value |= (uint64_t)*g->data << (8 * i);
	return value;
}

static struct nic *nic(struct guest *g)
{
	return nic_of(g->card);
}

/* An access to a BAR: which one, where, and of which size. */
static void use_bar(struct guest *g, bool is_write)
{
	unsigned how = (unsigned)take(g, 1), off = (unsigned)take(g, 2);
	unsigned bar = (how & 15) % (PCI_BARS + 1), size = 1u << (how >> 4 & 3);
	const struct pci_bar *b = &nic(g)->pci.bar[bar];
	uint32_t value = is_write ? (uint32_t)take(g, 4) : 0;
	uint64_t at;

	if (b->kind == PCI_BAR_NONE)
		bar = 0, b = &nic(g)->pci.bar[0];
	at = b->range.base + off % b->size;
	if (b->kind == PCI_BAR_IO && is_write)
		rig_out(&g->rig, (uint16_t)at, MIN(size, 4), value);
	else if (b->kind == PCI_BAR_IO)
		rig_in(&g->rig, (uint16_t)at, MIN(size, 4));
	else if (is_write)
		rig_write(&g->rig, at, size, value);
	else
		rig_read(&g->rig, at, size);
}

static void use_config(struct guest *g)
{
	unsigned off = (unsigned)take(g, 1), size = 1u << (take(g, 1) % 3);

	rig_config_write(&g->rig, SLOT, off, size, take(g, 4));
	rig_config_read(&g->rig, SLOT, off, size);
}

/* Fills guest memory with bytes of the input, again and again so that a ring
 * is full of them. */
static void poke(struct guest *g)
{
	uint32_t at = (uint32_t)take(g, 2) % AREA;
	unsigned n = 1 + (unsigned)take(g, 1) % 64;
	unsigned times = 1 + (unsigned)take(g, 1);
	uint8_t *to = g->rig.ram + at;

	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)take(g, 1);
	for (unsigned i = 1; i < times; i++)
		memcpy(to + i * n, to, n);
}

/* What a worker does with what the driver sends. */
static void send(struct guest *g)
{
	struct rxq *q = g->card->rxq[0];
	struct burst *b = &g->burst;
	unsigned n;

	b->want = 1 + (unsigned)take(g, 1) % BURST_MAX;
	b->borrowed = 0;
	b->held_mask = 0;
	n = g->card->ops->rx_burst(q, b);
	must(n <= b->want);
	for (unsigned i = 0; i < n; i++) {
		struct frame *f = &b->frame[i];

		must(f->len >= ETH_HLEN && f->len <= FRAME_MAX);
		must(!frame_has_offload(f) || offload_is_valid(f));
		frame_copy(f, 0, g->out, f->len);
	}
	g->card->ops->rx_done(q, b);
	if (g->card->ops->rx_arm(q))
		g->card->ops->rx_disarm(q);
}

/* And with a frame for it. */
static void receive(struct guest *g)
{
	unsigned how = (unsigned)take(g, 1);
	uint32_t len = ETH_HLEN + (uint32_t)take(g, 2) % RECEIVED;
	uint8_t *data = malloc(len); /* so that its end is watched */
	struct frame f = { 0 }, *one = &f;
	struct iovec iov = { data, len };
	struct txq *q = g->card->txq[0];

	must(data != NULL);
	memset(data, (int)how, len);
	memcpy(data,
	       how & 1	 ? MAC
	       : how & 2 ? "\xff\xff\xff\xff\xff\xff"
			 : "\1\0\x5e\0\0\1",
	       ETH_ALEN);
	if (how & 4)
		memcpy(data + 2 * ETH_ALEN, "\x81", 2);
	frame_from_iov(&f, &iov, 1, len, FRAME_HEAD);
	spin_lock(&q->lock);
	for (unsigned i = 0; i <= how >> 4; i++)
		must(g->card->ops->tx_burst(q, &one, 1) <= 1);
	spin_unlock(&q->lock);
	free(data);
}

static void step(struct guest *g)
{
	switch (take(g, 1) % 10) {
	case 0:
	case 1:
	case 2:
		use_bar(g, true);
		break;
	case 3:
		use_bar(g, false);
		break;
	case 4:
		poke(g);
		break;
	case 5:
		send(g);
		break;
	case 6:
		receive(g);
		break;
	case 7:
		use_config(g);
		break;
	case 8:
		rig_settle(&g->rig);
		break;
	case 9:
		nic_set_link(g->card, take(g, 1) & 1);
		break;
	}
}

static void plug(struct guest *g)
{
	const struct pci_plug how = { .slot = SLOT };
	struct err err;

	must(!nic_plug(g->card, g->bus, g->rig.vm.ram, &how, &err));
	rxq_detach(g->card->rxq[0]);
	rig_config_write(&g->rig, SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_IO |
				 PCI_COMMAND_MASTER);
}

static void create(struct guest *g, unsigned model)
{
	struct port_env env = switch_port_env(g->w.sw);
	static char id[] = "card", net[] = "n", mac[] = "02:00:00:00:00:07";
	struct port_conf conf = { .id = id, .net = net, .max_macs = 8 };
	struct netcard_conf c = { .netdev = net, .mac = mac };
	struct err err;

	env.loop = g->rig.vm.loop;
	must(!nic_types[model]->create(&env, &conf, &c, &g->card, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest g;
	unsigned models = 0;
	struct err err;

	while (nic_types[models])
		models++;
	if (!g.w.sw) {
		log_level = LOG_LEVEL_ERR;
		g.w = start(1);
	}
	g.data = data;
	g.left = size;
	vmm_rig_init(&g.rig);
	must(!pci_bus_create(&g.rig.vm, &g.bus, &err));
	create(&g, (unsigned)take(&g, 1) % models);
	plug(&g);
	while (g.left)
		step(&g);
	nic_unplug(g.card);
	plug(&g);
	must(!nic(&g)->model->has_work(nic(&g)));
	nic_unplug(g.card);
	g.card->ops->destroy(g.card);
	pci_bus_destroy(g.bus);
	vmm_rig_fini(&g.rig);
	return 0;
}
