// SPDX-License-Identifier: GPL-2.0-only
/*
 * "Did you mean". Every word that is no key of ours is a parameter for the guest's
 * kernel, so a typing error would go there silently: kernal=, cob0=, MEM=. What
 * is spelt nearly as a key of ours is therefore refused, unless Linux is known to
 * have a parameter of that name.
 */
#include "option_near.h"

#include <stdio.h>
#include <string.h>

#include "option_keys.h"

#define WORD_MAX	24u

static unsigned int least(unsigned int one, unsigned int other)
{
	return one < other ? one : other;
}

unsigned int spelling_distance(const char *one, const char *other, unsigned int limit)
{
	/* three rows of the matrix: a swap looks two back */
	unsigned int row[3][WORD_MAX + 2], *now = row[0], *last = row[1], *older = row[2], *spare;
	size_t one_len = strlen(one), other_len = strlen(other), i, j;

	if (one_len > WORD_MAX || other_len > WORD_MAX)
		return limit + 1;
	for (j = 0; j <= other_len; j++)
		now[j] = j;
	for (i = 1; i <= one_len; i++) {
		spare = older;
		older = last;
		last = now;
		now = spare;
		now[0] = i;
		for (j = 1; j <= other_len; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1,
				       last[j - 1] + (one[i - 1] != other[j - 1]));
			if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
				now[j] = least(now[j], older[j - 2] + 1);
		}
	}
	return least(now[other_len], limit + 1);
}

/* In small letters, '-' for '_'; its number is cut off. */
static bool normalise(const char *key, size_t len, char word[WORD_MAX + 1], const char **number)
{
	size_t stem = len, i;

	while (stem && key[stem - 1] >= '0' && key[stem - 1] <= '9')
		stem--;
	*number = key + stem;
	if (!stem || stem > WORD_MAX)
		return false;
	for (i = 0; i < stem; i++)
		word[i] = key[i] >= 'A' && key[i] <= 'Z' ? key[i] + 'a' - 'A' : key[i] == '_' ? '-' : key[i];
	word[stem] = '\0';
	return true;
}

/* Parameters of Linux 2.4 to 6.1 that are spelt nearly as keys of ours; no others were found. */
static bool is_linux_parameter(const char *key, size_t len)
{
	static const char *const names[] = { "init", "noinitrd", "pci", "psi", "pti" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], key, len))
			return true;
	return false;
}

bool option_near(const char *key, size_t len, char meant[OPTION_NEAR_SIZE])
{
	const struct option_key *row, *best = NULL;
	unsigned int distance, nearest = 3;
	char word[WORD_MAX + 1];
	const char *number;

	if (is_linux_parameter(key, len) || !normalise(key, len, word, &number))
		return false;
	for (row = option_keys; row->name; row++) {
		unsigned int limit = strlen(row->name) < 6 ? 1 : 2;

		if (row->form == KEY_DISK_NAME)
			continue;
		distance = spelling_distance(word, row->name, limit);
		if (distance <= limit && distance < nearest) {
			nearest = distance;
			best = row;
		}
	}
	if (!best)
		return false;
	if (best->form == KEY_PLAIN)
		snprintf(meant, OPTION_NEAR_SIZE, "%s", best->name);
	else
		snprintf(meant, OPTION_NEAR_SIZE, "%s%.*s", best->name,
			 number < key + len ? (int)least(key + len - number, 3) : 1,
			 number < key + len ? number : "0");
	return true;
}
