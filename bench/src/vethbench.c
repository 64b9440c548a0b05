/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vethbench - measures AF_PACKET (TPACKET) and AF_XDP over a veth pair.
 *
 * usage: vethbench packet|mmsg|xdp-skb|xdp-drv SIZE [secs]
 * Needs a private network namespace with veth va<->vb up. The sender thread
 * runs on core 0 (va), the receiver thread on core 1 (vb). The receive softirq
 * of veth runs on the sender's core, except with threaded NAPI or RPS.
 */
/* BUILD-LIBS: -lxdp -lbpf */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/xsk.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static void pin(int c)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(c, &s);
	pthread_setaffinity_np(pthread_self(), sizeof s, &s);
}
static volatile int stop, ready;
static volatile uint64_t txn, rxn, txcalls;
static int size;
static double secs = 3;
static unsigned char fr[2048];
static void mkframe(void)
{
	memcpy(fr, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0", 14);
	unsigned char *ip = fr + 14;
	int il = size - 14;
	ip[0] = 0x45;
	ip[2] = il >> 8;
	ip[3] = il;
	ip[8] = 64;
	ip[9] = 17;
	ip[12] = 10;
	ip[15] = 1;
	ip[16] = 10;
	ip[19] = 2;
	ip[24] = (size - 34) >> 8;
	ip[25] = size - 34;
	uint32_t c = 0;
	for (int i = 0; i < 20; i += 2)
		c += ip[i] << 8 | ip[i + 1];
	c = (c & 0xffff) + (c >> 16);
	c = ~((c & 0xffff) + (c >> 16));
	ip[10] = c >> 8;
	ip[11] = c;
}
static int psock(const char *i)
{
	int f = socket(AF_PACKET, SOCK_RAW, 0);
	(void)i;
	return f;
}
static void pbind(int f, const char *i, int proto)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(proto),
				 .sll_ifindex = if_nametoindex(i) };
	if (bind(f, (void *)&a, sizeof a)) {
		perror("bind");
		exit(1);
	}
}
static void *ptx(void *x)
{
	(void)x;
	pin(0);
	int f = psock("va"), v = TPACKET_V3, one = 1;
	setsockopt(f, SOL_PACKET, PACKET_VERSION, &v, sizeof v);
	setsockopt(f, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	struct tpacket_req3 q = { .tp_block_size = 1 << 18,
				  .tp_block_nr = 16,
				  .tp_frame_size = 2048,
				  .tp_frame_nr = (1 << 18) / 2048 * 16 };
	if (setsockopt(f, SOL_PACKET, PACKET_TX_RING, &q, sizeof q)) {
		perror("txring");
		exit(1);
	}
	char *m = mmap(0, (size_t)q.tp_block_size * q.tp_block_nr,
		       PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	pbind(f, "va", 0);
	unsigned i = 0;
	while (!ready)
		usleep(100);
	while (!stop) {
		int b = 0;
		for (; b < 64; b++) {
			struct tpacket3_hdr *h =
				(void *)(m +
					 (size_t)(i % q.tp_frame_nr) * 2048);
			if (h->tp_status &
			    (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING))
				break;
			memcpy((char *)h + TPACKET3_HDRLEN -
				       sizeof(struct sockaddr_ll),
			       fr, size);
			h->tp_len = size;
			h->tp_snaplen = size;
			h->tp_next_offset = 0;
			__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST,
					 __ATOMIC_RELEASE);
			i++;
		}
		if (send(f, 0, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
		    errno != ENOBUFS) {
			perror("send");
			exit(1);
		}
		txcalls++;
		txn += b;
	}
	return 0;
}
static void *mtx(void *x)
{
	(void)x;
	pin(0);
	int f = psock("va"), one = 1;
	setsockopt(f, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	pbind(f, "va", 0);
	struct mmsghdr m[64];
	struct iovec v = { fr, size };
	memset(m, 0, sizeof m);
	for (int i = 0; i < 64; i++) {
		m[i].msg_hdr.msg_iov = &v;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (!ready)
		usleep(100);
	while (!stop) {
		int k = sendmmsg(f, m, 64, 0);
		if (k > 0)
			txn += k;
		txcalls++;
	}
	return 0;
}
static void *mrx(void *x)
{
	(void)x;
	pin(1);
	int f = psock("vb");
	int rb = 64 << 20;
	setsockopt(f, SOL_SOCKET, SO_RCVBUFFORCE, &rb, sizeof rb);
	pbind(f, "vb", ETH_P_ALL);
	static unsigned char b[64][2048];
	struct mmsghdr m[64];
	struct iovec v[64];
	memset(m, 0, sizeof m);
	for (int i = 0; i < 64; i++) {
		v[i] = (struct iovec){ b[i], 2048 };
		m[i].msg_hdr.msg_iov = v + i;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	ready = 1;
	while (!stop) {
		int k = recvmmsg(f, m, 64, MSG_DONTWAIT, 0);
		if (k > 0)
			rxn += k;
	}
	return 0;
}
static void *prx(void *x)
{
	(void)x;
	pin(1);
	int f = psock("vb"), v = TPACKET_V3;
	setsockopt(f, SOL_PACKET, PACKET_VERSION, &v, sizeof v);
	struct tpacket_req3 q = { .tp_block_size = 1 << 18,
				  .tp_block_nr = 64,
				  .tp_frame_size = 2048,
				  .tp_frame_nr = (1 << 18) / 2048 * 64,
				  .tp_retire_blk_tov = 1 };
	if (setsockopt(f, SOL_PACKET, PACKET_RX_RING, &q, sizeof q)) {
		perror("rxring");
		exit(1);
	}
	char *m = mmap(0, (size_t)q.tp_block_size * q.tp_block_nr,
		       PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	pbind(f, "vb", ETH_P_ALL);
	unsigned i = 0;
	uint64_t sum = 0;
	ready = 1;
	static unsigned char cp[2048];
	while (!stop) {
		struct tpacket_block_desc *d =
			(void *)(m + (size_t)i * q.tp_block_size);
		if (!(__atomic_load_n(&d->hdr.bh1.block_status,
				      __ATOMIC_ACQUIRE) &
		      TP_STATUS_USER)) {
			struct pollfd p = { f, POLLIN, 0 };
			poll(&p, 1, 10);
			continue;
		}
		struct tpacket3_hdr *h =
			(void *)((char *)d + d->hdr.bh1.offset_to_first_pkt);
		unsigned k = d->hdr.bh1.num_pkts;
		for (unsigned j = 0; j < k; j++) {
			memcpy(cp, (char *)h + h->tp_mac, h->tp_snaplen);
			sum += cp[20];
			h = (void *)((char *)h + h->tp_next_offset);
		}
		rxn += k;
		__atomic_store_n(&d->hdr.bh1.block_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
		i = (i + 1) % q.tp_block_nr;
	}
	fr[1500 % 64] ^= sum & 0;
	return 0;
}
/* AF_XDP */
#define NF 4096
struct x {
	struct xsk_umem *u;
	struct xsk_ring_prod fq, tx;
	struct xsk_ring_cons cq, rx;
	struct xsk_socket *s;
	char *area;
};
static uint32_t xflags;
static uint16_t bflags;
static void xopen(struct x *X, const char *ifn, int rx)
{
	X->area = mmap(0, (size_t)NF * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct xsk_umem_config uc = { .fill_size = 2048,
				      .comp_size = 2048,
				      .frame_size = 4096,
				      .frame_headroom = 0 };
	if (xsk_umem__create(&X->u, X->area, (size_t)NF * 4096, &X->fq, &X->cq,
			     &uc)) {
		perror("umem");
		exit(1);
	}
	struct xsk_socket_config sc = {
		.rx_size = 2048,
		.tx_size = 2048,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.xdp_flags = xflags,
		.bind_flags = bflags
	};
	int e = xsk_socket__create(&X->s, ifn, 0, X->u, rx ? &X->rx : NULL,
				   rx ? NULL : &X->tx, &sc);
	if (e) {
		fprintf(stderr, "xsk %s: %s\n", ifn, strerror(-e));
		exit(1);
	}
}
static void *xtx(void *p)
{
	(void)p;
	pin(0);
	static struct x X;
	xopen(&X, "va", 0);
	for (int i = 0; i < NF; i++)
		memcpy(X.area + (size_t)i * 4096, fr, size);
	while (!ready)
		usleep(100);
	uint32_t out = 0, nf = 0;
	while (!stop) {
		uint32_t ix, c;
		c = xsk_ring_cons__peek(&X.cq, 64, &ix);
		if (c) {
			xsk_ring_cons__release(&X.cq, c);
			out -= c;
			txn += c;
		}
		if (out < 1024) {
			if (xsk_ring_prod__reserve(&X.tx, 64, &ix) == 64) {
				for (int i = 0; i < 64; i++) {
					struct xdp_desc *d =
						xsk_ring_prod__tx_desc(&X.tx,
								       ix + i);
					uint64_t a =
						(uint64_t)(nf++ % NF) * 4096;
					memcpy(X.area + a, fr, size);
					d->addr = a;
					d->len = size;
					d->options = 0;
				}
				xsk_ring_prod__submit(&X.tx, 64);
				out += 64;
			}
		}
		sendto(xsk_socket__fd(X.s), NULL, 0, MSG_DONTWAIT, NULL, 0);
		txcalls++;
	}
	return 0;
}
static void *xrx(void *p)
{
	(void)p;
	pin(1);
	static struct x X;
	static unsigned char cp[2048];
	xopen(&X, "vb", 1);
	uint32_t ix;
	int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 4, NULL);
	int k = 0, sf = xsk_socket__fd(X.s);
	struct bpf_insn in[] = { { .code = BPF_LDX | BPF_MEM | BPF_W,
				   .dst_reg = 2,
				   .src_reg = 1,
				   .off = 16 }, /* r2 = ctx->rx_queue_index */
				 { .code = BPF_LD | BPF_DW | BPF_IMM,
				   .dst_reg = 1,
				   .src_reg = BPF_PSEUDO_MAP_FD,
				   .imm = map },
				 { 0 },
				 { .code = BPF_ALU64 | BPF_MOV | BPF_K,
				   .dst_reg = 3,
				   .imm = 2 }, /* XDP_PASS if absent */
				 { .code = BPF_JMP | BPF_CALL,
				   .imm = BPF_FUNC_redirect_map },
				 { .code = BPF_JMP | BPF_EXIT } };
	static char lg[4096];
	LIBBPF_OPTS(bpf_prog_load_opts, o, .log_buf = lg, .log_size = sizeof lg,
		    .log_level = 1);
	int pf = bpf_prog_load(BPF_PROG_TYPE_XDP, "r", "GPL", in, 6, &o);
	if (pf < 0) {
		fprintf(stderr, "prog: %s\n%s\n", strerror(errno), lg);
		exit(1);
	}
	if (bpf_map_update_elem(map, &k, &sf, 0)) {
		perror("map");
		exit(1);
	}
	int e = bpf_xdp_attach(if_nametoindex("vb"), pf, xflags, NULL);
	if (e) {
		fprintf(stderr, "attach: %s\n", strerror(-e));
		exit(1);
	}
	if (xsk_ring_prod__reserve(&X.fq, 2048, &ix) == 2048) {
		for (int i = 0; i < 2048; i++)
			*xsk_ring_prod__fill_addr(&X.fq, ix + i) =
				(uint64_t)i * 4096;
		xsk_ring_prod__submit(&X.fq, 2048);
	}
	ready = 1;
	uint64_t sum = 0;
	while (!stop) {
		uint32_t n = xsk_ring_cons__peek(&X.rx, 64, &ix), fx;
		if (!n) {
			if (xsk_ring_prod__needs_wakeup(&X.fq))
				recvfrom(sf, 0, 0, MSG_DONTWAIT, 0, 0);
			continue;
		}
		while (xsk_ring_prod__reserve(&X.fq, n, &fx) != n)
			;
		for (uint32_t i = 0; i < n; i++) {
			const struct xdp_desc *d =
				xsk_ring_cons__rx_desc(&X.rx, ix + i);
			memcpy(cp, X.area + d->addr, d->len);
			sum += cp[20];
			*xsk_ring_prod__fill_addr(&X.fq, fx + i) =
				d->addr & ~4095ull;
		}
		xsk_ring_prod__submit(&X.fq, n);
		xsk_ring_cons__release(&X.rx, n);
		rxn += n;
	}
	bpf_xdp_detach(if_nametoindex("vb"), xflags, NULL);
	fr[0] ^= sum & 0;
	return 0;
}
int main(int c, char **v)
{
	if (c < 3)
		return 1;
	size = atoi(v[2]);
	if (c > 3)
		secs = atof(v[3]);
	mkframe();
	struct rlimit rl = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_MEMLOCK, &rl);
	void *(*tx)(void *) = ptx, *(*rx)(void *) = prx;
	if (!strcmp(v[1], "mmsg"))
		tx = mtx, rx = mrx;
	if (!strncmp(v[1], "xdp", 3)) {
		tx = xtx;
		rx = xrx;
		xflags = strstr(v[1], "skb") ? XDP_FLAGS_SKB_MODE
					     : XDP_FLAGS_DRV_MODE;
		bflags = XDP_COPY |
			 (strstr(v[1], "wakeup") ? XDP_USE_NEED_WAKEUP : 0);
	}
	pthread_t a, b;
	pthread_create(&b, 0, rx, 0);
	while (!ready)
		usleep(1000);
	pthread_create(&a, 0, tx, 0);
	usleep(500000);
	double t[3], r[3];
	for (int i = 0; i < 3; i++) {
		uint64_t x = txn, y = rxn;
		double t0 = now();
		usleep(secs * 1e6);
		double e = now() - t0;
		t[i] = (txn - x) / e;
		r[i] = (rxn - y) / e;
	}
	stop = 1;
	pthread_join(a, 0);
	pthread_join(b, 0);
	for (int i = 0; i < 3; i++)
		for (int j = i + 1; j < 3; j++) {
			if (t[j] < t[i]) {
				double q = t[i];
				t[i] = t[j];
				t[j] = q;
			}
			if (r[j] < r[i]) {
				double q = r[i];
				r[i] = r[j];
				r[j] = q;
			}
		}
	printf("veth %-10s size %5d  tx %7.3f Mpps  rx %7.3f Mpps (%.2f "
	       "Gbit/s)  rx spread %.0f%%\n",
	       v[1], size, t[1] / 1e6, r[1] / 1e6, r[1] * size * 8 / 1e9,
	       r[1] ? 100 * (r[2] - r[0]) / r[1] : 0);
	return 0;
}
