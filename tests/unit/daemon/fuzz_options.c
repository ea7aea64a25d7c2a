// SPDX-License-Identifier: GPL-2.0-only
/* fuzz_options SEED COUNT: configuration texts out of pieces; prints how many were accepted and refused. */
#include "check.h"
#include "options.h"

static const char *const pieces[] = {
	"kernel=", "initrd=", "mem=", "64", "cobd", "0", "1", "31", "32", "=", ",ro", ",rw", ",", "\"", "\"a b\"",
	"#", "\n", "\n", " ", " ", " ", "\t", "\r\n", "--", "-d", "@x", "ttys", "eth0=slirp", "cofs", "hda1", "sd",
	"cocon=", "shutdown-timeout=", "root=/dev/vda", "quiet", "\\", "console=", "dyndbg=\"file x +p\"", "x",
};

static unsigned long long state;

static unsigned long long random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

int main(int argc, char **argv)
{
	unsigned long long accepted = 0, refused = 0, count;

	CHECK(argc == 3);
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		struct options options = { 0 };
		struct error error = { 0 };
		u32 words = random_number() % 24;
		size_t bytes = 0;
		/* exactly as long as the text, so that the sanitizer sees one byte too far */
		char *text = malloc(1024), *exact;

		while (words--) {
			const char *piece = pieces[random_number() % (sizeof(pieces) / sizeof(*pieces))];

			if (random_number() % 50 == 0)
				text[bytes++] = random_number();
			memcpy(text + bytes, piece, strlen(piece));
			bytes += strlen(piece);
		}
		exact = malloc(bytes + !bytes);
		memcpy(exact, text, bytes);
		free(text);
		if (options_parse_text(&options, "text", exact, bytes, &error)) {
			CHECK(error.text[0] && error.exit_code == EXIT_OTHER);
			refused++;
		} else {
			CHECK(strlen(options.cmdline) < OPTIONS_CMDLINE_SIZE);
			accepted++;
		}
		options_free(&options);
		free(exact);
	}
	printf("%llu %llu\n", accepted, refused);
	return 0;
}
