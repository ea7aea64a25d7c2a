/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux-agent: the test's hand inside a machine, guest or host.
 *
 * The launcher must not scrape a console to learn how a check ended, so each
 * machine has one more serial line, and this program sits on it. The lines:
 *
 *	agent -> launcher	hello 1 NAME\n		on start, and as answer to ping
 *				out ID NBYTES\n BYTES	stdout and stderr, as they come
 *				exit ID STATUS\n	0..255, 128 + signal, 124 timed out
 *	launcher -> agent	ping\n
 *				run ID TIMEOUT_MS NBYTES\n SCRIPT	(0 ms: no limit)
 *				kill ID\n
 *
 * It has to run on a 2.4 kernel as well as on today's: no epoll, no signalfd,
 * no pidfd, nothing beyond POSIX; and in machines with a read-only root: no
 * temporary files.
 *
 *	agent.c		the device and the loop
 *	agent_frame.c	what the launcher says
 *	agent_run.c	the scripts
 */
#ifndef COLINUX_AGENT_H
#define COLINUX_AGENT_H

#include <stddef.h>
#include <sys/types.h>

#define AGENT_PROTOCOL		1
/* A script travels as one argument of sh, and Linux refuses an argument of
 * 128 KiB (execve(2), MAX_ARG_STRLEN). */
#define AGENT_SCRIPT_MAX	(96 * 1024)
#define AGENT_RUNS_MAX		32
#define AGENT_LINE_MAX		80

/* Statuses that are the agent's own, in the manner of env(1) and timeout(1). */
#define AGENT_TIMED_OUT		124
#define AGENT_REFUSED		125	/* too many runs, script too long */
#define AGENT_NO_FORK		126

enum frame_kind { FRAME_NONE, FRAME_PING, FRAME_RUN, FRAME_KILL };

struct frame {
	enum frame_kind kind;
	unsigned long id;
	unsigned long timeout_ms;
	size_t nbytes;
	const char *script;	/* NUL-terminated; NULL: it was too long and was skipped */
};

struct parser {
	char line[AGENT_LINE_MAX];
	size_t line_len;
	int line_overlong;
	struct frame run;	/* the one whose body is arriving */
	size_t body_left;	/* bytes of its script still to come */
	size_t body_have;
	char script[AGENT_SCRIPT_MAX + 1];
};

void parser_reset(struct parser *p);
size_t parser_feed(struct parser *p, const char *data, size_t n, struct frame *f);
int parser_in_body(const struct parser *p);

/* Bytes on their way to the launcher. */
struct outq {
	size_t start, end;
	char data[64 * 1024];
};

size_t outq_room(const struct outq *q);
size_t outq_used(const struct outq *q);
void outq_put(struct outq *q, const char *data, size_t n);
void outq_printf(struct outq *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct run {
	int used;
	unsigned long id;
	pid_t pid;
	int fd;			/* its output; -1: closed */
	int exited;		/* the shell is gone and status holds how */
	int status;
	int timed_out;
	long long kill_at;	/* ms; when to send SIGKILL; 0: never */
};

extern struct run runs[AGENT_RUNS_MAX];

void run_start(const struct frame *f, struct outq *q, long long now);
void run_kill(unsigned long id, long long now);
void run_kill_all(void);
void runs_reap(void);
void runs_expire(long long now);
long long runs_next_deadline(void);
void run_read(struct run *r, struct outq *q);
void runs_finish(struct outq *q);

#endif
