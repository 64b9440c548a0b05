/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the monitor, which the guest's serial port uses. Raw mode is
 * taken back at every end of the process that it can see: term_restore() is
 * called at exit, and is safe in a signal handler.
 */
#ifndef RW_VMM_TERM_H
#define RW_VMM_TERM_H

#include <stdbool.h>

/*
 * Makes standard input raw if it is a terminal, and has it restored at exit(),
 * after the signals that end a process, and while the process is stopped. In
 * the background it leaves the terminal alone; it is to be called again in the
 * foreground. Signals with a handler, or ignored, stay as they are: whoever
 * handles SIGTERM ends the process by exit(). Call it before
 * gmem_guard_install(), which has a handler for SIGBUS and passes others on.
 * Returns 0 or -errno. Control thread.
 */
int term_raw(void);
void term_restore(void);

/* Returns whether standard input is a terminal, with this process in its
 * foreground. */
bool term_is_ours(void);

#define TERM_HELP                                         \
	"\r\nCtrl-A x  end the machine\r\n"               \
	"Ctrl-A b  send a break (Linux: magic SysRq)\r\n" \
	"Ctrl-A h  print this\r\n"                        \
	"Ctrl-A Ctrl-A  send one Ctrl-A\r\n"

/* The keys of the monitor. Zeroed memory is a valid initial state. */
struct term_keys {
	bool is_prefix;	  /* the last character was Ctrl-A */
	bool wants_help;  /* out: Ctrl-A h was among them */
	bool wants_break; /* out: Ctrl-A b was */
};

/* Reads keys of the monitor out of @size bytes of input at @data, see
 * TERM_HELP; another key after Ctrl-A is left out with it. Returns how many
 * bytes are left for the guest (moved to the front), or -1: end. */
int term_filter(struct term_keys *k, char *data, int size);

#endif
