/* SPDX-License-Identifier: Apache-2.0 */
/* Serving a ring on the control thread, see serve.h. The kick is watched
 * edge-triggered and never read, because others may share its descriptor. */
#include "serve.h"

#include "util.h"

#define NEXT_MS 1 /* pause between turns */
/* Turns without a pause. A driver that waits for each chain (a console that the
 * kernel prints to) makes the next one available just before we ask for a kick;
 * a pause would cost it a millisecond each. */
#define TURNS 8

static void on_timer(struct loop_timer *t);

static void have_turn(struct serve *s)
{
	for (unsigned i = 0; i < TURNS; i++) {
		enum serve_result result = s->turn(s);

		if (result == SERVE_WAITS)
			return;
		if (result == SERVE_AGAIN)
			break;
		if (vq_dev_arm(s->vq))
			return;
	}
	loop_timer_arm(s->loop, &s->timer, NEXT_MS, on_timer);
}

static void on_timer(struct loop_timer *t)
{
	have_turn(container_of(t, struct serve, timer));
}

static void on_kick(struct loop_watch *w, uint32_t events)
{
	(void)events;
	serve_now(container_of(w, struct serve, kick));
}

int serve_start(struct serve *s, struct loop *loop, struct vq_dev *vq,
		int kick_fd, enum serve_result (*turn)(struct serve *s))
{
	int rc;

	*s = (struct serve){ .turn = turn, .vq = vq, .loop = loop };
	rc = loop_watch_add(loop, &s->kick, kick_fd, EPOLLIN | EPOLLET,
			    on_kick);
	if (rc)
		s->vq = NULL;
	else
		loop_timer_arm(loop, &s->timer, 0, on_timer);
	return rc;
}

void serve_stop(struct serve *s)
{
	if (!s->vq)
		return;
	loop_watch_remove(&s->kick);
	loop_timer_disarm(&s->timer);
	s->vq = NULL;
}

void serve_now(struct serve *s)
{
	if (s->vq && !s->timer.loop)
		have_turn(s);
}

void serve_push(struct vq_dev *vq, const struct vq_done *done, unsigned n)
{
	vq_dev_push_burst(vq, done, n);
	if (vq_dev_should_notify(vq))
		vq_dev_notify(vq);
}
