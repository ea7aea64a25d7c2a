/* SPDX-License-Identifier: GPL-2.0-only */
/* coLinux's configuration language: what the user wants of this daemon. */
#ifndef COLINUX_OPTIONS_H
#define COLINUX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "colinux_types.h"
#include "error.h"
#include "folder.h"
#include "serial_line.h"

#define OPTIONS_DISKS		32u	/* cobd0 .. cobd31 */
#define OPTIONS_SERIALS		16u	/* ttys0 .. ttys15 */
#define OPTIONS_CONSOLES	8u	/* cocon, cocon1 .. cocon7 */
#define OPTIONS_PROGRAMS	16u	/* exec0 .. exec15 */
#define OPTIONS_NETS		16u	/* eth0 .. eth15 */
#define OPTIONS_REDIRECTS	32u	/* of an ethN= */
#define OPTIONS_FOLDERS		32u	/* cofs0 .. cofs31 */
#define OPTIONS_ALIASES		64u	/* hda=, sdb3=, ... */
#define OPTIONS_CMDLINE_SIZE	2048u	/* Linux's COMMAND_LINE_SIZE on x86, with the NUL */
#define OPTIONS_PLACE_SIZE	96u
#define OPTIONS_NAME_SIZE	33u	/* a guest's name, with the NUL */

/* A value and where it was given ("linux.conf:3", "argument 2"); text NULL: not given. */
struct option_value {
	char *text;
	char place[OPTIONS_PLACE_SIZE];
};

struct option_key;

/* A key=value of ours, as it was written: cobd1="a b",ro in linux.conf:3. */
struct option_given {
	struct option_given *next;	/* the one that was read after it */
	const struct option_key *row;
	u32 index;			/* of a numbered key: 1; else 0 */
	char *key, *text;		/* "cobd1", "\"a b\",ro" */
	char place[OPTIONS_PLACE_SIZE];
};

/* What a disk is made of. */
struct option_image {
	char *path;		/* NULL: there is none */
	char *overlay;		/* what is written goes there; NULL: to the path itself */
	bool read_only;
};

struct option_disk {
	struct option_image image;
	const struct option_given *given;
};

/* A further name of a disk: hda1=:cobd0, or of one that has only this name: hda1=PATH. */
struct option_alias {
	const struct option_given *given;
	struct option_image image;	/* options_complete() makes a disk of it */
	u32 disk;
};

/* A folder of the host's. */
struct option_folder {
	char *path;		/* NULL: there is none */
	struct folder_setting setting;
	const struct option_given *given;
};

enum option_net_kind {
	NET_SLIRP,
	NET_TUNTAP,
	NET_BRIDGE,		/* of coLinux's, and no more */
};

/* Ports of the host's that lead to the guest: host, host + 1, ..., count of them. */
struct option_redirect {
	bool udp;
	u8 address[4];		/* of the host's that they are opened at: 127.0.0.1 */
	u16 host, guest, count;
};

struct option_redirects {
	u32 count;
	struct option_redirect entry[OPTIONS_REDIRECTS];
};

struct option_net {
	const struct option_given *given;	/* NULL: there is none */
	enum option_net_kind kind;
	bool has_mac;
	u8 mac[6];
	char *tap;		/* tuntap: of the host's; NULL: not given */
	struct option_redirects redirects;	/* slirp */
};

enum option_sandbox {
	SANDBOX_WHERE_POSSIBLE,
	SANDBOX_INSISTED,
	SANDBOX_NOT_WANTED,
};

struct option_program {
	char *path, *arguments;	/* NULL: there is none; no arguments: "" */
	const struct option_given *given;
};

/* A request about what is installed in the system, in place of a boot; Windows only. */
enum option_service {
	SERVICE_NONE,
	SERVICE_INSTALL,
	SERVICE_REMOVE,
	SERVICE_RUN,		/* by the service manager: boots */
};

struct options {
	/* switches */
	bool help, version, check, print_toml, print_json, status_driver, stats;
	bool install_driver, remove_driver;
	enum option_service service;
	const char *service_name;	/* in argv, or the default */
	int service_word, service_words; /* where in argv: --install-service and its name */
	bool no_console;		/* -d */
	bool no_early_messages;		/* -k */
	bool no_reboot;			/* --no-reboot */
	int verbosity;			/* -v LEVEL */
	struct option_value pidfile;	/* -p PATH */
	const char *file;		/* the first @FILE, in argv; NULL: none */
	/* key=value, in the order they were read; and what they mean: */
	struct option_given *given, **last_given;
	struct option_value kernel, initrd;
	char name[OPTIONS_NAME_SIZE];	/* name=; empty: not given */
	u32 mem_mib;
	u32 shutdown_seconds;
	struct option_disk disk[OPTIONS_DISKS];
	u32 naliases;
	struct option_alias alias[OPTIONS_ALIASES];
	struct option_folder folder[OPTIONS_FOLDERS];
	struct option_value serial[OPTIONS_SERIALS];
	struct serial_line line[OPTIONS_SERIALS];	/* of serial[] */
	struct option_net net[OPTIONS_NETS];
	struct option_program program[OPTIONS_PROGRAMS];
	enum option_sandbox sandbox;
	bool balloon_auto;		/* balloon=auto */
	struct option_size {
		u16 columns, rows;	/* 0: not given */
	} console[OPTIONS_CONSOLES];	/* cocon= is the first */
	/* everything else: words for the guest kernel, as they were given */
	char cmdline[OPTIONS_CMDLINE_SIZE];
	struct option_value root;	/* the last root= among them */
	/* the parser's own */
	bool passing_through;		/* "--" was seen: the rest is the guest's init's */
};

/*
 * Parses the command line, the files it names, and checks that the result
 * makes sense together. -1: error names every fault that was found, one a line,
 * with its place and the remedy. Release with options_free() in either case.
 */
int options_parse(struct options *options, int argc, char **argv, struct error *error);
void options_free(struct options *options);

/* The defaults; options_parse() begins with it. */
void options_init(struct options *options);

/* For the parser's tests and the fuzzer: one configuration file's text. */
int options_parse_text(struct options *options, const char *name, const char *text, size_t bytes,
		       struct error *error);
/*
 * The name by which colinux-ctl finds the guest: name=, else the configuration
 * file's (linux.conf: "linux"), else "colinux". True: it was given.
 */
bool option_guest_name(const struct options *options, char name[OPTIONS_NAME_SIZE]);

/* Is there a network interface of that kind? */
bool options_have_net(const struct options *options, enum option_net_kind kind);

/* And what has to be true of all words together. */
int options_complete(struct options *options, struct error *error);

#endif
