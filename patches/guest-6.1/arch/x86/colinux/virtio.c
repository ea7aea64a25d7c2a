// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio between a cooperative guest and its host's daemon.
 *
 * A device is a struct co_vdev in the shared area: its registers are plain
 * memory that both sides see. What a PC's device would notice by itself is said
 * with a doorbell: we leave for the host, naming device and queue. The daemon
 * serves a write of the status register before it lets us go on, so a reset is
 * complete when the doorbell returns. Ring addresses are real physical ones, on
 * both sides, so there is no DMA mapping at all.
 *
 * In the other direction, the device sets its bit in co_vdev.isr and raises its
 * own virtual interrupt, CO_VIRQ_DEVICE(n).
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "colinux.h"

#define CO_VENDOR	0x6f43	/* "Co", in sysfs only */

struct co_virtio {
	struct virtio_device vdev;
	struct co_vdev *regs;
	u32 number;		/* which of the CO_NR_VDEV */
	bool irq_requested;
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
static void co_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		   unsigned int len)
{
	if (WARN_ON_ONCE(offset > CO_VDEV_CONFIG_SIZE ||
			 len > CO_VDEV_CONFIG_SIZE - offset)) {
		memset(buf, 0, len);
		return;
	}
	memcpy(buf, to_co(vdev)->regs->config + offset, len);
	virt_rmb();	/* before the generation is read again */
}

static void co_set(struct virtio_device *vdev, unsigned int offset,
		   const void *buf, unsigned int len)
{
	if (WARN_ON_ONCE(offset > CO_VDEV_CONFIG_SIZE ||
			 len > CO_VDEV_CONFIG_SIZE - offset))
		return;
	memcpy(to_co(vdev)->regs->config + offset, buf, len);
}

/* Odd while the daemon is writing: never start to read then. */
static u32 co_generation(struct virtio_device *vdev)
{
	u32 generation;

	while ((generation = READ_ONCE(to_co(vdev)->regs->config_generation)) & 1)
		co_yield();
	virt_rmb();
	return generation;
}

static u8 co_get_status(struct virtio_device *vdev)
{
	return READ_ONCE(to_co(vdev)->regs->status);
}

static void co_set_status(struct virtio_device *vdev, u8 status)
{
	struct co_virtio *co = to_co(vdev);

	virt_wmb();	/* features and queues first */
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

static u64 co_get_features(struct virtio_device *vdev)
{
	return READ_ONCE(to_co(vdev)->regs->features);
}

static int co_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	if (!__virtio_test_bit(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "device lacks VIRTIO_F_VERSION_1\n");
		return -EINVAL;
	}
	WRITE_ONCE(to_co(vdev)->regs->driver_features, vdev->features);
	return 0;
}

static const char *co_bus_name(struct virtio_device *vdev)
{
	return "colinux";
}

/* ---- queues ---- */

static bool co_notify(struct virtqueue *vq)
{
	co_doorbell(to_co(vq->vdev)->number, vq->index);
	return true;
}

static irqreturn_t co_virtio_interrupt(int irq, void *dev)
{
	struct co_virtio *co = dev;
	u32 isr = xchg(&co->regs->isr, 0);
	struct virtqueue *vq;

	if (isr & CO_ISR_CONFIG)
		virtio_config_changed(&co->vdev);
	if (isr & CO_ISR_QUEUE)
		virtio_device_for_each_vq(&co->vdev, vq)
			vring_interrupt(irq, vq);
	return isr ? IRQ_HANDLED : IRQ_NONE;
}

static unsigned int co_virtio_irq(struct co_virtio *co)
{
	return co_irq(CO_VIRQ_DEVICE(co->number));
}

static void co_synchronize_cbs(struct virtio_device *vdev)
{
	synchronize_irq(co_virtio_irq(to_co(vdev)));
}

static void co_del_vqs(struct virtio_device *vdev)
{
	struct co_virtio *co = to_co(vdev);
	struct virtqueue *vq, *next;

	if (co->irq_requested)
		free_irq(co_virtio_irq(co), co);
	co->irq_requested = false;
	list_for_each_entry_safe(vq, next, &vdev->vqs, list) {
		WRITE_ONCE(co->regs->vq[vq->index].size, 0);
		vring_del_virtqueue(vq);
	}
}

static struct virtqueue *co_setup_vq(struct co_virtio *co, unsigned int index,
				     vq_callback_t *callback, const char *name,
				     bool ctx)
{
	struct virtqueue *vq;
	struct co_vq *regs;
	u32 max;

	if (index >= CO_VQ_MAX)
		return ERR_PTR(-ENOENT);
	regs = &co->regs->vq[index];
	max = READ_ONCE(regs->size_max);
	if (!max)
		return ERR_PTR(-ENOENT);
	vq = vring_create_virtqueue(index, max, PAGE_SIZE, &co->vdev, true, true,
				    ctx, co_notify, callback, name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vq->num_max = max;
	regs->desc = virtqueue_get_desc_addr(vq);
	regs->avail = virtqueue_get_avail_addr(vq);
	regs->used = virtqueue_get_used_addr(vq);
	virt_wmb();	/* a queue with a size is a queue with addresses */
	WRITE_ONCE(regs->size, virtqueue_get_vring_size(vq));
	return vq;
}

static int co_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
		       struct virtqueue *vqs[], vq_callback_t *callbacks[],
		       const char * const names[], const bool *ctx,
		       struct irq_affinity *desc)
{
	struct co_virtio *co = to_co(vdev);
	unsigned int i, index = 0;
	unsigned long flags;
	int err;

	for (i = 0; i < nvqs; i++) {
		if (!names[i]) {	/* not wanted: takes no queue */
			vqs[i] = NULL;
			continue;
		}
		vqs[i] = co_setup_vq(co, index++, callbacks[i], names[i],
				     ctx ? ctx[i] : false);
		if (IS_ERR(vqs[i])) {
			err = PTR_ERR(vqs[i]);
			goto fail;
		}
	}
	/* last, so that a handler never walks a half-made list of queues */
	err = request_irq(co_virtio_irq(co), co_virtio_interrupt, 0,
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

static const struct virtio_config_ops co_virtio_ops = {
	.get			= co_get,
	.set			= co_set,
	.generation		= co_generation,
	.get_status		= co_get_status,
	.set_status		= co_set_status,
	.reset			= co_reset,
	.find_vqs		= co_find_vqs,
	.del_vqs		= co_del_vqs,
	.synchronize_cbs	= co_synchronize_cbs,
	.get_features		= co_get_features,
	.finalize_features	= co_finalize_features,
	.bus_name		= co_bus_name,
};

/* ---- devices ---- */

static void co_virtio_release(struct device *dev)
{
	kfree(to_co(dev_to_virtio(dev)));
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
