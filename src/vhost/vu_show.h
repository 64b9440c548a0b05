/* SPDX-License-Identifier: Apache-2.0 */
/* Output of feature bits by their names. */
#ifndef RW_VU_SHOW_H
#define RW_VU_SHOW_H

#include "show.h"

/* Emit an array of the names of @bits; bits without a name by their number. */
void vu_show_features(struct show *s, const char *key, uint64_t bits);
void vu_show_protocol_features(struct show *s, const char *key, uint64_t bits);

#endif
