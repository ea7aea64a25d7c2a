// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap: the daemon sees its guest's memory and the shared area's data pages.
 *
 * A mapping holds the file, and the file holds the machine: so memory cannot go
 * back to the pool while anybody can still reach it. fork does not pass mappings on.
 */
#include <linux/version.h>

#include "linux.h"

static void restrict_vma(struct vm_area_struct *vma, vm_flags_t set, vm_flags_t clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

/* What an offset names: its physical address, or 0. *flags: what mprotect must
 * never add. */
static u64 resolve(const struct co_vm *vm, u64 offset, u64 bytes, vm_flags_t *never)
{
	u64 devices = CO_DEVICE_PAGES * CO_PAGE_SIZE;

	*never = VM_MAYEXEC;
	if (offset == CO_MMAP_COMM && bytes == CO_PAGE_SIZE) {
		*never |= VM_MAYWRITE;
		return vm->area_phys + (CO_AREA_COMM - CO_AREA_STATE) * CO_PAGE_SIZE;
	}
	if (offset >= CO_MMAP_DEVICES && offset - CO_MMAP_DEVICES < devices &&
	    bytes <= devices - (offset - CO_MMAP_DEVICES))
		return vm->area_phys + (offset - CO_MMAP_DEVICES) +
		       (CO_AREA_DEVICES - CO_AREA_STATE) * CO_PAGE_SIZE;
	return co_vm_owns(vm, offset, bytes) ? offset : 0;
}

/* EPERM not the opener, EBUSY no CREATE yet, EINVAL not ours, or not shared, or
 * more access than there is to have. */
int co_linux_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct co_linux_vm *l = file->private_data;
	u64 bytes = vma->vm_end - vma->vm_start, phys;
	vm_flags_t never;
	int error;

	if (current->mm != l->mm)
		return -EPERM;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ||
	    vma->vm_pgoff > ULONG_MAX >> PAGE_SHIFT)
		return -EINVAL;
	mutex_lock(&l->lock);
	error = -EBUSY;
	if (l->vm.state == CO_VM_NEW)
		goto unlock;
	error = -EINVAL;
	phys = resolve(&l->vm, (u64)vma->vm_pgoff << PAGE_SHIFT, bytes, &never);
	if (!phys || (vma->vm_flags & VM_WRITE && never & VM_MAYWRITE))
		goto unlock;
	restrict_vma(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, never);
	error = remap_pfn_range(vma, vma->vm_start, phys >> PAGE_SHIFT, bytes,
				vma->vm_page_prot);
unlock:
	mutex_unlock(&l->lock);
	return error;
}
