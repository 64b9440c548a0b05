/* SPDX-License-Identifier: Apache-2.0 */
/* base/log: lines that are left out are counted by object and kind, from any
 * thread; their number is told once, even if nothing more is logged. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "shm.h"

/* The text logged since capture_begin(). It goes to a file: a write never
 * blocks. */
struct capture {
	int file, saved;
	char text[1 << 20];
};

static void capture_begin(struct capture *c)
{
	char path[] = "/tmp/ringway-log-XXXXXX";

	c->file = mkstemp(path);
	assert_true(c->file >= 0);
	unlink(path);
	c->saved = dup(STDERR_FILENO);
	dup2(c->file, STDERR_FILENO);
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
}

static void capture_end(struct capture *c)
{
	ssize_t n;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	n = pread(c->file, c->text, sizeof(c->text) - 1, 0);
	assert_true(n >= 0 && n < (ssize_t)sizeof(c->text) - 1);
	c->text[n] = '\0';
	close(c->file);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

/* Returns the sum of all numbers before " more line". */
static unsigned told(const char *text)
{
	unsigned sum = 0;

	for (const char *p = text; (p = strstr(p, " more line")); p++) {
		const char *digit = p;

		while (digit > text && digit[-1] >= '0' && digit[-1] <= '9')
			digit--;
		sum += (unsigned)strtoul(digit, NULL, 10);
	}
	return sum;
}

static void test_by_kind(void **state)
{
	struct log_limit limit = { 0 };
	static struct capture c;

	(void)state;
	capture_begin(&c);
	for (unsigned i = 0; i < 30; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "port=vm1: came (%u)", i);
	for (unsigned i = 0; i < 6; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "port=vm1: went");
	log_limit_fini(&limit);
	capture_end(&c);
	assert_int_equal(count(c.text, "warning: port=vm1: came ("), 5);
	assert_int_equal(count(c.text, "warning: port=vm1: went\n"), 5);
	assert_non_null(strstr(
		c.text, "warning: 25 more lines like \"port=vm1: came (4)\" "
			"were left out\n"));
	assert_non_null(strstr(
		c.text,
		"warning: 1 more line like \"port=vm1: went\" was left out\n"));
	assert_int_equal(count(c.text, "\n"), 12);
}

/* Each object has its own budget; kinds that do not fit share one budget. */
static void test_by_object(void **state)
{
	static const char *const fmt[] = { "a%u", "b%u", "c%u", "d%u",
					   "e%u", "f%u", "g%u", "h%u",
					   "i%u", "j%u", "k%u", "l%u" };
	struct log_limit limit[2] = { 0 };
	static struct capture c;
	unsigned printed;

	(void)state;
	capture_begin(&c);
	for (unsigned i = 0; i < 40; i++)
		log_limited(&limit[i % 2], LOG_LEVEL_INFO, "port=vm%u", i % 2);
	for (unsigned k = 0; k < ARRAY_SIZE(fmt); k++)
		for (unsigned i = 0; i < 10; i++)
			log_limited(&limit[0], LOG_LEVEL_INFO, fmt[k], i);
	log_limit_fini(&limit[0]);
	log_limit_fini(&limit[1]);
	capture_end(&c);
	assert_int_equal(count(c.text, "\"port=vm0\""), 1);
	assert_int_equal(count(c.text, "\"port=vm1\""), 1);
	assert_int_equal(count(c.text, "ringway: port=vm0"), 5);
	printed = count(c.text, "\n") - count(c.text, " more line");
	assert_int_equal(printed, 10 + (LOG_LIMIT_KINDS - 1) * 5);
	assert_int_equal(printed + told(c.text), 40 + 120);
}

/* A line that the level hides is not counted as left out. */
static void test_hidden(void **state)
{
	struct log_limit limit = { 0 };
	static struct capture c;

	(void)state;
	capture_begin(&c);
	for (unsigned i = 0; i < 50; i++)
		log_limited(&limit, LOG_LEVEL_DEBUG, "guest's fault");
	log_line(LOG_LEVEL_INFO, "one");
	log_limit_fini(&limit);
	capture_end(&c);
	assert_string_equal(c.text, "ringway: one\n");
}

/* The descriptor has the number told although nothing more is logged. */
static void test_told_in_time(void **state)
{
	struct log_limit limit = { 0 };
	struct pollfd p = { .fd = log_summary_fd(), .events = POLLIN };
	static struct capture c;
	uint64_t start = clock_ns(), passed;

	(void)state;
	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	shm_store(&log_limit_ms, 200);
	capture_begin(&c);
	for (unsigned i = 0; i < 12; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "port=vm1: again");
	assert_int_equal(poll(&p, 1, 5000), 1);
	passed = (clock_ns() - start) / 1000000;
	log_summarize();
	/* the number is told once only */
	assert_int_equal(poll(&p, 1, 300), 0);
	/* a new period */
	for (unsigned i = 0; i < 3; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "port=vm1: again");
	log_limit_fini(&limit);
	capture_end(&c);
	shm_store(&log_limit_ms, 10000);
	assert_true(passed >= 190);
	assert_int_equal(count(c.text, ": again\n"), 8);
	assert_int_equal(count(c.text, "7 more lines"), 1);
	assert_int_equal(count(c.text, "more line"), 1);
}

/* Without the descriptor the number comes before the next line of any object.
 */
static void test_told_with_next_line(void **state)
{
	struct log_limit limit = { 0 };
	static struct capture c;

	(void)state;
	shm_store(&log_limit_ms, 100);
	capture_begin(&c);
	for (unsigned i = 0; i < 12; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "port=vm1: again");
	usleep(150000);
	log_info("something else");
	capture_end(&c);
	log_limit_fini(&limit);
	shm_store(&log_limit_ms, 10000);
	assert_non_null(strstr(c.text,
			       "7 more lines like \"port=vm1: again\" were "
			       "left out\nringway: something else\n"));
}

#define THREADS 4
#define LINES	20000

static struct log_limit shared, other;

static void *log_much(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < LINES; i++) {
		log_limited(&shared, LOG_LEVEL_WARN, "shared");
		log_limited(i & 1 ? &shared : &other, LOG_LEVEL_WARN, "mixed");
	}
	return NULL;
}

/* No line is lost: each is printed or counted in a printed number. */
static void test_threads(void **state)
{
	pthread_t thread[THREADS];
	static struct capture c;
	unsigned printed;

	(void)state;
	shm_store(&log_limit_ms, 20);
	capture_begin(&c);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, log_much, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	log_limit_fini(&shared);
	log_limit_fini(&other);
	capture_end(&c);
	shm_store(&log_limit_ms, 10000);
	printed = count(c.text, "\n") - count(c.text, " more line");
	assert_int_equal(printed + told(c.text), THREADS * LINES * 2);
}

/* Nobody reads the pipe that the log goes to: whoever logs does not wait, and
 * the first line that is written again tells what is missing. */
static void test_reader_stands_still(void **state)
{
	static char text[1 << 17];
	int ends[2], saved = dup(STDERR_FILENO);
	unsigned missing = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	alarm(5); /* ends a test that waits */
	for (unsigned i = 0; i < 10000; i++)
		log_info("line %u", i);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	missing = 10000 - count((text[n] = '\0', text), "line ");
	assert_true(missing > 0);
	log_info("again");
	alarm(0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(strtoul(text + strlen("ringway: "), NULL, 10),
			 missing);
	assert_non_null(strstr(text, "lines of the log were lost\n"
				     "ringway: again\n"));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_kind),
		cmocka_unit_test(test_by_object),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_told_in_time),
		cmocka_unit_test(test_told_with_next_line),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_reader_stands_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
