// SPDX-License-Identifier: GPL-2.0-only
/*
 * TAP-Windows for tests under Wine, as far as its programs see it, with no network behind it: what
 * adapters send comes from a test's hand, and goes there (tap_hand.h). An adapter is opened by one at a time,
 * is read and written only while its cable is plugged in, and wants memory for both sides of
 * every request, as OpenVPN's driver does since version 9.21.
 *
 * Wine calls a driver from one thread: there are no locks.
 */
#include <ddk/wdm.h>

#include "tap_hand.h"

/* Typed in once more: not those of the daemon's own header. */
#define GET_VERSION	0x00220008u
#define GET_MTU		0x0022000cu
#define SET_MEDIA	0x00220018u

#define UNDER_WAY	64

struct queue {
	ULONG count;
	IRP *irp[UNDER_WAY];
};

struct frames {
	ULONG first, count;
	ULONG bytes[HAND_FRAMES];
	unsigned char frame[HAND_FRAMES][HAND_FRAME_MAX];
};

struct adapter {
	DEVICE_OBJECT *device;
	FILE_OBJECT *owner;
	struct hand_set set;
	struct hand_get get;
	struct queue reads, writes;
	struct frames to_reader, written;
};

static struct adapter adapters[TAP_ADAPTERS];
static DEVICE_OBJECT *hand;

static NTSTATUS finish(IRP *irp, NTSTATUS status, ULONG_PTR bytes)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = bytes;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

static struct adapter *of(DEVICE_OBJECT *device)
{
	int i;

	for (i = 0; i < TAP_ADAPTERS; i++)
		if (adapters[i].device == device)
			return &adapters[i];
	return NULL;
}

/* --- requests under way --- */

static IRP *take_irp(struct queue *queue, ULONG at)
{
	IRP *irp = queue->irp[at];

	for (queue->count--; at < queue->count; at++)
		queue->irp[at] = queue->irp[at + 1];
	IoSetCancelRoutine(irp, NULL);
	return irp;
}

static void NTAPI cancel(DEVICE_OBJECT *device, IRP *irp)
{
	struct adapter *adapter = of(device);
	struct queue *queue = IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_READ ?
			      &adapter->reads : &adapter->writes;
	ULONG i;

	IoReleaseCancelSpinLock(irp->CancelIrql);
	for (i = 0; i < queue->count; i++)
		if (queue->irp[i] == irp) {
			adapter->get.cancelled++;
			finish(take_irp(queue, i), STATUS_CANCELLED, 0);
			return;
		}
}

static NTSTATUS keep(struct queue *queue, IRP *irp)
{
	if (queue->count == UNDER_WAY)
		return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
	IoMarkIrpPending(irp);
	queue->irp[queue->count++] = irp;
	IoSetCancelRoutine(irp, cancel);
	return STATUS_PENDING;
}

static void end_all(struct queue *queue, NTSTATUS status)
{
	while (queue->count)
		finish(take_irp(queue, 0), status, 0);
}

/* --- frames --- */

static BOOLEAN put_frame(struct frames *frames, const void *bytes, ULONG count)
{
	ULONG at = (frames->first + frames->count) % HAND_FRAMES;

	if (frames->count == HAND_FRAMES || count > HAND_FRAME_MAX)
		return FALSE;
	frames->bytes[at] = count;
	RtlCopyMemory(frames->frame[at], bytes, count);
	frames->count++;
	return TRUE;
}

static void drop_frame(struct frames *frames)
{
	frames->first = (frames->first + 1) % HAND_FRAMES;
	frames->count--;
}

/* The oldest frame into a read; one that does not fit is lost. */
static NTSTATUS answer_read(struct frames *frames, IRP *irp)
{
	ULONG room = IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length;
	ULONG count = frames->bytes[frames->first];
	NTSTATUS status = count > room ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;

	if (count > room)
		count = 0;
	RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, frames->frame[frames->first], count);
	drop_frame(frames);
	return finish(irp, status, count);
}

static NTSTATUS take_write(struct adapter *adapter, IRP *irp)
{
	ULONG count = IoGetCurrentIrpStackLocation(irp)->Parameters.Write.Length;

	/* a host that is behind throws away what it has no room for */
	put_frame(&adapter->written, irp->AssociatedIrp.SystemBuffer, count);
	return finish(irp, STATUS_SUCCESS, count);
}

/* --- the adapter's own requests --- */

static NTSTATUS dead(const struct adapter *adapter, const IO_STACK_LOCATION *at)
{
	if (adapter->set.gone)
		return adapter->set.gone;
	/* whoever had it open before it went has nothing of its return */
	return at->FileObject != adapter->owner || !adapter->get.plugged ? STATUS_CANCELLED : STATUS_SUCCESS;
}

static NTSTATUS NTAPI read_or_write(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *at = IoGetCurrentIrpStackLocation(irp);
	struct adapter *adapter = of(device);
	NTSTATUS status = adapter ? dead(adapter, at) : STATUS_INVALID_DEVICE_REQUEST;

	if (status)
		return finish(irp, status, 0);
	if (at->MajorFunction == IRP_MJ_READ)
		return adapter->to_reader.count ? answer_read(&adapter->to_reader, irp) : keep(&adapter->reads, irp);
	if (at->Parameters.Write.Length < 14 || at->Parameters.Write.Length > 1518) {
		adapter->get.odd++;
		return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
	}
	return adapter->set.holds_writes ? keep(&adapter->writes, irp) : take_write(adapter, irp);
}

static NTSTATUS opened(const struct adapter *adapter, const FILE_OBJECT *file)
{
	if (adapter->owner == file)
		return STATUS_SUCCESS;
	return adapter->set.gone ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_UNSUCCESSFUL;
}

static NTSTATUS control(struct adapter *adapter, IRP *irp, const IO_STACK_LOCATION *at)
{
	ULONG in = at->Parameters.DeviceIoControl.InputBufferLength;
	ULONG out = at->Parameters.DeviceIoControl.OutputBufferLength;
	ULONG *words = irp->AssociatedIrp.SystemBuffer;

	if (at->Parameters.DeviceIoControl.IoControlCode == HAND_OPENED)
		return finish(irp, opened(adapter, at->FileObject), 0);
	if (adapter->set.gone || at->FileObject != adapter->owner)
		return finish(irp, STATUS_CANCELLED, 0);
	adapter->get.odd += !in || !out;
	switch (at->Parameters.DeviceIoControl.IoControlCode) {
	case GET_VERSION:
		if (!adapter->set.major || out < 12 || !in)
			return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
		words[0] = adapter->set.major;
		words[1] = adapter->set.minor;
		words[2] = 0;
		return finish(irp, STATUS_SUCCESS, 12);
	case GET_MTU:
		if (out < 4 || !in)
			return finish(irp, STATUS_INVALID_PARAMETER, 0);
		words[0] = 1500;
		adapter->get.mtu_asked++;
		return finish(irp, STATUS_SUCCESS, 4);
	case SET_MEDIA:
		if (in < 4 || !out)
			return finish(irp, STATUS_INVALID_PARAMETER, 0);
		if (adapter->set.refuses_media)
			return finish(irp, adapter->set.refuses_media, 0);
		adapter->get.plugged = words[0];
		return finish(irp, STATUS_SUCCESS, 1);
	}
	adapter->get.odd++;
	return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI create(DEVICE_OBJECT *device, IRP *irp)
{
	FILE_OBJECT *file = IoGetCurrentIrpStackLocation(irp)->FileObject;
	struct adapter *adapter = of(device);

	if (adapter && !adapter->owner && !adapter->set.gone) {
		adapter->owner = file;
		adapter->get.opened = 1;
		adapter->to_reader.count = adapter->written.count = 0;
	}
	return finish(irp, adapter ? opened(adapter, file) : STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI close(DEVICE_OBJECT *device, IRP *irp)
{
	struct adapter *adapter = of(device);

	if (adapter && adapter->owner == IoGetCurrentIrpStackLocation(irp)->FileObject) {
		adapter->get.closed++;
		adapter->get.closed_plugged += adapter->get.plugged;
		adapter->get.closed_busy += adapter->reads.count || adapter->writes.count;
		adapter->get.opened = adapter->get.plugged = 0;
		adapter->owner = NULL;
		end_all(&adapter->reads, STATUS_CANCELLED);
		end_all(&adapter->writes, STATUS_CANCELLED);
	}
	return finish(irp, STATUS_SUCCESS, 0);
}

/* --- the hand's --- */

static void set(struct adapter *adapter, const struct hand_set *to)
{
	adapter->set = *to;
	while (!to->holds_writes && !to->gone && adapter->writes.count)
		take_write(adapter, take_irp(&adapter->writes, 0));
	if (!to->gone)
		return;
	end_all(&adapter->reads, to->gone);
	end_all(&adapter->writes, to->gone);
	/* its cable comes out with it */
	adapter->get.plugged = 0;
}

static NTSTATUS use_hand(IRP *irp, const IO_STACK_LOCATION *at)
{
	ULONG in = at->Parameters.DeviceIoControl.InputBufferLength;
	ULONG *words = irp->AssociatedIrp.SystemBuffer;
	struct adapter *adapter;
	ULONG bytes = 0;

	if (in < 4 || words[0] >= TAP_ADAPTERS)
		return finish(irp, STATUS_INVALID_PARAMETER, 0);
	adapter = &adapters[words[0]];
	switch (at->Parameters.DeviceIoControl.IoControlCode) {
	case HAND_SET:
		if (in < sizeof(struct hand_set))
			return finish(irp, STATUS_INVALID_PARAMETER, 0);
		set(adapter, (struct hand_set *)words);
		return finish(irp, STATUS_SUCCESS, 0);
	case HAND_GET:
		if (at->Parameters.DeviceIoControl.OutputBufferLength < sizeof(adapter->get))
			return finish(irp, STATUS_INVALID_PARAMETER, 0);
		adapter->get.reads = adapter->reads.count;
		adapter->get.writes = adapter->writes.count;
		RtlCopyMemory(words, &adapter->get, sizeof(adapter->get));
		return finish(irp, STATUS_SUCCESS, sizeof(adapter->get));
	case HAND_PUT:
		if (!adapter->get.plugged || !put_frame(&adapter->to_reader, words + 1, in - 4))
			return finish(irp, STATUS_DEVICE_BUSY, 0);
		if (adapter->reads.count)
			answer_read(&adapter->to_reader, take_irp(&adapter->reads, 0));
		return finish(irp, STATUS_SUCCESS, 0);
	case HAND_TAKE:
		if (at->Parameters.DeviceIoControl.OutputBufferLength < HAND_FRAME_MAX)
			return finish(irp, STATUS_INVALID_PARAMETER, 0);
		if (adapter->written.count) {
			bytes = adapter->written.bytes[adapter->written.first];
			RtlCopyMemory(words, adapter->written.frame[adapter->written.first], bytes);
			drop_frame(&adapter->written);
		}
		return finish(irp, STATUS_SUCCESS, bytes);
	}
	return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI device_control(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *at = IoGetCurrentIrpStackLocation(irp);

	return device == hand ? use_hand(irp, at) : control(of(device), irp, at);
}

/* --- coming and going --- */

static const struct names {
	const WCHAR *device, *link;
} names[] = {
	{ L"\\Device\\" TAP_ID_0 ".tap", L"\\DosDevices\\Global\\" TAP_ID_0 ".tap" },
	{ L"\\Device\\" TAP_ID_1 ".tap", L"\\DosDevices\\Global\\" TAP_ID_1 ".tap" },
	{ L"\\Device\\" HAND_DEVICE, L"\\DosDevices\\" HAND_DEVICE },	/* the hand's */
};

static DEVICE_OBJECT *make(DRIVER_OBJECT *driver, const struct names *names)
{
	UNICODE_STRING device_name, link_name;
	DEVICE_OBJECT *device;

	RtlInitUnicodeString(&device_name, names->device);
	RtlInitUnicodeString(&link_name, names->link);
	if (IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device))
		return NULL;
	device->Flags |= DO_BUFFERED_IO;
	device->Flags &= ~DO_DEVICE_INITIALIZING;
	return IoCreateSymbolicLink(&link_name, &device_name) ? NULL : device;
}

static void NTAPI unload(DRIVER_OBJECT *driver)
{
	UNICODE_STRING link_name;
	int i;

	for (i = 0; i <= TAP_ADAPTERS; i++) {
		RtlInitUnicodeString(&link_name, names[i].link);
		IoDeleteSymbolicLink(&link_name);
	}
	while (driver->DeviceObject)
		IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path);

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	int i;

	(void)path;
	driver->DriverUnload = unload;
	driver->MajorFunction[IRP_MJ_CREATE] = create;
	driver->MajorFunction[IRP_MJ_CLOSE] = close;
	driver->MajorFunction[IRP_MJ_READ] = read_or_write;
	driver->MajorFunction[IRP_MJ_WRITE] = read_or_write;
	driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = device_control;
	for (i = 0; i < TAP_ADAPTERS; i++) {
		adapters[i].set.major = 9;
		adapters[i].set.minor = 24;
		adapters[i].device = make(driver, &names[i]);
		if (!adapters[i].device)
			return STATUS_UNSUCCESSFUL;
	}
	hand = make(driver, &names[TAP_ADAPTERS]);
	return hand ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
