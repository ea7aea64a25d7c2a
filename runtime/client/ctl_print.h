/* SPDX-License-Identifier: GPL-2.0-only */
/* A daemon's answers for people. Texts of the daemon's are shown without control characters. */
#ifndef COLINUX_CTL_PRINT_H
#define COLINUX_CTL_PRINT_H

/* A line of the table; reply NULL: its head. */
void print_list_line(const char *reply);
void print_status(const char *reply);
void print_stats(const char *reply);
void print_redirects(const char *reply);
void print_balloon(const char *reply);

#endif
