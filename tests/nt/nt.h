/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An NT kernel as far as colinux.sys asks for one, inside a Linux test host: for tests.
 *
 * The driver is the file that ships. What it imports is provided with NT's calling
 * convention, NT's structures and the behaviour that Microsoft documents of each (the
 * comment before it cites the rule); it is checked as Driver Verifier would: the caller's
 * IRQL, pool that is freed once and all of it, pages given back, locks let go. What it
 * imports and is not here stops the loading.
 *
 * What this does not show: whether NT's own scheduler, memory manager and interrupt code
 * live with a guest. Linux's do, under the names of NT's.
 */
#ifndef NT_H
#define NT_H

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#ifdef CONFIG_X86_64
#define NTAPI		__attribute__((ms_abi))
#define NTFAST		NTAPI
#else
#define NTAPI		__attribute__((stdcall, regparm(0)))
#define NTFAST		__attribute__((fastcall))
#endif

typedef s32 NTSTATUS;

#define STATUS_SUCCESS			0
#define STATUS_USER_APC			0xc0
#define STATUS_TIMEOUT			0x102
#define STATUS_UNSUCCESSFUL		((NTSTATUS)0xc0000001)
#define STATUS_INVALID_INFO_CLASS	((NTSTATUS)0xc0000003)
#define STATUS_INFO_LENGTH_MISMATCH	((NTSTATUS)0xc0000004)
#define STATUS_INVALID_PARAMETER	((NTSTATUS)0xc000000d)
#define STATUS_INVALID_DEVICE_REQUEST	((NTSTATUS)0xc0000010)
#define STATUS_CONFLICTING_ADDRESSES	((NTSTATUS)0xc0000018)
#define STATUS_ACCESS_DENIED		((NTSTATUS)0xc0000022)
#define STATUS_OBJECT_NAME_NOT_FOUND	((NTSTATUS)0xc0000034)
#define STATUS_INSUFFICIENT_RESOURCES	((NTSTATUS)0xc000009a)
#define STATUS_DEVICE_NOT_CONNECTED	((NTSTATUS)0xc000009d)
#define STATUS_DEVICE_BUSY		((NTSTATUS)0x80000011)
#define STATUS_NOT_SUPPORTED		((NTSTATUS)0xc00000bb)
#define STATUS_CANCELLED		((NTSTATUS)0xc0000120)

#define PASSIVE_LEVEL	0
#define APC_LEVEL	1
#define DISPATCH_LEVEL	2
#define HIGH_LEVEL	15

/* ---- NT's structures, as far as the driver looks into them (ntddk.h; WDK) ---- */

struct nt_string { u16 length, maximum; u16 *buffer; };

struct nt_driver_object {
	s16 type, size;
	void *device;
	u32 flags;
	void *start;
	u32 bytes;
	void *section, *extension;
	struct nt_string name;
	void *hardware, *fast_io, *init, *start_io;
	NTAPI void (*unload)(struct nt_driver_object *driver);
	void *major[28];
};

struct nt_file_object {
	s16 type, size;
	void *device, *vpb, *context, *context2, *sections, *cache;
	NTSTATUS final_status;
	void *related;
	u8 lock[8];
	u32 flags;
	struct nt_string name;
};

struct nt_irp {
	s16 type;
	u16 size;
	void *mdl;
	u32 flags;
	void *system_buffer;
	void *thread_list[2];
	union { NTSTATUS status; void *pointer; };
	unsigned long information;
	u8 mode, pending, stack_count, location, cancel, cancel_irql, environment, allocation;
	void *user_iosb, *user_event;
	union { void *apc[2]; s64 allocation_size; };
	void *cancel_routine, *user_buffer;
	void *context[4];
	void *thread, *auxiliary, *list[2];
	struct nt_stack *stack;
	void *original_file;
};

struct nt_stack {
	u8 major, minor, flags, control;
	unsigned long out, in, code;	/* ULONGs, each at a pointer's alignment */
	void *type3;
	void *device;
	struct nt_file_object *file;
	void *completion, *context;
};

struct nt_mdl {
	struct nt_mdl *next;
	s16 size, flags;
	void *process, *mapped, *start;
	u32 bytes, offset;
	unsigned long pfn[];
};

#ifdef CONFIG_X86_64
#define NT_OFFSET(type, field, wide, narrow) \
	static_assert(offsetof(struct type, field) == (wide), #type "." #field)
#else
#define NT_OFFSET(type, field, wide, narrow) \
	static_assert(offsetof(struct type, field) == (narrow), #type "." #field)
#endif
NT_OFFSET(nt_driver_object, unload, 0x68, 0x34);
NT_OFFSET(nt_driver_object, major, 0x70, 0x38);
NT_OFFSET(nt_file_object, context, 0x18, 0x0c);
NT_OFFSET(nt_file_object, flags, 0x50, 0x2c);
NT_OFFSET(nt_file_object, name, 0x58, 0x30);
NT_OFFSET(nt_irp, system_buffer, 0x18, 0x0c);
NT_OFFSET(nt_irp, status, 0x30, 0x18);
NT_OFFSET(nt_irp, stack, 0xb8, 0x60);
NT_OFFSET(nt_stack, in, 0x10, 0x08);
NT_OFFSET(nt_stack, file, 0x30, 0x18);
NT_OFFSET(nt_mdl, pfn, 0x30, 0x1c);

enum { IRP_MJ_CREATE = 0, IRP_MJ_CLOSE = 2, IRP_MJ_DEVICE_CONTROL = 14, IRP_MJ_CLEANUP = 18 };

/* ---- the harness's own ---- */

/* A process that has the device open: what NT calls EPROCESS. */
struct nt_process {
	struct list_head link;
	struct mm_struct *mm;		/* to compare with */
	int pid;
	int references;			/* the driver's */
	int files;
};

/* Something is not as NT's rules want it. The test host's log is examined for it. */
#define nt_fault(...)	WARN(1, "nt: " __VA_ARGS__)

u32 nt_irql(void);
/* The rule of a function: the caller's IRQL at most, by its documentation. */
#define NT_IRQL(most)	do {						\
		if (nt_irql() > (most))					\
			nt_fault("%s at IRQL %u\n", __func__, nt_irql());	\
	} while (0)

/* exports.c */
void *nt_export(const char *dll, const char *name);
void *nt_routine(const struct nt_string *name);
/* image.c */
int nt_image_load(void);
void nt_image_free(void);
void *nt_image_entry(void);
void *nt_image_at(u32 address);		/* relative to the image */
/* main.c */
unsigned long nt_symbol(const char *name);	/* of Linux's, exported or not; 0: none */
extern struct nt_driver_object nt_driver;
/* irp.c */
struct nt_process *nt_current_process(void);
void nt_completed(struct nt_irp *irp);
NTAPI NTSTATUS nt_map_view(u64 phys, unsigned long bytes, bool writable, void **base);
void *nt_hole(unsigned long bytes);
extern void *nt_process_notify;
int nt_device_open(void);
void nt_device_close(void);
/* memory.c */
void nt_memory_exit(void);		/* faults for what the driver still has */
int nt_memory_held(char *buffer);	/* a parameter's text */
void *nt_pool(unsigned long bytes);	/* a function's of NT's own, that the driver frees */
/* mdl.c */
int nt_pages_init(unsigned int reserve_mib);
void nt_pages_exit(void);		/* the same */
void nt_mdl_is_freed(const void *pool);
u64 nt_pages_end(void);			/* where the last one that there is ends */
u64 nt_free_pages(void);
u32 nt_chunks_taken(void);
u32 nt_mdls(void);
int nt_mappings(void);
/* objects.c, system.c */
void nt_objects_exit(void);
void nt_system_exit(void);

/* What exports.c lists. */
#define NT_EXPORTS(X)							\
	X(KeDelayExecutionThread) X(KeInitializeDpc)		\
	X(KeInitializeEvent) X(KeInitializeMutex)		\
	X(KeInsertQueueDpc) X(KeQueryActiveProcessors)		\
	X(KeReleaseMutex) X(KeRemoveQueueDpc)			\
	X(KeRevertToUserAffinityThread) X(KeSetEvent)		\
	X(KeSetImportanceDpc) X(KeSetSystemAffinityThread)	\
	X(KeSetTargetProcessorDpc) X(KeWaitForSingleObject)	\
	X(KeQueryPerformanceCounter) X(DbgPrint)			\
	X(ExAllocatePoolWithTag) X(ExCreateCallback)		\
	X(ExFreePool) X(ExFreePoolWithTag)			\
	X(ExRegisterCallback) X(ExSetTimerResolution)		\
	X(ExUnregisterCallback) X(IoAllocateMdl)		\
	X(IoAllocateWorkItem) X(IoBuildPartialMdl)		\
	X(IoCreateDevice) X(IoCreateSymbolicLink)		\
	X(IoDeleteDevice) X(IoDeleteSymbolicLink)			\
	X(IoFreeMdl) X(IoFreeWorkItem) X(IoGetCurrentProcess)	\
	X(IoQueueWorkItem) X(IofCompleteRequest)			\
	X(MmAllocateContiguousMemorySpecifyCache)			\
	X(MmAllocatePagesForMdl)					\
	X(MmFreeContiguousMemorySpecifyCache)			\
	X(MmFreePagesFromMdl) X(MmGetPhysicalAddress)		\
	X(MmGetPhysicalMemoryRanges) X(MmGetSystemRoutineAddress)	\
	X(MmMapLockedPagesSpecifyCache) X(MmUnmapLockedPages)	\
	X(ObOpenObjectByPointer) X(ObfDereferenceObject)		\
	X(ObfReferenceObject) X(PsGetCurrentProcessId)		\
	X(PsSetCreateProcessNotifyRoutine)				\
	X(RtlAddAccessAllowedAce) X(RtlCreateAcl)		\
	X(RtlCreateSecurityDescriptor) X(RtlInitUnicodeString)	\
	X(RtlSetDaclSecurityDescriptor) X(ZwAllocateVirtualMemory) \
	X(ZwClose) X(ZwFreeVirtualMemory) X(ZwMapViewOfSection) \
	X(ZwOpenSection) X(ZwQuerySystemInformation)		\
	X(ZwSetSecurityObject) X(ZwUnmapViewOfSection)

#endif /* NT_H */
