/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache lines of guest memory that a 64-byte frame costs. Frames go in
 * bursts of 32 through a ring of 256, with mergeable receive buffers, for each
 * ring format and two layouts of buffers, in both directions. For each part of
 * the ring and the buffers, the program prints how many lines the driver and
 * the device read and write, and how many move between their caches (lines.h),
 * all per frame. The numbers depend on the code only, not on the machine.
 *
 * line_bench         prints the tables
 * line_bench check   compares the totals of moved lines with those recorded
 *                    in the table `formats`; exit 1 when one is larger or
 *                    smaller
 *
 * The sources of the ring and of virtio-net, and this file, are compiled with
 * -fsanitize=thread, so that each access calls a function of lines_hooks.c, and
 * with lines_prefetch.h.
 *
 * Method. Driver and device play in turns, and each finds all that the other
 * one did: neither looks at an empty ring, nor at a burst that is only partly
 * there. The driver behaves as DPDK's: before it sends it takes back all used
 * buffers; frames lie ready in their buffers, and a header is read and
 * rewritten only if it is not zero; of a received frame it reads num_buffers
 * and the destination address (for its statistics), and it offers the buffer
 * again.
 *
 * What is not seen: vector code and inline assembly (large copies only);
 * evictions; what a guest does with the bytes of a frame. Descriptors and
 * buffers are used in the order of their return.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "key.h"
#include "lines.h"
#include "vnet.h"
#include "vq_drv.h"

#define RING	   256
#define BURST	   32
#define WARM_LAPS  4
#define BURSTS	   64 /* that are counted; a multiple of a lap */
#define FRAME_SIZE 64
#define HDR_SIZE   12
#define GPA	   0x40000000ull

/* Offsets in guest memory: each area of the ring has its own pages. */
#define DESC_AT	   0x0000
#define DRIVER_AT  0x2000
#define DEVICE_AT  0x3000
#define BUFFERS_AT 0x10000
#define STRIDE	   2048 /* from buffer to buffer */
#define MEMORY	   (BUFFERS_AT + RING * STRIDE)
_Static_assert(MEMORY <= LINES_MEMORY, "the model is too small");

#define BIT(f) (1ull << VIRTIO_##f)
#define MRG    (BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF))
#define PACKED (MRG | BIT(F_RING_PACKED))

static const struct layout {
	const char *name;
	size_t hdr_at; /* offset of the header in a buffer */
	size_t size;   /* bytes of the buffer from there on */
} layouts[] = {
	{ "frame begins a line", 128 - HDR_SIZE, 2048 - 128 + HDR_SIZE },
	{ "header begins a line", 0, 1536 },
};

enum queue { TRANSMITQ, RECEIVEQ, QUEUES };
static const char *const queue_name[] = { "transmitq", "receiveq" };

/* Lines moved for a frame in the two queues, for each layout. A change of the
 * code that changes a number writes the new one here; if it is larger, the
 * commit says why. */
static const struct format {
	const char *name;
	uint64_t features;
	double recorded[ARRAY_SIZE(layouts)][QUEUES];
} formats[] = {
	{ "split", MRG, { { 1.05, 3.05 }, { 1.05, 3.05 } } },
	{ "packed", PACKED, { { 1.00, 3.00 }, { 1.00, 3.00 } } },
	{ "packed in-order",
	  PACKED | BIT(F_IN_ORDER),
	  { { 0.56, 3.00 }, { 0.56, 3.00 } } },
};

/* Parts of guest memory. The flags that suppress events lie in the lines of
 * the two indices when the ring is split. */
enum {
	PART_OTHER,
	PART_DESC,
	PART_AVAIL_IDX,
	PART_AVAIL_RING,
	PART_USED_IDX,
	PART_USED_RING,
	PART_DRIVER_EVENT,
	PART_DEVICE_EVENT,
	PART_HEADER,
	PART_PAYLOAD,
	PART_COUNT,
};
_Static_assert(PART_COUNT <= LINES_PARTS, "the model has too few parts");

static const char *const part_name[PART_COUNT] = {
	[PART_OTHER] = "other",
	[PART_DESC] = "descriptors",
	[PART_AVAIL_IDX] = "avail, first line (idx)",
	[PART_AVAIL_RING] = "avail, other lines",
	[PART_USED_IDX] = "used, first line (idx)",
	[PART_USED_RING] = "used, other lines",
	[PART_DRIVER_EVENT] = "driver's event area",
	[PART_DEVICE_EVENT] = "device's event area",
	[PART_HEADER] = "buffer, line of header",
	[PART_PAYLOAD] = "buffer, other lines",
};

/* A queue with both its sides. */
struct rig {
	const struct layout *layout;
	int memfd;
	uint8_t *base; /* guest memory, as the driver sees it */
	struct gmem *mem;
	struct vq_dev dev;
	struct vq_drv *drv;
	uint8_t *next_buffer; /* that the driver sends next */
	struct vnet_rx_scratch scratch;
	struct waiting waiting;
	struct copy_choice choice;
	struct frame frames[BURST_MAX];
	struct frame *ptr[BURST_MAX];
};

/* Ends the program if @ok is false: the numbers would be meaningless. */
#define REQUIRE(ok) require(ok, #ok, __LINE__)
static void require(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line_bench.c:%d: error: not true: %s\n", line, what);
	exit(2);
}

static struct vq_areas areas_at(uint8_t *base)
{
	return (struct vq_areas){ base + DESC_AT, base + DRIVER_AT,
				  base + DEVICE_AT };
}

static void name_parts(const struct rig *r, uint64_t features)
{
	struct vq_area_sizes size = vq_area_sizes(features, RING);
	bool is_packed = features & BIT(F_RING_PACKED);

	lines_set_part(PART_DESC, DESC_AT, size.desc);
	if (is_packed) {
		lines_set_part(PART_DRIVER_EVENT, DRIVER_AT, size.driver);
		lines_set_part(PART_DEVICE_EVENT, DEVICE_AT, size.device);
	} else {
		lines_set_part(PART_AVAIL_RING, DRIVER_AT, size.driver);
		lines_set_part(PART_AVAIL_IDX, DRIVER_AT, 4);
		lines_set_part(PART_USED_RING, DEVICE_AT, size.device);
		lines_set_part(PART_USED_IDX, DEVICE_AT, 4);
	}
	for (unsigned i = 0; i < RING; i++) {
		size_t at = BUFFERS_AT + i * STRIDE;

		lines_set_part(PART_PAYLOAD, at, STRIDE);
		lines_set_part(PART_HEADER, at + r->layout->hdr_at, HDR_SIZE);
	}
}

static void map_memory(struct rig *r)
{
	struct gmem_desc desc = { .gpa = GPA, .size = MEMORY };
	struct err err;

	r->memfd = desc.fd = memfd_create("lines", MFD_CLOEXEC);
	REQUIRE(r->memfd >= 0 && !ftruncate(r->memfd, MEMORY));
	r->base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->memfd, 0);
	REQUIRE(r->base != MAP_FAILED);
	REQUIRE(!gmem_create(&desc, 1, &r->mem, &err));
}

static void rig_init(struct rig *r, const struct format *f,
		     const struct layout *layout)
{
	static const uint8_t payload[FRAME_SIZE] = { 2, 0, 0, 0, 0, 1 };
	uint8_t *host;

	memset(r, 0, sizeof(*r));
	r->layout = layout;
	map_memory(r);
	host = gmem_translate(r->mem, GPA, MEMORY);
	lines_start(r->base, host, MEMORY);
	name_parts(r, f->features);
	r->drv = vq_drv_create(&(struct vq_drv_config){
		.features = f->features,
		.count = RING,
		.area = areas_at(r->base),
		.base = r->base,
		.gpa = GPA,
		.size = MEMORY,
		.kick_fd = -1,
	});
	REQUIRE(r->drv);
	REQUIRE(!vq_dev_activate(
		&r->dev,
		&(struct vq_dev_config){
			.features = f->features,
			.count = RING,
			.area = areas_at(host),
			.mem = r->mem,
			.position = { .avail_wrap = true, .used_wrap = true },
			.call_fd = -1,
		}));
	r->next_buffer = r->base + BUFFERS_AT;
	for (unsigned i = 0; i < RING; i++)
		memcpy(r->next_buffer + i * STRIDE + layout->hdr_at + HDR_SIZE,
		       payload, FRAME_SIZE);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct iovec iov = { (void *)payload, FRAME_SIZE };

		r->ptr[i] = &r->frames[i];
		frame_from_iov(&r->frames[i], &iov, 1, FRAME_SIZE, FRAME_SNAP);
	}
}

static void rig_fini(struct rig *r)
{
	vq_dev_deactivate(&r->dev);
	vq_drv_destroy(r->drv);
	gmem_put(r->mem);
	munmap(r->base, MEMORY);
	close(r->memfd);
}

/* Makes the @n buffers at @buffer available with one publication. */
static void driver_push(struct rig *r, void *const *buffer, unsigned n,
			enum queue queue)
{
	struct vq_drv_buf bufs[RING];
	struct iovec iov[RING];

	for (unsigned i = 0; i < n; i++) {
		iov[i].iov_base = (uint8_t *)buffer[i] + r->layout->hdr_at;
		iov[i].iov_len = queue == TRANSMITQ ? HDR_SIZE + FRAME_SIZE
						    : r->layout->size;
		bufs[i] = (struct vq_drv_buf){
			.iov = &iov[i],
			.readable_count = queue == TRANSMITQ,
			.writable_count = queue == RECEIVEQ,
			.cookie = buffer[i],
		};
	}
	REQUIRE(vq_drv_push_burst(r->drv, bufs, n) == n);
	vq_drv_should_notify(r->drv);
}

static void driver_send(struct rig *r)
{
	static const uint8_t no_offloads[HDR_SIZE];
	struct vq_drv_used used[RING];
	void *buffer[BURST];

	vq_drv_pop_burst(r->drv, used, RING);
	REQUIRE(vq_drv_free_slots(r->drv) == RING);
	for (unsigned i = 0; i < BURST; i++) {
		uint8_t *hdr = r->next_buffer + r->layout->hdr_at;

		if (memcmp(hdr, no_offloads, HDR_SIZE))
			memset(hdr, 0, HDR_SIZE);
		buffer[i] = r->next_buffer;
		r->next_buffer += STRIDE;
		if (r->next_buffer == r->base + MEMORY)
			r->next_buffer = r->base + BUFFERS_AT;
	}
	driver_push(r, buffer, BURST, TRANSMITQ);
}

static void device_take(struct rig *r)
{
	struct vnet_rx_stats stats = { 0 };
	unsigned n, chains;

	n = vnet_rx_burst(&r->dev, 0, &r->scratch, &r->waiting, FRAME_SNAP,
			  r->frames, BURST_MAX, &chains, &stats);
	REQUIRE(n == BURST && r->frames[0].len == FRAME_SIZE);
	REQUIRE(!vnet_rx_done(&r->dev, &r->scratch, &r->waiting, chains, 0));
}

static void driver_offer_all(struct rig *r)
{
	void *buffer[RING];

	for (unsigned i = 0; i < RING; i++)
		buffer[i] = r->base + BUFFERS_AT + i * STRIDE;
	driver_push(r, buffer, RING, RECEIVEQ);
}

static void device_give(struct rig *r)
{
	struct vnet_tx_result res =
		vnet_tx_burst(&r->dev, &r->choice, r->ptr, BURST);

	REQUIRE(res.taken == BURST && !res.too_big && !res.notified);
}

static void driver_receive(struct rig *r)
{
	struct vq_drv_used used[RING];
	void *buffer[RING];
	unsigned n = vq_drv_pop_burst(r->drv, used, RING);

	REQUIRE(n == BURST);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *hdr = (uint8_t *)used[i].cookie + r->layout->hdr_at;
		le16 num_buffers;

		memcpy(&num_buffers, hdr + 10, sizeof(num_buffers));
		REQUIRE(le16_to_cpu(num_buffers) == 1);
		REQUIRE(!mac_is_multicast(hdr + HDR_SIZE));
		REQUIRE(used[i].size == HDR_SIZE + FRAME_SIZE);
		buffer[i] = used[i].cookie;
	}
	driver_push(r, buffer, n, RECEIVEQ);
}

static void one_burst(struct rig *r, enum queue queue)
{
	if (queue == TRANSMITQ) {
		driver_send(r);
		device_take(r);
	} else {
		device_give(r);
		driver_receive(r);
	}
	lines_end_burst();
}

/* Counts the lines of a queue; lines_get() has them afterwards. */
static void count(struct rig *r, const struct format *f,
		  const struct layout *layout, enum queue queue)
{
	rig_init(r, f, layout);
	if (queue == RECEIVEQ)
		driver_offer_all(r);
	for (unsigned i = 0; i < WARM_LAPS * RING / BURST; i++)
		one_burst(r, queue);
	lines_clear();
	for (unsigned i = 0; i < BURSTS; i++)
		one_burst(r, queue);
	rig_fini(r);
}

static double per_frame(uint64_t n)
{
	return (double)n / (BURSTS * BURST);
}

static uint64_t moved_of(struct lines_count c)
{
	return c.fetched + c.owned;
}

static void add(struct lines_count *sum, struct lines_count c)
{
	sum->reads += c.reads;
	sum->writes += c.writes;
	sum->fetched += c.fetched;
	sum->owned += c.owned;
}

static double moved_in_all(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PART_COUNT; i++)
		n += moved_of(lines_get(LINES_DRIVER, i)) +
		     moved_of(lines_get(LINES_DEVICE, i));
	return per_frame(n);
}

static void print_row(const char *name, const struct lines_count c[LINES_SIDES])
{
	printf("  %-24s", name);
	for (unsigned i = 0; i < LINES_SIDES; i++)
		printf(" %7.2f %6.2f %6.2f", per_frame(c[i].reads),
		       per_frame(c[i].writes), per_frame(moved_of(c[i])));
	printf(" %7.2f %8.2f\n", per_frame(moved_of(c[0]) + moved_of(c[1])),
	       per_frame(c[0].owned + c[1].owned));
}

static void print_table(const struct format *f, const struct layout *layout,
			enum queue queue)
{
	struct lines_count sum[LINES_SIDES] = { 0 };

	printf("%s, %s, %s\n", f->name, queue_name[queue], layout->name);
	printf("  %24s  driver                device                both\n",
	       "");
	printf("  %-24s %7s %6s %6s %7s %6s %6s %7s %8s\n", "lines a frame",
	       "read", "write", "moved", "read", "write", "moved", "moved",
	       "by write");
	for (unsigned i = 0; i < PART_COUNT; i++) {
		struct lines_count c[] = { lines_get(LINES_DRIVER, i),
					   lines_get(LINES_DEVICE, i) };

		if (!(c[0].reads | c[0].writes | c[1].reads | c[1].writes))
			continue;
		print_row(part_name[i], c);
		add(&sum[0], c[0]);
		add(&sum[1], c[1]);
	}
	print_row("all", sum);
	printf("\n");
}

/* Returns whether @moved is the number recorded for this case; if not, says
 * which number to change. */
static bool is_as_recorded(unsigned format, unsigned layout, enum queue queue,
			   double moved)
{
	double before = formats[format].recorded[layout][queue];
	bool is_more = moved > before + 0.01;

	if (!is_more && moved >= before - 0.01)
		return true;
	fprintf(stderr,
		"tests/bench/line_bench.c: error: %s, %s, %s: %.2f lines a "
		"frame move, not %.2f; %sset formats[%u].recorded[%u][%u] to "
		"%.2f\n",
		formats[format].name, queue_name[queue], layouts[layout].name,
		moved, before, is_more ? "avoid them, or say why and " : "",
		format, layout, queue, moved);
	return false;
}

static void print_sums(
	double moved[ARRAY_SIZE(formats)][ARRAY_SIZE(layouts)][QUEUES])
{
	printf("%-16s %-22s %10s %10s %6s\n", "moved lines", "", queue_name[0],
	       queue_name[1], "both");
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(layouts); j++) {
			const double *m = moved[i][j];

			printf("%-16s %-22s %10.2f %10.2f %6.2f\n",
			       formats[i].name, layouts[j].name, m[0], m[1],
			       m[0] + m[1]);
		}
}

int main(int argc, char **argv)
{
	bool is_check = argc == 2 && !strcmp(argv[1], "check"), is_good = true;
	double moved[ARRAY_SIZE(formats)][ARRAY_SIZE(layouts)][QUEUES];
	static struct rig rig;

	if (argc > 1 && !is_check) {
		fprintf(stderr, "usage: line_bench [check]\n");
		return 2;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(layouts); j++)
			for (enum queue q = 0; q < QUEUES; q++) {
				count(&rig, &formats[i], &layouts[j], q);
				moved[i][j][q] = moved_in_all();
				if (!is_check)
					print_table(&formats[i], &layouts[j],
						    q);
				else if (!is_as_recorded(i, j, q,
							 moved[i][j][q]))
					is_good = false;
			}
	print_sums(moved);
	return is_good ? 0 : 1;
}
