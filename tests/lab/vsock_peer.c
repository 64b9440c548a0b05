/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a vsock connection, for the guests of the tests, which have
 * no program for it (scripts/guest-initrd.sh compiles this).
 *
 *   vsock-peer CID PORT   connects; to one who does not listen 50 times
 *   vsock-peer -l PORT    waits for one connection
 *   vsock-peer -c         prints the context id of this machine
 *
 * Sends its standard input, and prints what it receives, until the end of both.
 */
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int print_cid(void)
{
	int fd = open("/dev/vsock", O_RDONLY);
	unsigned cid;

	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		return fail("/dev/vsock");
	printf("%u\n", cid);
	return 0;
}

/* A busy host answers late, and whoever gives up has used up a call that the
 * other end counts. */
static int make_socket(void)
{
	const struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience,
		   sizeof(patience));
	return fd;
}

static int meet(const char *cid, unsigned port)
{
	int is_server = !strcmp(cid, "-l");
	int fd = make_socket();
	struct sockaddr_vm a = {
		.svm_family = AF_VSOCK,
		.svm_cid = is_server ? VMADDR_CID_ANY
				     : (unsigned)strtoul(cid, NULL, 10),
		.svm_port = port,
	};

	if (is_server) {
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
			return -1;
		return accept(fd, NULL, NULL);
	}
	for (int i = 0; i < 50; i++) {
		if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return fd;
		usleep(200000);
		close(fd);
		fd = make_socket();
	}
	return -1;
}

/* Copies what there is. Returns 0 at the end. */
static ssize_t copy(int from, int to)
{
	static char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	for (ssize_t at = 0; at < n;) {
		ssize_t done = write(to, data + at, (size_t)(n - at));

		if (done <= 0)
			return 0;
		at += done;
	}
	return n > 0 ? n : 0;
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
			       { .events = POLLIN } };
	int fd;

	if (argc == 2 && !strcmp(argv[1], "-c"))
		return print_cid();
	if (argc != 3)
		return 2;
	fd = meet(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
	if (fd < 0)
		return fail(argv[1]);
	p[1].fd = fd;
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		poll(p, 2, -1);
		if (p[0].revents && !copy(0, fd)) {
			shutdown(fd, SHUT_WR);
			p[0].fd = -1;
		}
		if (p[1].revents && !copy(fd, 1))
			p[1].fd = -1;
	}
	return 0;
}
