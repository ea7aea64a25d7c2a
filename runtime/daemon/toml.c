// SPDX-License-Identifier: GPL-2.0-only
/*
 * --print-toml: an old configuration as a machine for colinux.toml. The pipeline
 * boots what it has built itself, so a machine of the same shape comes out: a
 * kernel and root filesystem of ours, memory, disks and command line as they were;
 * what became of each key, and which have no part in it, is in comments.
 */
#include "print_text.h"

#include <string.h>

#include "guest_names.h"
#include "option_keys.h"

/* The bounds of colinux.toml: pipeline/declaration/keys.py. */
#define DISK_MIB_MAX	(1u << 20)
#define HOST_MIB	1024u		/* what a test host has */
#define HOST_MIB_MAX	(64u << 10)
#define HOST_NEEDS_MIB	512u		/* beside its guest */
#define UNKNOWN_MIB	64u

#define INDENT		"    "

/* Names of colinux.toml. */
struct built {
	const char *kernel, *initramfs, *disk;
};

static const struct built built_61 = { "6.1-x86_64", "busybox", "busybox-ext4" };
static const struct built built_2633 = { "2.6.33-x86_64", "old-x86_64", "ext3-x86_64" };
static const struct built built_2633_i386 = { "2.6.33-i386", "old-i386", "ext3-i386" };
static const struct built built_24 = { "2.4.37-i386", "ramdisk-i386", "ext3-i386" };

/* The kernel of ours that is like the user's, if that can be looked at. */
static const struct built *find_built(const char *path, enum guest_kind *kind)
{
	const struct built *built = &built_61;
	struct kernel_image image;
	struct error error;

	*kind = GUEST_VIRTIO;
	if (!path || kernel_image_open(&image, path, &error))
		return built;
	*kind = guest_kind(&image);
	if (image.is_i386)
		built = *kind == GUEST_24 ? &built_24 : &built_2633_i386;
	else if (image.note.flags & CO_NOTE_BELOW_4G)
		built = &built_2633;
	kernel_image_close(&image);
	return built;
}

/* linux.conf makes [machine.linux]. */
static void print_name(FILE *out, const char *file)
{
	const char *start = file, *end, *slash;
	bool bare = true;
	size_t i, len;

	for (slash = file; *slash; slash++)
		if (*slash == '/' || *slash == '\\')
			start = slash + 1;
	end = strrchr(start, '.');
	len = end && end != start ? (size_t)(end - start) : strlen(start);
	for (i = 0; i < len; i++)
		bare = bare && start[i] != '.' && start[i] != '+';
	fputs(bare ? "[machine." : "[machine.\"", out);
	/* what the pipeline allows in a name: it becomes a task's and a folder's */
	for (i = 0; i < len; i++) {
		char c = start[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!i && !letter)
			fputs("m", out);
		putc(letter || strchr("._+-", c) ? c : '-', out);
	}
	if (!len)
		fputs("colinux", out);
	fputs(bare ? "]\n" : "\"]\n", out);
}

/* "# cobd0=a.img (linux.conf:3)" and the end of the line. */
static void print_origin(FILE *out, const char *indent, const struct option_given *given,
			 const char *remark)
{
	fprintf(out, "%s# %s=", indent, given->key);
	print_plain(out, given->text);
	fputs(" (", out);
	print_plain(out, given->place);
	fprintf(out, ")%s\n", remark);
}

/* In MiB; 0: the file cannot be opened here. */
static u32 disk_mib(const struct option_disk *disk)
{
	struct error error;
	struct os_file *file = os_file_open(disk->image.path, OS_READ, false, &error);
	u64 mib;

	if (!file)
		return 0;
	mib = (os_file_bytes(file) + (1 << 20) - 1) >> 20;
	os_file_close(file);
	return mib < 1 ? 1 : mib < DISK_MIB_MAX ? mib : DISK_MIB_MAX;
}

static void print_disks(FILE *out, const struct options *options, const struct built *built)
{
	u32 root = OPTIONS_DISKS, i;
	bool any = false;

	guest_root_disk(options, &root);
	for (i = 0; i < OPTIONS_DISKS; i++) {
		const struct option_disk *disk = &options->disk[i];
		const char *mode = disk->image.read_only ? ", readonly = true" : "", *remark = "";
		u32 mib;

		if (!disk->image.path)
			continue;
		fputs(any ? "" : "disks = [\n", out);
		any = true;
		if (i == root) {
			fprintf(out, "    { rootfs = \"%s\"%s },", built->disk, mode);
			remark = ": any disk of [rootfs] will do";
		} else {
			mib = disk_mib(disk);
			fprintf(out, "    { size_mib = %u%s },", mib ? mib : UNKNOWN_MIB, mode);
			remark = mib ? ": empty, of that size" : ": empty; its size is not known";
		}
		if (disk->image.overlay)
			remark = ": a test's disks are new for every boot, and need no overlay";
		print_origin(out, INDENT, disk->given, remark);
	}
	fputs(any ? "]\n" : "", out);
}

static void print_memory(FILE *out, const struct options *options)
{
	const struct option_given *given = option_find(options, "mem");
	u32 mib = options->mem_mib;

	if (mib > HOST_MIB_MAX - HOST_NEEDS_MIB)
		mib = HOST_MIB_MAX - HOST_NEEDS_MIB;
	fprintf(out, "memory_mib = %u", mib);
	if (given)
		print_origin(out, INDENT, given, "");
	else
		putc('\n', out);
	if (mib + HOST_NEEDS_MIB > HOST_MIB)
		fprintf(out, "qemu.memory_mib = %u    # the test host's\n", mib + HOST_NEEDS_MIB);
}

/* What a machine of the pipeline's has no place for. */
static void print_rest(FILE *out, const struct options *options)
{
	static const char *const used[] = { "kernel", "initrd", "mem", "cobd", "hd", "sd" };
	const struct option_given *given;
	bool any = false;
	size_t i;

	for (given = options->given; given; given = given->next) {
		for (i = 0; i < sizeof(used) / sizeof(*used); i++)
			if (!strcmp(given->row->name, used[i]))
				break;
		if (i < sizeof(used) / sizeof(*used))
			continue;
		if (!any)
			fputs("# the daemon's, and not a machine's:\n", out);
		any = true;
		print_origin(out, "", given, "");
	}
}

int print_toml(FILE *out, const struct options *options, struct error *error)
{
	const struct option_given *initrd = option_find(options, "initrd");
	char cmdline[OPTIONS_CMDLINE_SIZE], *at;
	const struct built *built;
	enum guest_kind kind;
	u32 root;

	built = find_built(options->kernel.text, &kind);
	if (guest_words(options, kind, cmdline, error))
		return -1;
	/* a string of one line */
	for (at = cmdline; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	fputs("# Kernel and root filesystem are ones that this project builds. Your own disks are\n"
	      "# booted by your own file: colinux-daemon @FILE.\n", out);
	print_name(out, options->file ? options->file : "");
	fputs("title = ", out);
	print_quoted(out, options->file ? options->file : "made by colinux-daemon --print-toml");
	fprintf(out, "\nkernel = \"%s\"", built->kernel);
	print_origin(out, INDENT, option_find(options, "kernel"), "");
	fputs("host = \"linux-amd64\"\n", out);
	print_memory(out, options);
	if (!guest_root_disk(options, &root)) {
		fprintf(out, "initramfs = \"%s\"", built->initramfs);
		if (initrd)
			print_origin(out, INDENT, initrd, "");
		else
			putc('\n', out);
	} else if (initrd) {
		print_origin(out, "", initrd, ": the kernel mounts its root by itself");
	}
	print_disks(out, options, built);
	fputs("cmdline = ", out);
	print_quoted(out, cmdline);
	fputs("\nchecks = [\"uname\", \"memory\", \"poweroff\", \"host-clean\", \"unload\"]\n", out);
	print_rest(out, options);
	return 0;
}
