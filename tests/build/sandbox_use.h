/* SPDX-License-Identifier: GPL-2.0-only */
/* What sandbox_use.c and sandbox_works.c share. */
#ifndef SANDBOX_USE_H
#define SANDBOX_USE_H

#include "options.h"

/* What the process that has entered was given. */
extern struct options options;

/* What a daemon with this configuration does before its first life. */
void enter(const char *configuration);
/* This, done by a child, must go well. */
void good_in_child(void (*what)(const void *arg), const void *arg);
/* The files of the tests' configurations, in the current folder. */
void make_files(void);
/* A call's result: refused, and not for another reason. */
void refused_for(long result);

/* sandbox_works.c */
void threads_and_memory(void);
void disks(void);
void folders(void);
void folders_with_attributes(void);
void network(void);
void ports(void);

#endif
