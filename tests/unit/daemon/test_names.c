// SPDX-License-Identifier: GPL-2.0-only
/* Names: what is nearly a key, what a kernel calls a disk, what it is told. */
#include "check.h"
#include "guest_names.h"
#include "option_keys.h"
#include "option_near.h"

/* --- spelling --- */

static void distances(void)
{
	CHECK_EQUAL(spelling_distance("kernel", "kernel", 2), 0);
	CHECK_EQUAL(spelling_distance("kernal", "kernel", 2), 1);
	CHECK_EQUAL(spelling_distance("krenel", "kernel", 2), 1);	/* swapped */
	CHECK_EQUAL(spelling_distance("kernl", "kernel", 2), 1);
	CHECK_EQUAL(spelling_distance("kkernel", "kernel", 2), 1);
	CHECK_EQUAL(spelling_distance("kkernle", "kernel", 2), 2);
	CHECK_EQUAL(spelling_distance("", "mem", 5), 3);
	CHECK_EQUAL(spelling_distance("mem", "", 5), 3);
	CHECK_EQUAL(spelling_distance("root", "kernel", 2), 3);		/* no more than that is counted */
	CHECK_EQUAL(spelling_distance("a-word-of-more-than-24-letters", "kernel", 2), 3);
}

static void parameters_of_linux_are_none_of_ours(void)
{
	static const char *const names[] = {
		"root", "rootfstype", "rootflags", "init", "rdinit", "noinitrd", "console", "panic", "pci", "psi",
		"pti", "mce", "nmi_watchdog", "memmap", "memtest", "crashkernel", "loglevel", "resume", "tsc", "clock",
		"vga", "video", "ether", "netdev", "ip", "nfsroot", "maxcpus", "hpet", "lpj", "acpi", "apm", "devfs",
		"ramdisk_size", "ro", "rw", "selinux", "kgdboc", "earlyprintk", "idle", "swapaccount", "virtio_blk.x",
	};
	char meant[OPTION_NEAR_SIZE];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (option_near(names[i], strlen(names[i]), meant))
			check_no_text(__FILE__, __LINE__, names[i], meant);
}

static void a_key_is_near_to_itself(void)
{
	const struct option_key *row;
	char meant[OPTION_NEAR_SIZE];

	for (row = option_keys; row->name; row++)
		if (row->form != KEY_DISK_NAME && strcmp(row->name, "pci")) {
			CHECK(option_near(row->name, strlen(row->name), meant));
			CHECK(!strncmp(meant, row->name, strlen(row->name)));
		}
}

/* --- the table --- */

static void rows_are_whole(void)
{
	const struct option_key *row;

	for (row = option_keys; row->name; row++) {
		/* served or not, and said which */
		CHECK(!row->parse != !row->absent);
		CHECK(!row->usage == !row->manual);
		CHECK(!row->absent || !row->manual);
		CHECK((row->form == KEY_NUMBERED) == (row->limit && row->plural));
		CHECK(!row->usage || strlen(row->usage) <= 22);
	}
}

/* --- inside the guest --- */

static struct options options;

static void read_text(const char *text)
{
	struct error error = { 0 };

	options_init(&options);
	if (options_parse_text(&options, "t", text, strlen(text), &error) ||
	    options_complete(&options, &error))
		check_no_text(__FILE__, __LINE__, error.text, "no error");
}

static void expect_device(u32 number, enum guest_kind kind, const char *expected)
{
	char device[GUEST_NAME_SIZE];

	guest_disk_name(&options, number, kind, device);
	CHECK_TEXT(device, expected);
	CHECK_EQUAL(strlen(device), strlen(expected));
}

static void expect_line(enum guest_kind kind, const char *expected)
{
	char line[OPTIONS_CMDLINE_SIZE];
	struct error error = { 0 };
	const char *said = guest_cmdline(&options, kind, line, &error) ? error.text : line;

	CHECK_TEXT(said, expected);
	CHECK_EQUAL(strlen(said), strlen(expected));
	options_free(&options);
}

static void disks_are_counted_without_gaps(void)
{
	read_text("kernel=a cobd1=a cobd4=b cobd31=c");
	expect_device(1, GUEST_VIRTIO, "/dev/vda");
	expect_device(31, GUEST_VIRTIO, "/dev/vdc");
	expect_device(31, GUEST_24, "/dev/cobd2");
	expect_line(GUEST_24, "console=hvc0 colinux.names=cobd1,cobd4,cobd31");
}

static void disks_beyond_z(void)
{
	char text[512] = "kernel=a";
	size_t used = strlen(text);
	u32 i;

	for (i = 0; i < 31; i++)
		used += sprintf(text + used, " cobd%u=a", i);
	strcpy(text + used, " root=/dev/vdae");
	read_text(text);
	expect_device(25, GUEST_VIRTIO, "/dev/vdz");
	expect_device(26, GUEST_VIRTIO, "/dev/vdaa");
	expect_device(30, GUEST_VIRTIO, "/dev/vdae");
	expect_line(GUEST_24, "console=hvc0 root=/dev/cobd30");
}

static void root_by_each_name(void)
{
	static const char text[] = "kernel=a cobd2=a cobd3=b sda=:cobd3 hda7=:cobd3 console=x root=/dev/";
	static const struct { const char *name, *virtio, *old; } roots[] = {
		{ "cobd3", "vdb", "cobd1" }, { "cobd/3", "vdb", "cobd1" }, { "hda7", "vdb", "cobd1" },
		{ "sda", "vdb", "cobd1" }, { "vdb", "vdb", "cobd1" }, { "sda12", "vdb12", NULL },
		{ "cobd3p4", "vdb4", NULL }, { "vdb4", "vdb4", NULL }, { "ram0", "ram0", "ram0" },
		{ "vdc", "vdc", "vdc" }, { "mapper/a", "mapper/a", "mapper/a" }, { "sda7/b", NULL, NULL },
	};
	char whole[256], expected[256];
	struct error error = { 0 };
	size_t i;

	for (i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		snprintf(whole, sizeof(whole), "%s%s", text, roots[i].name);
		if (!roots[i].virtio) {
			options_init(&options);
			CHECK(!options_parse_text(&options, "t", whole, strlen(whole), &error));
			CHECK(options_complete(&options, &error));
			CHECK_TEXT(error.text, "t:1: root=/dev/sda7/b: no disk has that name");
			options_free(&options);
			continue;
		}
		read_text(whole);
		snprintf(expected, sizeof(expected),
			 "colinux.names=cobd2,cobd3:sda:hda7 console=x root=/dev/%s", roots[i].virtio);
		expect_line(GUEST_VIRTIO, expected);
		read_text(whole);
		if (roots[i].old)
			snprintf(expected, sizeof(expected),
				 "colinux.names=cobd2,cobd3:sda:hda7 console=x root=/dev/%s", roots[i].old);
		else
			snprintf(expected, sizeof(expected),
				 "t:1: root=/dev/%s: Linux 2.4 reads no partitions on cobd disks; give it the partition as a disk",
				 roots[i].name);
		expect_line(GUEST_24, expected);
	}
}

static void only_the_kernels_own_words_count(void)
{
	read_text("kernel=a cobd0=a root=LABEL=x \"a=b console=c\" -- console=d root=/dev/cobd7 mem=5");
	expect_line(GUEST_VIRTIO,
		    "console=hvc0 root=LABEL=x \"a=b console=c\" -- console=d root=/dev/cobd7 mem=5");
}

static void a_line_for_24_is_short(void)
{
	char text[300] = "kernel=a ", line[300] = "console=hvc0 ";

	memset(text + 9, 'x', 242);
	memset(line + 13, 'x', 242);
	read_text(text);
	expect_line(GUEST_24, line);
	text[9 + 242] = 'x';
	read_text(text);
	expect_line(GUEST_24, "the guest kernel's command line would have 256 bytes; Linux 2.4 reads 255");
}

const struct test tests[] = {
	{ "distances", distances },
	{ "parameters_of_linux_are_none_of_ours", parameters_of_linux_are_none_of_ours },
	{ "a_key_is_near_to_itself", a_key_is_near_to_itself },
	{ "rows_are_whole", rows_are_whole },
	{ "disks_are_counted_without_gaps", disks_are_counted_without_gaps },
	{ "disks_beyond_z", disks_beyond_z },
	{ "root_by_each_name", root_by_each_name },
	{ "only_the_kernels_own_words_count", only_the_kernels_own_words_count },
	{ "a_line_for_24_is_short", a_line_for_24_is_short },
	{ }
};
