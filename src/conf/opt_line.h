/* SPDX-License-Identifier: Apache-2.0 */
/* Options that were read, compared and written back as lines. Pure. */
#ifndef RW_OPT_LINE_H
#define RW_OPT_LINE_H

#include <stdio.h>

#include "opt.h"

/* Returns whether the options @rows have the same values in @a and @b. If not,
 * *@runtime_only tells whether only such differ that may change at run time;
 * NULL: nobody asks. Without memory they differ. */
bool opt_equal(const struct opt_row *rows, const void *a, const void *b,
	       bool *runtime_only);

/* Writes ",key=value" for each option that is not its default, with commas
 * doubled. */
void opt_write(const struct opt_row *rows, const void *conf, FILE *f);

/* Writes "key value" lines for such options, as in a configuration file. */
void opt_write_lines(const struct opt_row *rows, const void *conf, FILE *f);

#endif
