/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of the daemon as text for people, on stdout. */
#ifndef RW_PRINT_H
#define RW_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Any result: values as "key  value", objects indented, arrays as tables. */
void print_result(const json_t *result);
void print_show(const json_t *result);
void print_port_list(const json_t *result);
void print_macs(const json_t *result);
void print_flushed(const json_t *result);
void print_moves(const json_t *result);
void print_stats(const json_t *result);
void print_version(const json_t *result);
void print_log_level(const json_t *result);
void print_nothing(const json_t *result);

/* Counters of @now less those of @before, per second. @before may be NULL:
 * nothing but the ports. */
void print_rates(const json_t *before, const json_t *now, double seconds);

/* A notification of `watch`, in one line. */
void print_event(const json_t *event);

/* What the workers did with their time since @before (NULL: since their start):
 * @now and @before are arrays of workers. */
void print_workers(const json_t *before, const json_t *now);

/* The JSON itself, for eyes; and in one line, for who reads a stream of them.
 */
void print_json(FILE *to, const json_t *value);
void print_json_line(const json_t *value);

#endif
