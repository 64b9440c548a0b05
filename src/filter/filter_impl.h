/* SPDX-License-Identifier: Apache-2.0 */
/* Inside filter/: what the types of filters share. */
#ifndef RW_FILTER_IMPL_H
#define RW_FILTER_IMPL_H

#include "filter.h"

extern const struct filter_type filter_buffer_type;
extern const struct filter_type filter_dump_type;
extern const struct filter_type filter_mirror_type;
extern const struct filter_type filter_redirector_type;
extern const struct filter_type filter_replay_type;

/* Fills in the common part of a filter, which is zeroed memory. */
void filter_init(struct filter *f, const struct filter_ops *ops, struct port *p,
		 struct filter_spec *spec);

#endif
