// SPDX-License-Identifier: GPL-2.0-only
/*
 * One open file is one machine: from IRP_MJ_CREATE to IRP_MJ_CLOSE.
 *
 * NT tells three ends apart. CLEANUP comes with the last handle: nobody can ask for
 * anything new, but a thread may be in RUN still, and must come out. CLOSE comes when
 * that one has left, too. And the process may end while somebody else holds a
 * duplicate of its handle: mappings must be gone before its address space is.
 */
#include "nt.h"

static LIST_ENTRY machines;
static KMUTEX machines_lock;

void co_nt_machines_init(void)
{
	InitializeListHead(&machines);
	KeInitializeMutex(&machines_lock, 0);
}

NTSTATUS co_nt_complete(PIRP irp, NTSTATUS status, u32 bytes)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = bytes;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

static struct co_nt_vm *machine_of(PIRP irp)
{
	return IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
}

/* The device's security descriptor has let the caller in already. */
NTSTATUS NTAPI co_nt_open(PDEVICE_OBJECT device, PIRP irp)
{
	PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
	struct co_nt_vm *l;

	(void)device;
	if (file->FileName.Length)	/* a name below the device's */
		return co_nt_complete(irp, STATUS_OBJECT_NAME_NOT_FOUND, 0);
	l = co_os_alloc(sizeof(*l));
	if (!l)
		return co_nt_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
	KeInitializeMutex(&l->lock, 0);
	KeInitializeEvent(&l->idle, SynchronizationEvent, FALSE);
	InitializeListHead(&l->mappings);
	l->cpu = CO_NT_NO_CPU;
	l->synchronous = !!(file->Flags & FO_SYNCHRONOUS_IO);
	l->process = PsGetCurrentProcess();
	ObReferenceObject(l->process);
	l->process_id = PsGetCurrentProcessId();
	file->FsContext = l;
	co_nt_lock(&machines_lock);
	InsertTailList(&machines, &l->link);
	co_nt_unlock(&machines_lock);
	return co_nt_complete(irp, STATUS_SUCCESS, 0);
}

/* No request of anybody's from now on, no mapping; and RUN, if there is one, ends. */
static void abandon(struct co_nt_vm *l)
{
	co_publish(&l->gone, 1);
	co_vm_kick(&l->vm);
	co_nt_lock(&l->lock);
	co_nt_unmap_all(l);
	co_nt_unlock(&l->lock);
}

NTSTATUS NTAPI co_nt_cleanup(PDEVICE_OBJECT device, PIRP irp)
{
	(void)device;
	abandon(machine_of(irp));
	return co_nt_complete(irp, STATUS_SUCCESS, 0);
}

NTSTATUS NTAPI co_nt_close(PDEVICE_OBJECT device, PIRP irp)
{
	struct co_nt_vm *l = machine_of(irp);

	(void)device;
	co_nt_lock(&machines_lock);
	RemoveEntryList(&l->link);
	co_nt_unlock(&machines_lock);
	co_nt_fine_clock(l, 0);
	co_vm_destroy(&l->vm);
	co_nt_fpu_destroy(l);
	ObDereferenceObject(l->process);
	co_os_free(l);
	return co_nt_complete(irp, STATUS_SUCCESS, 0);
}

/* In the context of the process that ends, while it has its address space. */
VOID NTAPI co_nt_process_event(HANDLE parent, HANDLE process, BOOLEAN create)
{
	struct co_nt_vm *l;
	LIST_ENTRY *at;

	(void)parent;
	if (create)
		return;
	co_nt_lock(&machines_lock);
	for (at = machines.Flink; at != &machines; at = at->Flink) {
		l = CONTAINING_RECORD(at, struct co_nt_vm, link);
		if (l->process_id == process && l->process == PsGetCurrentProcess())
			abandon(l);
	}
	co_nt_unlock(&machines_lock);
}

/* The host has slept. */
void co_nt_walls(void)
{
	struct co_nt_vm *l;
	LIST_ENTRY *at;

	co_nt_lock(&machines_lock);
	for (at = machines.Flink; at != &machines; at = at->Flink) {
		l = CONTAINING_RECORD(at, struct co_nt_vm, link);
		co_nt_lock(&l->lock);
		co_vm_wall(&l->vm);
		co_nt_unlock(&l->lock);
	}
	co_nt_unlock(&machines_lock);
}
