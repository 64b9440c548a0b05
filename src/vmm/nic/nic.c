/* SPDX-License-Identifier: Apache-2.0 */
/* Emulated cards as ports, see nic.h: options, life, plugging. Control thread,
 * but for nic_rx_arm() and nic_rx_disarm(). Calls the card's model. */
#include "nic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ether_text.h"
#include "nic_impl.h"
#include "workers.h"

const struct port_type *const nic_types[] = { &port_e1000_type,
					      &port_e1000e_type,
					      &port_rtl8139_type, NULL };

bool nic_is(const struct port_type *type)
{
	for (unsigned i = 0; nic_types[i]; i++)
		if (nic_types[i] == type)
			return true;
	return false;
}

bool nic_rx_arm(struct rxq *q)
{
	struct nic *n = container_of(q, struct nic, out);

	shm_store(&n->is_asleep, true);
	/* The driver's store is seen here, or it sees ours. */
	shm_fence();
	return !n->model->has_work(n);
}

void nic_rx_disarm(struct rxq *q)
{
	shm_store(&container_of(q, struct nic, out)->is_asleep, false);
}

void nic_show(const struct port *p, struct show *s)
{
	const struct nic *n = container_of(p, struct nic, port);

	show_mac(s, "mac", n->mac);
	show_num(s, "interrupts", stat_read(&n->irq.raised));
}

void nic_destroy(struct port *p)
{
	struct nic *n = nic_of(p);

	nic_unplug(p);
	nic_irq_fini(&n->irq);
	fd_close(&n->out.event_fd);
	port_fini(p);
	free(n);
}

static int init(struct nic *n, struct err *err)
{
	int rc = nic_irq_init(&n->irq, n);

	n->out = (struct rxq){ .port = &n->port,
			       .can_spin = true,
			       .event_fd = fd_eventfd() };
	n->in.port = &n->port;
	n->port.rxq[0] = &n->out;
	n->port.txq[0] = &n->in;
	if (!rc && n->out.event_fd < 0)
		rc = n->out.event_fd;
	return rc ? err_set(err, rc, "%s", strerror(-rc)) : 0;
}

int nic_create(const struct port_env *env, const struct port_conf *common,
	       const void *conf_, const struct port_type *type,
	       const struct nic_model *model, const struct port_ops *ops,
	       struct port **out, struct err *err)
{
	const struct netcard_conf *conf = conf_;
	struct nic *n = calloc(1, model->size);
	int rc = n ? ether_from_text("mac", conf->mac, n->mac, err) : -ENOMEM;

	if (!rc)
		rc = port_init(&n->port, env, type, ops, common, 1);
	if (rc) {
		free(n);
		return rc == -ENOMEM ? err_set(err, rc, "out of memory") : rc;
	}
	n->model = model;
	n->loop = env->loop;
	n->irq.news_fd = n->irq.timer_fd = -1;
	rc = init(n, err);
	if (rc) {
		nic_destroy(&n->port);
		return rc;
	}
	*out = &n->port;
	return 0;
}

static int start(struct nic *n, struct err *err)
{
	struct txq *in = &n->in;
	int rc = rxq_attach(&n->out);

	if (!rc)
		rc = port_set_txqs(&n->port, &in, 1, n->model->tx_offloads);
	return rc ? err_set(err, rc, "%s", strerror(-rc)) : 0;
}

int nic_plug(struct port *p, struct pci_bus *bus, struct gmem *ram,
	     const struct pci_plug *how, struct err *err)
{
	struct nic *n = nic_of(p);
	int rc;

	n->ram = gmem_get(ram);
	n->pci = (struct pci_dev){ .name = p->name,
				   .is_hot = how->is_hot,
				   .is_hidden = how->is_hot,
				   .rom = how->rom };
	n->model->set_bars(n);
	n->model->power_on(n);
	rc = pci_add(bus, &n->pci, n->model->id, how->slot, err);
	if (!rc && n->model->add_caps)
		rc = n->model->add_caps(n, err);
	if (!rc)
		rc = start(n, err);
	if (rc)
		nic_unplug(p);
	else if (how->is_hot)
		pci_show(&n->pci);
	return rc;
}

void nic_unplug(struct port *p)
{
	struct nic *n = nic_of(p);

	if (!n->ram)
		return;
	rxq_detach(&n->out);
	port_set_txqs(p, NULL, 0, 0);
	msix_destroy(&n->pci);
	msi_destroy(&n->pci);
	pci_remove(&n->pci);
	pthread_mutex_lock(&n->irq.lock);
	n->irq.is_up = false;
	pthread_mutex_unlock(&n->irq.lock);
	gmem_put(n->ram);
	n->ram = NULL;
}

void nic_hide(struct port *p)
{
	pci_hide(&nic_of(p)->pci);
}

unsigned nic_slot(const struct port *p)
{
	return container_of(p, const struct nic, port)->pci.slot;
}

const char *nic_rom(const struct port *p)
{
	return container_of(p, const struct nic, port)->model->rom;
}

void nic_set_link(struct port *p, bool is_up)
{
	struct nic *n = nic_of(p);

	if (shm_load(&n->has_no_link) != is_up)
		return;
	shm_store(&n->has_no_link, !is_up);
	if (n->ram)
		n->model->link_changed(n);
}

void nic_show_device(struct port *p, struct show *s)
{
	struct nic *n = nic_of(p);

	show_str(s, "id", p->name);
	show_str(s, "model", p->type->name);
	show_num(s, "slot", n->pci.slot);
	show_array(s, "status");
	if (shm_load(&n->irq.mask))
		show_str(s, NULL, "driver-ok");
	show_end(s);
	show_mac(s, "mac", n->mac);
	if (msix_count(&n->pci)) {
		show_num(s, "vectors", msix_count(&n->pci));
		show_flag(s, "msix", msix_is_on(&n->pci));
	}
	show_num(s, "queue_pairs", 1);
	show_str(s, "moved_by", "workers of this process");
	port_show_work(p, s);
	show_num(s, "interrupts", stat_read(&n->irq.raised));
	show_flag(s, "link", !n->has_no_link);
}

const struct opt_row nic_rows[] = {
	NETCARD_ROWS,
	PCI_PLACE_ROWS(offsetof(struct netcard_conf, pci)),
	{ NULL },
};
