// SPDX-License-Identifier: GPL-2.0-only
/*
 * Consoles: kernel messages, and the terminals /dev/hvc0, /dev/hvc1, ...
 *
 * Kernel messages are text in the shared page, from the first line to a panic's
 * last: no device has to work for them. The terminals are the host's virtio
 * consoles, in their order, under the names they have in later kernels (character
 * major 229). hvc0 is /dev/console.
 *
 * The daemon takes what is transmitted while we ring the doorbell, so writing
 * never waits. Input goes from the ring to the line discipline in a tasklet, as
 * far as that has room; the rest stays in its buffer until somebody reads.
 */
#include <linux/console.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <asm/uaccess.h>
#include "colinux.h"
#include "ring.h"

#define HVC_MAJOR	229
#define HVC_MAX		8
#define WRITE_BYTES	512	/* at once; on the stack */
#define INPUT_BYTES	1024
#define INPUT_BUFFERS	4

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT };

struct hvc {
	u32 device;
	u64 features;
	struct co_ring receive, transmit;
	struct tty_struct *tty;		/* while it is open */
	struct tasklet_struct tasklet;
	/* the tasklet's: */
	char *input;			/* received, not all of it passed on; or NULL */
	u32 input_at, input_bytes;
	int resized;
};

static struct hvc *hvcs[HVC_MAX];
static u32 nhvcs;

/* ---- kernel messages ---- */

static void co_console_write(struct console *console, const char *text, unsigned int bytes)
{
	unsigned long flags;
	unsigned int n;

	__save_flags(flags);
	__cli();
	while (bytes) {
		/* a line feed is only that to a terminal */
		for (n = 0; n < CO_TEXT_SIZE - 1 && bytes; bytes--, text++) {
			if (*text == '\n')
				co_comm->text[n++] = '\r';
			co_comm->text[n++] = *text;
		}
		co_comm->text_len = n;
		co_switch(CO_R_CONSOLE);
	}
	__restore_flags(flags);
}

static kdev_t co_console_device(struct console *console)
{
	return MKDEV(HVC_MAJOR, 0);
}

static struct console co_console = {
	.name	= "hvc",
	.write	= co_console_write,
	.device	= co_console_device,
	.flags	= CON_PRINTBUFFER | CON_ENABLED,
	.index	= 0,
};

void __init co_console_setup(void)
{
	register_console(&co_console);
}

/* ---- input ---- */

static void post_input(struct hvc *hvc, char *buffer)
{
	struct co_buf buf = { buffer, INPUT_BYTES };

	/* as many buffers as ever: there is room */
	co_ring_add(&hvc->receive, &buf, 0, 1, buffer);
}

/* True: there is something in hvc->input to pass on. */
static int next_input(struct hvc *hvc)
{
	unsigned long flags;

	__save_flags(flags);
	__cli();
	if (hvc->input && hvc->input_at == hvc->input_bytes) {
		post_input(hvc, hvc->input);
		co_ring_kick(&hvc->receive);
		hvc->input = NULL;
	}
	while (!hvc->input) {
		hvc->input = co_ring_get(&hvc->receive, &hvc->input_bytes);
		hvc->input_at = 0;
		if (!hvc->input && !co_ring_listen(&hvc->receive))
			break;
	}
	__restore_flags(flags);
	return hvc->input != NULL;
}

static void window_size(struct hvc *hvc)
{
	struct virtio_console_config config;

	if (!(hvc->features & VIRTIO_CONSOLE_F_SIZE))
		return;
	co_device_config(hvc->device, 0, &config, sizeof(config));
	hvc->tty->winsize.ws_col = config.columns;
	hvc->tty->winsize.ws_row = config.rows;
}

static void input_tasklet(unsigned long data)
{
	struct hvc *hvc = (struct hvc *)data;
	struct tty_struct *tty = hvc->tty;
	int room;

	if (!tty)
		return;
	if (hvc->resized) {
		hvc->resized = 0;
		window_size(hvc);
		if (tty->pgrp > 0)
			kill_pg(tty->pgrp, SIGWINCH, 1);
	}
	while (next_input(hvc)) {
		room = tty->ldisc.receive_room(tty);
		if (room <= 0)
			return;		/* hvc_unthrottle() goes on */
		if (room > hvc->input_bytes - hvc->input_at)
			room = hvc->input_bytes - hvc->input_at;
		tty->ldisc.receive_buf(tty, hvc->input + hvc->input_at, NULL, room);
		hvc->input_at += room;
	}
}

static void hvc_unthrottle(struct tty_struct *tty)
{
	struct hvc *hvc = tty->driver_data;

	tasklet_schedule(&hvc->tasklet);
}

static void hvc_interrupt(int irq, void *dev, struct pt_regs *regs)
{
	struct hvc *hvc = dev;
	u32 isr = co_device_isr(hvc->device);

	if (isr & CO_ISR_CONFIG)
		hvc->resized = 1;
	if (isr)
		tasklet_schedule(&hvc->tasklet);
}

/* ---- output ---- */

/* Echoes come from the tasklet. */
static void transmit(struct hvc *hvc, void *data, u32 bytes)
{
	struct co_buf buf = { data, bytes };
	unsigned long flags;
	u32 written;

	__save_flags(flags);
	__cli();
	co_ring_add(&hvc->transmit, &buf, 1, 0, hvc);
	co_ring_kick(&hvc->transmit);
	/* a device that has stopped takes nothing: then the text is lost, not we */
	while (co_ring_get(&hvc->transmit, &written))
		;
	__restore_flags(flags);
}

static int hvc_write(struct tty_struct *tty, int from_user, const unsigned char *text, int bytes)
{
	struct hvc *hvc = tty->driver_data;
	char piece[WRITE_BYTES];
	int done = 0, n;

	while (done < bytes) {
		n = bytes - done;
		if (n > WRITE_BYTES)
			n = WRITE_BYTES;
		if (!from_user)
			memcpy(piece, text + done, n);
		else if (copy_from_user(piece, text + done, n))
			return done ? done : -EFAULT;
		transmit(hvc, piece, n);
		done += n;
	}
	return done;
}

static int hvc_write_room(struct tty_struct *tty)
{
	return 4096;
}

static int hvc_chars_in_buffer(struct tty_struct *tty)
{
	return 0;
}

/* ---- the driver ---- */

static int hvc_open(struct tty_struct *tty, struct file *file)
{
	u32 n = MINOR(tty->device);
	struct hvc *hvc;

	if (n >= nhvcs)
		return -ENODEV;
	hvc = hvcs[n];
	tty->driver_data = hvc;
	hvc->tty = tty;
	window_size(hvc);
	tasklet_schedule(&hvc->tasklet);
	return 0;
}

static void hvc_close(struct tty_struct *tty, struct file *file)
{
	struct hvc *hvc = tty->driver_data;

	if (!hvc || tty->count > 1)
		return;
	local_bh_disable();		/* the tasklet is not running */
	hvc->tty = NULL;
	local_bh_enable();
}

static int refcount;
static struct tty_struct *ttys[HVC_MAX];
static struct termios *termios[HVC_MAX], *termios_locked[HVC_MAX];

static struct tty_driver hvc_driver = {
	.magic = TTY_DRIVER_MAGIC,
	.driver_name = "hvc",
	.name = "hvc",
	.major = HVC_MAJOR,
	.num = HVC_MAX,
	.type = TTY_DRIVER_TYPE_SERIAL,
	.subtype = SERIAL_TYPE_NORMAL,
	.flags = TTY_DRIVER_REAL_RAW,
	.refcount = &refcount,
	.table = ttys,
	.termios = termios,
	.termios_locked = termios_locked,
	.open = hvc_open,
	.close = hvc_close,
	.write = hvc_write,
	.write_room = hvc_write_room,
	.chars_in_buffer = hvc_chars_in_buffer,
	.unthrottle = hvc_unthrottle,
};

static int __init add_hvc(u32 device)
{
	struct hvc *hvc = kmalloc(sizeof(*hvc), GFP_KERNEL);
	char *input = (char *)__get_free_page(GFP_KERNEL);
	int i, err;

	if (!hvc || !input)
		return -ENOMEM;
	memset(hvc, 0, sizeof(*hvc));
	hvc->device = device;
	tasklet_init(&hvc->tasklet, input_tasklet, (unsigned long)hvc);
	hvc->features = co_device_begin(device, VIRTIO_CONSOLE_F_SIZE);
	if (!hvc->features)
		return -ENODEV;
	err = co_ring_setup(&hvc->receive, device, QUEUE_RECEIVE, hvc->features);
	if (!err)
		err = co_ring_setup(&hvc->transmit, device, QUEUE_TRANSMIT, hvc->features);
	if (!err)
		err = request_irq(CO_IRQ_DEVICE(device), hvc_interrupt,
				  SA_INTERRUPT | SA_SAMPLE_RANDOM, "hvc", hvc);
	if (err)
		return err;
	for (i = 0; i < INPUT_BUFFERS; i++)
		post_input(hvc, input + i * INPUT_BYTES);
	hvcs[nhvcs++] = hvc;
	co_device_ready(device);
	co_ring_kick(&hvc->receive);
	return 0;
}

static int __init hvc_init(void)
{
	u32 device;
	int err;

	for (device = 0; device < CO_NR_VDEV && nhvcs < HVC_MAX; device++) {
		if (co_once(co_vdevs[device].id) != VIRTIO_ID_CONSOLE)
			continue;
		err = add_hvc(device);
		if (err) {
			printk(KERN_ERR "colinux: console device %u: error %d\n", device, -err);
			co_device_fail(device);
		}
	}
	hvc_driver.init_termios = tty_std_termios;
	return tty_register_driver(&hvc_driver);
}
__initcall(hvc_init);
