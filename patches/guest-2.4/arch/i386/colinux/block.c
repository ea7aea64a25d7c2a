// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/cobd0 to /dev/cobd31: the host's block devices, in their order.
 *
 * Block major 117, the minor is the number; no partitions, a device is one file
 * of the host's. Many requests are in flight at once, straight from and to the
 * buffers of the page cache. 2.4 knows no barriers; what was written reaches the
 * host's disk when a device is closed (unmounted), or by BLKFLSBUF.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/uaccess.h>

#define MAJOR_NR	117
#define DEVICE_NAME	"cobd"
#define DEVICE_NR(dev)	MINOR(dev)
#define DEVICE_NO_RANDOM
#define LOCAL_END_REQUEST
#include <linux/blk.h>
#include <linux/blkpg.h>

#include "colinux.h"
#include "ring.h"

/* A request as it travels. */
struct co_request {
	struct virtio_blk_header header;
	struct request *request;	/* NULL: a flush, somebody waits for @done */
	struct completion *done;
	u8 status;
};

struct co_disk {
	u32 device;
	u64 features, sectors;
	struct request_queue queue;
	struct co_ring ring;
	struct co_request *slots;	/* a stack of free ones */
	struct co_request **idle;
	u32 nidle;
};

static struct co_disk *disks[CO_NR_VDEV];
static u32 ndisks;
static int sizes[CO_NR_VDEV], block_sizes[CO_NR_VDEV], hardsect_sizes[CO_NR_VDEV];

/* ---- requests; io_request_lock is held: interrupts are off ---- */

/* The request's buffers; neighbours in memory become one. Returns how many. */
static u32 gather(struct request *request, struct co_buf *bufs)
{
	struct buffer_head *bh;
	u32 n = 0;

	for (bh = request->bh; bh; bh = bh->b_reqnext) {
		if (n && bufs[n - 1].data + bufs[n - 1].len == bh->b_data) {
			bufs[n - 1].len += bh->b_size;
			continue;
		}
		bufs[n].data = bh->b_data;
		bufs[n++].len = bh->b_size;
	}
	return n;
}

static void finish(struct request *request, int ok)
{
	while (end_that_request_first(request, ok, DEVICE_NAME))
		;
	add_blkdev_randomness(MAJOR_NR);
	end_that_request_last(request);
}

static int submit(struct co_disk *disk, struct co_request *co, struct co_buf *bufs, u32 n)
{
	int writes = co->header.type == VIRTIO_BLK_T_OUT;

	bufs[0].data = &co->header;
	bufs[0].len = sizeof(co->header);
	bufs[n + 1].data = &co->status;
	bufs[n + 1].len = 1;
	return co_ring_add(&disk->ring, bufs, writes ? n + 1 : 1, writes ? 1 : n + 1, co);
}

static void co_disk_request(request_queue_t *queue)
{
	static struct co_buf bufs[MAX_SEGMENTS + 2];
	struct co_disk *disk = queue->queuedata;

	while (!list_empty(&queue->queue_head)) {
		struct request *request = blkdev_entry_next_request(&queue->queue_head);
		struct co_request *co;

		if (request->sector + request->nr_sectors > disk->sectors) {
			blkdev_dequeue_request(request);
			finish(request, 0);
			continue;
		}
		/* with nothing free, the next completion comes back here */
		if (!disk->nidle)
			break;
		co = disk->idle[disk->nidle - 1];
		co->request = request;
		co->header.type = request->cmd == WRITE ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
		co->header.reserved = 0;
		co->header.sector = request->sector;
		co->status = VIRTIO_BLK_S_IOERR;
		if (submit(disk, co, bufs, gather(request, bufs + 1)))
			break;
		disk->nidle--;
		blkdev_dequeue_request(request);
	}
	co_ring_kick(&disk->ring);
}

static void co_disk_interrupt(int irq, void *dev, struct pt_regs *regs)
{
	struct co_disk *disk = dev;
	struct co_request *co;
	unsigned long flags;
	u32 written;

	if (!(co_device_isr(disk->device) & CO_ISR_QUEUE))
		return;
	spin_lock_irqsave(&io_request_lock, flags);
	do {
		while ((co = co_ring_get(&disk->ring, &written))) {
			if (co->request)
				finish(co->request, co->status == VIRTIO_BLK_S_OK);
			else
				complete(co->done);
			disk->idle[disk->nidle++] = co;
		}
	} while (co_ring_listen(&disk->ring));
	if (!disk->queue.plugged)
		co_disk_request(&disk->queue);
	spin_unlock_irqrestore(&io_request_lock, flags);
}

static request_queue_t *co_disk_queue(kdev_t dev)
{
	return DEVICE_NR(dev) < ndisks ? &disks[DEVICE_NR(dev)]->queue : NULL;
}

/* ---- files ---- */

/* What the host's cache holds goes to its disk. A full queue: try again. */
static int flush(struct co_disk *disk)
{
	DECLARE_COMPLETION(done);
	struct co_buf bufs[2];
	struct co_request *co;
	unsigned long flags;
	int busy;

	if (!(disk->features & VIRTIO_BLK_F_FLUSH))
		return 0;
	for (;;) {
		spin_lock_irqsave(&io_request_lock, flags);
		busy = !disk->nidle;
		if (!busy) {
			co = disk->idle[disk->nidle - 1];
			memset(co, 0, sizeof(*co));
			co->header.type = VIRTIO_BLK_T_FLUSH;
			co->done = &done;
			co->status = VIRTIO_BLK_S_IOERR;
			busy = submit(disk, co, bufs, 0);
		}
		if (!busy) {
			disk->nidle--;
			co_ring_kick(&disk->ring);
		}
		spin_unlock_irqrestore(&io_request_lock, flags);
		if (!busy)
			break;
		schedule_timeout(1);
	}
	wait_for_completion(&done);
	return 0;
}

static int co_disk_open(struct inode *inode, struct file *file)
{
	u32 n = DEVICE_NR(inode->i_rdev);

	if (n >= ndisks)
		return -ENXIO;
	if ((file->f_mode & FMODE_WRITE) && (disks[n]->features & VIRTIO_BLK_F_RO))
		return -EROFS;
	return 0;
}

static int co_disk_release(struct inode *inode, struct file *file)
{
	fsync_dev(inode->i_rdev);
	return flush(disks[DEVICE_NR(inode->i_rdev)]);
}

static int co_disk_ioctl(struct inode *inode, struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	struct co_disk *disk = disks[DEVICE_NR(inode->i_rdev)];
	struct hd_geometry geometry;
	int err;

	switch (cmd) {
	case BLKGETSIZE:
		return put_user((unsigned long)disk->sectors, (unsigned long *)arg);
	case BLKGETSIZE64:
		return put_user(disk->sectors * VIRTIO_BLK_SECTOR, (u64 *)arg);
	case HDIO_GETGEO:	/* for fdisk: any will do */
		geometry.heads = 16;
		geometry.sectors = 63;
		geometry.cylinders = (unsigned long)disk->sectors / (16 * 63);
		geometry.start = 0;
		return copy_to_user((void *)arg, &geometry, sizeof(geometry)) ? -EFAULT : 0;
	case BLKROSET:		/* the host has said what may be written */
		if (disk->features & VIRTIO_BLK_F_RO)
			return -EROFS;
		break;
	case BLKRRPART:
		return -EINVAL;
	}
	err = blk_ioctl(inode->i_rdev, cmd, arg);
	if (cmd == BLKFLSBUF && !err)
		err = flush(disk);
	return err;
}

static struct block_device_operations co_disk_ops = {
	.owner = THIS_MODULE,
	.open = co_disk_open,
	.release = co_disk_release,
	.ioctl = co_disk_ioctl,
};

/* ---- at boot ---- */

static int __init add_disk(u32 device)
{
	struct co_disk *disk = kmalloc(sizeof(*disk), GFP_KERNEL);
	struct virtio_blk_config config;
	u32 i;
	int err;

	if (!disk)
		return -ENOMEM;
	memset(disk, 0, sizeof(*disk));
	disk->device = device;
	disk->features = co_device_begin(device, VIRTIO_BLK_F_RO | VIRTIO_BLK_F_FLUSH);
	if (!disk->features)
		return -ENODEV;
	err = co_ring_setup(&disk->ring, device, 0, disk->features);
	if (err)
		return err;
	disk->slots = kmalloc(disk->ring.size * sizeof(*disk->slots), GFP_KERNEL);
	disk->idle = kmalloc(disk->ring.size * sizeof(*disk->idle), GFP_KERNEL);
	if (!disk->slots || !disk->idle)
		return -ENOMEM;
	for (i = 0; i < disk->ring.size; i++)
		disk->idle[disk->nidle++] = &disk->slots[i];
	co_device_config(device, 0, &config, sizeof(config));
	disk->sectors = config.capacity;
	blk_init_queue(&disk->queue, co_disk_request);
	blk_queue_headactive(&disk->queue, 0);	/* a request that travels is off the queue */
	disk->queue.queuedata = disk;
	err = request_irq(CO_IRQ_DEVICE(device), co_disk_interrupt, SA_INTERRUPT, DEVICE_NAME, disk);
	if (err)
		return err;
	sizes[ndisks] = (int)(config.capacity >> 1);	/* KiB */
	block_sizes[ndisks] = 1024;
	hardsect_sizes[ndisks] = VIRTIO_BLK_SECTOR;
	if (disk->features & VIRTIO_BLK_F_RO)
		set_device_ro(MKDEV(MAJOR_NR, ndisks), 1);
	disks[ndisks++] = disk;
	co_device_ready(device);
	printk(KERN_INFO "cobd%u: %Lu sectors of 512 bytes%s\n", ndisks - 1, disk->sectors,
	       disk->features & VIRTIO_BLK_F_RO ? ", read-only" : "");
	return 0;
}

static int __init co_disks_init(void)
{
	u32 device;
	int err = register_blkdev(MAJOR_NR, DEVICE_NAME, &co_disk_ops);

	if (err)
		return err;
	blk_size[MAJOR_NR] = sizes;
	blksize_size[MAJOR_NR] = block_sizes;
	hardsect_size[MAJOR_NR] = hardsect_sizes;
	read_ahead[MAJOR_NR] = 8;
	blk_dev[MAJOR_NR].queue = co_disk_queue;
	for (device = 0; device < CO_NR_VDEV; device++) {
		if (co_once(co_vdevs[device].id) != VIRTIO_ID_BLOCK)
			continue;
		err = add_disk(device);
		if (err) {
			printk(KERN_ERR "colinux: block device %u: error %d\n", device, -err);
			co_device_fail(device);
		}
	}
	return 0;
}
__initcall(co_disks_init);
