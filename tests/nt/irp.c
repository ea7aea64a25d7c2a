// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O manager, with /dev/colinux for its front: what the Linux daemon asks of
 * colinux.ko becomes the IRPs that colinux-daemon.exe's requests become on Windows.
 *
 * METHOD_BUFFERED, as documented: one system buffer as long as the longer of both, the
 * input copied in; the output copied out only where the status is no error. A request's
 * lengths are those that the daemon for Windows would give.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/uaccess.h>

#include "nt.h"
#include "../abi/colinux_ioctl.h"
#include "../windows/colinux_nt.h"

#define FO_SYNCHRONOUS_IO	2

/* For tests: any request, well-formed or not. */
struct nt_raw { u32 code, in, out; NTSTATUS status; u64 buffer; };
#define NT_RAW	_IOWR('N', 1, struct nt_raw)
/* The same as a driver can send it: of no open file. */
#define NT_RAW_NO_FILE	_IOWR('N', 2, struct nt_raw)

struct opened {
	struct nt_file_object object;
	struct nt_process *process;
};

/* A view that the driver has made, and whose. */
struct view { struct list_head link; struct nt_process *process; unsigned long base; };

/* mmap in progress: where the driver's views are to be. */
struct mapping { struct list_head link; struct task_struct *task; struct vm_area_struct *vma; };

void *nt_process_notify;

static LIST_HEAD(processes);
static LIST_HEAD(views);
static LIST_HEAD(mappings);
static DEFINE_MUTEX(lock);		/* all three, and files */
static DEFINE_MUTEX(ending);
static struct nt_process idle = { .pid = 4 };	/* whoever has no memory: "System" */
static struct nt_process *ended;	/* for whom the notification is, */
static struct task_struct *ender;	/* who makes it */

/* ---- processes ---- */

struct nt_process *nt_current_process(void)
{
	struct nt_process *p, *found = &idle;

	if (READ_ONCE(ender) == current)
		return ended;
	mutex_lock(&lock);
	list_for_each_entry(p, &processes, link)
		if (current->mm && p->mm == current->mm)
			found = p;
	mutex_unlock(&lock);
	return found;
}

static struct nt_process *get_process(void)
{
	struct nt_process *p, *found = NULL;

	mutex_lock(&lock);
	list_for_each_entry(p, &processes, link)
		if (p->mm == current->mm)
			found = p;
	if (!found) {
		found = kzalloc(sizeof(*found), GFP_KERNEL);
		if (found) {
			found->mm = current->mm;
			mmgrab(found->mm);
			found->pid = current->tgid;
			list_add(&found->link, &processes);
		}
	}
	if (found)
		found->files++;
	mutex_unlock(&lock);
	return found;
}

static void put_process(struct nt_process *p)
{
	bool last;

	mutex_lock(&lock);
	last = !--p->files;
	if (last)
		list_del(&p->link);
	mutex_unlock(&lock);
	if (!last)
		return;
	mmdrop(p->mm);
	kfree(p);
}

/* PsSetCreateProcessNotifyRoutine: in the context of a process that ends. */
static void notify(struct nt_process *p)
{
	NTAPI void (*routine)(void *parent, void *process, u8 create) = nt_process_notify;

	mutex_lock(&ending);
	ended = p;
	WRITE_ONCE(ender, current);
	routine(NULL, (void *)(long)p->pid, 0);
	WRITE_ONCE(ender, NULL);
	mutex_unlock(&ending);
}

/* ---- IRPs ---- */

static NTSTATUS send(struct opened *o, u32 major, u32 code, void *buffer, u32 in, u32 out,
		     u32 *information)
{
	NTAPI NTSTATUS (*dispatch)(void *device, struct nt_irp *irp) = nt_driver.major[major];
	struct nt_stack stack = { .major = major, .file = o ? &o->object : NULL, .device = nt_driver.device };
	struct nt_irp irp = { .size = sizeof(irp), .stack = &stack, .stack_count = 1, .location = 1,
			      .mode = 1, .system_buffer = buffer };
	NTSTATUS status;

	stack.in = in;
	stack.out = out;
	stack.code = code;
	status = dispatch(nt_driver.device, &irp);
	if (!irp.pending || status != irp.status)
		nt_fault("an IRP of kind %u comes back with %x, completed with %x\n", major, status,
			 irp.status);
	if (nt_irql())
		nt_fault("an IRP comes back at IRQL %u\n", nt_irql());
	if (irp.information > out)
		nt_fault("more output than there is room for\n");
	if (information)
		*information = irp.information;
	return irp.status;
}

/* `pending` serves to know that it was completed, once. */
void nt_completed(struct nt_irp *irp)
{
	if (irp->pending)
		nt_fault("an IRP is completed twice\n");
	irp->pending = 1;
}

static int to_errno(NTSTATUS status)
{
	switch (status) {
	case STATUS_SUCCESS:
		return 0;
	case STATUS_INVALID_PARAMETER:
		return -EINVAL;
	case STATUS_DEVICE_BUSY:
		return -EBUSY;
	case STATUS_INVALID_DEVICE_REQUEST:
		return -ENOTTY;
	case STATUS_ACCESS_DENIED:
		return -EPERM;
	case STATUS_INSUFFICIENT_RESOURCES:
		return -ENOMEM;
	case STATUS_CANCELLED:
		return -EINTR;
	case STATUS_DEVICE_NOT_CONNECTED:
		return -ENODEV;
	case STATUS_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	}
	return -EIO;
}

static NTSTATUS control(struct opened *o, u32 code, void __user *user, u32 in, u32 out, int *fault)
{
	void *buffer = in || out ? kzalloc(max(in, out), GFP_KERNEL) : NULL;
	NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
	u32 n = 0;

	*fault = 0;
	if ((in || out) && !buffer)
		return status;
	if (in && copy_from_user(buffer, user, in))
		*fault = -EFAULT;
	else
		status = send(o, IRP_MJ_DEVICE_CONTROL, code, buffer, in, out, &n);
	if (!*fault && (u32)status < 0xc0000000u && n && copy_to_user(user, buffer, n))
		*fault = -EFAULT;
	kfree(buffer);
	return status;
}

static long nt_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct opened *o = file->private_data;
	struct nt_raw raw;
	NTSTATUS status;
	int fault;

	if (cmd == NT_RAW || cmd == NT_RAW_NO_FILE) {
		if (copy_from_user(&raw, (void __user *)user, sizeof(raw)))
			return -EFAULT;
		raw.status = control(cmd == NT_RAW ? o : NULL, raw.code, u64_to_user_ptr(raw.buffer), raw.in, raw.out,
				     &fault);
		if (!fault && copy_to_user((void __user *)user, &raw, sizeof(raw)))
			fault = -EFAULT;
		return fault;
	}
	if (_IOC_TYPE(cmd) != 'C')
		return -ENOTTY;
	status = control(o, CO_NT_IOC(_IOC_NR(cmd)), (void __user *)user, _IOC_SIZE(cmd),
			 _IOC_DIR(cmd) & _IOC_READ ? _IOC_SIZE(cmd) : 0, &fault);
	return fault ?: to_errno(status);
}

/* ---- views ---- */

static struct vm_area_struct *mapping_now(void)
{
	struct vm_area_struct *vma = NULL;
	struct mapping *m;

	mutex_lock(&lock);
	list_for_each_entry(m, &mappings, link)
		if (m->task == current)
			vma = m->vma;
	mutex_unlock(&lock);
	return vma;
}

NTAPI NTSTATUS nt_ZwOpenSection(void **handle, u32 access, void *attributes)
{
	extern NTAPI NTSTATUS nt_ObOpenObjectByPointer(void *object, u32 attributes, void *state,
						       u32 access, void *type, u8 mode,
						       void **handle);

	return nt_ObOpenObjectByPointer(&views, 0x200, NULL, access, NULL, 0, handle);
}

/* Section offset and address are multiples of 64 KiB; what lies outside of the caller's
 * mapping is not shown to it. */
NTAPI NTSTATUS nt_ZwMapViewOfSection(void *section, void *process, void **base, unsigned long zero,
				     unsigned long commit, s64 *offset, unsigned long *bytes,
				     u32 inherit, u32 type, u32 protection)
{
	struct vm_area_struct *vma = mapping_now();
	unsigned long at = (unsigned long)*base, skip, n = *bytes;
	u64 phys = *offset;
	struct view *view;

	NT_IRQL(PASSIVE_LEVEL);
	if (*offset & 0xffff || inherit != 2 || process != (void *)-1L)
		nt_fault("a view that NT would refuse\n");
	if (!vma)
		return STATUS_CONFLICTING_ADDRESSES;
	/* the caller's first page is what a piece without a fixed place begins with */
	skip = at ? 0 : n - (vma->vm_end - vma->vm_start);
	if (!at)
		at = vma->vm_start - skip;
	view = kzalloc(sizeof(*view), GFP_KERNEL);
	if (!view)
		return STATUS_INSUFFICIENT_RESOURCES;
	if (remap_pfn_range(vma, at + skip, (phys + skip) >> PAGE_SHIFT, n - skip,
			    vma->vm_page_prot)) {
		kfree(view);
		return STATUS_CONFLICTING_ADDRESSES;
	}
	view->process = nt_current_process();
	view->base = at;
	mutex_lock(&lock);
	list_add(&view->link, &views);
	mutex_unlock(&lock);
	*base = (void *)at;
	return STATUS_SUCCESS;
}

/* By the process's handle, here its address; -1 is the current one. */
NTAPI NTSTATUS nt_ZwUnmapViewOfSection(void *process, void *base)
{
	struct nt_process *owner = process == (void *)-1L ? nt_current_process() : process;
	struct view *view, *found = NULL;

	NT_IRQL(PASSIVE_LEVEL);
	mutex_lock(&lock);
	list_for_each_entry(view, &views, link)
		if (view->process == owner && view->base == (unsigned long)base)
			found = view;
	if (found)
		list_del(&found->link);
	mutex_unlock(&lock);
	if (!found)
		nt_fault("no view at %px\n", base);
	kfree(found);
	return STATUS_SUCCESS;
}

NTAPI NTSTATUS nt_ZwAllocateVirtualMemory(void *process, void **base, unsigned long zero,
					  unsigned long *bytes, u32 type, u32 protection)
{
	struct vm_area_struct *vma = mapping_now();

	NT_IRQL(PASSIVE_LEVEL);
	*base = vma ? (void *)vma->vm_start : NULL;
	return vma ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTAPI NTSTATUS nt_ZwFreeVirtualMemory(void *process, void **base, unsigned long *bytes, u32 type)
{
	NT_IRQL(PASSIVE_LEVEL);
	return STATUS_SUCCESS;
}

/* Linux's mmap is a MAP whose views are put where Linux wants them. They go with the
 * mapping, and the mapping holds the file: so before CLEANUP. */
static int nt_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct opened *o = file->private_data;
	struct mapping m = { .task = current, .vma = vma };
	struct co_map map = {
		.size = sizeof(map),
		.writable = !!(vma->vm_flags & VM_WRITE),
		.offset = (u64)vma->vm_pgoff << PAGE_SHIFT,
		.bytes = vma->vm_end - vma->vm_start,
	};
	NTSTATUS status;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	vma->vm_flags = (vma->vm_flags | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP) &
			~(VM_MAYEXEC | (map.writable ? 0 : VM_MAYWRITE));
	mutex_lock(&lock);
	list_add(&m.link, &mappings);
	mutex_unlock(&lock);
	status = send(o, IRP_MJ_DEVICE_CONTROL, CO_NT_IOC(CO_NR_MAP), &map, sizeof(map),
		      sizeof(map), NULL);
	mutex_lock(&lock);
	list_del(&m.link);
	mutex_unlock(&lock);
	if (!status && map.address != vma->vm_start)
		nt_fault("MAP answers %llx for %lx\n", map.address, vma->vm_start);
	return to_errno(status);
}

/* ---- files ---- */

/* The device's descriptor lets administrators in. */
static int nt_open(struct inode *inode, struct file *file)
{
	struct opened *o;
	NTSTATUS status;

	if (!capable(CAP_SYS_RAWIO) || !current->mm)
		return -EPERM;
	o = kzalloc(sizeof(*o), GFP_KERNEL);
	if (!o)
		return -ENOMEM;
	o->process = get_process();
	if (!o->process) {
		kfree(o);
		return -ENOMEM;
	}
	o->object.flags = file->f_flags & O_SYNC ? FO_SYNCHRONOUS_IO : 0;
	status = send(o, IRP_MJ_CREATE, 0, NULL, 0, 0, NULL);
	if (status) {
		put_process(o->process);
		kfree(o);
		return to_errno(status);
	}
	file->private_data = o;
	return nonseekable_open(inode, file);
}

/* A process that ends is told of first; then its handles are closed. */
static int nt_release(struct inode *inode, struct file *file)
{
	struct opened *o = file->private_data;

	if (current->flags & PF_EXITING)
		notify(o->process);
	send(o, IRP_MJ_CLEANUP, 0, NULL, 0, 0, NULL);
	send(o, IRP_MJ_CLOSE, 0, NULL, 0, 0, NULL);
	put_process(o->process);
	kfree(o);
	return 0;
}

static const struct file_operations nt_fops = {
	.owner = THIS_MODULE,
	.open = nt_open,
	.release = nt_release,
	.unlocked_ioctl = nt_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = nt_mmap,
};

static struct miscdevice nt_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "colinux",
	.fops = &nt_fops,
	.mode = 0600,
};

int nt_device_open(void)
{
	return misc_register(&nt_device);
}

void nt_device_close(void)
{
	misc_deregister(&nt_device);
	if (!list_empty(&views))
		nt_fault("left behind: views of guest memory\n");
}
