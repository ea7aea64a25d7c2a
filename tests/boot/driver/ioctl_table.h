/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two halves of the table-driven test share. */
#ifndef IOCTL_TABLE_H
#define IOCTL_TABLE_H

#include "driver.h"

#define PAGE 4096ull
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ioctl: 0 or the errno. */
int request(int fd, unsigned long cmd, void *arg);
/* One result line: the errno that came against the one that should. */
void expect(int got, int want, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ioctl_use.c */
void test_mmap(void);
void test_mmap_i386(void);
void test_others(void);
/* With a miniature kernel of 64 bits (0) or of 32 on that code selector. */
void test_reasons(u32 code_selector);
void test_waiting(u32 code_selector);
void measure(u32 code_selector);

/* ioctl_chunk.c */
void test_chunks(void);
void test_chunks_i386(u32 code_selector);

#endif
