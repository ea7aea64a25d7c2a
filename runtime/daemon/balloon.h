/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon: how much of its memory the guest keeps, and how chunks of it go to the host and come
 * back while it runs. (No virtio device: see runtime/monitor/chunk.c.)
 */
#ifndef COLINUX_BALLOON_H
#define COLINUX_BALLOON_H

#include "device.h"
#include "json_text.h"

struct balloon {
	struct vm *vm;
	const char *refusal;		/* why there is none, for a sentence; NULL: there is one */
	u32 chunks;			/* that the guest began with */
	u32 wish;			/* atomic: so many are to be with the host, or CO_BALLOON_AUTO */
	u32 given;			/* atomic: so many are */
	bool broken;			/* atomic: the guest's driver broke the rules, for good in this life */
};

/* Why a guest whose kernel's note has these flags can have none here; NULL: it can. */
const char *balloon_refusal(u32 note_flags);
/* After vm_create(). The guest keeps all that it has. */
void balloon_open(struct balloon *balloon, struct vm *vm);

/*
 * Any thread. What the guest shall keep, in MiB, rounded up to whole chunks; BALLOON_AUTO: as much as it
 * finds good. -1: see error.
 */
#define BALLOON_AUTO	(~0u)
int balloon_keep(struct balloon *balloon, u32 mib, struct error *error);
/* The object "balloon", a member of an answer; null where there is none. */
void balloon_tell(const struct balloon *balloon, struct json_text *json);

/*
 * The vCPU thread: the guest left with CO_R_CHUNK and these words. device: those whose queues may lie in
 * the memory that it means. -1: the guest cannot go on, see error.
 */
int balloon_asked(struct balloon *balloon, struct device *const *device, u32 ndevices, u64 what,
		  u64 address, struct error *error);

#endif
