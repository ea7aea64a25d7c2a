// SPDX-License-Identifier: GPL-2.0-only
/* --check: everything that can be wrong without a driver, and what would run. */
#include "would_run.h"

#include <stdio.h>
#include <string.h>

#include "balloon.h"
#include "disk.h"
#include "guest_names.h"
#include "option_keys.h"
#include "sandbox.h"
#include "wire.h"

struct found {
	struct kernel_image image;	/* closed again */
	u64 initrd_bytes;
	u64 disk_bytes[OPTIONS_DISKS];
	char tap[OPTIONS_NETS][400];	/* which one of the host's; "": not known, or none */
	char cmdline[OPTIONS_CMDLINE_SIZE];
};

/* --- is it there? --- */

static int look_at_kernel(const struct options *options, struct found *found, struct error *error)
{
	if (kernel_image_open(&found->image, options->kernel.text, error))
		return option_blame_file(option_find(options, "kernel"), options->kernel.text, error);
	kernel_image_close(&found->image);
	return 0;
}

static int look_at_file(const struct option_given *given, const char *path, enum os_access access,
			bool lock, u64 *bytes, struct error *error)
{
	struct os_file *file = os_file_open(path, access, lock, error);

	if (!file)
		return option_blame_file(given, path, error);
	*bytes = os_file_bytes(file);
	os_file_close(file);
	return 0;
}

/* An overlay that is not there yet is only made for a guest. */
static int look_at_disk(const struct option_disk *option, u64 *bytes, struct error *error)
{
	const struct option_image *image = &option->image;
	const char *overlay = image->overlay && os_file_exists(image->overlay) ? image->overlay : NULL;
	struct disk *disk = disk_open(image->path, overlay, image->read_only || image->overlay, error);

	if (!disk)
		return option_blame_file(option->given, image->path, error);
	*bytes = disk_bytes(disk);
	disk_close(disk);
	return 0;
}

static int look_at_folder(const struct option_folder *wanted, struct error *error)
{
	struct folder *folder = folder_open(wanted->path, &wanted->setting, error);

	if (!folder)
		return option_blame_file(wanted->given, wanted->path, error);
	folder->ops->close(folder);
	return 0;
}

static int look_at_net(const struct option_net *net, char *text, size_t bytes, struct error *error)
{
	if (!net->given || net->kind != NET_TUNTAP || !tap_look(net->tap, text, bytes, error))
		return 0;
	return option_blame(net->given, error);
}

static int look(const struct options *options, struct found *found, struct error *error)
{
	enum guest_kind kind = GUEST_VIRTIO;
	struct error one;
	int result = 0;
	u32 i;

	if (look_at_kernel(options, found, &one))
		result = error_add(error, &one);
	else
		kind = guest_kind(&found->image);
	if (options->balloon_auto && !result && balloon_refusal(found->image.note.flags)) {
		error_set(&one, "%s", balloon_refusal(found->image.note.flags));
		option_blame(option_find(options, "balloon"), &one);
		result = error_add(error, &one);
	}
	if (options->initrd.text &&
	    look_at_file(option_find(options, "initrd"), options->initrd.text, OS_READ, false,
			 &found->initrd_bytes, &one))
		result = error_add(error, &one);
	for (i = 0; i < OPTIONS_DISKS; i++) {
		const struct option_disk *disk = &options->disk[i];

		if (disk->image.path && look_at_disk(disk, &found->disk_bytes[i], &one))
			result = error_add(error, &one);
	}
	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path && look_at_folder(&options->folder[i], &one))
			result = error_add(error, &one);
	for (i = 0; i < OPTIONS_NETS; i++)
		if (look_at_net(&options->net[i], found->tap[i], sizeof(found->tap[i]), &one))
			result = error_add(error, &one);
	if (guest_cmdline(options, kind, found->cmdline, &one))
		result = error_add(error, &one);
	return result;
}

/* --- what is it? --- */

static void print_disk(const struct options *options, const struct found *found, u32 number)
{
	const struct option_disk *disk = &options->disk[number];
	char device[GUEST_NAME_SIZE];
	u32 i;

	guest_disk_name(options, number, guest_kind(&found->image), device);
	printf("cobd%u: %s, %llu KiB%s, ", number, disk->image.path,
	       (unsigned long long)found->disk_bytes[number] >> 10,
	       disk->image.read_only ? ", read-only" : "");
	if (disk->image.overlay)
		printf("with its changes in %s, ", disk->image.overlay);
	printf("%s in the guest", device);
	for (i = 0; i < options->naliases; i++)
		if (options->alias[i].disk == number)
			printf(", also %s", options->alias[i].given->key);
	putchar('\n');
}

/* Keys that have nothing to be opened beforehand, as they were given. */
static void print_others(const struct options *options, const struct found *found)
{
	static const char *const shown[] = { "kernel", "initrd", "mem", "cobd", "hd", "sd", "sandbox" };
	const struct option_given *given;
	size_t i;

	for (given = options->given; given; given = given->next) {
		for (i = 0; i < sizeof(shown) / sizeof(*shown); i++)
			if (!strcmp(given->row->name, shown[i]))
				break;
		if (i < sizeof(shown) / sizeof(*shown))
			continue;
		printf("%s: %s", given->key, given->text);
		if (given->index < OPTIONS_NETS && given == options->net[given->index].given && found->tap[given->index][0])
			printf(" (%s)", found->tap[given->index]);
		putchar('\n');
	}
}

int would_run(const struct options *options, struct error *error)
{
	static struct found found;
	const struct kernel_image *image = &found.image;
	u32 i;

	if (look(options, &found, error))
		return -1;
	printf("kernel: %s, ABI %u, %llu KiB in memory, entry 0x%llx, shared area at 0x%llx\n",
	       image->path, image->note.abi_version,
	       (unsigned long long)kernel_image_bytes(image) >> 10,
	       (unsigned long long)image->entry, (unsigned long long)image->note.area_va);
	if (options->initrd.text)
		printf("initrd: %s, %llu KiB\n", options->initrd.text,
		       (unsigned long long)found.initrd_bytes >> 10);
	for (i = 0; i < OPTIONS_DISKS; i++)
		if (options->disk[i].image.path)
			print_disk(options, &found, i);
	print_others(options, &found);
	printf("sandbox: %s\nmemory: %u MiB\ncommand line: %s\n", sandbox_would_be(options),
	       options->mem_mib, found.cmdline);
	return 0;
}
