/* SPDX-License-Identifier: Apache-2.0 */
/* What `ringway vm show` tells of a card. Control thread; reads
 * /proc/interrupts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio_impl.h"

/* Adds up the counts of a line of /proc/interrupts: a column for each
 * processor. */
static uint64_t add_up(const char *line)
{
	const char *at = strchr(line, ':');
	uint64_t sum = 0;
	char *end;

	if (!at)
		return 0;
	for (at++;; at = end) {
		unsigned long long n = strtoull(at, &end, 10);

		if (end == at || (*end && *end != ' '))
			return sum;
		sum += n;
	}
}

/* The kernel names an interrupt of VFIO "vfio-msix[0](0000:01:00.0)". */
static void show_counts(const struct vfio_dev *d, struct show *s)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char *line = NULL, end[24];
	uint64_t n, all = 0;
	size_t size = 0;

	snprintf(end, sizeof(end), "(%s)", d->address);
	show_array(s, "vectors");
	while (f && getline(&line, &size, f) > 0) {
		const char *name = strstr(line, " vfio-");

		if (!name || !strstr(name, end))
			continue;
		show_object(s, NULL);
		line[strcspn(line, "\n")] = '\0';
		n = add_up(line);
		all += n;
		show_num(s, "interrupts", n);
		show_str(s, "name", name + 1);
		show_end(s);
	}
	show_end(s);
	show_num(s, "interrupts", all);
	free(line);
	if (f)
		fclose(f);
}

static void show_bars(const struct vfio_dev *d, struct show *s)
{
	static const char *const kinds[] = { [PCI_BAR_NONE] = "none",
					     [PCI_BAR_IO] = "ports",
					     [PCI_BAR_MEM32] = "memory",
					     [PCI_BAR_MEM64] = "memory-64" };

	show_array(s, "bars");
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &d->pci.bar[i];
		uint64_t mapped = 0;

		if (b->kind == PCI_BAR_NONE)
			continue;
		for (unsigned k = 0; k < d->bar[i].count; k++)
			if (d->bar[i].area[k].mapping >= 0)
				mapped += d->bar[i].area[k].size;
		show_object(s, NULL);
		show_num(s, "bar", i);
		show_str(s, "kind", kinds[b->kind]);
		show_num(s, "size", b->size);
		show_num(s, "mapped", mapped);
		show_end(s);
	}
	show_end(s);
}

void vfio_show(const struct vfio_dev *d, struct show *s)
{
	static const char *const irqs[] = { [VFIO_IRQ_NONE] = "none",
					    [VFIO_IRQ_INTX] = "line",
					    [VFIO_IRQ_MSI] = "msi",
					    [VFIO_IRQ_MSIX] = "msi-x" };

	show_str(s, "id", d->name);
	show_str(s, "model", "vfio-pci");
	show_num(s, "slot", d->pci.slot);
	show_str(s, "host", d->address);
	show_array(s, "status");
	if (pci_get16(&d->pci, PCI_COMMAND) & PCI_COMMAND_MASTER)
		show_str(s, NULL, "driver-ok");
	if (d->has_failed)
		show_str(s, NULL, "failed");
	show_end(s);
	show_str(s, "moved_by", "the card (DMA)");
	show_str(s, "irq", irqs[d->irq]);
	show_counts(d, s);
	show_bars(d, s);
	vfio_group_show(d->group, s);
}
