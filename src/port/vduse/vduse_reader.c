/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads messages, see vduse_reader.h. It never waits for
 * control while the kernel may need an answer from it. */
#include "vduse_reader.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "vduse_bus.h"

/* Answers @req: done. A refusal by the kernel means that it gave up the device,
 * which shows in poll(). */
static void answer_done(int fd, const struct vduse_dev_request *req)
{
	struct vduse_dev_response resp = { .request_id = req->request_id,
					   .result = VDUSE_REQ_RESULT_OK };
	ssize_t n = write(fd, &resp, sizeof(resp));

	(void)n;
}

/* Reads one message, if there is one. */
static void read_one(struct vduse_reader *r)
{
	struct vduse_dev_request req;
	bool is_status;

	if (read(r->fd, &req, sizeof(req)) != sizeof(req))
		return;
	is_status = req.type == VDUSE_SET_STATUS && req.s.status;
	if (is_status)
		answer_done(r->fd, &req);
	pthread_mutex_lock(&r->lock);
	if (is_status) {
		r->status = req.s.status;
		r->has_status = true;
	} else {
		r->request = req;
		r->has_request = true;
	}
	pthread_mutex_unlock(&r->lock);
	fd_signal(r->news_fd);
}

static void say_broken(struct vduse_reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_broken = true;
	pthread_mutex_unlock(&r->lock);
	fd_signal(r->news_fd);
}

static void *reader_main(void *arg)
{
	struct vduse_reader *r = arg;
	bool shall_end, is_waiting;

	for (;;) {
		struct pollfd p[2] = { { .fd = r->go_fd, .events = POLLIN },
				       { .fd = r->fd, .events = POLLIN } };

		pthread_mutex_lock(&r->lock);
		shall_end = r->shall_end;
		is_waiting = r->has_request;
		pthread_mutex_unlock(&r->lock);
		if (shall_end)
			return NULL;
		if (is_waiting)
			p[1].fd = -1;
		poll(p, 2, -1);
		if (p[0].revents)
			fd_drain(r->go_fd);
		if (p[1].revents & POLLIN)
			read_one(r);
		if (p[1].revents & POLLERR) {
			say_broken(r);
			return NULL;
		}
	}
}

int vduse_reader_init(struct vduse_reader *r)
{
	*r = (struct vduse_reader){ .fd = -1,
				    .news_fd = fd_eventfd(),
				    .go_fd = fd_eventfd() };
	pthread_mutex_init(&r->lock, NULL);
	return MIN(MIN(r->news_fd, r->go_fd), 0);
}

void vduse_reader_fini(struct vduse_reader *r)
{
	fd_close(&r->news_fd);
	fd_close(&r->go_fd);
	pthread_mutex_destroy(&r->lock);
}

int vduse_reader_start(struct vduse_reader *r, int fd)
{
	int rc;

	r->fd = fd;
	r->shall_end = r->is_broken = r->has_status = r->has_request = false;
	rc = vduse_thread_start(&r->thread, reader_main, r, "vduse");
	r->is_running = !rc;
	return rc;
}

void vduse_reader_stop(struct vduse_reader *r)
{
	if (!r->is_running)
		return;
	pthread_mutex_lock(&r->lock);
	r->shall_end = true;
	pthread_mutex_unlock(&r->lock);
	fd_signal(r->go_fd);
	pthread_join(r->thread, NULL);
	r->is_running = false;
}

void vduse_reader_take(struct vduse_reader *r, struct vduse_news *news)
{
	fd_drain(r->news_fd);
	pthread_mutex_lock(&r->lock);
	*news = (struct vduse_news){ .has_status = r->has_status,
				     .status = r->status,
				     .has_request = r->has_request,
				     .request = r->request,
				     .is_broken = r->is_broken };
	r->has_status = r->has_request = r->is_broken = false;
	pthread_mutex_unlock(&r->lock);
	if (news->has_request)
		fd_signal(r->go_fd);
}
