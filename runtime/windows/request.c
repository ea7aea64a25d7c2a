// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: IRP_MJ_DEVICE_CONTROL.
 *
 * Nothing is decided in here. Each request is checked for its caller and its lengths
 * and handed to the monitor. METHOD_BUFFERED: the system has made a copy of the
 * argument that user mode cannot reach, and carries it back.
 */
#include "nt.h"

NTSTATUS co_nt_status(int error)
{
	switch (error) {
	case 0:
		return STATUS_SUCCESS;
	case CO_E_INVAL:
		return STATUS_INVALID_PARAMETER;
	case CO_E_BUSY:
		return STATUS_DEVICE_BUSY;
	case CO_E_NOMEM:
		return STATUS_INSUFFICIENT_RESOURCES;
	case CO_E_INTR:
		return STATUS_CANCELLED;
	case CO_E_GONE:
		return STATUS_DEVICE_NOT_CONNECTED;
	case CO_E_HOST:
		return STATUS_NOT_SUPPORTED;
	}
	return STATUS_UNSUCCESSFUL;
}

static int request_version(struct co_nt_vm *l, void *arg)
{
	struct co_version *v = arg;

	(void)l;
	v->abi_version = CO_ABI_VERSION;
	co_zero(v->release, sizeof(v->release));
	co_copy(v->release, CO_RELEASE, sizeof(CO_RELEASE) - 1);
	return 0;
}
CO_CHECK(sizeof(CO_RELEASE) <= sizeof(((struct co_version *)0)->release), release_fits);

#define SYSTEM_ISOLATED_USER_MODE	165	/* a class of NtQuerySystemInformation */

/*
 * Does another kernel guard this one (virtualization-based security)? It would see
 * a guest's page tables and MSRs as an attack, and stop the machine. Windows 10 and
 * later; the first bit of the answer's 16 bytes: the secure kernel is running.
 */
static int is_guarded(void)
{
	u8 answer[16] = { 0 };

	if (co_nt_query(SYSTEM_ISOLATED_USER_MODE, answer, sizeof(answer)) || !(answer[0] & 1))
		return 0;
	co_os_log("this host cannot run guests: virtualization-based security is on "
		  "(core isolation, memory integrity, Credential Guard)");
	return 1;
}

static int request_create(struct co_nt_vm *l, void *arg)
{
	int error = CO_E_BUSY;

	if (l->synchronous) {
		co_os_log("the device was opened without FILE_FLAG_OVERLAPPED");
		return CO_E_INVAL;
	}
	if (is_guarded())
		return CO_E_HOST;
	co_nt_lock(&l->lock);
	if (!l->gone) {
		co_nt_calibrate();
		error = co_vm_create(&l->vm, arg);
		if (!error) {
			error = co_nt_fpu_create(l);
			if (error)
				co_vm_destroy(&l->vm);	/* as new */
		}
	}
	co_nt_unlock(&l->lock);
	return error;
}

static int request_start(struct co_nt_vm *l, void *arg)
{
	int error;

	co_nt_lock(&l->lock);
	error = co_vm_start(&l->vm, arg);
	if (!error)
		co_nt_fine_clock(l, 1);
	co_nt_unlock(&l->lock);
	return error;
}

static int request_run(struct co_nt_vm *l, void *arg)
{
	if (KeGetCurrentIrql() != PASSIVE_LEVEL)
		return CO_E_BUSY;
	co_nt_slice_begin(l);
	return co_vm_run(&l->vm, arg);
}

static int request_irq(struct co_nt_vm *l, void *arg)
{
	return co_vm_irq(&l->vm, arg);
}

static int request_kick(struct co_nt_vm *l, void *arg)
{
	(void)arg;
	return co_vm_kick(&l->vm);
}

static int request_stats(struct co_nt_vm *l, void *arg)
{
	co_vm_stats(&l->vm, arg);
	return 0;
}

static int request_pool(struct co_nt_vm *l, void *arg)
{
	(void)l;
	return co_pool_control(arg);
}

static int request_map(struct co_nt_vm *l, void *arg)
{
	int error = CO_E_BUSY;

	co_nt_lock(&l->lock);
	if (!l->gone)
		error = co_nt_map(l, arg);
	co_nt_unlock(&l->lock);
	return error;
}

static int request_unmap(struct co_nt_vm *l, void *arg)
{
	int error;

	co_nt_lock(&l->lock);
	error = co_nt_unmap(l, arg);
	co_nt_unlock(&l->lock);
	return error;
}

static int request_log(struct co_nt_vm *l, void *arg)
{
	(void)l;
	co_nt_last_log(arg);
	return 0;
}

static const struct request {
	u32 code;
	u32 in, out;		/* bytes, exactly */
	u32 anywhere;		/* outside of ring 0, too */
	int (*serve)(struct co_nt_vm *l, void *arg);
} requests[] = {
#define INPUT(nr, type, function)	{ CO_NT_IOC(nr), sizeof(struct type), 0, 0, function }
#define INOUT(nr, type, function) \
	{ CO_NT_IOC(nr), sizeof(struct type), sizeof(struct type), 0, function }
#define ANYWHERE(nr, type, function) \
	{ CO_NT_IOC(nr), sizeof(struct type), sizeof(struct type), 1, function }
	INOUT(CO_NR_RUN, co_run, request_run),
	INPUT(CO_NR_IRQ, co_irq, request_irq),
	{ CO_NT_IOC(CO_NR_KICK), 0, 0, 0, request_kick },
	ANYWHERE(CO_NR_VERSION, co_version, request_version),
	INOUT(CO_NR_CREATE, co_create, request_create),
	INPUT(CO_NR_START, co_start, request_start),
	ANYWHERE(CO_NR_STATS, co_stats, request_stats),
	INOUT(CO_NR_POOL, co_pool, request_pool),
	INOUT(CO_NR_MAP, co_map, request_map),
	INPUT(CO_NR_UNMAP, co_map, request_unmap),
	ANYWHERE(CO_NR_LOG, co_log, request_log),
};

static const struct request *find(u32 code)
{
	u32 i;

	for (i = 0; i < CO_ARRAY_SIZE(requests); i++)
		if (requests[i].code == code)
			return &requests[i];
	return NULL;
}

NTSTATUS NTAPI co_nt_control(PDEVICE_OBJECT device, PIRP irp)
{
	PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
	u32 in = stack->Parameters.DeviceIoControl.InputBufferLength;
	u32 out = stack->Parameters.DeviceIoControl.OutputBufferLength;
	const struct request *request = find(stack->Parameters.DeviceIoControl.IoControlCode);
	/* a driver may send what belongs to no open file */
	struct co_nt_vm *l = stack->FileObject ? stack->FileObject->FsContext : NULL;
	void *arg = irp->AssociatedIrp.SystemBuffer;
	NTSTATUS status;

	(void)device;
	if (!request)
		return co_nt_complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
	/* a child's inherited handle, or a duplicate; or the last one was just closed */
	if (!l || PsGetCurrentProcess() != l->process || co_read(&l->gone))
		return co_nt_complete(irp, STATUS_ACCESS_DENIED, 0);
	/* the structure's own size last: the other lengths say that it can be read */
	if (in != request->in || out != request->out || (in && (!arg || *(u32 *)arg != in)))
		return co_nt_complete(irp, STATUS_INVALID_PARAMETER, 0);
	if (!co_nt_ring0 && !request->anywhere)
		return co_nt_complete(irp, STATUS_NOT_SUPPORTED, 0);
	status = co_nt_status(request->serve(l, arg));
	return co_nt_complete(irp, status, NT_SUCCESS(status) ? out : 0);
}
