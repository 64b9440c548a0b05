/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the vCPUs of a machine are grouped, and the numbers of their local APICs:
 * fields for socket, core and thread, each as wide as its count needs. So with
 * counts that are no powers of two there are gaps. CPUID and the MADT both come
 * from here.
 */
#ifndef RW_VMM_CPU_TOPOLOGY_H
#define RW_VMM_CPU_TOPOLOGY_H

struct cpu_topology {
	unsigned sockets;
	unsigned cores;	  /* of a socket */
	unsigned threads; /* of a core */
};

static inline unsigned cpu_topology_count(const struct cpu_topology *t)
{
	return t->sockets * t->cores * t->threads;
}

/* Returns how many bits number @n things. */
static inline unsigned cpu_topology_bits(unsigned n)
{
	unsigned bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

/* Returns how many bits of a number are below the core's, and the socket's. */
static inline unsigned cpu_topology_core_shift(const struct cpu_topology *t)
{
	return cpu_topology_bits(t->threads);
}

static inline unsigned cpu_topology_socket_shift(const struct cpu_topology *t)
{
	return cpu_topology_core_shift(t) + cpu_topology_bits(t->cores);
}

/* Returns the number of the local APIC of vCPU @n. */
static inline unsigned cpu_topology_apic_id(const struct cpu_topology *t,
					    unsigned n)
{
	unsigned core = n / t->threads;

	return core / t->cores << cpu_topology_socket_shift(t) |
	       core % t->cores << cpu_topology_core_shift(t) | n % t->threads;
}

#endif
