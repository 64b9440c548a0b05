/* SPDX-License-Identifier: Apache-2.0 */
/* vgen - a traffic generator and latency probe for vhost-user switches, on one
 * core.
 *
 * One lcore drives two DPDK ports, normally two net_virtio_user vdevs: port 0
 * sends and port 1 receives.
 *
 *   flood : saturates port 0 Tx, drains port 1 Rx, reports pps per window
 *   rate  : as flood, paced at --pps
 *   rr    : one 64 B frame outstanding: 0 -> 1 -> 0, reports RTT percentiles
 *   idle  : connects, then sleeps (polls nothing)
 *
 * usage: vgen <EAL args> -- [--mode flood|rate|rr|idle] [--size N] [--warm s]
 *        [--secs s] [--repeat n] [--burst n] [--txd n] [--rxbuf n] [--cold N]
 *        [--tso mss] [--pps n] [--gap us] [--bidir] [--gso-seg n]
 * Sizes are bytes in the virtio buffer (Ethernet header included, no FCS).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <getopt.h>
#include <unistd.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <rte_tcp.h>
#include <rte_ether.h>

static volatile int quit;
static void onsig(int s)
{
	(void)s;
	quit = 1;
}

static int size = 64, burst = 32, nbdesc = 256, rxbuf = 0, tso = 0, bidir = 0;
static int repeat = 3, cold = 0, verify = 0;
static double warm = 2, secs = 5, gap_us = 0;
static double pps = 0;
static char mode[16] = "flood";
static uint64_t hz;

static const struct rte_ether_addr mac[2] = { { { 0x02, 0, 0, 0, 0, 0x01 } },
					      { { 0x02, 0, 0, 0, 0, 0x02 } } };

static void build(struct rte_mbuf *m, int from, int len, uint16_t id)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ether_hdr *eh = (void *)p;
	struct rte_ipv4_hdr *ip = (void *)(eh + 1);
	rte_ether_addr_copy(&mac[!from], &eh->dst_addr);
	rte_ether_addr_copy(&mac[from], &eh->src_addr);
	eh->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	memset(ip, 0, sizeof *ip);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(RTE_MIN(len - 14, 65535));
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->time_to_live = 64;
	ip->next_proto_id = tso ? IPPROTO_TCP : IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(0x0a000001 + from);
	ip->dst_addr = rte_cpu_to_be_32(0x0a000001 + !from);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (tso) {
		struct rte_tcp_hdr *t = (void *)(ip + 1);
		memset(t, 0, sizeof *t);
		t->src_port = rte_cpu_to_be_16(1000 + from);
		t->dst_port = rte_cpu_to_be_16(1000 + !from);
		t->data_off = 5 << 4;
		t->tcp_flags = RTE_TCP_ACK_FLAG;
		t->rx_win = 0xffff;
	} else {
		struct rte_udp_hdr *u = (void *)(ip + 1);
		u->src_port = rte_cpu_to_be_16(1000 + from);
		u->dst_port = rte_cpu_to_be_16(1000 + !from);
		u->dgram_len = rte_cpu_to_be_16(RTE_MIN(len - 34, 65535));
		u->dgram_cksum = 0;
	}
}

static inline void prep(struct rte_mbuf *m, int len)
{
	m->data_len = len;
	m->pkt_len = len;
	if (tso) {
		m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 |
			      RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
		m->tso_segsz = tso;
	}
}

static struct rte_mempool *txp[2], *rxp;

/* Writes the headers of an mbuf of a Tx pool once; the data path only sets
 * lengths. */
static void fill_obj(struct rte_mempool *mp, void *opaque, void *obj,
		     unsigned idx)
{
	struct rte_mbuf *m = obj;
	int from = (int)(uintptr_t)opaque;
	(void)mp;
	rte_pktmbuf_reset(m);
	char *p = rte_pktmbuf_mtod(m, char *);
	for (int i = 0; i < size; i++)
		p[i] = (char)(i + idx);
	build(m, from, size, idx);
}

struct side { /* one Tx direction */
	struct rte_mbuf *b[512];
	unsigned have, off;
	uint64_t sent, full, calls, nomb;
};

static inline unsigned push(int port, struct side *s)
{
	if (s->off == s->have) {
		s->off = s->have = 0;
		if (rte_pktmbuf_alloc_bulk(txp[port], s->b, burst)) {
			s->nomb++;
			return 0;
		}
		s->have = burst;
		for (unsigned i = 0; i < s->have; i++)
			prep(s->b[i], size);
	}
	unsigned want = s->have - s->off;
	unsigned n = rte_eth_tx_burst(port, 0, s->b + s->off, want);
	s->off += n;
	s->sent += n;
	s->calls++;
	if (n < want)
		s->full++;
	return n;
}

static uint64_t rxpk[2], rxby[2], rxempty[2], rxcalls[2], rxbad[2];
static inline unsigned drain(int port)
{
	struct rte_mbuf *r[64];
	unsigned n = rte_eth_rx_burst(port, 0, r, 64);
	rxcalls[port]++;
	if (!n) {
		rxempty[port]++;
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		rxby[port] += r[i]->pkt_len;
		if (unlikely((int)r[i]->pkt_len != size))
			rxbad[port]++;
	}
	rxpk[port] += n;
	rte_pktmbuf_free_bulk(r, n);
	return n;
}

static int cmpu(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}
static int cmpd(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void teach(
	void) /* let a learning switch see port 1's MAC, then port 0's */
{
	for (int k = 0; k < 20 && !quit; k++) {
		for (int p = 1; p >= 0; p--) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(txp[p]);
			if (!m)
				continue;
			prep(m, 64);
			m->ol_flags = 0;
			build(m, p, 64, 0);
			if (rte_eth_tx_burst(p, 0, &m, 1) != 1)
				rte_pktmbuf_free(m);
			uint64_t end = rte_rdtsc() + hz / 100;
			while (rte_rdtsc() < end) {
				drain(0);
				drain(1);
			}
		}
	}
	/* Rebuilds the headers of all mbufs with their original lengths. */
	rte_mempool_obj_iter(txp[0], fill_obj, (void *)0);
	rte_mempool_obj_iter(txp[1], fill_obj, (void *)1);
}

static void flood(void)
{
	static struct side s[2];
	double *res = calloc(repeat, sizeof *res),
	       *gb = calloc(repeat, sizeof *gb);
	int paced = !strcmp(mode, "rate");
	for (int r = -1; r < repeat && !quit; r++) {
		double dur = r < 0 ? warm : secs;
		for (int i = 0; i < 2; i++) {
			rxpk[i] = rxby[i] = rxempty[i] = rxcalls[i] = rxbad[i] =
				0;
			s[i].sent = s[i].full = s[i].calls = s[i].nomb = 0;
		}
		uint64_t t0 = rte_rdtsc(), end = t0 + (uint64_t)(dur * hz), now;
		double cyc = paced ? hz / pps * burst : 0, next = t0;
		while ((now = rte_rdtsc()) < end && !quit) {
			for (int k = 0; k < 8; k++) {
				if (!paced) {
					push(0, &s[0]);
					if (bidir)
						push(1, &s[1]);
				} else if ((now = rte_rdtsc()) >= next) {
					push(0, &s[0]);
					next += cyc;
					if (next < now - hz / 1000.0)
						next = now;
				}
				drain(1);
				if (bidir)
					drain(0);
			}
		}
		double el = (double)(rte_rdtsc() - t0) / hz;
		uint64_t rx = rxpk[1] + rxpk[0], by = rxby[1] + rxby[0];
		double m = rx / el / 1e6, g = by * 8 / el / 1e9;
		if (r >= 0) {
			res[r] = m;
			gb[r] = g;
		}
		printf("WIN mode=%s n=%d size=%d txfull=%.1f%% rxempty=%.1f%% "
		       "tx_mpps=%.4f rx_mpps=%.4f gbps=%.3f bad=%" PRIu64
		       " nombuf=%" PRIu64 "\n",
		       mode, r, size,
		       100.0 * s[0].full / (s[0].calls ? s[0].calls : 1),
		       100.0 * rxempty[1] / (rxcalls[1] ? rxcalls[1] : 1),
		       (s[0].sent + s[1].sent) / el / 1e6, m, g,
		       rxbad[1] + rxbad[0], s[0].nomb);
		fflush(stdout);
	}
	qsort(res, repeat, sizeof *res, cmpd);
	qsort(gb, repeat, sizeof *gb, cmpd);
	printf("RESULT mode=%s size=%d mpps_med=%.4f mpps_min=%.4f "
	       "mpps_max=%.4f spread=%.1f%% gbps_med=%.3f\n",
	       mode, size, res[repeat / 2], res[0], res[repeat - 1],
	       res[repeat / 2] > 0
		       ? 100 * (res[repeat - 1] - res[0]) / res[repeat / 2]
		       : 0.0,
	       gb[repeat / 2]);
	fflush(stdout);
}

static int one_way(int from, uint64_t limit)
{
	struct rte_mbuf *m, *r[32];
	m = rte_pktmbuf_alloc(txp[from]);
	if (!m)
		return -1;
	prep(m, size);
	while (rte_eth_tx_burst(from, 0, &m, 1) != 1)
		if (rte_rdtsc() > limit) {
			rte_pktmbuf_free(m);
			return -1;
		}
	for (;;) {
		unsigned n = rte_eth_rx_burst(!from, 0, r, 32);
		if (n) {
			rte_pktmbuf_free_bulk(r, n);
			return 0;
		}
		if (rte_rdtsc() > limit)
			return -1;
	}
}

static void rr(void)
{
	size_t cap = 4000000;
	uint64_t *v = malloc(cap * 8);
	for (int r = -1; r < repeat && !quit; r++) {
		size_t n = 0, lost = 0;
		uint64_t t0 = rte_rdtsc(),
			 end = t0 + (uint64_t)((r < 0 ? warm : secs) * hz);
		while (rte_rdtsc() < end && !quit && n < cap) {
			uint64_t a = rte_rdtsc();
			if (one_way(0, a + hz / 10) ||
			    one_way(1, a + hz / 10)) {
				lost++;
				continue;
			}
			uint64_t b = rte_rdtsc();
			v[n++] = b - a;
			if (gap_us > 0) {
				uint64_t w = b + (uint64_t)(gap_us * hz / 1e6);
				while (rte_rdtsc() < w)
					rte_pause();
			}
		}
		qsort(v, n, 8, cmpu);
		double k = 1e6 / hz, sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += v[i];
		if (n)
			printf("%s mode=rr n=%d size=%d gap_us=%g samples=%zu "
			       "lost=%zu min_us=%.2f p50_us=%.2f mean_us=%.2f "
			       "p99_us=%.2f p999_us=%.2f max_us=%.1f\n",
			       r < 0 ? "WARM" : "RR", r, size, gap_us, n, lost,
			       v[0] * k, v[n / 2] * k, sum / n * k,
			       v[n * 99 / 100] * k, v[n * 999 / 1000] * k,
			       v[n - 1] * k);
		else
			printf("RR mode=rr samples=0 lost=%zu\n", lost);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	if (n < 0)
		rte_exit(1, "EAL\n");
	argc -= n;
	argv += n;
	static struct option o[] = {
		{ "mode", 1, 0, 'm' },	 { "size", 1, 0, 's' },
		{ "warm", 1, 0, 'w' },	 { "secs", 1, 0, 't' },
		{ "repeat", 1, 0, 'r' }, { "burst", 1, 0, 'b' },
		{ "txd", 1, 0, 'd' },	 { "rxbuf", 1, 0, 'x' },
		{ "cold", 1, 0, 'c' },	 { "tso", 1, 0, 'T' },
		{ "pps", 1, 0, 'p' },	 { "gap", 1, 0, 'g' },
		{ "bidir", 0, 0, 'B' },	 { "verify", 0, 0, 'v' },
		{ 0, 0, 0, 0 }
	};
	int c;
	while ((c = getopt_long(argc, argv, "", o, NULL)) != -1)
		switch (c) {
		case 'm':
			snprintf(mode, sizeof mode, "%s", optarg);
			break;
		case 's':
			size = atoi(optarg);
			break;
		case 'w':
			warm = atof(optarg);
			break;
		case 't':
			secs = atof(optarg);
			break;
		case 'r':
			repeat = atoi(optarg);
			break;
		case 'b':
			burst = atoi(optarg);
			break;
		case 'd':
			nbdesc = atoi(optarg);
			break;
		case 'x':
			rxbuf = atoi(optarg);
			break;
		case 'c':
			cold = atoi(optarg);
			break;
		case 'T':
			tso = atoi(optarg);
			break;
		case 'p':
			pps = atof(optarg);
			break;
		case 'g':
			gap_us = atof(optarg);
			break;
		case 'B':
			bidir = 1;
			break;
		case 'v':
			verify = 1;
			break;
		default:
			rte_exit(1, "bad option\n");
		}
	signal(SIGINT, onsig);
	signal(SIGTERM, onsig);
	hz = rte_get_tsc_hz();
	if (rte_eth_dev_count_avail() < 2)
		rte_exit(1, "need two ports\n");
	int room = RTE_MIN(65535, RTE_MAX(2048, size) + RTE_PKTMBUF_HEADROOM);
	/* More than the ring: virtio frees Tx mbufs only when the ring is
	 * nearly full. */
	int ntx = cold ? cold : nbdesc + 1024;
	int cache = cold ? 0 : RTE_MIN(256, ntx / 4);
	if (size > room - RTE_PKTMBUF_HEADROOM)
		size = room - RTE_PKTMBUF_HEADROOM;
	txp[0] = rte_pktmbuf_pool_create("tx0", ntx, cache, 0, room, 0);
	txp[1] = rte_pktmbuf_pool_create("tx1", bidir ? ntx : 512,
					 bidir ? cache : 64, 0, room, 0);
	int rroom = (rxbuf ? rxbuf : 2048) + RTE_PKTMBUF_HEADROOM;
	if (rroom > 65535)
		rroom = 65535;
	int nrx = cold ? cold : nbdesc + 3072;
	rxp = rte_pktmbuf_pool_create("rx", nrx, cold ? 0 : 256, 0, rroom, 0);
	if (!txp[0] || !txp[1] || !rxp)
		rte_exit(1, "mempool: %s\n", rte_strerror(rte_errno));
	rte_mempool_obj_iter(txp[0], fill_obj, (void *)0);
	rte_mempool_obj_iter(txp[1], fill_obj, (void *)1);
	for (int p = 0; p < 2; p++) {
		struct rte_eth_conf cf;
		memset(&cf, 0, sizeof cf);
		struct rte_eth_dev_info di;
		rte_eth_dev_info_get(p, &di);
		if (tso) {
			cf.rxmode.offloads = di.rx_offload_capa &
					     (RTE_ETH_RX_OFFLOAD_TCP_LRO |
					      RTE_ETH_RX_OFFLOAD_SCATTER |
					      RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
					      RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
			cf.rxmode.max_lro_pkt_size =
				0; /* virtio has no LRO limit: must follow the
				      MTU */
			cf.txmode.offloads = di.tx_offload_capa &
					     (RTE_ETH_TX_OFFLOAD_TCP_TSO |
					      RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
					      RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
		}
		if (size > 1518)
			cf.rxmode.offloads |=
				di.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
		int e = rte_eth_dev_configure(p, 1, 1, &cf);
		if (e)
			rte_exit(1, "configure %d: %d\n", p, e);
		uint16_t nr = nbdesc, nt = nbdesc;
		rte_eth_dev_adjust_nb_rx_tx_desc(p, &nr, &nt);
		struct rte_eth_txconf tc = di.default_txconf;
		tc.offloads = cf.txmode.offloads;
		e = rte_eth_rx_queue_setup(p, 0, nr, 0, NULL, rxp);
		if (e)
			rte_exit(1, "rxq %d: %d\n", p, e);
		e = rte_eth_tx_queue_setup(p, 0, nt, 0, &tc);
		if (e)
			rte_exit(1, "txq %d: %d\n", p, e);
		e = rte_eth_dev_start(p);
		if (e)
			rte_exit(1, "start %d: %d\n", p, e);
		struct rte_eth_burst_mode bm;
		char rxm[64] = "?", txm[64] = "?";
		if (!rte_eth_rx_burst_mode_get(p, 0, &bm))
			snprintf(rxm, 64, "%s", bm.info);
		if (!rte_eth_tx_burst_mode_get(p, 0, &bm))
			snprintf(txm, 64, "%s", bm.info);
		printf("PORT %d %s desc=%u/%u rxmode=\"%s\" txmode=\"%s\" "
		       "txoff=%#" PRIx64 " rxoff=%#" PRIx64 "\n",
		       p, di.driver_name, nr, nt, rxm, txm,
		       (uint64_t)cf.txmode.offloads,
		       (uint64_t)cf.rxmode.offloads);
	}
	fflush(stdout);
	if (!strcmp(mode, "idle")) {
		printf("IDLE ready\n");
		fflush(stdout);
		while (!quit)
			usleep(100000);
	} else {
		/* Waits for the links: server=1 sockets come up late. */
		for (int k = 0; k < 100 && !quit; k++) {
			struct rte_eth_link l0, l1;
			rte_eth_link_get_nowait(0, &l0);
			rte_eth_link_get_nowait(1, &l1);
			if (l0.link_status && l1.link_status)
				break;
			usleep(50000);
		}
		usleep(300000);
		teach();
		if (!strcmp(mode, "rr"))
			rr();
		else
			flood();
	}
	/* Exits without rte_eth_dev_stop(): the peer sees the socket close. */
	fflush(stdout);
	_exit(0);
}
