/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe points for tracers (USDT): a no-op instruction in the code, and a note
 * in the binary that tells perf, bpftrace or SystemTap where it is and where
 * its arguments are. Nothing is called; without a tracer attached a probe costs
 * the no-op and having its arguments at hand, so it sits where bursts pass, not
 * frames. docs/probes.md lists them.
 */
#ifndef RW_PROBE_H
#define RW_PROBE_H

#ifdef RINGWAY_USDT
#include <sys/sdt.h>

#define PROBE2(name, a, b)    DTRACE_PROBE2(ringway, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(ringway, name, a, b, c)
#else
/* The arguments are named, so that both builds see the same variables used. */
#define PROBE2(name, a, b) \
	do {               \
		(void)(a); \
		(void)(b); \
	} while (0)
#define PROBE3(name, a, b, c)       \
	do {                        \
		PROBE2(name, a, b); \
		(void)(c);          \
	} while (0)
#endif

/* Third argument of call: which of a port's queues, seen from the switch. */
enum { PROBE_IN, PROBE_OUT };

#endif
