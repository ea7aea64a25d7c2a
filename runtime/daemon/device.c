// SPDX-License-Identifier: GPL-2.0-only
/* The part of a virtio device that does not depend on its type. */
#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

/* A guest must not fill the host's disk with messages. */
#define COMPLAINTS_SHOWN	8u

#define RING_FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

void device_attach(struct device *device, struct vm *vm, u32 index, u64 features,
		   const void *config, u32 config_bytes)
{
	struct co_vdev *regs = &vm->devices[index];
	u32 queue;

	device->vm = vm;
	device->index = index;
	device->regs = regs;
	device->features = features | RING_FEATURES;
	memset(regs, 0, sizeof(*regs));
	regs->features = device->features;
	for (queue = 0; queue < device->ops->nqueues; queue++)
		regs->vq[queue].size_max = device->ops->queue_size;
	memcpy(regs->config, config, config_bytes);
	/* the id last: it makes the device exist */
	__atomic_store_n(&regs->id, device->ops->id, __ATOMIC_RELEASE);
}

void device_complain(struct device *device, const char *format, ...)
{
	u32 before = __atomic_fetch_add(&device->complaints, 1, __ATOMIC_RELAXED);
	char text[400];
	va_list args;

	if (before >= COMPLAINTS_SHOWN)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("%s: %s%s", device->name, text,
		 before + 1 == COMPLAINTS_SHOWN ? " (further warnings about it are not shown)" : "");
}

static void interrupt(struct device *device, u32 why)
{
	/*
	 * A bit that was still set belongs to an interrupt that the guest has not
	 * looked at yet: when it does, it takes this bit and then reads the rings.
	 */
	if (__atomic_fetch_or(&device->regs->isr, why, __ATOMIC_SEQ_CST) & why)
		return;
	__atomic_fetch_add(&device->interrupts, 1, __ATOMIC_RELAXED);
	vm_raise(device->vm, CO_VIRQ_DEVICE(device->index));
}

void device_signal_used(struct device *device, struct vring *ring)
{
	if (vring_wants_interrupt(ring))
		interrupt(device, CO_ISR_QUEUE);
}

void device_config_changed(struct device *device)
{
	interrupt(device, CO_ISR_CONFIG);
}

void device_set_config(struct device *device, u32 offset, const void *bytes, u32 nbytes)
{
	struct co_vdev *regs = device->regs;

	/* odd while the bytes change, even again afterwards */
	__atomic_fetch_or(&regs->config_generation, 1, __ATOMIC_SEQ_CST);
	memcpy(regs->config + offset, bytes, nbytes);
	__atomic_fetch_add(&regs->config_generation, 1, __ATOMIC_SEQ_CST);
	device_config_changed(device);
}

bool device_is_broken(const struct device *device)
{
	return __atomic_load_n(&device->broken, __ATOMIC_SEQ_CST);
}

void device_break(struct device *device, const char *format, ...)
{
	char text[300];
	va_list args;
	u32 status;

	if (__atomic_exchange_n(&device->broken, true, __ATOMIC_SEQ_CST))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	device_complain(device, "the guest's driver broke the rules, the device stops until it is reset: %s",
			text);
	/*
	 * 2.1.2: DEVICE_NEEDS_RESET, and a configuration change interrupt. Where the
	 * guest has just written 0, its doorbell is on the way and must find 0.
	 */
	status = __atomic_load_n(&device->regs->status, __ATOMIC_SEQ_CST);
	while (status && !__atomic_compare_exchange_n(&device->regs->status, &status,
						      status | VIRTIO_S_NEEDS_RESET, false,
						      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	interrupt(device, CO_ISR_CONFIG);
}

void device_reset(struct device *device)
{
	struct co_vdev *regs = device->regs;
	u32 queue;

	if (device->running)
		device->ops->stop(device);
	device->running = false;
	device->features_ok = false;
	device->driver_features = 0;
	__atomic_store_n(&device->broken, false, __ATOMIC_SEQ_CST);
	memset(device->ring, 0, sizeof(device->ring));
	/* The guest may have written anything: put back what was offered. */
	regs->driver_features = 0;
	regs->features = device->features;
	for (queue = 0; queue < CO_VQ_MAX; queue++) {
		memset(&regs->vq[queue], 0, sizeof(regs->vq[queue]));
		if (queue < device->ops->nqueues)
			regs->vq[queue].size_max = device->ops->queue_size;
	}
	__atomic_store_n(&regs->isr, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&regs->status, 0, __ATOMIC_SEQ_CST);
}

/* 3.1.1, steps 5 and 6: the guest has chosen features; a refusal takes
 * FEATURES_OK back, and the guest's driver reads it again. */
static void accept_features(struct device *device)
{
	u64 chosen = __atomic_load_n(&device->regs->driver_features, __ATOMIC_ACQUIRE);

	if (!(chosen & ~device->features) && (chosen & VIRTIO_F_VERSION_1)) {
		device->driver_features = chosen;
		device->features_ok = true;
		return;
	}
	device_complain(device, "the guest's driver chose features 0x%llx of 0x%llx: refused",
			(unsigned long long)chosen, (unsigned long long)device->features);
	__atomic_fetch_and(&device->regs->status, ~VIRTIO_S_FEATURES_OK, __ATOMIC_SEQ_CST);
}

/*
 * 2.2.3, 3.1.2, legacy interface: drivers from before the standard, those of Linux
 * 2.6.33 for one, never say FEATURES_OK; what they have chosen holds when they
 * use the device. They know no bits from 32 on.
 */
static bool accept_legacy_features(struct device *device)
{
	u64 chosen = __atomic_load_n(&device->regs->driver_features, __ATOMIC_ACQUIRE);

	if (chosen & ~(device->features & 0xffffffffull))
		return false;
	device->driver_features = chosen;
	return true;
}

static void start(struct device *device)
{
	u32 number, set_up = 0;

	for (number = 0; number < device->ops->nqueues; number++) {
		struct co_vq queue;
		const char *problem;

		memcpy(&queue, &device->regs->vq[number], sizeof(queue));
		__asm__ volatile("" ::: "memory");
		if (!queue.size)
			continue;
		problem = vring_setup(&device->ring[number], &device->vm->memory, &queue,
				      device->ops->queue_size, device->driver_features);
		if (problem) {
			device_break(device, "queue %u: %s (size %u, at 0x%llx, 0x%llx, 0x%llx)",
				     number, problem, queue.size, (unsigned long long)queue.desc,
				     (unsigned long long)queue.avail,
				     (unsigned long long)queue.used);
			return;
		}
		set_up++;
	}
	log_info("%s: ready, %u queues, features 0x%llx%s", device->name, set_up,
		 (unsigned long long)device->driver_features,
		 device->features_ok ? "" : ", legacy driver");
	device->running = true;
	device->ops->start(device);
	/* what was made available before DRIVER_OK rang no bell that counted */
	for (number = 0; number < device->ops->nqueues; number++)
		if (device->ring[number].size)
			device->ops->kick(device, number);
}

void device_status_written(struct device *device)
{
	u32 status = __atomic_load_n(&device->regs->status, __ATOMIC_ACQUIRE);

	if (!status || (status & VIRTIO_S_FAILED)) {
		bool failed = status;

		if (failed)
			device_complain(device, "the guest's driver gave up on it");
		device_reset(device);
		if (failed)
			__atomic_store_n(&device->regs->status, status, __ATOMIC_SEQ_CST);
		return;
	}
	if (device_is_broken(device)) {
		/* whatever was written, this bit stays until a reset */
		__atomic_fetch_or(&device->regs->status, VIRTIO_S_NEEDS_RESET, __ATOMIC_SEQ_CST);
		return;
	}
	if ((status & VIRTIO_S_FEATURES_OK) && !device->features_ok)
		accept_features(device);
	if ((status & VIRTIO_S_DRIVER_OK) && !device->running) {
		if (device->features_ok || accept_legacy_features(device))
			start(device);
		else
			device_break(device, "DRIVER_OK without FEATURES_OK");
	}
}

/*
 * 3.1.2: legacy drivers use their queues before DRIVER_OK (a disk's reads its
 * partition table), and have set up all of them by then.
 */
static void start_legacy(struct device *device, u32 queue)
{
	u32 status = __atomic_load_n(&device->regs->status, __ATOMIC_ACQUIRE);

	if ((status & VIRTIO_S_DRIVER) && !(status & (VIRTIO_S_FEATURES_OK | VIRTIO_S_FAILED)) &&
	    queue < device->ops->nqueues && device->regs->vq[queue].size &&
	    !device_is_broken(device) && accept_legacy_features(device))
		start(device);
}

void device_kicked(struct device *device, u32 queue)
{
	__atomic_store_n(&device->doorbells, device->doorbells + 1, __ATOMIC_RELAXED);
	if (!device->running) {
		start_legacy(device, queue);	/* and with it, all queues are looked at */
		return;
	}
	if (queue >= device->ops->nqueues || !device->ring[queue].size ||
	    device_is_broken(device))
		return;
	device->ops->kick(device, queue);
}
