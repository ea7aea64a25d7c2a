/* SPDX-License-Identifier: GPL-2.0-only */
/* What the opener's two sides share: messages, and the list of what is allowed. See opener.h. */
#ifndef COLINUX_OPENER_PARTS_H
#define COLINUX_OPENER_PARTS_H

#include "opener.h"

/* --- messages --- */

enum opener_kind { OPENER_ALLOW, OPENER_SEAL, OPENER_OPEN, OPENER_UNLINK, OPENER_SOCKET, OPENER_TAP,
		   OPENER_START, OPENER_STOP };

/* Followed by the text: a path; two, each with its NUL (TAP: device, interface; START: program, arguments). */
struct opener_request {
	u32 kind;
	u32 flags;	/* OPEN: open(2)'s; ALLOW: what */
	u32 mode;	/* OPEN: of a new file */
	u32 number;	/* STOP */
};
#define OPENER_TEXT_MAX		8192u

/* With a descriptor, where one was asked for and result is 0. */
struct opener_answer {
	int result;	/* START: the program's number; -errno */
	char text[1024];	/* TAP, START: what went wrong, in words */
};

/* --- opener_list_linux.c --- */

#define OPENER_PATHS_MAX	256u

struct opener_list {
	bool sealed;
	u32 count;
	struct opener_path {
		const char *path;
		u32 what;
	} entry[OPENER_PATHS_MAX];
};

/* All that is in the configuration. -1: see error. */
int opener_list_fill(struct opener_list *list, const struct options *options, struct error *error);
/* -1: no room, or sealed. The path is copied. */
int opener_list_add(struct opener_list *list, const char *path, u32 what);
/* Is all of `what` allowed there? */
bool opener_list_allows(const struct opener_list *list, const char *path, u32 what);
/* What open(2) with these flags does to a file; ~0u: something that is never allowed. */
u32 opener_list_meaning(u32 flags);

/* --- opener_process_linux.c --- */

/* Serves one request after the other until the socket's other end is closed, then exits. */
void opener_serve(int socket, const struct options *options, struct opener_list *list)
	__attribute__((noreturn));

#endif
