// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio between a cooperative guest and its host's daemon.
 *
 * A device is a struct co_vdev in the shared area: its registers are plain
 * memory that both sides see. What a PC's device would notice by itself is said
 * with a doorbell: we leave for the host, naming device and queue. The daemon
 * serves a write of the status register before it lets us go on, so a reset is
 * complete when the doorbell returns. Ring addresses are guest-physical.
 *
 * In the other direction, the device sets its bit in co_vdev.isr and raises its
 * own virtual interrupt, CO_VIRQ_DEVICE(n).
 *
 * The drivers of 2.6.33 are what the standard now calls legacy ones: they do not
 * say FEATURES_OK, and use their queues before DRIVER_OK. The daemon knows.
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ring.h>
#include <asm/io.h>
#include "colinux.h"

#define CO_VENDOR	0x6f43	/* "Co", in sysfs only */

struct co_queue {
	struct virtqueue *vq;
	void *pages;
	size_t bytes;
};

struct co_virtio {
	struct virtio_device vdev;
	struct co_vdev *regs;
	u32 number;		/* which of the CO_NR_VDEV */
	bool irq_requested;
	struct co_queue queue[CO_VQ_MAX];
};

static struct co_virtio *to_co(struct virtio_device *vdev)
{
	return container_of(vdev, struct co_virtio, vdev);
}

/*
 * If interrupts are on, a virtual interrupt that the host has raised in
 * answer is taken before this returns.
 */
static void co_doorbell(u32 device, u32 queue)
{
	unsigned long flags;

	local_irq_save(flags);
	co_comm->arg[0] = device;
	co_comm->arg[1] = queue;
	co_switch(CO_R_DOORBELL);
	local_irq_restore(flags);
	if (!irqs_disabled())
		co_take_pending();
}

/* ---- registers ---- */

/* A driver that asks for more than there is has a bug: it reads zeroes. */
static bool co_config_lacks(unsigned int offset, unsigned int len)
{
	return WARN_ON_ONCE(offset > CO_VDEV_CONFIG_SIZE ||
			    len > CO_VDEV_CONFIG_SIZE - offset);
}

/* Read again if the daemon wrote meanwhile; the generation is odd while it does. */
static void co_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		   unsigned int len)
{
	struct co_vdev *regs = to_co(vdev)->regs;
	u32 generation;

	if (co_config_lacks(offset, len)) {
		memset(buf, 0, len);
		return;
	}
	for (;;) {
		generation = READ_ONCE(regs->config_generation);
		rmb();
		memcpy(buf, regs->config + offset, len);
		rmb();
		if (!(generation & 1) && generation == READ_ONCE(regs->config_generation))
			return;
		co_yield();
	}
}

static void co_set(struct virtio_device *vdev, unsigned int offset,
		   const void *buf, unsigned int len)
{
	if (!co_config_lacks(offset, len))
		memcpy(to_co(vdev)->regs->config + offset, buf, len);
}

static u8 co_get_status(struct virtio_device *vdev)
{
	return READ_ONCE(to_co(vdev)->regs->status);
}

static void co_set_status(struct virtio_device *vdev, u8 status)
{
	struct co_virtio *co = to_co(vdev);

	wmb();		/* features and queues first */
	WRITE_ONCE(co->regs->status, status);
	co_doorbell(co->number, CO_Q_STATUS);
}

static void co_reset(struct virtio_device *vdev)
{
	struct co_virtio *co = to_co(vdev);

	co_set_status(vdev, 0);
	/* nothing in flight any more; a late interrupt finds no reason */
	xchg(&co->regs->isr, 0);
}

static u32 co_get_features(struct virtio_device *vdev)
{
	return to_co(vdev)->regs->features;
}

/* Legacy: bits from 32 on, VIRTIO_F_VERSION_1 first of all, do not exist. */
static void co_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	to_co(vdev)->regs->driver_features = (u32)vdev->features[0];
}

/* ---- queues ---- */

static void co_notify(struct virtqueue *vq)
{
	struct co_queue *queue = vq->priv;
	struct co_virtio *co = to_co(vq->vdev);

	co_doorbell(co->number, queue - co->queue);
}

static irqreturn_t co_virtio_interrupt(int irq, void *dev)
{
	struct co_virtio *co = dev;
	struct virtio_driver *driver;
	u32 isr = xchg(&co->regs->isr, 0);
	unsigned int i;

	if (isr & CO_ISR_CONFIG && co->vdev.dev.driver) {
		driver = container_of(co->vdev.dev.driver, struct virtio_driver, driver);
		if (driver->config_changed)
			driver->config_changed(&co->vdev);
	}
	if (isr & CO_ISR_QUEUE)
		for (i = 0; i < CO_VQ_MAX; i++)
			if (co->queue[i].vq)
				vring_interrupt(irq, co->queue[i].vq);
	return isr ? IRQ_HANDLED : IRQ_NONE;
}

static unsigned int co_virtio_irq(struct co_virtio *co)
{
	return co_irq(CO_VIRQ_DEVICE(co->number));
}

static void co_del_vqs(struct virtio_device *vdev)
{
	struct co_virtio *co = to_co(vdev);
	unsigned int i;

	if (co->irq_requested)
		free_irq(co_virtio_irq(co), co);
	co->irq_requested = false;
	for (i = 0; i < CO_VQ_MAX; i++) {
		struct co_queue *queue = &co->queue[i];

		if (!queue->vq)
			continue;
		WRITE_ONCE(co->regs->vq[i].size, 0);
		vring_del_virtqueue(queue->vq);
		free_pages_exact(queue->pages, queue->bytes);
		queue->vq = NULL;
	}
}

static int co_setup_vq(struct co_virtio *co, unsigned int index,
		       vq_callback_t *callback, const char *name)
{
	struct co_queue *queue;
	struct co_vq *regs;
	struct vring layout;
	u32 size;

	if (index >= CO_VQ_MAX)
		return -ENOENT;
	queue = &co->queue[index];
	regs = &co->regs->vq[index];
	size = READ_ONCE(regs->size_max);
	if (!size)
		return -ENOENT;
	queue->bytes = vring_size(size, PAGE_SIZE);
	queue->pages = alloc_pages_exact(queue->bytes, GFP_KERNEL | __GFP_ZERO);
	if (!queue->pages)
		return -ENOMEM;
	queue->vq = vring_new_virtqueue(size, PAGE_SIZE, &co->vdev, queue->pages,
					co_notify, callback, name);
	if (!queue->vq) {
		free_pages_exact(queue->pages, queue->bytes);
		return -ENOMEM;
	}
	queue->vq->priv = queue;
	vring_init(&layout, size, queue->pages, PAGE_SIZE);
	regs->desc = virt_to_phys(layout.desc);
	regs->avail = virt_to_phys(layout.avail);
	regs->used = virt_to_phys(layout.used);
	wmb();		/* a queue with a size is a queue with addresses */
	WRITE_ONCE(regs->size, size);
	return 0;
}

static int co_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
		       struct virtqueue *vqs[], vq_callback_t *callbacks[],
		       const char *names[])
{
	struct co_virtio *co = to_co(vdev);
	unsigned long flags;
	unsigned int i;
	int err;

	for (i = 0; i < nvqs; i++) {
		err = co_setup_vq(co, i, callbacks[i], names[i]);
		if (err)
			goto fail;
		vqs[i] = co->queue[i].vq;
	}
	/*
	 * Last, so that a handler never meets a half-made set of queues. Not
	 * interruptible: a second one within the first would be dropped.
	 */
	err = request_irq(co_virtio_irq(co), co_virtio_interrupt, IRQF_DISABLED,
			  dev_name(&vdev->dev), co);
	if (err)
		goto fail;
	co->irq_requested = true;
	/*
	 * A reason that came earlier has found no handler, and the host raises
	 * its interrupt again only when the register was empty.
	 */
	local_irq_save(flags);
	co_virtio_interrupt(co_virtio_irq(co), co);
	local_irq_restore(flags);
	return 0;

fail:
	co_del_vqs(vdev);
	return err;
}

static struct virtio_config_ops co_virtio_ops = {
	.get			= co_get,
	.set			= co_set,
	.get_status		= co_get_status,
	.set_status		= co_set_status,
	.reset			= co_reset,
	.find_vqs		= co_find_vqs,
	.del_vqs		= co_del_vqs,
	.get_features		= co_get_features,
	.finalize_features	= co_finalize_features,
};

/* ---- devices ---- */

static void co_virtio_release(struct device *dev)
{
	kfree(to_co(container_of(dev, struct virtio_device, dev)));
}

static int __init co_virtio_add(struct device *parent, u32 number)
{
	struct co_vdev *regs = &co_vdevs[number];
	struct co_virtio *co;
	int err;

	co = kzalloc(sizeof(*co), GFP_KERNEL);
	if (!co)
		return -ENOMEM;
	co->regs = regs;
	co->number = number;
	co->vdev.id.device = READ_ONCE(regs->id);
	co->vdev.id.vendor = CO_VENDOR;
	co->vdev.config = &co_virtio_ops;
	co->vdev.dev.parent = parent;
	co->vdev.dev.release = co_virtio_release;
	err = register_virtio_device(&co->vdev);
	if (err)
		put_device(&co->vdev.dev);	/* and with it @co */
	return err;
}

static int __init co_virtio_init(void)
{
	struct device *parent;
	u32 i;

	if (!co_active)
		return 0;
	parent = root_device_register("colinux");
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	for (i = 0; i < CO_NR_VDEV; i++) {
		int err = READ_ONCE(co_vdevs[i].id) ? co_virtio_add(parent, i) : 0;

		/* the others may still be what somebody needs */
		if (err)
			dev_err(parent, "device %u: not registered (%d)\n", i, err);
	}
	return 0;
}
device_initcall(co_virtio_init);

/* ---- the console before its driver ---- */

/*
 * hvc takes a console for printk only if it knows it before its driver comes.
 * So hvc0 is there early, and says what it has to say as the boot console does;
 * the virtio driver replaces this routine by its own.
 */
static int co_early_put_chars(u32 vtermno, const char *text, int count)
{
	unsigned long flags;

	local_irq_save(flags);
	co_set_text(text, count);
	co_switch(CO_R_CONSOLE);
	local_irq_restore(flags);
	return count;
}

static int __init co_early_hvc(void)
{
	return co_active ? virtio_cons_early_init(co_early_put_chars) : 0;
}
console_initcall(co_early_hvc);
