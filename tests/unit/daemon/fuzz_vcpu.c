// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_vcpu SEED COUNT: a guest leaves COUNT times, for any reason, with any words and texts in the
 * page that it shares with the daemon, and rings doorbells of devices that are there or not. The
 * daemon serves it, or ends it for the reason that it said, and has only printable
 * text of it. Prints how often it ended.
 */
#include "block.h"
#include "check.h"
#include "fuzz.h"
#include "guest.h"
#include "log.h"
#include "machine.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define DEVICES	3u
#define SIZE	16u

static u64 count, ends, arena;
static struct queue queues[DEVICES][2];
static u32 reason;	/* of the last time */

static u64 some_word(void)
{
	static const u64 words[] = {
		0, 1, 2, 3, 4, 5, 6, DEVICES, CO_NR_VDEV - 1, CO_NR_VDEV, CO_VQ_MAX, CO_Q_STATUS, 0xfffffffe, 1ull << 32, ~0ull,
	};

	return one_of(16) ? words[one_of(sizeof(words) / sizeof(*words))] : random_number();
}

/* What a panic and the early console say; no more of it is read than there is. */
static void write_text(void)
{
	static const u32 lengths[] = { 0, 1, CO_TEXT_SIZE - 1, CO_TEXT_SIZE, CO_TEXT_SIZE + 1, 0x7fffffff, 0xffffffff };
	u32 i, bytes = one_of(64);

	for (i = 0; i < bytes; i++)
		fake.comm->text[i] = one_of(4) ? 'a' + one_of(26) : random_number();
	fake.comm->text_len = one_of(4) ? bytes : lengths[one_of(sizeof(lengths) / sizeof(*lengths))];
}

static void scribble(struct co_vdev *registers, struct queue *queue)
{
	switch (one_of(8)) {
	case 0:
		registers->status = random_number();
		break;
	case 1:
		registers->driver_features = random_number();
		break;
	case 2:
		registers->vq[one_of(CO_VQ_MAX)].size = one_of(40);
		break;
	case 3:
		queue->avail[1] = random_number();
		break;
	case 4:
		queue->desc[one_of(SIZE)] = (struct vring_desc){ random_number(), random_number(), one_of(8), one_of(20) };
		break;
	}
}

static void set_up_queues(u32 device)
{
	guest_release(arena + 65536 * (device + 1));
	queue_setup(&queues[device][0], device, 0, SIZE);
	queue_setup(&queues[device][1], device, 1, SIZE);
}

/* Most of the time a driver that begins with it, or uses it. */
static void use_device(u32 number)
{
	struct co_vdev *registers = &fake.devices[number];
	struct queue *queue = &queues[number][one_of(2)];
	struct buffer buffer = { arena, 64, one_of(2) };

	if (!one_of(8)) {
		registers->status = 0;
	} else if (!registers->status) {
		registers->driver_features = registers->features;
		registers->status = RUNNING & ~(one_of(2) ? VIRTIO_S_DRIVER_OK : 0);
		set_up_queues(number);
	} else {
		registers->status |= RUNNING;
		queue_offer(queue, queue_chain(queue, &buffer, 1));
	}
	if (!one_of(4))
		scribble(registers, queue);
}

/* The guest's thread. */
static void guest(void)
{
	static const u32 reasons[] = {
		CO_R_NONE, CO_R_IRQ, CO_R_NMI, CO_R_MCE, CO_R_IDLE, CO_R_NOP, CO_R_CONSOLE, CO_R_CONSOLE, CO_R_CONSOLE, CO_R_KICKED,
		CO_R_SHUTDOWN, CO_R_RESTART, CO_R_HALT, CO_R_PANIC, CO_R_BAD,
	};
	u32 device, i;

	arena = guest_alloc(65536, 4096);
	for (i = 0; i < DEVICES; i++)
		set_up_queues(i);
	while (count--) {
		if (!one_of(4)) {
			reason = one_of(8) ? reasons[one_of(sizeof(reasons) / sizeof(*reasons))] : random_number();
			write_text();
			fake_leave(reason, some_word(), some_word());
			continue;
		}
		device = one_of(DEVICES);
		use_device(device);
		reason = CO_R_DOORBELL;
		fake_leave(reason, one_of(16) ? device : some_word(), one_of(3) ? some_word() : CO_Q_STATUS);
	}
	reason = CO_R_SHUTDOWN;
	count = 0;
	fake_leave(CO_R_SHUTDOWN, 0, 0);
}

/* How it ended is what it said last. */
static void judge(const struct error *end)
{
	const char *text;

	switch (reason) {
	case CO_R_SHUTDOWN:
	case CO_R_HALT:
		CHECK_EQUAL(end->exit_code, EXIT_OK);
		break;
	case CO_R_RESTART:
		CHECK_EQUAL(end->exit_code, EXIT_GUEST_RESTART);
		break;
	case CO_R_PANIC:
		CHECK_EQUAL(end->exit_code, EXIT_GUEST_PANIC);
		CHECK(!strncmp(end->text, "guest panic: ", 13) && strlen(end->text) < 1000);
		for (text = end->text; *text; text++)
			CHECK((*text >= 0x20 && *text < 0x7f) || *text == '\n' || *text == '\t');
		break;
	default:
		CHECK_EQUAL(reason, CO_R_BAD);
		CHECK_EQUAL(end->exit_code, EXIT_OTHER);
		CHECK_TEXT(end->text, "the driver does not know");
	}
}

static void open_devices(struct machine *machine)
{
	struct error error;
	u32 i;

	machine->console = console_open("console", os_stream_null(&error), false, &error);
	CHECK(machine->console && !console_attach(machine->console, &machine->vm, 0, &error));
	machine->disk[0] = block_open("cobd0", check_file("disk", 8192), NULL, false, &error);
	CHECK(machine->disk[0] && !block_attach(machine->disk[0], &machine->vm, 1, &error));
	machine->rng = rng_open(&error);
	CHECK(machine->rng);
	rng_attach(machine->rng, &machine->vm, 2);
	machine->device[0] = console_device(machine->console);
	machine->device[1] = block_device(machine->disk[0]);
	machine->device[2] = rng_device(machine->rng);
	machine->ndevices = DEVICES;
	for (i = 0; i < DEVICES; i++)
		CHECK(machine->device[i]);
}

static void close_devices(struct machine *machine)
{
	rng_close(machine->rng);
	block_close(machine->disk[0]);
	console_close(machine->console, 0);
}

int main(int argc, char **argv)
{
	static struct options options;
	static struct machine machine = { .options = &options };
	struct co_note note = { 0 };
	struct error error;

	CHECK(argc == 3);
	random_begin(argv[1]);
	count = strtoull(argv[2], NULL, 10);
	fake.guest = guest;
	CHECK(!vm_open(&machine.vm, &error) && !vm_create(&machine.vm, 80 << 20, 0, &note, &error));
	open_devices(&machine);
	/* the guest does not notice that its host has ended it and goes on */
	do {
		options.no_early_messages = one_of(2);
		machine.end.text[0] = '\0';
		CHECK(!vcpu_start(&machine, &error));
		os_thread_join(&machine.vcpu);
		CHECK(machine.has_ended);
		machine.has_ended = machine.has_vcpu = false;
		judge(&machine.end);
		ends++;
	} while (count);
	close_devices(&machine);
	vm_close(&machine.vm);
	printf("%llu\n", (unsigned long long)ends);
	return 0;
}
