/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the monitor, see raw_term.h.
 *
 * The state is the process's, as the terminal and its signals are. Handlers run
 * on any thread and only read what term_raw() wrote before it installed them.
 *
 * The terminal belongs to the process group in its foreground. From the
 * background tcsetattr() would stop us (SIGTTOU), or change the modes under
 * the shell; so each change asks first who has it.
 */
#include "raw_term.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "shm.h"
#include "util.h"

#define KEY_PREFIX 1 /* Ctrl-A */

static struct {
	struct termios saved, raw; /* [const after the first term_raw()] */
	bool is_known;		   /* [ctl] both are set */
	bool is_raw;		   /* [any, atomic] */
	bool is_wanted;		   /* [any, atomic] until term_restore() */
} term;

bool term_is_ours(void)
{
	int saved = errno;
	pid_t group = tcgetpgrp(STDIN_FILENO);

	errno = saved;
	return group >= 0 && group == getpgrp();
}

static void set_modes(const struct termios *t, bool is_raw)
{
	int saved = errno;

	if (term_is_ours() && !tcsetattr(STDIN_FILENO, TCSANOW, t))
		shm_store(&term.is_raw, is_raw);
	errno = saved;
}

void term_restore(void)
{
	shm_store(&term.is_wanted, false);
	if (shm_exchange(&term.is_raw, false))
		set_modes(&term.saved, false);
}

static void take_again(void)
{
	if (shm_load(&term.is_wanted))
		set_modes(&term.raw, true);
}

/* The signal takes its default action when this returns: SA_RESETHAND. */
static void on_end(int sig)
{
	term_restore();
	raise(sig);
}

static void install(int sig, void (*fn)(int sig), int flags);

/* Stops here, as without a handler, but with the terminal as it was. */
static void on_stop(int sig)
{
	int saved = errno;
	sigset_t set;

	if (shm_load(&term.is_raw))
		set_modes(&term.saved, false);
	signal(sig, SIG_DFL);
	raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	/* Continued. */
	install(sig, on_stop, SA_RESTART);
	take_again();
	errno = saved;
}

/* Also after SIGSTOP, which nobody sees. The shell has set its own modes. */
static void on_continue(int sig)
{
	(void)sig;
	take_again();
}

static void install(int sig, void (*fn)(int sig), int flags)
{
	struct sigaction old, sa = { .sa_handler = fn, .sa_flags = flags };

	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		sigaction(sig, &sa, NULL);
}

static void install_all(void)
{
	static const int ends[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGILL,	SIGTRAP,
				    SIGABRT, SIGBUS,  SIGFPE,  SIGSEGV, SIGPIPE,
				    SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU,
				    SIGXFSZ, SIGSYS };

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		install(ends[i], on_end, (int)SA_RESETHAND);
	install(SIGTSTP, on_stop, SA_RESTART);
	install(SIGCONT, on_continue, SA_RESTART);
}

/* Characters come as they are typed, and Ctrl-C is one of them. Output is
 * processed as before (OPOST): other lines than the guest's go there, too. A
 * read without input returns at once (VMIN 0). */
static struct termios make_raw(struct termios t)
{
	t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR |
				 IGNCR | ICRNL | IXON | IXOFF);
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
	t.c_cflag |= CS8;
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	return t;
}

int term_raw(void)
{
	if (!term_is_ours())
		return 0;
	/* Not in the background: these would be the modes of the shell's own
	 * line editor. */
	if (!term.is_known) {
		if (tcgetattr(STDIN_FILENO, &term.saved) < 0)
			return -errno;
		if (atexit(term_restore))
			return -ENOMEM;
		term.raw = make_raw(term.saved);
		term.is_known = true;
		install_all();
	}
	shm_store(&term.is_wanted, true);
	take_again();
	return 0;
}

int term_filter(struct term_keys *k, char *data, int size)
{
	int left = 0;

	k->wants_help = k->wants_break = false;
	for (int i = 0; i < size; i++) {
		char c = data[i];

		if (!k->is_prefix) {
			if (c == KEY_PREFIX)
				k->is_prefix = true;
			else
				data[left++] = c;
			continue;
		}
		k->is_prefix = false;
		switch (c) {
		case KEY_PREFIX:
			data[left++] = c;
			break;
		case 'x':
			return -1;
		case 'h':
			k->wants_help = true;
			break;
		case 'b':
			k->wants_break = true;
			break;
		default:
			break;
		}
	}
	return left;
}
