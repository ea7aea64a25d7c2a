// SPDX-License-Identifier: GPL-2.0-only
/* The block device, seen from its guest: what a disk does, and what it refuses. */
#include "block.h"

#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "os.h"

#define DISK_BYTES	(1u << 20)
#define SECTORS		(DISK_BYTES / 512)
#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

static struct vm vm;
static struct block *disk;
static struct device *device;
static struct queue queue;
static struct error error;
static u64 header, data, status;	/* buffers in guest memory */

/* --- the guest's driver --- */

static void write_status(u32 value)
{
	fake.devices[0].status = value;
	device_status_written(device);
}

static void start_driver(u64 features)
{
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = features;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	CHECK(fake.devices[0].status & VIRTIO_S_FEATURES_OK);
	queue_setup(&queue, 0, 0, 256);
	write_status(RUNNING);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
}

static void set_up_on(const char *overlay, bool read_only)
{
	struct co_note note = { 0 };

	check_file("disk", DISK_BYTES);
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	disk = block_open("cobd3", "disk", overlay, read_only, &error);
	CHECK(disk);
	CHECK(!block_attach(disk, &vm, 0, &error));
	device = block_device(disk);
	start_driver(fake.devices[0].features);
	header = guest_alloc(16, 16);
	status = guest_alloc(1, 1);
	data = guest_alloc(DISK_BYTES, 4096);
}

static void set_up(bool read_only)
{
	set_up_on(NULL, read_only);
}

static bool needs_reset(void)
{
	return __atomic_load_n(&fake.devices[0].status, __ATOMIC_SEQ_CST) & VIRTIO_S_NEEDS_RESET;
}

/* Waits for the next used entry; false: the device has broken down instead. */
static bool wait_used(u32 *written)
{
	while (!queue_take(&queue, NULL, written)) {
		if (needs_reset())
			return false;
		usleep(200);
	}
	return true;
}

static void set_header(u32 type, u64 sector)
{
	struct virtio_blk_header *at = fake_at(header, 16);

	at->type = type;
	at->sector = sector;
	*(u8 *)fake_at(status, 1) = 0xee;
}

/* One request with its data in one buffer; returns the status. */
static u8 request(u32 type, u64 sector, u32 bytes, bool to_guest)
{
	struct buffer buffers[3] = { { header, 16, false }, { data, bytes, to_guest } };
	u32 count = bytes ? 2 : 1, written;

	set_header(type, sector);
	buffers[count++] = (struct buffer){ status, 1, true };
	queue_offer(&queue, queue_chain(&queue, buffers, count));
	device_kicked(device, 0);
	CHECK(wait_used(&written));
	CHECK(written <= 1 + (to_guest ? bytes : 0));
	return *(u8 *)fake_at(status, 1);
}

static void pattern(u8 *bytes, u32 count, u8 seed)
{
	u32 i;

	for (i = 0; i < count; i++)
		bytes[i] = seed + i * 7 + i / 256;
}

/* --- a disk --- */

static void written_is_read(void)
{
	u8 expected[8192], file[8192];
	int fd;

	set_up(false);
	pattern(expected, sizeof(expected), 3);
	memcpy(fake_at(data, 8192), expected, 8192);
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, 100, 8192, false), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	fd = open("disk", O_RDONLY);
	CHECK_EQUAL(pread(fd, file, 8192, 51200), 8192);
	CHECK(!memcmp(file, expected, 8192));
	memset(fake_at(data, 8192), 0, 8192);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 100, 8192, true), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(fake_at(data, 8192), expected, 8192));
	block_close(disk);
	CHECK_EQUAL(lseek(fd, 0, SEEK_END), DISK_BYTES);
}

/* Many requests at once, their data scattered, header and data in odd pieces. */
static void scattered_and_many(void)
{
	u32 round, i, n;

	set_up(false);
	for (round = 0; round < 40; round++) {
		u64 headers = guest_alloc(16 * 50, 16), statuses = guest_alloc(50, 1);

		for (i = 0; i < 50; i++) {
			struct virtio_blk_header *at = fake_at(headers + 16 * i, 16);
			u64 buffer = data + 4096 * i;
			struct buffer buffers[] = {
				{ headers + 16 * i, 5, false }, { headers + 16 * i + 5, 11, false },
				{ buffer, 1, false }, { buffer + 1, 1022, false }, { buffer + 1023, 1, false },
				{ statuses + i, 1, true },
			};

			pattern(fake_at(buffer, 1024), 1024, round + i);
			at->type = VIRTIO_BLK_T_OUT;
			at->sector = 2 * i;
			queue_offer(&queue, i % 2 ? queue_indirect(&queue, buffers, 6) :
						    queue_chain(&queue, buffers, 6));
		}
		device_kicked(device, 0);
		for (n = 0; n < 50; n++)
			CHECK(wait_used(NULL));
		for (i = 0; i < 50; i++) {
			u8 expected[1024];

			CHECK_EQUAL(*(u8 *)fake_at(statuses + i, 1), VIRTIO_BLK_S_OK);
			pattern(expected, 1024, round + i);
			CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 2 * i, 1024, true), VIRTIO_BLK_S_OK);
			CHECK(!memcmp(fake_at(data, 1024), expected, 1024));
		}
	}
	block_close(disk);
}

/* The status byte may share the last buffer with the data. */
static void status_behind_data(void)
{
	struct buffer buffers[2];
	u32 written;

	set_up(false);
	buffers[0] = (struct buffer){ header, 16, false };
	buffers[1] = (struct buffer){ data, 513, true };
	set_header(VIRTIO_BLK_T_IN, 0);
	memset(fake_at(data, 514), 0xee, 514);
	queue_offer(&queue, queue_chain(&queue, buffers, 2));
	device_kicked(device, 0);
	CHECK(wait_used(&written));
	CHECK_EQUAL(written, 513);
	CHECK_EQUAL(*(u8 *)fake_at(data + 511, 1), 0);
	CHECK_EQUAL(*(u8 *)fake_at(data + 512, 1), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(*(u8 *)fake_at(data + 513, 1), 0xee);
	block_close(disk);
}

static void serial_number(void)
{
	set_up(false);
	memset(fake_at(data, 21), 0xee, 21);
	CHECK_EQUAL(request(VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(fake_at(data, 21), "cobd3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xee", 21));
	/* a buffer that is too short gets what fits */
	CHECK_EQUAL(request(VIRTIO_BLK_T_GET_ID, 0, 2, true), VIRTIO_BLK_S_OK);
	block_close(disk);
}

static void configuration(void)
{
	struct virtio_blk_config config;

	set_up(false);
	memcpy(&config, fake.devices[0].config, sizeof(config));
	CHECK_EQUAL(fake.devices[0].id, 2);
	CHECK_EQUAL(config.capacity, SECTORS);
	CHECK_EQUAL(config.blk_size, 512);
	CHECK_EQUAL(config.seg_max, 254);
	CHECK(fake.devices[0].features & VIRTIO_F_EVENT_IDX);
	CHECK(fake.devices[0].features & VIRTIO_BLK_F_FLUSH);
	CHECK(!(fake.devices[0].features & VIRTIO_BLK_F_RO));
	block_close(disk);
}

static void interrupts_are_raised(void)
{
	u64 before;

	set_up(false);
	before = fake.irqs;
	*queue_used_event(&queue) = 0;
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	while (__atomic_load_n(&fake.irqs, __ATOMIC_SEQ_CST) == before)
		usleep(100);
	CHECK_EQUAL(fake.pending[0], 1u << CO_VIRQ_DEVICE(0));
	CHECK_EQUAL(fake.devices[0].isr, CO_ISR_QUEUE);
	/* no wish, no interrupt: event far away */
	fake.devices[0].isr = 0;
	*queue_used_event(&queue) = 1000;
	before = fake.irqs;
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	block_close(disk);
	CHECK_EQUAL(fake.irqs, before);
}

static void discard_and_zeroes(void)
{
	struct virtio_blk_range *range;
	u8 *bytes;

	set_up(false);
	if (!(fake.devices[0].features & VIRTIO_BLK_F_DISCARD)) {
		fprintf(stderr, "this file system cannot punch holes\n");
		return;
	}
	bytes = fake_at(data, 16384);
	memset(bytes, 0x77, 16384);
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, 0, 16384, false), VIRTIO_BLK_S_OK);
	range = (void *)bytes;
	range[0] = (struct virtio_blk_range){ 8, 8, 0 };
	range[1] = (struct virtio_blk_range){ 24, 1, 0 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, 32, false), VIRTIO_BLK_S_OK);
	range[0] = (struct virtio_blk_range){ 1, 1, VIRTIO_BLK_RANGE_UNMAP };
	range[1] = (struct virtio_blk_range){ 3, 2, 0 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, false), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 16384, true), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(bytes[0], 0x77);
	CHECK_EQUAL(bytes[512], 0);
	CHECK_EQUAL(bytes[1023], 0);
	CHECK_EQUAL(bytes[1024], 0x77);
	CHECK_EQUAL(bytes[3 * 512], 0);
	CHECK_EQUAL(bytes[5 * 512], 0x77);
	CHECK_EQUAL(bytes[8 * 512], 0);
	CHECK_EQUAL(bytes[16 * 512], 0x77);
	/* beyond the end, unknown flags, no whole range, too many */
	range[0] = (struct virtio_blk_range){ SECTORS - 1, 2, 0 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, 16, false), VIRTIO_BLK_S_IOERR);
	range[0] = (struct virtio_blk_range){ ~0ull, 1, 0 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_IOERR);
	range[0] = (struct virtio_blk_range){ ~0ull / 512 + 1, 1, 0 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_IOERR);
	range[0] = (struct virtio_blk_range){ 0, 1, 2 };
	CHECK_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_UNSUPP);
	range[0] = (struct virtio_blk_range){ 0, 1, VIRTIO_BLK_RANGE_UNMAP };
	CHECK_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, 16, false), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, 15, false), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, 16 * 17, false), VIRTIO_BLK_S_IOERR);
	block_close(disk);
}

/* --- refusals --- */

static void beyond_the_end(void)
{
	set_up(false);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, SECTORS - 1, 512, true), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, SECTORS, 512, true), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, SECTORS, 512, false), VIRTIO_BLK_S_IOERR);
	/* sector numbers whose byte offset overflows to something small */
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, ~0ull, 512, false), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, 1ull << 55, 512, false), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 100, true), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, SECTORS, 0, true), VIRTIO_BLK_S_OK);
	block_close(disk);
}

static void unknown_request(void)
{
	set_up(false);
	CHECK_EQUAL(request(99, 0, 512, true), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQUAL(request(0xffffffffu, 0, 512, false), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	block_close(disk);
}

static void read_only_stays_so(void)
{
	u8 byte;
	int fd;

	set_up(true);
	CHECK(fake.devices[0].features & VIRTIO_BLK_F_RO);
	CHECK(!(fake.devices[0].features & VIRTIO_BLK_F_DISCARD));
	memset(fake_at(data, 512), 0x77, 512);
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
	CHECK_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	fd = open("disk", O_RDONLY);
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(byte, 0);
	block_close(disk);
}

static void file_becomes_shorter(void)
{
	set_up(false);
	CHECK(!truncate("disk", 4096));
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 4096, true), VIRTIO_BLK_S_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 7, 1024, true), VIRTIO_BLK_S_IOERR);
	block_close(disk);
}

static void broken_request(const struct buffer *buffers, u32 count)
{
	set_header(VIRTIO_BLK_T_IN, 0);
	queue_offer(&queue, queue_chain(&queue, buffers, count));
	device_kicked(device, 0);
	CHECK(!wait_used(NULL));
	/* nothing moves until a reset; after it the device is as new */
	device_kicked(device, 0);
	usleep(2000);
	CHECK(!queue_take(&queue, NULL, NULL));
	CHECK(fake.devices[0].isr & CO_ISR_CONFIG);
	start_driver(fake.devices[0].features);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
}

static void no_request_at_all(void)
{
	set_up(false);
	broken_request((struct buffer[]){ { header, 15, false }, { status, 1, true } }, 2);
	broken_request((struct buffer[]){ { header, 16, false } }, 1);
	broken_request((struct buffer[]){ { status, 1, true } }, 1);
	broken_request((struct buffer[]){ { header, 16, false }, { 0x1000, 512, true }, { status, 1, true } }, 3);
	block_close(disk);
}

/* The device breaks down while the guest resets it: the reset wins. */
static void breakdown_meets_reset(void)
{
	set_up(false);
	fake.devices[0].status = 0;	/* the guest's doorbell is on its way */
	device_break(device, "for the test");
	device_status_written(device);
	CHECK_EQUAL(fake.devices[0].status, 0);
	start_driver(fake.devices[0].features);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	/* and a guest that writes over NEEDS_RESET cannot talk it away */
	device_break(device, "for the test");
	write_status(RUNNING);
	CHECK(needs_reset());
	block_close(disk);
}

static void foreign_features(void)
{
	set_up(false);
	write_status(0);
	fake.devices[0].driver_features = fake.devices[0].features | 1ull << 60;
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	CHECK_EQUAL(fake.devices[0].status, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	/* whoever says FEATURES_OK is no legacy driver, and must know the standard */
	fake.devices[0].driver_features = VIRTIO_BLK_F_FLUSH;
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	CHECK_EQUAL(fake.devices[0].status, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	/* and whoever does not is one, and cannot have chosen anything newer */
	fake.devices[0].driver_features = VIRTIO_BLK_F_FLUSH | VIRTIO_F_VERSION_1;
	write_status(RUNNING & ~VIRTIO_S_FEATURES_OK);
	CHECK(needs_reset());
	block_close(disk);
}

/* Linux 2.6.33: no FEATURES_OK, no event index, and requests before DRIVER_OK. */
static void legacy_driver(void)
{
	set_up(false);
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = VIRTIO_BLK_F_FLUSH | VIRTIO_F_INDIRECT_DESC;
	/* a bell for a queue that is not there yet starts nothing */
	device_kicked(device, 0);
	CHECK(!device->running);
	queue_setup(&queue, 0, 0, 256);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	CHECK(!device->ring[0].event_idx && device->ring[0].indirect);
	write_status(RUNNING & ~VIRTIO_S_FEATURES_OK);
	CHECK(!needs_reset());
	CHECK_EQUAL(request(VIRTIO_BLK_T_OUT, 7, 4096, false), VIRTIO_BLK_S_OK);
	/* once more, without a request before DRIVER_OK */
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	queue_setup(&queue, 0, 0, 256);
	write_status(RUNNING & ~VIRTIO_S_FEATURES_OK);
	CHECK_EQUAL(request(VIRTIO_BLK_T_IN, 7, 512, true), VIRTIO_BLK_S_OK);
	block_close(disk);
}

/* A bell of a driver that has given up, or has broken the rules, starts nothing. */
static void legacy_driver_gone(void)
{
	set_up(false);
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	queue_setup(&queue, 0, 0, 256);
	fake.devices[0].status |= VIRTIO_S_FAILED;
	device_kicked(device, 0);
	CHECK(!device->running);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = 1ull << 27;	/* nobody offered that */
	queue_setup(&queue, 0, 0, 256);
	device_kicked(device, 0);
	CHECK(!device->running);
	block_close(disk);
}

/* The guest overwrites its registers: what counts is what was offered. */
static void registers_overwritten(void)
{
	set_up(false);
	memset(&fake.devices[0], 0xff, sizeof(fake.devices[0]));
	write_status(0);
	CHECK_EQUAL(fake.devices[0].vq[0].size_max, 256);
	CHECK_EQUAL(fake.devices[0].vq[1].size_max, 0);
	CHECK(!(fake.devices[0].features & 1ull << 60));
	start_driver(fake.devices[0].features);
	write_status(0);
	fake.devices[0].driver_features = VIRTIO_F_VERSION_1;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	queue_setup(&queue, 0, 0, 256);
	fake.devices[0].vq[0].size = 1 << 15;
	fake.devices[0].vq[0].size_max = 1 << 15;
	write_status(RUNNING);
	CHECK(needs_reset());
	block_close(disk);
}

/* Reset and close in the middle of a full queue; under load, over and over. */
static void reset_in_the_middle(void)
{
	struct buffer buffers[3];
	u32 round, i;

	set_up(false);
	buffers[0] = (struct buffer){ header, 16, false };
	buffers[1] = (struct buffer){ data, 65536, false };
	buffers[2] = (struct buffer){ status, 1, true };
	set_header(VIRTIO_BLK_T_OUT, 0);
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 80; i++)
			queue_offer(&queue, queue_chain(&queue, buffers, 3));
		device_kicked(device, 0);
		usleep(round * 50);
		write_status(0);
		CHECK_EQUAL(fake.devices[0].status, 0);
		/* quiet: after the reset nothing is written into the old queue */
		queue.seen = queue.used[1];
		usleep(100);
		CHECK(!queue_take(&queue, NULL, NULL));
		start_driver(fake.devices[0].features);
	}
	block_close(disk);
}

static void one_writer_or_many_readers(void)
{
	struct block *other;

	set_up(false);
	CHECK(!block_open("cobd1", "disk", NULL, false, &error));
	CHECK_TEXT(error.text, "cobd1: disk: is in use");
	CHECK(!block_open("cobd1", "disk", NULL, true, &error));
	CHECK_TEXT(error.text, "in use");
	block_close(disk);
	disk = block_open("cobd3", "disk", NULL, true, &error);
	other = block_open("cobd1", "disk", NULL, true, &error);
	CHECK(disk && other);
	CHECK(!block_open("cobd2", "disk", NULL, false, &error));
	block_close(other);
	block_close(disk);
}

static void no_disk_at_all(void)
{
	CHECK(!block_open("cobd0", "nothing", NULL, false, &error));
	CHECK_TEXT(error.text, "cobd0: nothing: No such file");
	CHECK(!block_open("cobd0", ".", NULL, true, &error));
	CHECK_TEXT(error.text, "neither a file nor a block device");
	CHECK(!block_open("cobd0", "/dev/null", NULL, false, &error));
	CHECK_TEXT(error.text, "neither a file nor a block device");
	check_file("tiny", 511);
	CHECK(!block_open("cobd0", "tiny", NULL, false, &error));
	CHECK_TEXT(error.text, "smaller than one sector");
}

const struct test tests[] = {
	{ "written_is_read", written_is_read },
	{ "scattered_and_many", scattered_and_many },
	{ "status_behind_data", status_behind_data },
	{ "serial_number", serial_number },
	{ "configuration", configuration },
	{ "interrupts_are_raised", interrupts_are_raised },
	{ "discard_and_zeroes", discard_and_zeroes },
	{ "beyond_the_end", beyond_the_end },
	{ "unknown_request", unknown_request },
	{ "read_only_stays_so", read_only_stays_so },
	{ "file_becomes_shorter", file_becomes_shorter },
	{ "no_request_at_all", no_request_at_all },
	{ "breakdown_meets_reset", breakdown_meets_reset },
	{ "foreign_features", foreign_features },
	{ "legacy_driver", legacy_driver },
	{ "legacy_driver_gone", legacy_driver_gone },
	{ "registers_overwritten", registers_overwritten },
	{ "reset_in_the_middle", reset_in_the_middle },
	{ "one_writer_or_many_readers", one_writer_or_many_readers },
	{ "no_disk_at_all", no_disk_at_all },
	{ 0 },
};
