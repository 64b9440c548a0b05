/* SPDX-License-Identifier: Apache-2.0 */
/* filter/capture: libpcap reads back what was recorded; readers that leave,
 * stand still, or reach their bound. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "fd.h"

struct setup {
	struct port port;
	struct loop *loop;
	unsigned ended;
	int fd; /* the test reads from this */
};

static char port_name[] = "p";

static void begin(struct setup *s)
{
	*s = (struct setup){ .port.name = port_name, .loop = loop_create() };
	assert_non_null(s->loop);
}

static void on_ended(void *arg)
{
	struct setup *s = arg;

	s->ended++;
	capture_stop(&s->port, NULL);
	loop_stop(s->loop);
}

static void start(struct setup *s, struct capture_config config)
{
	struct err err;

	assert_int_equal(
		capture_start(&s->port, &config, s->loop, on_ended, s, &err),
		0);
}

/* A capture into a file that s->fd reads. */
static void start_file(struct setup *s, struct capture_config config)
{
	s->fd = memfd_create("capture", MFD_CLOEXEC);
	config.fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	start(s, config);
}

/* A capture into a pipe whose other end is s->fd. */
static void start_pipe(struct setup *s, struct capture_config config)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	s->fd = fd[0];
	config.fd = fd[1];
	start(s, config);
}

static void fill(uint8_t *data, uint32_t len, uint8_t byte)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(byte + i * 7);
}

/* Records @n frames of @len bytes, with contents that follow from @byte. */
static void record(struct setup *s, bool is_rx, uint32_t len, unsigned n,
		   uint8_t byte)
{
	static uint8_t data[FRAME_MAX];
	static struct frame f;

	for (unsigned i = 0; i < n; i++) {
		struct iovec iov = { data, len };
		struct frame *one = &f;

		fill(data, len, (uint8_t)(byte + i));
		frame_from_iov(&f, &iov, 1, len, FRAME_SNAP);
		capture_frames(s->port.capture, is_rx, &one, 1);
	}
}

static pcap_t *open_pcap(int fd)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *p;

	lseek(fd, 0, SEEK_SET);
	p = pcap_fopen_offline_with_tstamp_precision(
		fdopen(fd, "r"), PCAP_TSTAMP_PRECISION_NANO, text);
	if (!p)
		fail_msg("%s", text);
	assert_int_equal(pcap_datalink(p), DLT_EN10MB);
	return p;
}

static void expect(pcap_t *p, uint32_t len, uint32_t kept, uint8_t byte)
{
	static uint8_t data[FRAME_MAX];
	struct pcap_pkthdr *h;
	const u_char *got;

	assert_int_equal(pcap_next_ex(p, &h, &got), 1);
	assert_int_equal(h->len, len);
	assert_int_equal(h->caplen, kept);
	assert_in_range(time(NULL) - h->ts.tv_sec, 0, 60);
	assert_in_range(h->ts.tv_usec, 0, 999999999);
	fill(data, len, byte);
	assert_memory_equal(got, data, kept);
}

static void end(struct setup *s)
{
	loop_destroy(s->loop);
}

static void test_file(void **state)
{
	struct capture_stats stats;
	struct capture_config again = { .fd = -1 };
	struct pcap_pkthdr *h;
	const u_char *got;
	struct setup s;
	struct err err;
	pcap_t *p;

	(void)state;
	begin(&s);
	start_file(&s, (struct capture_config){ 0 });
	assert_int_equal(
		capture_start(&s.port, &again, s.loop, on_ended, &s, &err),
		-EBUSY);
	record(&s, true, 60, 1, 1);
	record(&s, false, 1514, 1, 2);
	record(&s, true, FRAME_MAX, 1, 3);
	capture_stop(&s.port, &stats);
	assert_null(s.port.capture);
	assert_int_equal(stats.frames, 3);
	assert_int_equal(stats.dropped, 0);
	p = open_pcap(s.fd);
	expect(p, 60, 60, 1);
	expect(p, 1514, 1514, 2);
	expect(p, FRAME_MAX, FRAME_MAX, 3);
	assert_int_equal(pcap_next_ex(p, &h, &got), PCAP_ERROR_BREAK);
	pcap_close(p);
	assert_false(capture_stats(&s.port, &stats));
	capture_stop(&s.port, &stats);
	assert_int_equal(stats.frames, 0);
	end(&s);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void test_options(void **state)
{
	struct capture_stats stats;
	struct setup s;
	pcap_t *p;

	(void)state;
	begin(&s);
	start_file(&s, (struct capture_config){ .snaplen = 100,
						.max_frames = 2,
						.direction = CAPTURE_RX });
	record(&s, false, 200, 5, 50);
	record(&s, true, 80, 1, 1);
	record(&s, false, 200, 5, 50);
	record(&s, true, 1000, 9, 2);
	loop_run(s.loop);
	assert_int_equal(s.ended, 1);
	p = open_pcap(s.fd);
	expect(p, 80, 80, 1);
	expect(p, 1000, 100, 2);
	pcap_close(p);

	/* the bound is reached while the owner stops the capture */
	start_file(&s, (struct capture_config){ .max_frames = 1 });
	record(&s, true, 60, 1, 1);
	usleep(50000);
	capture_stop(&s.port, &stats);
	assert_int_equal(stats.frames, 1);
	loop_post(s.loop, stop_loop, s.loop);
	loop_run(s.loop); /* frees the rest */
	assert_int_equal(s.ended, 1);
	close(s.fd);
	end(&s);
}

/* Reads exactly @size bytes; the pipe does not end there. */
static void read_exactly(int fd, size_t size)
{
	char buf[4096];

	while (size) {
		ssize_t n = read(fd, buf, size < 4096 ? size : 4096);

		assert_true(n > 0);
		size -= (size_t)n;
	}
}

#define PCAP_FILE_HEADER   24
#define PCAP_RECORD_HEADER 16

static void test_live_pipe(void **state)
{
	struct setup s;

	(void)state;
	begin(&s);
	start_pipe(&s, (struct capture_config){ 0 });
	read_exactly(s.fd, PCAP_FILE_HEADER);
	for (int i = 0; i < 3; i++) {
		record(&s, true, 100, 1, 1);
		read_exactly(s.fd, PCAP_RECORD_HEADER + 100);
	}
	/* the reader goes away while nothing is sent */
	close(s.fd);
	loop_run(s.loop);
	assert_int_equal(s.ended, 1);
	assert_null(s.port.capture);
	end(&s);
}

/* A reader that never reads: frames are dropped, and stopping ends soon. */
static void test_stuck_pipe(void **state)
{
	struct capture_stats stats;
	struct setup s;
	uint64_t before;

	(void)state;
	begin(&s);
	start_pipe(&s, (struct capture_config){ 0 });
	record(&s, true, 60000, 200, 1);
	assert_true(capture_stats(&s.port, &stats));
	assert_true(stats.dropped > 0);
	before = loop_now_ms();
	capture_stop(&s.port, &stats);
	assert_in_range(loop_now_ms() - before, 0, 2000);
	assert_true(stats.dropped > 0);
	close(s.fd);
	end(&s);
}

/* A capture into the end of a pipe that is for reading would never end. */
static void test_not_for_writing(void **state)
{
	struct capture_config config = { 0 };
	struct setup s;
	struct err err;
	int fd[2];

	(void)state;
	begin(&s);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	config.fd = fd[0];
	assert_int_equal(
		capture_start(&s.port, &config, s.loop, on_ended, &s, &err),
		-EINVAL);
	assert_string_equal(err.msg, "capture: the descriptor that came along "
				     "is not open for writing");
	assert_null(s.port.capture);
	assert_int_equal(fcntl(fd[0], F_GETFD), -1); /* closed */
	close(fd[1]);
	loop_destroy(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_live_pipe),
		cmocka_unit_test(test_stuck_pipe),
		cmocka_unit_test(test_not_for_writing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
