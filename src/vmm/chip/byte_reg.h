/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices with registers of one byte: a wider access is one for each byte, the
 * lowest port first, as on an 8-bit bus.
 */
#ifndef RW_VMM_BYTE_REG_H
#define RW_VMM_BYTE_REG_H

#include <stdint.h>

static inline uint64_t byte_regs_read(void *dev, uint64_t off, unsigned size,
				      uint8_t (*read)(void *dev, unsigned reg))
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)read(dev, (unsigned)off + i) << 8 * i;
	return v;
}

static inline void byte_regs_write(void *dev, uint64_t off, unsigned size,
				   uint64_t value,
				   void (*write)(void *dev, unsigned reg,
						 uint8_t v))
{
	for (unsigned i = 0; i < size; i++)
		write(dev, (unsigned)off + i, (uint8_t)(value >> 8 * i));
}

#endif
