// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_options SEED COUNT [FILE...]: configuration texts out of pieces and, where
 * files are given, out of mutations of these. Each goes all the way: words, all of
 * them together, both kinds of guest, JSON and TOML. Prints how many were accepted
 * and refused.
 */
#include "check.h"
#include "fuzz.h"
#include "guest_names.h"
#include "option_keys.h"
#include "options.h"
#include "print_text.h"

#define TEXT_MAX	4096u
#define SEEDS_MAX	64u

static const char *const pieces[] = {
	"kernel=", "initrd=", "mem=", "64", "cobd", "0", "1", "31", "32", "=", ",ro", ",rw", ",", "\"", "\"a b\"",
	"#", "\n", "\n", " ", " ", " ", "\t", "\r\n", "--", "-d", "@x", "ttys", "ttys0=a,", "9600", ",8n1", ",rtscts", "BAUD=", "eth0=slirp", "cofs", "eth1=tuntap,", "eth2=slirp,,", "tcp:", "udp:", ":22", "/", "02:43:4f:00:00:01", "hda1", "sd",
	"cocon=", "shutdown-timeout=", "root=/dev/vda", "quiet", "\\", "console=", "dyndbg=\"file x +p\"", "x",
	"kernel=vmlinux\n", "cobd0=a\n", "cobd5=b,ro ", "hda=:cobd0\n", "hdb3=:cobd5 ", "sda=c ", ":cobd", "p1",
	"root=/dev/cobd0 ", "root=/dev/cobd/5", "root=/dev/hda2", "root=/dev/", "exec0=", "exec1=\"a b\",\"c d\"\n",
	"cocon=80x25\n", "kernal=", "\"mem=1\"", "\xef\xbb\xbf", "<", "\xff\xfe", "\xc3\xbc", "\xe9", "100000000000",
};

struct seed {
	char text[TEXT_MAX];
	size_t bytes;
};

static struct seed seeds[SEEDS_MAX];
static u32 nseeds;

static void insert(char *text, size_t *bytes, size_t at, const char *piece, size_t length)
{
	if (*bytes + length > TEXT_MAX)
		return;
	memmove(text + at + length, text + at, *bytes - at);
	memcpy(text + at, piece, length);
	*bytes += length;
}

static const char *some_piece(void)
{
	return pieces[one_of(sizeof(pieces) / sizeof(*pieces))];
}

/* A text of pieces, with a byte of any value now and then. */
static size_t compose(char *text)
{
	size_t bytes = 0;
	u32 words = one_of(24);

	while (words--) {
		const char *piece = some_piece();

		if (!one_of(50))
			text[bytes++] = one_of(256);
		insert(text, &bytes, bytes, piece, strlen(piece));
	}
	return bytes;
}

/* A seed with up to eight changes: bytes, pieces, ranges of it and of another one. */
static size_t mutate(char *text)
{
	const struct seed *seed = &seeds[one_of(nseeds)], *other = &seeds[one_of(nseeds)];
	size_t bytes = seed->bytes, at, length;
	u32 changes = 1 + one_of(8);
	const char *piece;

	memcpy(text, seed->text, bytes);
	while (changes--) {
		at = one_of(bytes + 1);
		switch (one_of(6)) {
		case 0:
			if (at < bytes)
				text[at] = one_of(256);
			break;
		case 1:
			if (at < bytes)
				text[at] ^= 1 << one_of(8);
			break;
		case 2:
			piece = some_piece();
			insert(text, &bytes, at, piece, strlen(piece));
			break;
		case 3:		/* leave a range out */
			length = one_of(bytes - at + 1);
			length = length > 64 ? 64 : length;
			memmove(text + at, text + at + length, bytes - at - length);
			bytes -= length;
			break;
		case 4:		/* one of another's ranges */
			if (!other->bytes)
				break;
			length = one_of(other->bytes);
			insert(text, &bytes, at, other->text + length,
			       one_of(other->bytes - length + 1) % 128);
			break;
		case 5:		/* the rest is cut off */
			if (!one_of(8))
				bytes = at;
			break;
		}
	}
	return bytes;
}

/* What was accepted has to hold together, and to be printable. */
static void use(const struct options *options, FILE *out)
{
	char cmdline[OPTIONS_CMDLINE_SIZE], device[GUEST_NAME_SIZE];
	struct error error = { 0 };
	u32 i;

	CHECK(options->kernel.text && options->kernel.text[0]);
	CHECK(options->mem_mib >= 16 && options->mem_mib <= 65536);
	CHECK(!guest_cmdline(options, GUEST_VIRTIO, cmdline, &error));
	CHECK(strlen(cmdline) < OPTIONS_CMDLINE_SIZE && strstr(cmdline, "console="));
	if (guest_cmdline(options, GUEST_24, cmdline, &error))
		CHECK(error.text[0]);
	else
		CHECK(strlen(cmdline) < 256);
	for (i = 0; i < OPTIONS_DISKS; i++) {
		CHECK(!options->disk[i].image.path == !options->disk[i].given);
		guest_disk_name(options, i, GUEST_VIRTIO, device);
		CHECK(!strncmp(device, "/dev/vd", 7));
	}
	for (i = 0; i < options->naliases; i++) {
		CHECK(options->disk[options->alias[i].disk].image.path);
		CHECK(!options->alias[i].image.path);
	}
	for (i = 0; i < OPTIONS_PROGRAMS; i++)
		CHECK(!options->program[i].path == !options->program[i].arguments);
	/* no file of this machine's is of interest */
	if (one_of(8) || strchr(options->kernel.text, '/'))
		return;
	CHECK(!print_json(out, options, &error));
	CHECK(!print_toml(out, options, &error));
	CHECK(!ferror(out));
	rewind(out);
}

static bool try_text(const char *text, size_t bytes, FILE *out)
{
	/* exactly as long as the text, so that the sanitizer sees one byte too far */
	char *exact = malloc(bytes + !bytes);
	struct options options;
	struct error error = { 0 };
	bool accepted;

	options_init(&options);
	options.print_json = one_of(2);
	memcpy(exact, text, bytes);
	accepted = !options_parse_text(&options, "text", exact, bytes, &error);
	free(exact);
	accepted &= !options_complete(&options, &error);
	if (accepted)
		use(&options, out);
	else
		CHECK(error.text[0] && error.text[0] != '\n' && error.exit_code == EXIT_OTHER);
	options_free(&options);
	return accepted;
}

static void read_seed(const char *path)
{
	FILE *file = fopen(path, "rb");

	CHECK(file && nseeds < SEEDS_MAX);
	seeds[nseeds].bytes = fread(seeds[nseeds].text, 1, TEXT_MAX, file);
	CHECK(seeds[nseeds++].bytes);
	fclose(file);
}

int main(int argc, char **argv)
{
	unsigned long long accepted = 0, refused = 0, count;
	FILE *out = fopen("/dev/null", "w");
	char text[TEXT_MAX];
	int i;

	CHECK(argc >= 3 && out);
	random_begin(argv[1]);
	for (i = 3; i < argc; i++)
		read_seed(argv[i]);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		size_t bytes = nseeds && one_of(4) ? mutate(text) : compose(text);

		if (try_text(text, bytes, out))
			accepted++;
		else
			refused++;
	}
	fclose(out);
	printf("%llu %llu\n", accepted, refused);
	return 0;
}
