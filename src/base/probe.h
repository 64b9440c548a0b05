/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe points for tracers (USDT). A probe is a no-op instruction in the code
 * and a note in the binary that tells perf, bpftrace or SystemTap its place and
 * its arguments. Nothing is called. Without a tracer a probe costs the no-op
 * and the computation of its arguments, so probes are on the path of bursts,
 * not of single frames. docs/probes.md lists them.
 */
#ifndef RW_PROBE_H
#define RW_PROBE_H

#ifdef RINGWAY_USDT
#include <sys/sdt.h>

#define PROBE2(name, a, b)    DTRACE_PROBE2(ringway, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(ringway, name, a, b, c)
#else
/* The arguments are evaluated here too: both builds use the same variables. */
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

/* Third argument of probe "call": direction of the queue, seen from the switch.
 */
enum { PROBE_IN, PROBE_OUT };

#endif
