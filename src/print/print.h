/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of the daemon as text for people, on stdout. */
#ifndef RW_PRINT_H
#define RW_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Prints any result: values as "key  value", objects indented, arrays as
 * tables. */
void print_result(const json_t *result);
void print_show(const json_t *result);
void print_port_list(const json_t *result);
void print_macs(const json_t *result);
void print_flushed(const json_t *result);
void print_filters(const json_t *result);
void print_moves(const json_t *result);
void print_stats(const json_t *result);
void print_version(const json_t *result);
void print_log_level(const json_t *result);
void print_text(const json_t *result);
void print_reload(const json_t *result);
void print_nothing(const json_t *result);

/* Prints the difference of the counters of @now and @before as rates, @seconds
 * being the time between them. */
void print_rates(const json_t *before, const json_t *now, double seconds);

/* Says that a command found a machine as it should be; else nothing. */
void print_vm_done(const json_t *result);

/* Prints a machine, with the rates of the @seconds since @before; and the path
 * of packets through its cards. */
void print_vm(const json_t *before, const json_t *now, double seconds);
void print_vm_explain(const json_t *result);
void print_added_device(const json_t *result);
void print_devices(const json_t *result);

/* Prints cards with their virtual functions. */
void print_vfs(const json_t *result);

/* Prints a notification of `watch` in one line; a second line before it says
 * how many events were lost. */
void print_event(const json_t *event);

/* Prints how the workers spent their time since @before (NULL: since their
 * start). @now and @before are arrays of workers. */
void print_workers(const json_t *before, const json_t *now);

/* Print the JSON itself: indented, or as one line of a stream. */
void print_json(FILE *to, const json_t *value);
void print_json_line(const json_t *value);

#endif
