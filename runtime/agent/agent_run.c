/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scripts: each is a shell in a session of its own, its output a pipe.
 *
 * A run ends when its shell does: what is in the pipe by then is delivered and
 * the pipe is closed. Something a script leaves running in the background has
 * to redirect its output, or it dies of SIGPIPE.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

/* From `kill` (SIGTERM) to SIGKILL. */
#define GRACE_MS 2000
/* Room that run_read() leaves free for exit and hello lines, so that outq_put()
 * never overflows: every run's last line and then some. */
#define RESERVE (AGENT_RUNS_MAX * 48 + 1024)

struct run runs[AGENT_RUNS_MAX];

size_t outq_used(const struct outq *q)
{
	return q->end - q->start;
}

size_t outq_room(const struct outq *q)
{
	return sizeof(q->data) - outq_used(q);
}

/* Append; what does not fit is dropped whole (the callers keep to RESERVE). */
void outq_put(struct outq *q, const char *data, size_t n)
{
	if (n > outq_room(q))
		return;
	if (q->end + n > sizeof(q->data)) {
		memmove(q->data, q->data + q->start, outq_used(q));
		q->end -= q->start;
		q->start = 0;
	}
	memcpy(q->data + q->end, data, n);
	q->end += n;
}

void outq_printf(struct outq *q, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		outq_put(q, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static struct run *find(unsigned long id)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++)
		if (runs[i].used && runs[i].id == id)
			return &runs[i];
	return NULL;
}

static struct run *free_run(void)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++)
		if (!runs[i].used)
			return &runs[i];
	return NULL;
}

static void refuse(struct outq *q, unsigned long id, int status, const char *why)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "colinux-agent: %s\n", why);

	outq_printf(q, "out %lu %d\n%s", id, n, text);
	outq_printf(q, "exit %lu %d\n", id, status);
}

/* Never returns. The child keeps only 0, 1 and 2. */
static void child(const char *script, int out)
{
	struct sigaction sa;
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	setsid();
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null >= 0)
		dup2(null, 0);
	else
		close(0);
	dup2(out, 1);
	dup2(out, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	dprintf(2, "colinux-agent: /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

void run_start(const struct frame *f, struct outq *q, long long now)
{
	struct run *r = free_run();
	int p[2];

	if (find(f->id)) {
		/* two runs under one name could not be told apart */
		refuse(q, f->id, AGENT_REFUSED, "this id is already running");
		return;
	}
	if (!f->script) {
		refuse(q, f->id, AGENT_REFUSED, "script is longer than 96 KiB or holds a NUL");
		return;
	}
	if (!r) {
		refuse(q, f->id, AGENT_REFUSED, "too many runs at once");
		return;
	}
	if (pipe(p)) {
		refuse(q, f->id, AGENT_NO_FORK, strerror(errno));
		return;
	}
	memset(r, 0, sizeof(*r));
	r->pid = fork();
	if (r->pid < 0) {
		refuse(q, f->id, AGENT_NO_FORK, strerror(errno));
		close(p[0]);
		close(p[1]);
		return;
	}
	if (!r->pid)
		child(f->script, p[1]);
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[0], F_SETFD, FD_CLOEXEC);
	r->used = 1;
	r->id = f->id;
	r->fd = p[0];
	r->kill_at = f->timeout_ms ? now + (long long)f->timeout_ms : 0;
	r->timed_out = 0;
}

static void signal_run(const struct run *r, int sig)
{
	/* before the child's setsid() there is no such group yet */
	if (kill(-r->pid, sig))
		kill(r->pid, sig);
}

void run_kill(unsigned long id, long long now)
{
	struct run *r = find(id);

	if (!r || r->exited)
		return;
	signal_run(r, SIGTERM);
	if (!r->kill_at || r->kill_at > now + GRACE_MS)
		r->kill_at = now + GRACE_MS;
	r->timed_out = -1;	/* asked for: reported as the signal's, not as 124 */
}

/* The launcher has gone: nobody will ask for these results. */
void run_kill_all(void)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++) {
		struct run *r = &runs[i];

		if (!r->used)
			continue;
		if (!r->exited) {
			signal_run(r, SIGKILL);
			while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
		if (r->fd >= 0)
			close(r->fd);
		r->used = 0;
	}
}

void runs_reap(void)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++) {
		struct run *r = &runs[i];
		int status;

		if (!r->used || r->exited || waitpid(r->pid, &status, WNOHANG) != r->pid)
			continue;
		r->exited = 1;
		if (r->timed_out == 1) {
			r->status = AGENT_TIMED_OUT;
			signal_run(r, SIGKILL);	/* what the script had put into the background */
		} else if (WIFSIGNALED(status)) {
			r->status = 128 + WTERMSIG(status);
		} else {
			r->status = WEXITSTATUS(status);
		}
	}
}

void runs_expire(long long now)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++) {
		struct run *r = &runs[i];

		if (!r->used || r->exited || !r->kill_at || r->kill_at > now)
			continue;
		if (!r->timed_out)
			r->timed_out = 1;
		signal_run(r, SIGKILL);
		r->kill_at = 0;
	}
}

/* The next moment runs_expire() has work, in ms; 0: none in sight. */
long long runs_next_deadline(void)
{
	long long next = 0;

	for (int i = 0; i < AGENT_RUNS_MAX; i++) {
		const struct run *r = &runs[i];

		if (r->used && !r->exited && r->kill_at && (!next || r->kill_at < next))
			next = r->kill_at;
	}
	return next;
}

/* Move output along, as far as the launcher's side has room. */
void run_read(struct run *r, struct outq *q)
{
	char data[4096];

	while (r->fd >= 0 && outq_room(q) > RESERVE + sizeof(data) + 64) {
		ssize_t n = read(r->fd, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (r->exited) {	/* a background child holds the pipe: not ours to await */
				close(r->fd);
				r->fd = -1;
			}
			return;
		}
		if (n <= 0) {
			close(r->fd);
			r->fd = -1;
			return;
		}
		outq_printf(q, "out %lu %ld\n", r->id, (long)n);
		outq_put(q, data, (size_t)n);
	}
}

/* Report the runs that are over: shell gone and output delivered. */
void runs_finish(struct outq *q)
{
	for (int i = 0; i < AGENT_RUNS_MAX; i++) {
		struct run *r = &runs[i];

		if (!r->used || !r->exited)
			continue;
		run_read(r, q);
		if (r->fd >= 0 || outq_room(q) < 64)
			continue;	/* the launcher's side is full: later */
		outq_printf(q, "exit %lu %d\n", r->id, r->status);
		r->used = 0;
	}
}
