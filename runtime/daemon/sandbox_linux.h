/* SPDX-License-Identifier: GPL-2.0-only */
/* What sandbox*_linux.c share, and what other files for Linux do for them. */
#ifndef COLINUX_SANDBOX_LINUX_H
#define COLINUX_SANDBOX_LINUX_H

#include "sandbox.h"

/* --- sandbox_caps_linux.c: capabilities --- */

/* What is kept for these options, of capabilities(7)'s numbers: bit N is number N. */
u64 sandbox_caps(const struct options *options);
/* All others are given up, for ever; those for folders stay with the main thread unused, for
 * the threads that it starts. 0, or -errno. */
int sandbox_caps_drop(const struct options *options);
/* The calling thread, a folder's, uses those that this folder's files need and gives up the rest. */
void sandbox_caps_of_folder(const struct folder_setting *setting);
/* And when it has become the folder's user: none at all. */
void sandbox_caps_none(void);

/* --- sandbox_files_linux.c: which files this process can open by itself --- */

/* Those in its folders, where Linux has Landlock. 0: it has; -errno. */
int sandbox_files_confine(const struct options *options);

/* --- sandbox_calls_linux.c: system calls --- */

/* Can this build and this system do it? */
bool sandbox_calls_can(void);
/* From now on only those of the table. -1: see error. */
int sandbox_calls_filter(const struct options *options, struct error *error);

/* --- sandbox_trap_linux.c: the others --- */

/* What they come to: something else, or the end of the daemon. */
int sandbox_trap_begin(struct error *error);

/* --- what has to be open before: each in the file that uses it --- */

void stream_keep_stdio(void);	/* stream_linux.c */
void folder_keep_proc(void);	/* folder_linux.c */

#endif
