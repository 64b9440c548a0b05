/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of kernels, see unpack.h. Calls the compression libraries. */
#include "unpack.h"

#include <errno.h>
#include <string.h>

#ifdef RINGWAY_LZ4
#include <lz4.h>
#endif
#ifdef RINGWAY_LZMA
#include <lzma.h>
#endif
#ifdef RINGWAY_ZLIB
#include <zlib.h>
#endif
#ifdef RINGWAY_ZSTD
#include <zstd.h>
#endif

#include "util.h"

#ifdef RINGWAY_ZLIB
static int unpack_gzip(const struct unpack *u)
{
	/* zlib only reads next_in, but has no const there. */
	z_stream z = { .next_in = (z_const Bytef *)u->in,
		       .avail_in = (uInt)u->in_size,
		       .next_out = u->out,
		       .avail_out = (uInt)u->out_size };
	int rc;

	if (inflateInit2(&z, 15 + 16) != Z_OK) /* 16: with a gzip header */
		return -ENOMEM;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (rc == Z_MEM_ERROR)
		return -ENOMEM;
	if (z.avail_out || (rc != Z_STREAM_END && !u->is_prefix))
		return -EBADMSG;
	return 0;
}
#else
#define unpack_gzip NULL
#endif

#ifdef RINGWAY_LZMA
/* Linux packs with a dictionary of 128 MiB at most; only what is used of it
 * takes memory. */
#define XZ_MEMORY (192u << 20)

static int unpack_xz(const struct unpack *u)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret rc = lzma_stream_decoder(&z, XZ_MEMORY, 0);

	if (rc != LZMA_OK)
		return -ENOMEM;
	z.next_in = u->in;
	z.avail_in = u->in_size;
	z.next_out = u->out;
	z.avail_out = u->out_size;
	/* LZMA_BUF_ERROR ends the loop when it does not get any further. */
	while (rc == LZMA_OK && (z.avail_out || !u->is_prefix))
		rc = lzma_code(&z, LZMA_RUN);
	lzma_end(&z);
	if (rc == LZMA_MEM_ERROR || rc == LZMA_MEMLIMIT_ERROR)
		return -ENOMEM;
	if (z.avail_out || (rc != LZMA_STREAM_END && !u->is_prefix))
		return -EBADMSG;
	return 0;
}
#else
#define unpack_xz NULL
#endif

#ifdef RINGWAY_ZSTD
static int unpack_zstd_prefix(const struct unpack *u)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = u->in, .size = u->in_size };
	ZSTD_outBuffer out = { .dst = u->out, .size = u->out_size };
	size_t rc = 1;

	if (!z)
		return -ENOMEM;
	while (out.pos < out.size && rc && !ZSTD_isError(rc)) {
		size_t before = out.pos + in.pos;

		rc = ZSTD_decompressStream(z, &out, &in);
		if (out.pos + in.pos == before)
			break;
	}
	ZSTD_freeDStream(z);
	return out.pos == out.size ? 0 : -EBADMSG;
}

/* In one go: zstd needs no window of its own then, and copies nothing. */
static int unpack_zstd(const struct unpack *u)
{
	size_t size;

	if (u->is_prefix)
		return unpack_zstd_prefix(u);
	size = ZSTD_findFrameCompressedSize(u->in, u->in_size);
	if (ZSTD_isError(size))
		return -EBADMSG;
	size = ZSTD_decompress(u->out, u->out_size, u->in, size);
	return size == u->out_size ? 0 : -EBADMSG;
}
#else
#define unpack_zstd NULL
#endif

#ifdef RINGWAY_LZ4
/* The frame that "lz4 -l" writes: the magic, then blocks, each with its packed
 * size in front; all but the last are 8 MiB unpacked. It has no end mark: the
 * known size is the end. */
#define LZ4_BLOCK (8u << 20)

static int unpack_lz4(const struct unpack *u)
{
	size_t at = 4, done = 0;

	while (done < u->out_size) {
		size_t want = MIN(u->out_size - done, LZ4_BLOCK);
		uint32_t size;
		int n;

		if (!range_is_inside(at, sizeof(size), u->in_size))
			return -EBADMSG;
		memcpy(&size, u->in + at, sizeof(size));
		at += sizeof(size);
		if (!size || size > LZ4_COMPRESSBOUND(LZ4_BLOCK) ||
		    !range_is_inside(at, size, u->in_size))
			return -EBADMSG;
		if (u->is_prefix)
			n = LZ4_decompress_safe_partial(
				(const char *)u->in + at, (char *)u->out + done,
				(int)size, (int)want, (int)want);
		else
			n = LZ4_decompress_safe((const char *)u->in + at,
						(char *)u->out + done,
						(int)size, (int)want);
		if (n != (int)want)
			return -EBADMSG;
		at += size;
		done += want;
	}
	return 0;
}
#else
#define unpack_lz4 NULL
#endif

static const struct codec {
	const char *magic;
	unsigned magic_size;
	int (*unpack)(const struct unpack *u); /* NULL: not built in */
} codecs[] = {
	{ "\x1f\x8b", 2, unpack_gzip },
	{ "\xfd\x37zXZ\0", 6, unpack_xz },
	{ "\x28\xb5\x2f\xfd", 4, unpack_zstd },
	{ "\x02\x21\x4c\x18", 4, unpack_lz4 },
};

int unpack(const struct unpack *u)
{
	for (unsigned i = 0; i < ARRAY_SIZE(codecs); i++)
		if (u->in_size >= codecs[i].magic_size && codecs[i].unpack &&
		    !memcmp(u->in, codecs[i].magic, codecs[i].magic_size))
			return codecs[i].unpack(u);
	return -EOPNOTSUPP;
}
