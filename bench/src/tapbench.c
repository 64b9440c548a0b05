/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tapbench - measures the cost of moving frames into and out of a tap device on
 * one core. Needs root and a private network namespace: `unshare -n tapbench`.
 *   write  frames enter the kernel; the destination MAC is foreign, so ip_rcv
 *          drops them at once
 *   read   AF_PACKET fills the device queue (not timed), then reads are timed
 */
/* BUILD-LIBS: -luring */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <sched.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <arpa/inet.h>
#include <liburing.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static int tapfd, pfd, ifindex;
static char ifn[16] = "tb0";
#define HL 12
static int mk(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	struct ifreq r = { 0 };
	strcpy(r.ifr_name, ifn);
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r)) {
		perror("tun");
		exit(1);
	}
	int h = HL;
	ioctl(fd, TUNSETVNETHDRSZ, &h);
	ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	r.ifr_qlen = 10000;
	ioctl(s, SIOCSIFTXQLEN, &r);
	ioctl(s, SIOCGIFFLAGS, &r);
	r.ifr_flags |= IFF_UP;
	ioctl(s, SIOCSIFFLAGS, &r);
	close(s);
	ifindex = if_nametoindex(ifn);
	return fd;
}
static int frame(unsigned char *p, int len,
		 int gso) /* returns total with header */
{
	memset(p, 0, HL + len);
	struct virtio_net_hdr *h = (void *)p;
	unsigned char *e = p + HL;
	memcpy(e, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0", 14);
	unsigned char *ip = e + 14;
	ip[0] = 0x45;
	int il = len - 14;
	if (il > 65535)
		il = 65535;
	ip[2] = il >> 8;
	ip[3] = il;
	ip[8] = 64;
	ip[9] = gso ? 6 : 17;
	ip[12] = 10;
	ip[15] = 1;
	ip[16] = 10;
	ip[19] = 2;
	uint32_t c = 0;
	for (int i = 0; i < 20; i += 2)
		c += ip[i] << 8 | ip[i + 1];
	c = (c & 0xffff) + (c >> 16);
	c = ~((c & 0xffff) + (c >> 16));
	ip[10] = c >> 8;
	ip[11] = c;
	if (gso) {
		ip[20 + 12] = 0x50;
		ip[20 + 13] = 0x10;
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = 34;
		h->csum_offset = 16;
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		h->gso_size = 1448;
		h->hdr_len = 54;
	} else {
		ip[24] = (len - 34) >> 8;
		ip[25] = len - 34;
	}
	return HL + len;
}
static void rep(const char *n, int sz, double *v)
{
	for (int i = 0; i < 3; i++)
		for (int j = i + 1; j < 3; j++)
			if (v[j] < v[i]) {
				double t = v[i];
				v[i] = v[j];
				v[j] = t;
			}
	printf("%-26s size %6d  %8.3f Mpps  %8.2f Gbit/s  %8.0f ns/pkt  spread "
	       "%.0f%%\n",
	       n, sz, v[1] / 1e6, v[1] * sz * 8 / 1e9, 1e9 / v[1],
	       100 * (v[2] - v[0]) / v[1]);
	fflush(stdout);
}
static unsigned char buf[66000], rbuf[64][66000];
static double secs = 1.0;
static struct io_uring R;
static double w_one(int tot)
{
	double t0 = now(), t;
	uint64_t k = 0;
	do
		for (int i = 0; i < 64; i++, k++)
			if (write(tapfd, buf, tot) != tot) {
				perror("write");
				exit(1);
			}
	while ((t = now() - t0) < secs);
	return k / t;
}
static double w_iov(int tot)
{
	struct iovec v[2] = { { buf, HL }, { buf + HL, tot - HL } };
	double t0 = now(), t;
	uint64_t k = 0;
	do
		for (int i = 0; i < 64; i++, k++)
			if (writev(tapfd, v, 2) != tot) {
				perror("writev");
				exit(1);
			}
	while ((t = now() - t0) < secs);
	return k / t;
}
static double w_ring(int tot, int batch)
{
	double t0 = now(), t;
	uint64_t k = 0;
	struct io_uring_cqe *c[64];
	do {
		for (int i = 0; i < batch; i++) {
			struct io_uring_sqe *s = io_uring_get_sqe(&R);
			io_uring_prep_write_fixed(s, 0, buf, tot, 0, 0);
			s->flags |= IOSQE_FIXED_FILE;
		}
		io_uring_submit_and_wait(&R, batch);
		int g = io_uring_peek_batch_cqe(&R, c, 64);
		for (int i = 0; i < g; i++)
			if (c[i]->res != tot) {
				fprintf(stderr, "cqe %d\n", c[i]->res);
				exit(1);
			}
		io_uring_cq_advance(&R, g);
		k += g;
	} while ((t = now() - t0) < secs);
	return k / t;
}
static void drainq(void)
{
	while (read(tapfd, rbuf[0], 66000) > 0)
		;
}
static int fill(int tot, int n)
{
	int i;
	for (i = 0; i < n; i++)
		if (send(pfd, buf + (HL - 10), tot - (HL - 10), 0) < 0)
			break;
	return i;
}
static double r_any(int tot, int how)
{
	double acc = 0;
	uint64_t k = 0;
	int n = tot > 10000 ? 400 : 4000;
	/* AF_PACKET takes the 10-byte header, directly before the frame. */
	unsigned char save[HL];
	memcpy(save, buf, HL);
	memmove(buf + 2, save, 10);
	while (acc < secs) {
		drainq();
		int f = fill(tot, n);
		if (f < n / 2) {
			fprintf(stderr, "fill only %d (%s)\n", f,
				strerror(errno));
			exit(1);
		}
		double t0 = now();
		int got = 0;
		if (how == 0) {
			while (got < f &&
			       read(tapfd, rbuf[got & 63], 66000) > 0)
				got++;
		} else if (how == 1) {
			while (got < f) {
				struct iovec v[2] = { { rbuf[0], HL },
						      { rbuf[got & 63],
							65990 } };
				if (readv(tapfd, v, 2) <= 0)
					break;
				got++;
			}
		} else {
			struct io_uring_cqe *c[64];
			int stop = 0;
			while (got < f && !stop) {
				int want =
					f - got < how
						? f - got
						: how; /* an unfilled read would
							  wait for ever */
				for (int i = 0; i < want; i++) {
					struct io_uring_sqe *s =
						io_uring_get_sqe(&R);
					io_uring_prep_read_fixed(s, 0, rbuf[i],
								 66000, 0, 1);
					s->flags |= IOSQE_FIXED_FILE;
				}
				io_uring_submit_and_wait(&R, want);
				int g = io_uring_peek_batch_cqe(&R, c, 64);
				for (int i = 0; i < g; i++)
					if (c[i]->res > 0)
						got++;
					else
						stop = 1;
				io_uring_cq_advance(&R, g);
			}
		}
		acc += now() - t0;
		k += got;
		if (!got) {
			fprintf(stderr, "nothing read\n");
			break;
		}
	}
	memcpy(buf, save, HL);
	return k / acc;
}
int main(int argc, char **argv)
{
	int core = argc > 1 ? atoi(argv[1]) : 1;
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(core, &s);
	sched_setaffinity(0, sizeof s, &s);
	int f = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (f >= 0) {
		if (write(f, "1", 1) < 0) {
		}
		close(f);
	}
	tapfd = mk();
	pfd = socket(AF_PACKET, SOCK_RAW, 0);
	int one = 1;
	setsockopt(pfd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one);
	setsockopt(pfd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	int sb = 64 << 20;
	setsockopt(pfd, SOL_SOCKET, SO_SNDBUFFORCE, &sb, sizeof sb);
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_ifindex = ifindex };
	bind(pfd, (void *)&a, sizeof a);
	struct iovec reg[2] = { { buf, sizeof buf }, { rbuf, sizeof rbuf } };
	if (io_uring_queue_init(64, &R,
				IORING_SETUP_SINGLE_ISSUER |
					IORING_SETUP_DEFER_TASKRUN) &&
	    io_uring_queue_init(64, &R, 0)) {
		perror("uring");
		return 1;
	}
	io_uring_register_files(&R, &tapfd, 1);
	if (io_uring_register_buffers(&R, reg, 2))
		perror("regbuf");
	struct {
		int len, gso;
		const char *n;
	} C[] = { { 64, 0, "64" },
		  { 1500, 0, "1500" },
		  { 65226, 1, "64K GSO" } };
	for (int c = argc > 2 ? atoi(argv[2]) : 0; c < 3;
	     c++) { /* optional 2nd argument: first size */
		int tot = frame(buf, C[c].len, C[c].gso);
		double v[3];
		w_one(tot);
		for (int i = 0; i < 3; i++)
			v[i] = w_one(tot);
		rep("tap write()", C[c].len, v);
		for (int i = 0; i < 3; i++)
			v[i] = w_iov(tot);
		rep("tap writev(hdr,data)", C[c].len, v);
		for (int b = 8; b <= 32; b *= 4) {
			char n[40];
			for (int i = 0; i < 3; i++)
				v[i] = w_ring(tot, b);
			sprintf(n, "tap io_uring write x%d", b);
			rep(n, C[c].len, v);
		}
		for (int i = 0; i < 3; i++)
			v[i] = r_any(tot, 0);
		rep("tap read()", C[c].len, v);
		for (int i = 0; i < 3; i++)
			v[i] = r_any(tot, 1);
		rep("tap readv(hdr,data)", C[c].len, v);
		for (int b = 8; b <= 32; b *= 4) {
			char n[40];
			for (int i = 0; i < 3; i++)
				v[i] = r_any(tot, b);
			sprintf(n, "tap io_uring read x%d", b);
			rep(n, C[c].len, v);
		}
	}
	return 0;
}
