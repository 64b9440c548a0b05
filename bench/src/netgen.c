/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netgen: sends frames by one interface of the host and counts those that come
 * in by another; or forwards them itself between two interfaces with the same
 * system calls as a port, as the bound for what a switch can do.
 *
 *   netgen gen SIZE SECONDS OUT IN
 *   netgen loop tap|packet A B
 *
 * `gen` prints frames a second, counted by the kernel at IN. A SIZE above 1514
 * is a TCP frame with segments of 1448 bytes. `loop` forwards what comes in at
 * A to B, until it is killed; `tap` makes the interfaces, `packet` finds them.
 * Needs a network namespace of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BURST	 64
#define ROOM	 (68 * 1024)
#define HEADERS	 54 /* Ethernet, IPv4, TCP */
#define MSS	 1448
#define TAP_HDR	 12
#define PACK_HDR 10

static uint8_t room[BURST][ROOM];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Returns a packet socket with virtio-net headers on interface @name. */
static int open_packet(const char *name, bool receives)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol =
					  htons(receives ? ETH_P_ALL : 0),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1;
	int size = 4 << 20;

	if (fd < 0 || !at.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on,
		       sizeof(on)) ||
	    bind(fd, (void *)&at, sizeof(at)))
		fail(name);
	if (!receives)
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on,
			   sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static int open_tap(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), size = TAP_HDR;
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) ||
	    ioctl(fd, TUNSETVNETHDRSZ, &size) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		fail(name);
	r.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &r))
		fail(name);
	close(sock);
	return fd;
}

/* Returns the frames of @size bytes that came in by interface @name; of large
 * ones, which may come in pieces, as many as the bytes are. /proc knows those
 * of our namespace; /sys those of the namespace that it was mounted in. */
static double count_received(const char *name, unsigned size)
{
	char line[512], key[IFNAMSIZ + 1];
	unsigned long long bytes = 0, frames = 0;
	FILE *f = fopen("/proc/net/dev", "r");

	snprintf(key, sizeof(key), "%s:", name);
	while (f && fgets(line, sizeof(line), f)) {
		char *at = line + strspn(line, " ");

		if (!strncmp(at, key, strlen(key)))
			sscanf(at + strlen(key), "%llu %llu", &bytes, &frames);
	}
	if (f)
		fclose(f);
	return size > ETH_FRAME_LEN ? (double)bytes / size : (double)frames;
}

/* Writes a frame of @size bytes with its header before it. */
static void make_frame(uint8_t *to, unsigned size, uint8_t from, uint8_t dest)
{
	struct virtio_net_hdr *h = (void *)to;
	uint8_t *f = to + PACK_HDR;

	memset(to, 0, PACK_HDR + HEADERS);
	f[0] = f[6] = 2;
	f[5] = dest;
	f[11] = from;
	f[12] = 0x88;
	f[13] = 0xb5;
	if (size <= ETH_FRAME_LEN)
		return;
	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = HEADERS,
		.gso_size = MSS,
		.csum_start = 34,
		.csum_offset = 16,
	};
	f[12] = 8;
	f[13] = 0;
	f[14] = 0x45;
	f[16] = (uint8_t)((size - ETH_HLEN) >> 8);
	f[17] = (uint8_t)(size - ETH_HLEN);
	f[22] = 64;
	f[23] = 6;
	f[26] = f[30] = 10;
	f[29] = 1;
	f[33] = 2;
	f[46] = 0x50;
	f[47] = 0x10;
}

static void generate(unsigned size, double seconds, const char *out,
		     const char *in)
{
	struct iovec v = { room[0], PACK_HDR + size };
	struct mmsghdr m[BURST] = { 0 };
	int fd = open_packet(in, false);
	double warm, end, before;

	/* A learning switch sees the address that the frames go to. */
	make_frame(room[0], 60, 2, 1);
	if (send(fd, room[0], PACK_HDR + 60, 0) < 0)
		fail("send");
	close(fd);
	usleep(50000);
	fd = open_packet(out, false);
	make_frame(room[0], size, 1, 2);
	for (unsigned i = 0; i < BURST; i++)
		m[i].msg_hdr =
			(struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
	warm = now() + 0.3;
	end = warm + seconds;
	while (now() < warm)
		sendmmsg(fd, m, BURST, MSG_DONTWAIT);
	warm = now();
	before = count_received(in, size);
	while (now() < end)
		sendmmsg(fd, m, BURST, MSG_DONTWAIT);
	printf("%.4f\n",
	       (count_received(in, size) - before) / (now() - warm) / 1e6);
}

static void wait_for(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	poll(&p, 1, -1);
}

static void forward_tap(int a, int b)
{
	for (;;) {
		ssize_t got = read(a, room[0], ROOM);

		if (got < 0)
			wait_for(a);
		else if (write(b, room[0], (size_t)got) < 0 && errno != EAGAIN)
			fail("write");
	}
}

static void forward_packets(int a, int b)
{
	static struct mmsghdr m[BURST];
	static struct iovec v[BURST];

	for (;;) {
		int got;

		for (unsigned i = 0; i < BURST; i++) {
			v[i] = (struct iovec){ room[i], ROOM };
			m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i],
							.msg_iovlen = 1 };
		}
		got = recvmmsg(a, m, BURST, MSG_DONTWAIT, NULL);
		if (got < 0) {
			wait_for(a);
			continue;
		}
		for (int i = 0; i < got; i++)
			v[i].iov_len = m[i].msg_len;
		sendmmsg(b, m, (unsigned)got, MSG_DONTWAIT);
	}
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "gen"))
		generate((unsigned)atoi(argv[2]), atof(argv[3]), argv[4],
			 argv[5]);
	else if (argc == 5 && !strcmp(argv[2], "tap"))
		forward_tap(open_tap(argv[3]), open_tap(argv[4]));
	else if (argc == 5 && !strcmp(argv[2], "packet"))
		forward_packets(open_packet(argv[3], true),
				open_packet(argv[4], true));
	else
		return 2;
	return 0;
}
