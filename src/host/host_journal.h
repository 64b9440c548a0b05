/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: one file in /run/ringway for each thing of the host that is
 * changed for a while, written before the change and removed when it is undone.
 * The process that made the change holds a lock on the file. So an entry that
 * can be locked was left by a process that is gone (SIGKILL), and anybody may
 * undo it. Control thread.
 */
#ifndef RW_HOST_JOURNAL_H
#define RW_HOST_JOURNAL_H

#include "err.h"

#define HOST_NOTE_SIZE 1024

/* An entry. Lines "key value"; a key may occur several times. */
struct host_note {
	int fd;	   /* locked; -1: none */
	int owner; /* the process that wrote the text; -1: unknown */
	char name[48];
	char text[HOST_NOTE_SIZE]; /* "": nothing was written yet */
};

/*
 * Opens the entry @name, or makes an empty one. An entry of a process that is
 * gone comes with its text. Returns 0, or -errno with @err: -EBUSY when a
 * running process has it, -EACCES without rights.
 */
int host_note_open(struct host_note *n, const char *name, struct err *err);
/* Returns the process that has the entry @name; 0: none, -1: one that has not
 * written it yet. */
int host_note_owner(const char *name);
/* Returns the value of the @nth line with @key, in @buf, or NULL. */
const char *host_note_get(const struct host_note *n, const char *key,
			  unsigned nth, char *buf, size_t size);
/* Appends a line to the text. */
void host_note_add(struct host_note *n, const char *key, const char *fmt, ...)
	__printf(3, 4);
/* Writes the text to the file, as a whole or not at all for those who read it
 * after a kill. Returns 0, or -errno with @err. */
int host_note_write(struct host_note *n, struct err *err);
/* Closes the entry and removes its file. */
void host_note_remove(struct host_note *n);
/* Closes the entry and leaves its file, for somebody to undo. */
void host_note_close(struct host_note *n);

/* Calls @fn with the name of each entry, those of running processes included,
 * in order. */
void host_journal_each(int (*fn)(const char *name, void *ctx), void *ctx);

#endif
