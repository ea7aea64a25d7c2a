// SPDX-License-Identifier: GPL-2.0-only
/* The keys of the configuration language: the table, and how a word finds its row. */
#include "option_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_near.h"
#include "option_parse.h"
#include "option_values.h"
#include "os.h"

/* Of a value, in messages. */
#define VALUE_SHOWN	60

const struct option_key option_keys[] = {
	{ "kernel", .parse = parse_kernel,
	  .usage = "kernel=PATH",
	  .manual = "the guest kernel: an uncompressed vmlinux of ours" },
	{ "initrd", .parse = parse_initrd,
	  .usage = "initrd=PATH",
	  .manual = "its initial ramdisk" },
	{ "mem", .parse = parse_mem,
	  .usage = "mem=MIB",
	  .manual = "its memory (default 128)" },
	{ "cobd", KEY_NUMBERED, OPTIONS_DISKS, "disks", .parse = parse_cobd,
	  .usage = "cobdN=PATH[,MODE]",
	  .manual = "a disk on a file or block device, N from 0 to 31; the guest\n"
		    "sees /dev/vda, vdb, ... in the order of N, with serial cobdN.\n"
		    "The file is locked: one writer or many readers. MODE is ro,\n"
		    "or cow=FILE: PATH is only read, what the guest changes is in\n"
		    "FILE, made if it is not there" },
	{ "hd", KEY_DISK_NAME, .parse = parse_alias,
	  .usage = "hdXN=:cobdN",
	  .manual = "another name of a disk: hda=, hda1=, sdb3=, ...; root= knows it\n"
		    "and our root filesystems link it. hdXN=PATH[,ro] is a disk with\n"
		    "the lowest number that no cobdN= has" },
	{ "sd", KEY_DISK_NAME, .parse = parse_alias },
	{ "cofs", KEY_NUMBERED, OPTIONS_FOLDERS, "host folders", true, .parse = parse_cofs,
	  .usage = "cofsN=PATH[,WORDS]",
	  .manual = "a folder of the host's, N from 0 to 31, for mount -t 9p cofsN\n"
		    "/mnt in the guest, or mount.cofs N /mnt. Nothing outside of it\n"
		    "can be reached. WORDS: ro, and one about its files' owners:\n"
		    "owner=same     the same numbers on both sides (default)\n"
		    "owner=UID:GID  all is this user's of the host, with his rights\n"
		    "owner=xattr    all is the daemon's; owners, modes and devices\n"
		    "of the guest's are kept in an attribute of each file" },
	{ "eth", KEY_NUMBERED, OPTIONS_NETS, "network interfaces", true, .parse = parse_eth,
	  .usage = "ethN=KIND[,...]",
	  .manual = "a network interface, N from 0 to 15; the guest sees eth0, eth1,\n"
		    "... in the order of N:\n"
		    "slirp[,MAC[,REDIRECTIONS]]  through the host's own connections:\n"
		    "the guest asks DHCP and is 10.0.2.15, the host 10.0.2.2, DNS at\n"
		    "10.0.2.3. REDIRECTIONS let the host in: tcp:2222:22/udp:69:69,\n"
		    "PROTOCOL:[ADDRESS:]HOST-PORT:GUEST-PORT[:COUNT], slashes\n"
		    "between them; the host's address is 127.0.0.1 if none is given;\n"
		    "colinux-ctl redirect changes them while the guest runs\n"
		    "tuntap[,INTERFACE[,MAC]]  a tap interface of the host's, on\n"
		    "Windows an adapter of TAP-Windows by its connection's name;\n"
		    "without one a new interface, or the first adapter that is free\n"
		    "Without a MAC each gets one that is the same the next time" },
	{ "ttys", KEY_NUMBERED, OPTIONS_SERIALS, "serial ports", true, .parse = parse_ttys,
	  .usage = "ttysN=PATH[,LINE]",
	  .manual = "a further console, N from 0 to 15; the guest sees hvc1, hvc2,\n"
		    "... in the order of N. PATH is a character device, a pty, a\n"
		    "Unix socket to connect to (or unix:PATH, which may appear\n"
		    "later), a FIFO or a file (these two: output only). On Windows:\n"
		    "COM1, a pipe to make (\\\\.\\pipe\\NAME), a file. While nobody\n"
		    "is at the other end, output is lost. LINE sets a serial port's:\n"
		    "115200,8n1,rtscts, any of it (or xonxoff, noflow); what is not\n"
		    "said stays as it is, but for 8 bits without parity.\n"
		    "\"BAUD=9600 PARITY=e\", as MODE has it, works too" },
	{ "exec", KEY_NUMBERED, OPTIONS_PROGRAMS, "programs", .parse = parse_exec,
	  .usage = "execN=PROG[,\"ARGS\"]",
	  .manual = "a program of the host that runs as long as the guest, with the\n"
		    "daemon's rights: an X server, for example. N from 0 to 15" },
	{ "cocon", .parse = parse_cocon,
	  .usage = "cocon=COLSxROWS",
	  .manual = "the size of the guest's console where it is no terminal" },
	{ "cocon", KEY_NUMBERED, OPTIONS_CONSOLES, "consoles", true, .parse = parse_cocon,
	  .usage = "coconN=COLSxROWS",
	  .manual = "a further console for colinux-console, N from 1 to 7; the\n"
		    "guest sees them as hvcs after those of ttysN" },
	{ "name", .parse = parse_name,
	  .usage = "name=NAME",
	  .manual = "what colinux-ctl calls the guest: letters, digits, . _ and -\n"
		    "(default: FILE without folder and .conf)" },
	{ "sandbox", .parse = parse_sandbox,
	  .usage = "sandbox=on|off",
	  .manual = "Linux: before the guest begins the daemon gives up what it\n"
		    "does not need: capabilities, files, system calls (default:\n"
		    "on where that is possible, else a note says why not). off is\n"
		    "for who looks for a fault in the daemon" },
	{ "balloon", .parse = parse_balloon,
	  .usage = "balloon=auto|off",
	  .manual = "auto: the guest gives memory that it does not use back to the\n"
		    "host, and takes it again when it needs it, as far as the host\n"
		    "can spare that very memory (default: off; guests of Linux 6.1\n"
		    "on Linux hosts). colinux-ctl balloon says how much it keeps" },
	{ "scsi", KEY_NUMBERED, 128, "SCSI devices",
	  .absent = "SCSI devices are not passed through any more; a disk of the host's is cobdN=/dev/sdX" },
	{ "pci", KEY_NUMBERED, 128, "PCI devices",
	  .absent = "devices of the host's buses are not passed through; the guest has virtio devices only" },
	{ "shutdown-timeout", .parse = parse_shutdown_timeout,
	  .usage = "shutdown-timeout=SEC",
	  .manual = "how long a guest that was asked to shut down may take\n"
		    "(default 30; 0: none is asked)" },
	{ NULL }
};

/* "hda" and "hda1" with prefix "hd"; the numbers that Linux gives to partitions. */
static bool is_disk_name(const char *key, size_t len, const char *prefix)
{
	size_t letter = strlen(prefix);

	if (len <= letter || memcmp(key, prefix, letter) || key[letter] < 'a' || key[letter] > 'z')
		return false;
	return len == letter + 1 || option_key_index(key + letter + 1, len - letter - 1, "", 64) > 0;
}

/* A whole-word match: the row, and the number in *index; -2 in *index: no such number. */
static const struct option_key *find_row(const char *key, size_t len, int *index)
{
	const struct option_key *row;

	for (row = option_keys; row->name; row++) {
		*index = 0;
		if (row->form == KEY_NUMBERED) {
			*index = option_key_index(key, len, row->name, row->limit);
			if (*index != -1)
				return row;
		} else if (row->form == KEY_DISK_NAME) {
			if (is_disk_name(key, len, row->name))
				return row;
		} else if (len == strlen(row->name) && !memcmp(key, row->name, len)) {
			return row;
		}
	}
	return NULL;
}

int option_blame(const struct option_given *given, struct error *error)
{
	bool cut = strlen(given->text) > VALUE_SHOWN;
	struct error plain = *error;

	return error_set_code(error, plain.exit_code, "%s: %s=%.*s%s: %s", given->place, given->key,
			      cut ? VALUE_SHOWN - 3 : VALUE_SHOWN, given->text, cut ? "..." : "",
			      plain.text);
}

int option_blame_file(const struct option_given *given, const char *path, struct error *error)
{
	const char *hint = os_path_hint(path);
	size_t used = strlen(error->text), length = strlen(path);

	/* the value shows it */
	if (length < VALUE_SHOWN - 5 && !strncmp(error->text, path, length) &&
	    !strncmp(error->text + length, ": ", 2)) {
		used -= length + 2;
		memmove(error->text, error->text + length + 2, used + 1);
	}
	if (hint)
		snprintf(error->text + used, sizeof(error->text) - used, " (%s)", hint);
	return option_blame(given, error);
}

static const struct option_given *find_given(const struct options *options, const char *key,
					     size_t len)
{
	const struct option_given *given;

	for (given = options->given; given; given = given->next)
		if (strlen(given->key) == len && !memcmp(given->key, key, len))
			return given;
	return NULL;
}

const struct option_given *option_find(const struct options *options, const char *key)
{
	return find_given(options, key, strlen(key));
}

static struct option_given *keep_given(struct options *options, const struct option_key *row,
				       const char *word, size_t key_len, const char *place)
{
	struct option_given *given = calloc(1, sizeof(*given));

	if (!given)
		return NULL;
	given->key = option_copy_text(word, strlen(word));
	if (!given->key) {
		free(given);
		return NULL;
	}
	given->key[key_len] = '\0';
	given->text = given->key + key_len + 1;
	given->row = row;
	snprintf(given->place, sizeof(given->place), "%s", place);
	*options->last_given = given;
	options->last_given = &given->next;
	return given;
}

/*
 * The guest kernel splits its command line at blanks. Where the shell has taken
 * quotes off (key=a b) it needs them back: key="a b"; around a word without
 * blanks ("a=b", which keeps a word from being a key of ours) not every kernel
 * takes them.
 */
static const char *quote_for_guest(const char *word, const char **open, const char **close, int *len)
{
	const char *equals = strchr(word, '=');
	size_t bytes = strlen(word);

	*open = *close = "";
	*len = bytes;
	if (strpbrk(word, " \t") && !strchr(word, '"')) {
		*open = *close = "\"";
		*len = equals ? equals - word + 1 : 0;
	} else if (bytes >= 2 && word[0] == '"' && strchr(word + 1, '"') == word + bytes - 1 &&
		   !strpbrk(word, " \t")) {
		*len = bytes - 2;
		return word + 1;
	}
	return word;
}

static int pass_to_guest(struct options *options, const char *word, const char *place,
			 struct error *error)
{
	size_t used = strlen(options->cmdline), room = sizeof(options->cmdline) - used;
	const char *open, *close;
	int len, more;

	if (!options->passing_through && !strncmp(word, "root=", 5)) {
		free(options->root.text);
		options->root.text = option_copy_text(word + 5, strlen(word + 5));
		snprintf(options->root.place, sizeof(options->root.place), "%s", place);
		if (!options->root.text)
			return error_set(error, "out of memory");
	}
	word = quote_for_guest(word, &open, &close, &len);
	more = snprintf(options->cmdline + used, room, "%s%.*s%s%s%s", used ? " " : "", len, word, open,
			*open ? word + len : "", close);
	if (more >= 0 && (size_t)more < room)
		return 0;
	options->cmdline[used] = '\0';
	return error_set(error, "%s: the guest kernel's command line is longer than %u bytes", place,
			 OPTIONS_CMDLINE_SIZE - 1);
}

/* A word that is no key of ours goes to the guest, unless it is one misspelt. */
static int other_word(struct options *options, const char *word, size_t key_len, const char *place,
		      struct error *error)
{
	char meant[OPTION_NEAR_SIZE];
	int index;

	if (word[0] == '"' && key_len > 1 && find_row(word + 1, key_len - 1, &index))
		return error_set(error, "%s: %.40s: the quotes belong around the value: %.*s=\"...\"",
				 place, word, (int)key_len - 1, word + 1);
	if (word[0] != '"' && option_near(word, key_len, meant))
		return error_set(error, "%s: %.40s: unknown key %.*s=; did you mean %s=? (In quotes the word goes to the guest's kernel.)",
				 place, word, (int)key_len, word, meant);
	return pass_to_guest(options, word, place, error);
}

int option_word(struct options *options, const char *word, const char *place, struct error *error)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : 0;
	const struct option_given *before;
	const struct option_key *row;
	struct option_given *given;
	int index;

	if (!strcmp(word, "--"))
		options->passing_through = true;
	if (options->passing_through || !len)
		return pass_to_guest(options, word, place, error);
	row = find_row(word, len, &index);
	if (!row)
		return other_word(options, word, len, place, error);
	if (index < 0)
		return error_set(error, "%s: there is no %.*s; %s are %s0 to %s%u", place,
				 len < 40 ? (int)len : 40, word, row->plural, row->name, row->name,
				 row->limit - 1);
	before = find_given(options, word, len);
	if (before)
		return error_set(error, "%s: %s is given twice; the first one is at %s", place,
				 before->key, before->place);
	given = keep_given(options, row, word, len, place);
	if (!given)
		return error_set(error, "out of memory");
	given->index = index;
	if (row->parse && row->parse(options, given, error))
		return option_blame(given, error);
	return 0;
}
