/* SPDX-License-Identifier: Apache-2.0 */
/* BUILD-LIBS: -I../src/port/socket */
/*
 * sockgen: sends frames to a back-end over one socket and counts those that
 * come out of another, on one processor; or forwards them itself with the same
 * system calls, as the bound for what a switch can do. Datagrams are sent and
 * received joined (UDP_SEGMENT, UDP_GRO), so that the generator is not what
 * limits.
 *
 *   sockgen gen stream|dgram SIZE SECONDS HEADER-HEX OUT IN
 *   sockgen loop stream|dgram SIZE SECONDS HEADER-HEX OUT IN
 *
 * OUT and IN are PATH (a UNIX socket that somebody listens on) or
 * LOCAL-PORT:REMOTE-PORT (UDP) or :REMOTE-PORT (TCP) on 127.0.0.1. HEADER-HEX
 * stands in front of each datagram, "-" for none. `gen` prints frames a second;
 * `loop` runs until it is killed: it listens itself at both places, and OUT is
 * where frames come in.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "udp_gso.h"

#define BURST 64
#define ROOM  (256 * 1024)

static bool is_stream;
static unsigned size, hdr_size;
static uint8_t hdr[64];
static uint8_t frame[65536 + 64];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void set_up(int fd)
{
	int on = 1, room = 4 << 20;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!is_stream) {
		udp_set_gro(fd);
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Connects. The bare loop listens at its second place only when somebody has
 * come to the first. */
static void connect_to(int fd, const void *to, socklen_t size, const char *what)
{
	for (int i = 0; connect(fd, to, size); i++) {
		if (i == 1000)
			fail(what);
		usleep(1000);
	}
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int open_unix(const char *path, bool listens)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), peer;

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	if (!listens) {
		connect_to(fd, &sa, sizeof(sa), path);
		return fd;
	}
	unlink(path);
	if (bind(fd, (void *)&sa, sizeof(sa)) || listen(fd, 1))
		fail(path);
	peer = accept(fd, NULL, NULL);
	close(fd);
	return peer;
}

static int open_tcp(unsigned port, bool listens)
{
	struct sockaddr_in sa = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, peer;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!listens) {
		connect_to(fd, &sa, sizeof(sa), "connect");
		return fd;
	}
	if (bind(fd, (void *)&sa, sizeof(sa)) || listen(fd, 1))
		fail("listen");
	peer = accept(fd, NULL, NULL);
	close(fd);
	return peer;
}

static int open_udp(unsigned local, unsigned remote)
{
	struct sockaddr_in ours = loopback(local), theirs = loopback(remote);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, (void *)&ours, sizeof(ours)) ||
	    connect(fd, (void *)&theirs, sizeof(theirs)))
		fail("udp");
	return fd;
}

static int open_socket(const char *where, bool listens)
{
	const char *colon = strchr(where, ':');
	int fd;

	if (!colon)
		fd = open_unix(where, listens);
	else if (is_stream)
		fd = open_tcp((unsigned)atoi(colon + 1), listens);
	else if (listens)
		fd = open_udp((unsigned)atoi(colon + 1), (unsigned)atoi(where));
	else
		fd = open_udp((unsigned)atoi(where), (unsigned)atoi(colon + 1));
	set_up(fd);
	return fd;
}

/* Sends up to @n copies of the frame; returns how many. @rest: bytes of a frame
 * that a stream took in part before. */
static unsigned send_burst(int fd, unsigned n, size_t *rest)
{
	static struct iovec v[BURST];
	uint8_t control[UDP_GSO_CONTROL];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = n };
	size_t whole = hdr_size + size;
	ssize_t got;

	if (!is_stream && n * whole > UDP_GSO_BYTES)
		m.msg_iovlen = n = (unsigned)(UDP_GSO_BYTES / whole);
	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){ frame, whole };
	if (!is_stream) {
		udp_gso_set(&m, control, (uint16_t)whole);
		return sendmsg(fd, &m, MSG_DONTWAIT) < 0 ? 0 : n;
	}
	if (*rest)
		v[0] = (struct iovec){ frame + whole - *rest, *rest };
	got = writev(fd, v, (int)n);
	if (got <= 0)
		return 0;
	if (*rest && (size_t)got < *rest) {
		*rest -= (size_t)got;
		return 0;
	}
	n = *rest ? 1 : 0;
	got -= (ssize_t)*rest;
	n += (unsigned)((size_t)got / whole);
	*rest = (size_t)got % whole ? whole - (size_t)got % whole : 0;
	return n;
}

/* Lets a learning switch see the address that the frames go to. */
static void teach(int in)
{
	uint8_t other[6];
	size_t rest = 0;

	memcpy(other, frame + hdr_size, 6);
	memcpy(frame + hdr_size, frame + hdr_size + 6, 6);
	memcpy(frame + hdr_size + 6, other, 6);
	send_burst(in, 1, &rest);
	usleep(50000);
	memcpy(frame + hdr_size + 6, frame + hdr_size, 6);
	memcpy(frame + hdr_size, other, 6);
}

/* Receives up to BURST messages. Returns how many, or -1. */
static int receive_messages(int fd, struct mmsghdr *m, struct iovec *v)
{
	static uint8_t slot[BURST][65536];
	static uint8_t control[BURST][64];

	for (unsigned i = 0; i < BURST; i++) {
		v[i] = (struct iovec){ slot[i], sizeof(slot[i]) };
		m[i].msg_hdr = (struct msghdr){
			.msg_iov = &v[i],
			.msg_iovlen = 1,
			.msg_control = control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}
	return recvmmsg(fd, m, BURST, MSG_DONTWAIT, NULL);
}

/* Receives what is there; returns the frames. */
static unsigned receive(int fd, size_t *bytes)
{
	static uint8_t room[ROOM];
	static struct mmsghdr m[BURST];
	static struct iovec v[BURST];
	size_t before = *bytes / (hdr_size + size);
	ssize_t got;

	if (is_stream) {
		got = read(fd, room, sizeof(room));
		if (got > 0)
			*bytes += (size_t)got;
	} else {
		got = receive_messages(fd, m, v);
		for (ssize_t i = 0; i < got; i++)
			*bytes += m[i].msg_len;
	}
	return (unsigned)(*bytes / (hdr_size + size) - before);
}

static void generate(int out, int in, double seconds)
{
	double start = now(), warm = start + 0.3, end = warm + seconds, t;
	uint64_t sent = 0, got = 0, got_warm = 0;
	size_t rest = 0, bytes = 0;
	bool is_warm = false;

	while ((t = now()) < end) {
		if (!is_warm && t >= warm) {
			is_warm = true;
			got_warm = got;
			start = t;
		}
		for (int i = 0; i < 16; i++) {
			sent += send_burst(out, BURST, &rest);
			got += receive(in, &bytes);
		}
	}
	printf("%.4f\n", (double)(got - got_warm) / (t - start) / 1e6);
	if (sent < got)
		fprintf(stderr, "sockgen: more came than was sent\n");
}

/* Forwards the datagrams that are there, joined as they came. */
static ssize_t forward_messages(int in, int out)
{
	static struct mmsghdr m[BURST];
	static struct iovec v[BURST];
	int got = receive_messages(in, m, v);

	for (int i = 0; i < got; i++) {
		size_t piece = udp_gro_size(&m[i].msg_hdr);

		v[i].iov_len = m[i].msg_len;
		if (piece)
			udp_gso_set(&m[i].msg_hdr, m[i].msg_hdr.msg_control,
				    (uint16_t)piece);
		else
			m[i].msg_hdr.msg_controllen = 0;
	}
	if (got > 0)
		sendmmsg(out, m, (unsigned)got, MSG_DONTWAIT);
	return got;
}

/* Forwards the bytes that are there. */
static ssize_t forward_bytes(int in, int out)
{
	static uint8_t room[ROOM];
	ssize_t got = read(in, room, sizeof(room)), done = 0, n;

	while (done < got) {
		n = write(out, room + done, (size_t)(got - done));
		if (n > 0)
			done += n;
		else if (errno != EAGAIN)
			return 0;
	}
	return got;
}

/* Forwards what comes from @in to @out, until a stream ends. */
static void forward(int in, int out)
{
	for (;;) {
		struct pollfd p = { in, POLLIN, 0 };
		ssize_t got = is_stream ? forward_bytes(in, out)
					: forward_messages(in, out);

		if (got == 0)
			exit(0);
		if (got < 0)
			poll(&p, 1, -1);
	}
}

static unsigned read_hex(const char *text, uint8_t *to)
{
	unsigned n = 0, v;

	for (; text[0] != '-' && sscanf(text, "%2x", &v) == 1; text += 2)
		to[n++] = (uint8_t)v;
	return n;
}

int main(int argc, char **argv)
{
	static const uint8_t ether[] = { 2, 0, 0, 0, 0, 2,    2,
					 0, 0, 0, 0, 1, 0x88, 0xb5 };
	bool is_loop;
	int out, in;

	if (argc != 8) {
		fprintf(stderr, "usage: see sockgen.c\n");
		return 2;
	}
	is_loop = !strcmp(argv[1], "loop");
	is_stream = !strcmp(argv[2], "stream");
	size = (unsigned)atoi(argv[3]);
	hdr_size = is_stream ? 4 : read_hex(argv[5], hdr);
	if (is_stream)
		memcpy(hdr, &(uint32_t){ htonl(size) }, 4);
	memcpy(frame, hdr, hdr_size);
	memcpy(frame + hdr_size, ether, sizeof(ether));
	out = open_socket(argv[6], is_loop);
	in = open_socket(argv[7], is_loop);
	if (is_loop)
		forward(out, in);
	usleep(100000); /* the port has its link */
	teach(in);
	generate(out, in, atof(argv[4]));
	return 0;
}
