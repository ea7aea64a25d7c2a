/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of host folders on Windows share (folder_use*.c). */
#ifndef FOLDER_USE_H
#define FOLDER_USE_H

#include <windows.h>

#include "../unit/daemon/check.h"
#include "folder_windows.h"
#include "../unit/daemon/p9_client.h"

#define ROOT	0
#define RDONLY	0
#define WRONLY	1
#define RDWR	2

extern struct folder_attr attr;

/* A folder, and who is attached to it. */
void begin(void);
/* A new file of that name, opened for both, as this fid. */
void make(u32 fid, const char *name);
/* A file of the host's that holds this text, and no more. */
void text_is(const char *path, const char *text);
bool is_there(const char *path);
/* How many files of the host's have such names. */
u32 entries_of(const char *pattern);

/* folder_use_names.c */
extern const struct test name_tests[];

#endif
