/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the launcher says, taken apart.
 *
 * The line may carry anything: echoes of a terminal that was not yet raw, half
 * a frame from a launcher that died, a kernel's message. A line that is not a
 * request is dropped up to its newline, so the next request is understood.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"

/* A body longer than this was never announced by a launcher of ours: the line
 * is garbage, and waiting for so many bytes would deafen the agent. */
#define BODY_ABSURD (4ul << 20)

void parser_reset(struct parser *p)
{
	p->line_len = 0;
	p->line_overlong = 0;
	p->body_left = 0;
	p->body_have = 0;
}

/* Is a script's body being received? (The caller gives up on it after a while.) */
int parser_in_body(const struct parser *p)
{
	return p->body_left != 0;
}

/* One decimal number at *s, then a space or the end; 0 if there is none. */
static int number(const char **s, unsigned long *value)
{
	const char *p = *s;
	char *end;

	if (*p < '0' || *p > '9')	/* strtoul would take blanks and signs */
		return 0;
	*value = strtoul(p, &end, 10);
	if (end - p > 10)
		return 0;
	if (*end == ' ')
		end++;
	else if (*end)
		return 0;
	*s = end;
	return 1;
}

static void parse_line(struct parser *p, struct frame *f)
{
	const char *s = p->line;
	unsigned long nbytes;

	if (!strcmp(s, "ping")) {
		f->kind = FRAME_PING;
	} else if (!strncmp(s, "kill ", 5)) {
		s += 5;
		if (number(&s, &f->id) && !*s)
			f->kind = FRAME_KILL;
	} else if (!strncmp(s, "run ", 4)) {
		s += 4;
		if (!number(&s, &f->id) || !number(&s, &f->timeout_ms) ||
		    !number(&s, &nbytes) || *s || nbytes > BODY_ABSURD)
			return;
		f->nbytes = nbytes;
		p->run = *f;
		p->body_left = nbytes;
		p->body_have = 0;
		if (!nbytes) {
			p->script[0] = 0;
			f->script = p->script;
			f->kind = FRAME_RUN;
		}
	}
}

static void finish_body(struct parser *p, struct frame *f)
{
	*f = p->run;
	f->kind = FRAME_RUN;
	f->script = NULL;
	if (p->body_have <= AGENT_SCRIPT_MAX) {
		p->script[p->body_have] = 0;
		/* a NUL inside would silently cut the script short */
		if (strlen(p->script) == p->body_have)
			f->script = p->script;
	}
}

/*
 * Take bytes until one request is complete or the data ends. Returns how many
 * were taken; f->kind says whether there is a request. f->script is valid
 * until the next call.
 */
size_t parser_feed(struct parser *p, const char *data, size_t n, struct frame *f)
{
	size_t i = 0;

	memset(f, 0, sizeof(*f));
	while (i < n && f->kind == FRAME_NONE) {
		if (p->body_left) {
			size_t k = n - i < p->body_left ? n - i : p->body_left;

			if (p->body_have + k <= AGENT_SCRIPT_MAX)
				memcpy(p->script + p->body_have, data + i, k);
			p->body_have += k;
			p->body_left -= k;
			i += k;
			if (!p->body_left)
				finish_body(p, f);
			continue;
		}
		char c = data[i++];

		if (c != '\n') {
			if (p->line_len + 1 < sizeof(p->line))
				p->line[p->line_len++] = c;
			else
				p->line_overlong = 1;
			continue;
		}
		p->line[p->line_len] = 0;
		if (!p->line_overlong)
			parse_line(p, f);
		p->line_len = 0;
		p->line_overlong = 0;
	}
	return i;
}
