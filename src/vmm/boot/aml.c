/* SPDX-License-Identifier: Apache-2.0 */
/* AML, see aml.h. Numbers in comments are clauses of ACPI 6.5. */
#include "aml.h"

#include <assert.h>
#include <string.h>

#include "util.h"

/* 20.3 */
enum {
	OP_ZERO = 0x00,
	OP_ONE = 0x01,
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_DUAL_NAME = 0x2e,
	OP_MULTI_NAME = 0x2f,
	OP_EXT = 0x5b,
	OP_ARG0 = 0x68,
	OP_STORE = 0x70,
	OP_AND = 0x7b,
	OP_NOTIFY = 0x86,
	OP_IF = 0xa0,
	/* behind OP_EXT */
	OP_REGION = 0x80,
	OP_FIELD = 0x81,
	OP_DEVICE = 0x82,
};

void aml_init(struct aml *a, void *data, size_t room)
{
	*a = (struct aml){ .data = data, .room = room };
}

/* Makes room for @size bytes at @at. Returns them, or NULL. */
static uint8_t *insert(struct aml *a, size_t at, size_t size)
{
	uint8_t *to = a->data + at;

	if (a->is_full || size > a->room - a->size) {
		a->is_full = true;
		return NULL;
	}
	memmove(to + size, to, a->size - at);
	a->size += size;
	return to;
}

static void add(struct aml *a, const void *data, size_t size)
{
	uint8_t *to = insert(a, a->size, size);

	if (to)
		memcpy(to, data, size);
}

/* Adds the low @size bytes of @v. */
static void add_le(struct aml *a, uint64_t v, size_t size)
{
	uint8_t b[8];

	for (size_t i = 0; i < size; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	add(a, b, size);
}

static void add_byte(struct aml *a, unsigned v)
{
	add_le(a, v, 1);
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1)
		return add_byte(a, v ? OP_ONE : OP_ZERO);
	add_byte(a, v <= UINT8_MAX    ? OP_BYTE
		    : v <= UINT16_MAX ? OP_WORD
		    : v <= UINT32_MAX ? OP_DWORD
				      : OP_QWORD);
	add_le(a, v,
	       v <= UINT8_MAX	 ? 1
	       : v <= UINT16_MAX ? 2
	       : v <= UINT32_MAX ? 4
				 : 8);
}

static unsigned hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* 19.3.4: three letters of five bits and four digits of four, in big-endian
 * order. */
void aml_eisa_id(struct aml *a, const char *id)
{
	uint32_t v = 0;

	assert(strlen(id) == 7);
	for (unsigned i = 0; i < 3; i++)
		v = v << 5 | ((unsigned)id[i] - 0x40);
	for (unsigned i = 3; i < 7; i++)
		v = v << 4 | hex(id[i]);
	add_byte(a, OP_DWORD);
	add_le(a, __builtin_bswap32(v), 4);
}

static void add_name(struct aml *a, const char *name)
{
	unsigned parts = 1;

	if (*name == '\\') {
		add_byte(a, '\\');
		name++;
	}
	for (const char *c = name; *c; c++)
		parts += *c == '.';
	if (parts == 2) {
		add_byte(a, OP_DUAL_NAME);
	} else if (parts > 2) {
		add_byte(a, OP_MULTI_NAME);
		add_byte(a, parts);
	}
	while (parts--) {
		size_t size = strcspn(name, ".");

		assert(size && size <= 4);
		add(a, name, size);
		add(a, "___", 4 - size);
		name += size + 1;
	}
}

void aml_name(struct aml *a, const char *name)
{
	add_byte(a, OP_NAME);
	add_name(a, name);
}

void aml_name_int(struct aml *a, const char *name, uint64_t v)
{
	aml_name(a, name);
	aml_int(a, v);
}

void aml_name_eisa_id(struct aml *a, const char *name, const char *id)
{
	aml_name(a, name);
	aml_eisa_id(a, id);
}

static void open_body(struct aml *a)
{
	assert(a->depth < AML_DEPTH);
	a->body[a->depth++] = a->size;
}

/* Puts the length in front of the body, 20.2.4: it counts its own bytes, which
 * are as few as possible. */
void aml_close(struct aml *a)
{
	size_t at, size, bytes;
	uint8_t *to;

	assert(a->depth);
	at = a->body[--a->depth];
	size = a->size - at;
	bytes = size + 1 < 1 << 6    ? 1
		: size + 2 < 1 << 12 ? 2
		: size + 3 < 1 << 20 ? 3
				     : 4;
	to = insert(a, at, bytes);
	if (!to)
		return;
	size += bytes;
	if (bytes == 1) {
		to[0] = (uint8_t)size;
		return;
	}
	to[0] = (uint8_t)((bytes - 1) << 6 | (size & 0xf));
	for (size_t i = 1; i < bytes; i++)
		to[i] = (uint8_t)(size >> (8 * i - 4));
}

void aml_open_scope(struct aml *a, const char *name)
{
	add_byte(a, OP_SCOPE);
	open_body(a);
	add_name(a, name);
}

void aml_open_device(struct aml *a, const char *name)
{
	add_byte(a, OP_EXT);
	add_byte(a, OP_DEVICE);
	open_body(a);
	add_name(a, name);
}

void aml_open_package(struct aml *a, uint8_t count)
{
	add_byte(a, OP_PACKAGE);
	open_body(a);
	add_byte(a, count);
}

/* 20.2.5.2: accessed as double words; bits beside a field do not exist */
void aml_region(struct aml *a, const char *name, uint16_t port, uint8_t size)
{
	enum { SYSTEM_IO = 1 };

	add_byte(a, OP_EXT);
	add_byte(a, OP_REGION);
	add_name(a, name);
	add_byte(a, SYSTEM_IO);
	aml_int(a, port);
	aml_int(a, size);
}

void aml_open_fields(struct aml *a, const char *region)
{
	enum { DWORD_ACCESS = 3, WRITE_AS_ZEROS = 2 << 5 };

	add_byte(a, OP_EXT);
	add_byte(a, OP_FIELD);
	open_body(a);
	add_name(a, region);
	add_byte(a, DWORD_ACCESS | WRITE_AS_ZEROS);
}

void aml_field32(struct aml *a, const char *name)
{
	add_name(a, name);
	add_byte(a, 32);
}

/* Not serialized: the interpreter runs one method at a time, except while it
 * waits, which ours do not. */
void aml_open_method(struct aml *a, const char *name, unsigned args)
{
	add_byte(a, OP_METHOD);
	open_body(a);
	add_name(a, name);
	add_byte(a, args);
}

void aml_open_if_bits(struct aml *a, unsigned arg, uint64_t mask)
{
	add_byte(a, OP_IF);
	open_body(a);
	add_byte(a, OP_AND);
	add_byte(a, OP_ARG0 + arg);
	aml_int(a, mask);
	add_byte(a, OP_ZERO); /* the result goes nowhere else */
}

void aml_notify(struct aml *a, const char *device, unsigned arg)
{
	add_byte(a, OP_NOTIFY);
	add_name(a, device);
	add_byte(a, OP_ARG0 + arg);
}

void aml_store(struct aml *a, uint64_t v, const char *to)
{
	add_byte(a, OP_STORE);
	aml_int(a, v);
	add_name(a, to);
}

void aml_use(struct aml *a, const char *name)
{
	add_name(a, name);
}

void aml_open_resources(struct aml *a)
{
	add_byte(a, OP_BUFFER);
	open_body(a);
}

void aml_close_resources(struct aml *a)
{
	size_t at, size;
	uint8_t *to;

	/* End tag, 6.4.2.9; the checksum 0 is always right. */
	add_le(a, 0x0079, 2);
	assert(a->depth);
	at = a->body[a->depth - 1];
	size = a->size - at;
	/* The size of the buffer comes first. */
	to = insert(a, at, size <= UINT8_MAX ? 2 : 3);
	if (to) {
		to[0] = size <= UINT8_MAX ? OP_BYTE : OP_WORD;
		to[1] = (uint8_t)size;
		if (size > UINT8_MAX)
			to[2] = (uint8_t)(size >> 8);
	}
	aml_close(a);
}

/* 6.4.2.5, decoding 16 bits */
void aml_io(struct aml *a, uint16_t base, uint8_t size)
{
	add_byte(a, 0x47);
	add_byte(a, 1);
	add_le(a, base, 2);
	add_le(a, base, 2);
	add_byte(a, 1); /* alignment */
	add_byte(a, size);
}

/* 6.4.2.1, without flags */
void aml_irq(struct aml *a, unsigned irq)
{
	add_byte(a, 0x22);
	add_le(a, 1u << irq, 2);
}

/* 6.4.3.4, writable */
void aml_memory32(struct aml *a, uint32_t base, uint32_t size)
{
	add_byte(a, 0x86);
	add_le(a, 9, 2);
	add_byte(a, 1);
	add_le(a, base, 4);
	add_le(a, size, 4);
}

/* 6.4.3.5: descriptors of addresses with 2, 4 or 8 bytes */
void aml_window(struct aml *a, enum aml_window kind, uint64_t base,
		uint64_t size)
{
	static const uint8_t flags[] = {
		[AML_MEMORY] = 1, /* writable, not to be cached */
		[AML_IO] = 3,	  /* no holes for ISA */
		[AML_BUS] = 0,
	};
	uint64_t last = base + size - 1;
	unsigned bytes = kind != AML_MEMORY ? 2 : last <= UINT32_MAX ? 4 : 8;

	add_byte(a, bytes == 2 ? 0x88 : bytes == 4 ? 0x87 : 0x8a);
	add_le(a, 3 + 5 * bytes, 2);
	add_byte(a, kind);
	add_byte(a, 0x0c); /* produced, fixed at both ends, positive decode */
	add_byte(a, flags[kind]);
	add_le(a, 0, bytes); /* granularity */
	add_le(a, base, bytes);
	add_le(a, last, bytes);
	add_le(a, 0, bytes); /* translation */
	add_le(a, size, bytes);
}
