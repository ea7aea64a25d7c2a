// SPDX-License-Identifier: GPL-2.0-only
/* NT's executive: strings, security, devices, callbacks, questions about the system. */
#include <linux/ktime.h>
#include <linux/workqueue.h>

#include "nt.h"

#define KERNEL_HANDLE	0x200		/* OBJ_KERNEL_HANDLE */

static int devices, links, registrations;
static atomic_t handles, references, work;	/* of several processes at once */
static bool secured;

/* ---- RtlXxx ---- */

NTAPI void nt_RtlInitUnicodeString(struct nt_string *string, u16 *text)
{
	u16 n = 0;

	while (text && text[n])
		n++;
	*string = (struct nt_string){ 2 * n, 2 * n + 2, text };
}

struct acl { u8 revision, unused; u16 bytes, count, unused2; };
struct descriptor { u8 revision, unused; u16 control; void *owner, *group; struct acl *sacl, *dacl; };

NTAPI NTSTATUS nt_RtlCreateSecurityDescriptor(struct descriptor *d, u32 revision)
{
	*d = (struct descriptor){ .revision = revision };
	return revision == 1 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTAPI NTSTATUS nt_RtlCreateAcl(struct acl *acl, u32 bytes, u32 revision)
{
	if (bytes % 4 || revision != 2)
		return STATUS_INVALID_PARAMETER;
	*acl = (struct acl){ .revision = revision, .bytes = bytes };
	return STATUS_SUCCESS;
}

/* An entry: header (type, flags, bytes), access mask, SID. The list's room is checked. */
NTAPI NTSTATUS nt_RtlAddAccessAllowedAce(struct acl *acl, u32 revision, u32 mask, u8 *sid)
{
	u8 *at = (u8 *)(acl + 1), *end = (u8 *)acl + acl->bytes;
	u32 bytes = 8 + 8 + 4 * sid[1], i;

	for (i = 0; i < acl->count; i++)
		at += *(u16 *)(at + 2);
	if (at + bytes > end)
		return STATUS_INSUFFICIENT_RESOURCES;
	memset(at, 0, 8);
	*(u16 *)(at + 2) = bytes;
	*(u32 *)(at + 4) = mask;
	memcpy(at + 8, sid, bytes - 8);
	acl->count++;
	return STATUS_SUCCESS;
}

NTAPI NTSTATUS nt_RtlSetDaclSecurityDescriptor(struct descriptor *d, u8 present, struct acl *dacl,
					       u8 defaulted)
{
	d->control = present ? 4 : 0;
	d->dacl = dacl;
	return STATUS_SUCCESS;
}

/* ---- objects: PASSIVE_LEVEL but for counting ---- */

NTAPI NTSTATUS nt_ObOpenObjectByPointer(void *object, u32 attributes, void *state, u32 access,
					void *type, u8 mode, void **handle)
{
	NT_IRQL(PASSIVE_LEVEL);
	if (!(attributes & KERNEL_HANDLE))
		nt_fault("a handle that user mode could use\n");
	atomic_inc(&handles);
	*handle = object;
	return STATUS_SUCCESS;
}

NTAPI NTSTATUS nt_ZwClose(void *handle)
{
	NT_IRQL(PASSIVE_LEVEL);
	atomic_dec(&handles);
	return STATUS_SUCCESS;
}

NTFAST long nt_ObfReferenceObject(void *object)
{
	return atomic_inc_return(&references);
}

NTFAST long nt_ObfDereferenceObject(void *object)
{
	return atomic_dec_return(&references);
}

/* DACL_SECURITY_INFORMATION, protected: what the device's opener has to be. */
NTAPI NTSTATUS nt_ZwSetSecurityObject(void *handle, u32 what, struct descriptor *d)
{
	static const u8 system[] = { 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0 };
	static const u8 administrators[] = { 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0 };
	const u8 *ace = (const u8 *)(d->dacl + 1);

	NT_IRQL(PASSIVE_LEVEL);
	secured = what == 0x80000004 && d->dacl->count == 2 &&
		  !memcmp(ace + 8, system, sizeof(system)) &&
		  !memcmp(ace + 8 + sizeof(system) + 8, administrators, sizeof(administrators));
	return STATUS_SUCCESS;
}

/* ---- devices ---- */

NTAPI NTSTATUS nt_IoCreateDevice(struct nt_driver_object *driver, u32 extension,
				 struct nt_string *name, u32 type, u32 characteristics,
				 u8 exclusive, void **device)
{
	NT_IRQL(APC_LEVEL);
	if (!(characteristics & 0x100))		/* FILE_DEVICE_SECURE_OPEN */
		nt_fault("a device whose names below it anybody opens\n");
	*device = kzalloc(0x200, GFP_KERNEL);
	if (!*device)
		return STATUS_INSUFFICIENT_RESOURCES;
	devices++;
	driver->device = *device;
	return STATUS_SUCCESS;
}

NTAPI void nt_IoDeleteDevice(void *device)
{
	NT_IRQL(APC_LEVEL);
	devices--;
	kfree(device);
}

NTAPI NTSTATUS nt_IoCreateSymbolicLink(struct nt_string *link, struct nt_string *target)
{
	NT_IRQL(PASSIVE_LEVEL);
	if (!secured)
		nt_fault("a device gets a name, and no security descriptor\n");
	links++;
	return STATUS_SUCCESS;
}

NTAPI NTSTATUS nt_IoDeleteSymbolicLink(struct nt_string *link)
{
	NT_IRQL(PASSIVE_LEVEL);
	if (!links)
		return STATUS_OBJECT_NAME_NOT_FOUND;
	links--;
	return STATUS_SUCCESS;
}

NTFAST void nt_IofCompleteRequest(struct nt_irp *irp, s8 boost)
{
	NT_IRQL(DISPATCH_LEVEL);
	nt_completed(irp);
}

NTAPI void *nt_IoGetCurrentProcess(void)
{
	return nt_current_process();
}

NTAPI void *nt_PsGetCurrentProcessId(void)
{
	return (void *)(long)nt_current_process()->pid;
}

NTAPI NTSTATUS nt_PsSetCreateProcessNotifyRoutine(void *routine, u8 remove)
{
	NT_IRQL(PASSIVE_LEVEL);
	if (!!nt_process_notify != !!remove)
		nt_fault("a routine is registered twice, or removed twice\n");
	nt_process_notify = remove ? NULL : routine;
	return STATUS_SUCCESS;
}

/* ---- work items and callbacks ---- */

struct item { struct work_struct work; NTAPI void (*routine)(void *, void *); void *device, *context; };

static void do_work(struct work_struct *work)
{
	struct item *item = container_of(work, struct item, work);

	item->routine(item->device, item->context);
}

NTAPI void *nt_IoAllocateWorkItem(void *device)
{
	struct item *item = kzalloc(sizeof(*item), GFP_ATOMIC);

	if (!item)
		return NULL;
	atomic_inc(&work);
	INIT_WORK(&item->work, do_work);
	item->device = device;
	return item;
}

NTAPI void nt_IoFreeWorkItem(struct item *item)
{
	atomic_dec(&work);
	kfree(item);
}

NTAPI void nt_IoQueueWorkItem(struct item *item, void *routine, u32 queue, void *context)
{
	item->routine = routine;
	item->context = context;
	schedule_work(&item->work);
}

static NTAPI void (*power)(void *context, void *what, void *value);

NTAPI NTSTATUS nt_ExCreateCallback(void **object, void *attributes, u8 create, u8 multiple)
{
	NT_IRQL(PASSIVE_LEVEL);
	atomic_inc(&references);
	*object = &power;
	return STATUS_SUCCESS;
}

NTAPI void *nt_ExRegisterCallback(void *object, void *routine, void *context)
{
	NT_IRQL(APC_LEVEL);
	registrations++;
	power = routine;
	return &registrations;
}

NTAPI void nt_ExUnregisterCallback(void *registration)
{
	NT_IRQL(APC_LEVEL);
	registrations--;
	power = NULL;
}

/* ---- questions ---- */

NTAPI void *nt_MmGetSystemRoutineAddress(struct nt_string *name)
{
	NT_IRQL(PASSIVE_LEVEL);
	return nt_routine(name);
}

#define SECONDS_TO_1970	11644473600ull

/* In 100 ns since 1601 (UTC); any IRQL */
static u64 system_time(void)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	return (now.tv_sec + SECONDS_TO_1970) * 10000000 + div_u64(now.tv_nsec, 100);
}

#ifndef CONFIG_X86_64		/* a header's, on 64 bits */
NTAPI void nt_KeQuerySystemTime(u64 *time)
{
	*time = system_time();
}
#endif

/* PASSIVE_LEVEL. Class 2: exactly or more; class 3: at most what it has. */
NTAPI NTSTATUS nt_ZwQuerySystemInformation(u32 class, void *buffer, u32 bytes, u32 *returned)
{
	NT_IRQL(PASSIVE_LEVEL);
	switch (class) {
	case 2:			/* SystemPerformanceInformation: AvailablePages */
		if (bytes < 312)
			return STATUS_INFO_LENGTH_MISMATCH;
		memset(buffer, 0, bytes);
		((u32 *)buffer)[11] = nt_free_pages();
		return STATUS_SUCCESS;
	case 3:			/* SystemTimeOfDayInformation, as Windows 2000 has it */
		if (bytes > 32)
			return STATUS_INFO_LENGTH_MISMATCH;
		memset(buffer, 0, bytes);
		((u64 *)buffer)[1] = system_time();
		return STATUS_SUCCESS;
	}
	return STATUS_INVALID_INFO_CLASS;
}

/* Its only use in the driver: one string. */
__attribute__((regparm(0)))
#ifdef CONFIG_X86_64
NTAPI
#endif
u32 nt_DbgPrint(const char *format, const char *text)
{
	if (strcmp(format, "colinux: %s\n"))
		nt_fault("words that are put together in another way: %s\n", format);
	else
		pr_info("colinux: %s\n", text);
	return 0;
}

void nt_system_exit(void)
{
	flush_scheduled_work();
	if (devices || links || registrations || atomic_read(&handles) ||
	    atomic_read(&references) || atomic_read(&work))
		nt_fault("left behind: %d devices, %d links, %d handles, %d references, %d work items, %d callbacks\n",
			 devices, links, atomic_read(&handles), atomic_read(&references),
			 atomic_read(&work), registrations);
	if (nt_process_notify)
		nt_fault("left behind: the routine for processes\n");
}
