// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest for whole-daemon tests: does what $FAKE_GUEST says, commands
 * separated by ';'. With this linked in place of a driver, everything else of
 * colinux-daemon is the real thing.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"

#ifndef O_BINARY	/* Windows has files of text, */
#define O_BINARY	0
#endif
#ifndef O_CLOEXEC	/* and hands no file on that it is not told to */
#define O_CLOEXEC	0
#endif

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

static struct queue queues[CO_NR_VDEV][2];
static u64 buffers;

static void write_status(u32 device, u32 status)
{
	fake.devices[device].status = status;
	fake_leave(CO_R_DOORBELL, device, CO_Q_STATUS);
}

/* Brings a device's driver up, once. */
static void use(u32 device)
{
	u32 number;

	if (queues[device][0].size)
		return;
	buffers = buffers ? buffers : guest_alloc(65536, 4096);
	write_status(device, 0);
	write_status(device, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[device].driver_features = fake.devices[device].features;
	write_status(device, RUNNING & ~VIRTIO_S_DRIVER_OK);
	for (number = 0; number < 2 && fake.devices[device].vq[number].size_max; number++)
		queue_setup(&queues[device][number], device, number, 64);
	write_status(device, RUNNING);
	/* what the configuration is at the start is nothing new */
	__atomic_fetch_and(&fake.devices[device].isr, ~CO_ISR_CONFIG, __ATOMIC_SEQ_CST);
}

static void say(u32 device, const char *text, size_t bytes)
{
	struct queue *queue = &queues[device][1];
	struct buffer buffer = { 0, bytes, false };

	use(device);
	buffer.address = buffers;
	memcpy(fake_at(buffers, bytes), text, bytes);
	queue_offer(queue, queue_chain(queue, &buffer, 1));
	fake_leave(CO_R_DOORBELL, device, 1);
	CHECK(queue_take(queue, NULL, NULL));
}

/* Gives every input byte back, until one is 'q'. */
static void echo(u32 device)
{
	struct queue *queue = &queues[device][0];
	struct buffer buffer = { 0, 256, true };
	char text[256];
	u32 written;

	use(device);
	for (;;) {
		buffer.address = buffers + 4096;
		queue_offer(queue, queue_chain(queue, &buffer, 1));
		fake_leave(CO_R_DOORBELL, device, 0);
		while (!queue_take(queue, NULL, &written))
			fake_idle(100);
		fake.devices[device].isr = 0;
		memcpy(text, fake_at(buffer.address, 256), written);
		say(device, text, written);
		if (memchr(text, 'q', written))
			return;
	}
}

/* A write of one sector that begins with the text, or (NULL) a flush. */
static void disk_request(u32 device, u64 sector, const char *text)
{
	struct queue *queue = &queues[device][0];
	struct virtio_blk_header *header;
	struct buffer chain[3];
	u32 n = 0, written;

	use(device);
	header = fake_at(buffers, 16);
	header->type = text ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_FLUSH;
	header->sector = sector;
	chain[n++] = (struct buffer){ buffers, 16, false };
	if (text) {
		memset(fake_at(buffers + 512, 512), 0, 512);
		memcpy(fake_at(buffers + 512, 512), text, strlen(text));
		chain[n++] = (struct buffer){ buffers + 512, 512, false };
	}
	chain[n++] = (struct buffer){ buffers + 1024, 1, true };
	queue_offer(queue, queue_chain(queue, chain, n));
	fake_leave(CO_R_DOORBELL, device, 0);
	while (!queue_take(queue, NULL, &written))
		fake_idle(100);
	CHECK_EQUAL(*(u8 *)fake_at(buffers + 1024, 1), VIRTIO_BLK_S_OK);
}

/* Writes one sector after the other, up to the last, and tells of each once it is flushed. */
static void write_stamps(u32 device, u64 last)
{
	char text[64];
	u64 sector;

	for (sector = 0; sector <= last; sector++) {
		snprintf(text, sizeof(text), "stamp %llu of %d\n", (unsigned long long)sector, getpid());
		disk_request(device, sector, text);
		disk_request(device, 0, NULL);
		say(0, text, strlen(text));
	}
}

static void dump_memory(const char *name, u64 address, u64 bytes)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_BINARY, 0600);

	CHECK(fd >= 0);
	while (bytes) {
		u64 piece = bytes < (1 << 20) ? bytes : 1 << 20;

		CHECK_EQUAL(write(fd, fake_at(address, piece), piece), piece);
		address += piece;
		bytes -= piece;
	}
	close(fd);
}

/* What the loader made of everything, for the test to look at. */
static void dump(void)
{
	/* an i386 guest's addresses are virtual, from a multiple of 4 MiB on */
	u64 offset = fake.create.note_flags & CO_NOTE_I386 ?
		     fake.start.boot_params & ~(CO_CHUNK_SIZE - 1) : 0;
	u8 *params = fake_at(fake.start.boot_params - offset, 8192);
	FILE *file = fopen("guest.txt", "wb");
	u32 initrd[2];
	u32 i;

	memcpy(&initrd[0], params + 0x218, 4);
	memcpy(&initrd[1], params + 0x21c, 4);
	fprintf(file, "entry %llx\nparams %llx\ncreates %u\nmem %llx\nimage %llx\nflags %x\narea_va %llx\n",
		(unsigned long long)fake.start.entry, (unsigned long long)fake.start.boot_params,
		fake.creates, (unsigned long long)fake.create.mem_bytes,
		(unsigned long long)fake.create.image_bytes, fake.create.note_flags,
		(unsigned long long)fake.create.area_va);
	fprintf(file, "code_phys %llx\narea_phys %llx\n", (unsigned long long)fake.create.code_phys,
		(unsigned long long)fake.create.area_phys);
	fprintf(file, "boot32 %llx\nroot %llx\ncode_selector %x\n",
		(unsigned long long)fake.start.boot32, (unsigned long long)fake.start.root,
		fake.start.code_selector);
	for (i = 0; i < fake.create.nranges; i++)
		fprintf(file, "range %llx %llx\n", (unsigned long long)fake.create.range[i].start,
			(unsigned long long)fake.create.range[i].bytes);
	fclose(file);
	dump_memory("params.bin", fake.start.boot_params - offset, 12288);
	dump_memory("kernel.bin", (fake.start.entry - offset) & ~((2ull << 20) - 1), 2 << 20);
	if (initrd[1])
		dump_memory("initrd.bin", initrd[0], initrd[1]);
}

static void devices(void)
{
	char line[64];
	u32 i;

	for (i = 0; i < CO_NR_VDEV && fake.devices[i].id; i++) {
		snprintf(line, sizeof(line), "device %u id %u\n", i, fake.devices[i].id);
		fake_leave_text(CO_R_CONSOLE, line);
	}
}

static void terminal_size(bool wait_for_change)
{
	char line[32];
	u16 size[2];

	use(0);
	while (wait_for_change && !(fake.devices[0].isr & CO_ISR_CONFIG))
		fake_idle(100);
	__atomic_fetch_and(&fake.devices[0].isr, ~CO_ISR_CONFIG, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&fake.devices[0].config_generation, __ATOMIC_SEQ_CST) & 1)
		fake_idle(1);
	memcpy(size, fake.devices[0].config, sizeof(size));
	snprintf(line, sizeof(line), "size %ux%u\n", size[0], size[1]);
	say(0, line, strlen(line));
}

/* Gives and takes chunks of the second range, as the host wishes, until it is to shut down. */
static void keep_balloon(void)
{
	const struct co_range *range = &fake.create.range[1];
	u32 given = 0, wish, most = range->bytes / CO_CHUNK_SIZE;

	while (!(__atomic_load_n(&fake.events, __ATOMIC_SEQ_CST) & CO_EVENT_POWER)) {
		wish = __atomic_load_n(&fake.comm->balloon, __ATOMIC_SEQ_CST);
		if (wish == CO_BALLOON_AUTO)
			wish = 2;
		if (given < wish && given < most)
			given += fake_chunk(CO_CHUNK_GIVE, range->start + given * CO_CHUNK_SIZE);
		else if (given > wish && fake_chunk(CO_CHUNK_TAKE, range->start + (given - 1) * CO_CHUNK_SIZE))
			given--;
		fake_idle(10);
	}
}

static void wait_for_power_button(void)
{
	while (!(fake.events & CO_EVENT_POWER))
		fake_idle(100);
}

/* Until another program has written something into a file. */
static void await(const char *name)
{
	struct stat file;

	while (stat(name, &file) || !file.st_size)
		usleep(10 * 1000);
}

static void command(char *line)
{
	char *word = strtok(line, " "), *rest = strtok(NULL, "");
	u32 device = rest ? strtoul(rest, NULL, 10) : 0;

	if (!strcmp(word, "early"))
		fake_leave_text(CO_R_CONSOLE, rest);
	else if (!strcmp(word, "say"))
		say(0, rest, strlen(rest));
	else if (!strcmp(word, "flood"))	/* flood KIB */
		while (device--) {
			char kib[1024];

			memset(kib, 'x', sizeof(kib));
			say(0, kib, sizeof(kib));
		}
	else if (!strcmp(word, "echo"))
		echo(device);
	else if (!strcmp(word, "sector"))
		disk_request(device, 1, strchr(rest, ' ') + 1);
	else if (!strcmp(word, "stamps"))	/* stamps DEVICE LAST */
		write_stamps(device, strtoull(strchr(rest, ' '), NULL, 10));
	else if (!strcmp(word, "dump"))
		dump();
	else if (!strcmp(word, "devices"))
		devices();
	else if (!strcmp(word, "size"))
		terminal_size(false);
	else if (!strcmp(word, "newsize"))
		terminal_size(true);
#ifdef __linux__
	else if (!strcmp(word, "call"))		/* a system call, by its number */
		syscall(device, -1, -1, -1, -1, -1, -1);
#endif
	else if (!strcmp(word, "balloon")) {	/* balloon [lost]: what is given does not come back */
		fake.take_result = rest ? OS_CALL_NO_MEMORY : OS_CALL_OK;
		keep_balloon();
	} else if (!strcmp(word, "power"))
		wait_for_power_button();
	else if (!strcmp(word, "sleep"))
		usleep(device * 1000);
	else if (!strcmp(word, "await"))
		await(rest);
	else if (!strcmp(word, "hang"))
		for (;;)
			sleep(1000);
	else if (!strcmp(word, "once")) {	/* once COMMAND...: in the first life only */
		if (fake.opens == 1)
			command(rest);
	} else if (!strcmp(word, "crash"))
		raise(SIGSEGV);
	else if (!strcmp(word, "panic"))
		fake_leave_text(CO_R_PANIC, rest);
	else if (!strcmp(word, "long")) {	/* text_len beyond the text */
		fake.comm->text_len = ~0u;
		fake_leave(CO_R_CONSOLE, 0, 0);
	} else if (!strcmp(word, "leave")) {	/* leave REASON [ARG0 [ARG1]] */
		u64 arg0 = 0, arg1 = 0;
		char *end;

		device = strtoul(rest, &end, 10);
		arg0 = strtoull(end, &end, 0);
		arg1 = strtoull(end, &end, 0);
		fake_leave(device, arg0, arg1);
	} else {
		fprintf(stderr, "the fake guest knows no %s\n", word);
		abort();
	}
}

static void program(void)
{
	/* static: this thread never ends, its stack is nobody's to search for leaks */
	static char *volatile whole;
	char *line, *end;

	/* the daemon may start it anew */
	memset(queues, 0, sizeof(queues));
	buffers = 0;
	guest_release(0);
	free(whole);
	whole = strdup(getenv("FAKE_GUEST") ? getenv("FAKE_GUEST") : "");
	for (line = whole; *line; line = end) {
		end = line + strcspn(line, ";");
		if (*end)
			*end++ = '\0';
		if (*line)
			command(line);
	}
}

/* Before main(): how the driver shall behave. */
__attribute__((constructor)) static void configure(void)
{
	const char *mode = getenv("FAKE_DRIVER") ? getenv("FAKE_DRIVER") : "";
	u32 i;

	fake.guest = program;
	if (!strcmp(mode, "absent"))
		fake.absent = true;
	else if (!strcmp(mode, "old"))
		fake.abi_version = CO_ABI_VERSION - 1;
	else if (!strcmp(mode, "keeps"))	/* no balloon on this system */
		fake.can_hide = false;
	else if (!strcmp(mode, "nomem"))
		fake.create_result = OS_CALL_NO_MEMORY;
	else if (!strncmp(mode, "cannot", 6)) {	/* or "cannot: REASON" */
		fake.create_result = OS_CALL_CANNOT;
		if (mode[6])
			fake.reason = mode + 8;
	} else if (!strcmp(mode, "scattered")) {
		fake.scattered = true;
		fake.nranges = 20;
		for (i = 0; i < fake.nranges; i++)
			fake.range[i] = (struct co_range){ (64ull << 20) + i * (8ull << 20), 4 << 20 };
	}
}
