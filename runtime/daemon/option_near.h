/* SPDX-License-Identifier: GPL-2.0-only */
/* "Did you mean": the key that a misspelt one is near to. */
#ifndef COLINUX_OPTION_NEAR_H
#define COLINUX_OPTION_NEAR_H

#include <stdbool.h>
#include <stddef.h>

#define OPTION_NEAR_SIZE	40u

/*
 * Is this word's key, which is none of ours, probably one of ours misspelt? Then
 * its right spelling is in `meant`. Parameters that Linux itself knows never are.
 */
bool option_near(const char *key, size_t len, char meant[OPTION_NEAR_SIZE]);

/* How many letters differ, are missing, too many or swapped; no more than `limit` are counted. */
unsigned int spelling_distance(const char *one, const char *other, unsigned int limit);

#endif
