/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual function of a card, lent to a guest by one call: made if need be,
 * its address set, bound to vfio-pci; and all of that undone. Control thread.
 */
#ifndef RW_HOST_LOAN_H
#define RW_HOST_LOAN_H

#include "host_pci.h"

struct host_loan;

struct host_loan_wish {
	const char *card; /* an interface, or an address */
	unsigned index;	  /* of the virtual function */
	unsigned create;  /* make so many when there are none; 0: do not */
	bool has_mac;
	uint8_t mac[6];
	bool bind;  /* to vfio-pci; false: it has that driver */
	bool force; /* also when it has the host's default route */
};

/* Lends the virtual function and stores what gives it back, and its
 * @address. Returns 0, or -errno with @err and everything as it was. */
int host_loan_take(struct host_loan **out, const struct host_loan_wish *w,
		   char address[HOST_ADDRESS], struct err *err);
/* Undoes what host_loan_take() did, and frees @l. Virtual functions that were
 * made for a while go when no guest has one any more. Nobody may have the
 * device open. NULL is fine. What fails is logged, and stays in the journal. */
void host_loan_give_back(struct host_loan *l);

/* Undoes every entry of the journal whose process is gone, and calls @tell with
 * a line for each. Returns 0, or -errno when there was one that could not be
 * undone, which stays in the journal. */
int host_restore(void (*tell)(const char *line, void *ctx), void *ctx);

#endif
