/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all virtio devices share: registers in the shared area, the handshake
 * over the status register, queues, interrupts, and stopping for good when the
 * guest's driver misbehaves.
 *
 * The registers lie in memory that the guest may write at any time. So the
 * daemon fills them once and keeps its own copy of what it offered; it reads
 * back only what is the guest's to choose, once, when a doorbell announces it.
 *
 * The vCPU thread calls device_status_written() and device_kicked(); a device's
 * own thread may call device_interrupt(), device_break(), device_complain().
 */
#ifndef COLINUX_DEVICE_H
#define COLINUX_DEVICE_H

#include "vm.h"
#include "vring.h"

struct device;

struct device_ops {
	u32 id;			/* VIRTIO_ID_* */
	u32 nqueues;
	u32 queue_size;
	/* The queues are set up and the guest's driver is ready. */
	void (*start)(struct device *device);
	/* Returns when nobody of the device's touches its queues any more. */
	void (*stop)(struct device *device);
	/* The guest rang for this queue; only between start and stop. */
	void (*kick)(struct device *device, u32 queue);
};

struct device {
	const struct device_ops *ops;
	const char *name;		/* as the user knows it: "cobd0" */
	void *back;			/* the back end */
	struct vm *vm;
	u32 index;
	struct co_vdev *regs;
	u64 features;			/* offered */
	u64 driver_features;		/* accepted, while the status says FEATURES_OK */
	bool features_ok, running, broken;
	struct vring ring[CO_VQ_MAX];
	u32 complaints;
	u64 doorbells, interrupts;
};

/*
 * Fills the registers of device `index`. features: the device type's own; the
 * ring features are added.
 */
void device_attach(struct device *device, struct vm *vm, u32 index, u64 features,
		   const void *config, u32 config_bytes);
/* Back to the state before the guest's driver came. */
void device_reset(struct device *device);

void device_status_written(struct device *device);
void device_kicked(struct device *device, u32 queue);

/* Chains were pushed to the ring: interrupt the guest, if it wants that. */
void device_signal_used(struct device *device, struct vring *ring);
/* Tells the guest to look at the configuration. Any thread. */
void device_config_changed(struct device *device);
/* Writes a part of the configuration and tells the guest. Any thread. */
void device_set_config(struct device *device, u32 offset, const void *bytes, u32 nbytes);
/* The guest's driver broke the rules: no queue is looked at until a reset. */
void device_break(struct device *device, const char *format, ...) CO_PRINTF(2, 3);
/* Was it stopped by device_break()? */
bool device_is_broken(const struct device *device);
/* A warning about this device; after a few they are no longer shown. */
void device_complain(struct device *device, const char *format, ...) CO_PRINTF(2, 3);

#endif
