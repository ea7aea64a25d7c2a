/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmarks that need something outside of this machine (check_bench_devices.c, check_serial.c). Each gets the place as its
 * argument, NULL where none was given: "ADDRESS:PORT", a folder, or a device node.
 */
#ifndef COLINUX_CHECK_BENCH_H
#define COLINUX_CHECK_BENCH_H

int bench_netsend(const char *where);
int bench_nettake(const char *where);
int bench_netrtt(const char *where);
int bench_files(const char *folder);
int bench_fileseq(const char *folder);
int bench_tty(const char *path);
int bench_entropy(const char *path);
int bench_serial(const char *path);

#endif
