// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NT driver's outside: its device, what it wants to hear of, its end.
 *
 * Everything is imported that Windows 2000 (x86) and Windows XP x64 have; what only
 * later ones offer is looked up when it is needed (co_nt_routine).
 */
#include "nt.h"
#include "../monitor/cpu.h"

u32 co_nt_ring0;

static PCALLBACK_OBJECT power_object;
static PVOID power;
static PDEVICE_OBJECT device;
static u32 watching;		/* processes, as they end */
static u32 linked;		/* user mode has a name for the device, and it is ours */

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry);

/* ---- host sleep: afterwards, guests' wall clocks are late ---- */

static VOID NTAPI after_sleep(PDEVICE_OBJECT unused, PVOID item)
{
	(void)unused;
	co_nt_walls();
	IoFreeWorkItem(item);
}

/* May come at DISPATCH_LEVEL; the work is PASSIVE_LEVEL's. */
static VOID NTAPI power_event(PVOID unused, PVOID what, PVOID value)
{
	PIO_WORKITEM item;

	(void)unused;
	/* S0 is left (0) or has been reached again (1) */
	if (what != (PVOID)(ULONG_PTR)PO_CB_SYSTEM_STATE_LOCK || value != (PVOID)1)
		return;
	item = IoAllocateWorkItem(device);
	if (item)
		IoQueueWorkItem(item, after_sleep, DelayedWorkQueue, item);
}

/* Nobody is lost if it cannot be had: clocks are late then. */
static void watch_power(void)
{
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING name;

	RtlInitUnicodeString(&name, L"\\Callback\\PowerState");
	InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
				   NULL, NULL);
	if (!NT_SUCCESS(ExCreateCallback(&power_object, &attributes, FALSE, TRUE))) {
		power_object = NULL;
		return;
	}
	power = ExRegisterCallback(power_object, power_event, NULL);
}

static void unwatch_power(void)
{
	if (power)
		ExUnregisterCallback(power);
	if (power_object)
		ObDereferenceObject(power_object);
	power = NULL;
	power_object = NULL;
}

/* ---- beginning and end ---- */

/* The exact reverse of DriverEntry; no handle is open any more. */
static void leave(void)
{
	UNICODE_STRING link;

	RtlInitUnicodeString(&link, CO_NT_LINK_NAME);
	if (linked)		/* one that was there before us is somebody else's */
		IoDeleteSymbolicLink(&link);
	linked = 0;
	if (co_nt_ring0) {
		unwatch_power();
		if (watching)
			PsSetCreateProcessNotifyRoutine(co_nt_process_event, TRUE);
		watching = 0;
		co_pool_destroy();
		co_nt_map_exit();
		co_nt_cpu_exit();
	}
	co_nt_memory_exit();
	IoDeleteDevice(device);
	device = NULL;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
	(void)driver;
	leave();
}

/* What a driver outside of ring 0 has no use for, and its emulation may not offer. */
static NTSTATUS enter_ring0(void)
{
	NTSTATUS status = co_nt_map_init();

	if (!NT_SUCCESS(status))
		return status;
	co_nt_cpu_init();
	co_nt_clock_init();
	/* Without it a mapping would outlive its process: there is no driver then. */
	status = PsSetCreateProcessNotifyRoutine(co_nt_process_event, FALSE);
	if (!NT_SUCCESS(status))
		return status;
	watching = 1;
	watch_power();
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry)
{
	UNICODE_STRING name, link;
	NTSTATUS status;

	(void)registry;
	co_nt_ring0 = !(co_read_cs() & 3);	/* the CPL */
	co_nt_log_init();
	co_nt_machines_init();
	status = co_nt_memory_init();
	if (!NT_SUCCESS(status))
		return status;
	RtlInitUnicodeString(&name, CO_NT_DEVICE_NAME);
	RtlInitUnicodeString(&link, CO_NT_LINK_NAME);
	/* SECURE_OPEN: the descriptor also counts for names below the device's */
	status = IoCreateDevice(driver, 0, &name, CO_NT_DEVICE_TYPE, FILE_DEVICE_SECURE_OPEN,
				FALSE, &device);
	if (!NT_SUCCESS(status)) {
		co_nt_memory_exit();
		return status;
	}
	/* Until DriverEntry returns, the device is being initialized: nobody opens it. */
	status = co_nt_secure(device);
	if (!NT_SUCCESS(status) && co_nt_ring0)
		goto leave;
	if (co_nt_ring0) {
		status = enter_ring0();
		if (!NT_SUCCESS(status))
			goto leave;
	} else {
		co_os_log("this is no NT kernel, but an emulation of one in user mode: "
			  "no guest can run here");
	}
	driver->MajorFunction[IRP_MJ_CREATE] = co_nt_open;
	driver->MajorFunction[IRP_MJ_CLEANUP] = co_nt_cleanup;
	driver->MajorFunction[IRP_MJ_CLOSE] = co_nt_close;
	driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = co_nt_control;
	driver->DriverUnload = unload;
	status = IoCreateSymbolicLink(&link, &name);
	if (!NT_SUCCESS(status))
		goto leave;
	linked = 1;
	return STATUS_SUCCESS;
leave:
	leave();
	return status;
}
