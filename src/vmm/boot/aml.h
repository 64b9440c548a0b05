/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes AML, the byte code of ACPI tables (ACPI 6.5, chapter 20). Calls are
 * made in the order of the ASL text; what has a body is opened and closed. A
 * buffer that is too small makes is_full true, and nothing else is written.
 */
#ifndef RW_VMM_AML_H
#define RW_VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH 8

struct aml {
	uint8_t *data;
	size_t size, room;
	bool is_full;
	unsigned depth;
	size_t body[AML_DEPTH]; /* where the open bodies begin */
};

void aml_init(struct aml *a, void *data, size_t room);

/* Values */
void aml_int(struct aml *a, uint64_t v);
void aml_eisa_id(struct aml *a, const char *id); /* "PNP0A08" */

/* Name(@name, ...): the value follows. A name has at most four characters, a
 * backslash in front not counted; that of aml_use() may be a path of several,
 * with dots. */
void aml_name(struct aml *a, const char *name);
void aml_name_int(struct aml *a, const char *name, uint64_t v);
void aml_name_eisa_id(struct aml *a, const char *name, const char *id);

void aml_open_scope(struct aml *a, const char *name);
void aml_open_device(struct aml *a, const char *name);
void aml_open_package(struct aml *a, uint8_t count);
void aml_close(struct aml *a); /* any of these, and those below */

/* OperationRegion(@name, SystemIO, ...), and Field() of such a region, whose
 * fields are written and read whole: 32 bits each, from its beginning on */
void aml_region(struct aml *a, const char *name, uint16_t port, uint8_t size);
void aml_open_fields(struct aml *a, const char *region);
void aml_field32(struct aml *a, const char *name);

/* Methods with @args arguments, and statements of theirs */
void aml_open_method(struct aml *a, const char *name, unsigned args);
void aml_open_if_bits(struct aml *a, unsigned arg, uint64_t mask); /* Arg & M */
void aml_notify(struct aml *a, const char *device, unsigned arg);
void aml_store(struct aml *a, uint64_t v, const char *to);
/* A method, whose arguments follow, or the value of a field */
void aml_use(struct aml *a, const char *name);

/* ResourceTemplate(), and what may be in it (ACPI 6.5, clause 6.4) */
void aml_open_resources(struct aml *a);
void aml_close_resources(struct aml *a);
void aml_io(struct aml *a, uint16_t base, uint8_t size);
void aml_irq(struct aml *a, unsigned irq); /* edge, active high */
void aml_memory32(struct aml *a, uint32_t base, uint32_t size);

/* What a bridge passes on. AML_MEMORY must end below 4 GiB or lie above. */
enum aml_window { AML_MEMORY, AML_IO, AML_BUS };
void aml_window(struct aml *a, enum aml_window kind, uint64_t base,
		uint64_t size);

#endif
