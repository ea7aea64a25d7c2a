// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_modes SEED COUNT: what a guest prints, as colinux-console reads along: escape sequences,
 * parts of them, noise. In what pieces ever it comes, it means the same; and what is said to
 * the terminal at the end puts back what was switched, whatever sequence had begun. Prints how
 * often a mode was found switched and how often none was.
 */
#include "attach_modes.h"
#include "check.h"
#include "colinux_types.h"
#include "fuzz.h"

#define TEXT_MAX	400u

static size_t compose(char *text)
{
	static const char *const pieces[] = {
		"\033[?", "\033[", "\033", "?", "1049", "25", "1", "2004", "7", "1000", "99999", "100000", "4294967297", "0", "007",
		";", ";;;;;;;;;", "h", "l", "h", "l", "\033[?25l", "\033[?1049h", "\033[?1;2004h", "\033[!p", "\030", "text", "\n",
		"\033[?1000;1002;1003;1004;1006;1015;47;25h", "\xff",
	};
	u32 count = 1 + one_of(2) * one_of(30);
	size_t bytes = 0;

	while (count--) {
		const char *piece = pieces[one_of(sizeof(pieces) / sizeof(*pieces))];
		size_t length = strlen(piece);

		if (bytes + length > TEXT_MAX)
			break;
		memcpy(text + bytes, piece, length);
		bytes += length;
	}
	for (count = one_of(4) ? 0 : one_of(4); count && bytes; count--)
		text[one_of(bytes)] = one_of(256);
	return bytes;
}

static void watch_in_pieces(const char *text, size_t bytes)
{
	size_t now;
	char *piece;

	for (; bytes; bytes -= now, text += now) {
		/* exactly as long, so that the sanitizer sees one byte too far */
		now = 1 + one_of(bytes);
		piece = malloc(now);
		memcpy(piece, text, now);
		modes_watch(piece, now);
		free(piece);
	}
}

/* Obeys what is said at the end: it is for the terminal, and this is as good as one. */
static size_t reset(char text[MODES_RESET_SIZE])
{
	size_t bytes = modes_reset_text(text, MODES_RESET_SIZE);

	CHECK(bytes && bytes < MODES_RESET_SIZE && bytes == strlen(text));
	/* ends what had begun, whatever it was */
	CHECK(text[0] == '\030');
	CHECK_TEXT(text, "\033[!p");
	modes_watch(text, bytes);
	return bytes;
}

int main(int argc, char **argv)
{
	char text[TEXT_MAX], usual[MODES_RESET_SIZE], one[MODES_RESET_SIZE], other[MODES_RESET_SIZE], small[64];
	u64 count, switched = 0, not = 0;
	size_t bytes, length;

	CHECK(argc == 3);
	random_begin(argv[1]);
	reset(usual);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		bytes = compose(text);
		modes_watch(text, bytes);
		/* a text is cut where there is no room, and ends all the same */
		length = modes_reset_text(small, 1 + one_of(sizeof(small)));
		CHECK_EQUAL(length, strlen(small));
		reset(one);
		watch_in_pieces(text, bytes);
		reset(other);
		CHECK(!strcmp(one, other));
		if (strcmp(one, usual))
			switched++;
		else
			not++;
		/* all is put back */
		reset(other);
		CHECK(!strcmp(other, usual));
	}
	printf("%llu %llu\n", (unsigned long long)switched, (unsigned long long)not);
	return 0;
}
