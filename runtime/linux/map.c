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

/* What an offset names that is contiguous: its physical address, or 0. *never: what
 * mprotect must never add. */
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
	if (co_vm_is_pseudo_physical(vm))
		return 0;		/* map_i386 */
	return co_vm_owns(vm, offset, bytes) ? offset : 0;
}

/*
 * Memory of a guest that sees it from 0 on without holes, side by side as the guest
 * sees it; offset is guest-physical. A failure half-way is undone by the caller.
 */
static int map_i386(const struct co_vm *vm, struct vm_area_struct *vma, u64 offset, u64 bytes)
{
	unsigned long at = vma->vm_start;
	u64 piece;
	int error;
	u32 i;

	for (i = 0; i < vm->nranges && bytes; i++) {
		if (offset >= vm->range[i].bytes) {
			offset -= vm->range[i].bytes;
			continue;
		}
		piece = min(bytes, vm->range[i].bytes - offset);
		error = remap_pfn_range(vma, at, (vm->range[i].start + offset) >> PAGE_SHIFT,
					piece, vma->vm_page_prot);
		if (error)
			return error;
		at += piece;
		bytes -= piece;
		offset = 0;
	}
	return 0;
}

static bool is_memory_i386(const struct co_vm *vm, u64 offset, u64 bytes)
{
	u64 all = 0;
	u32 i;

	for (i = 0; i < vm->nranges; i++)
		all += vm->range[i].bytes;
	return co_vm_is_pseudo_physical(vm) && offset >= CO_MMAP_I386 &&
	       offset - CO_MMAP_I386 < all && bytes <= all - (offset - CO_MMAP_I386);
}

/* EPERM not who made the first request, EBUSY no CREATE yet, EINVAL not ours, or not shared, or
 * more access than there is to have. */
int co_linux_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct co_linux_vm *l = file->private_data;
	u64 bytes = vma->vm_end - vma->vm_start, phys, offset;
	vm_flags_t never;
	int error;

	if (current->mm != l->mm)
		return -EPERM;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ||
	    (u64)vma->vm_pgoff > ~0ull >> PAGE_SHIFT)
		return -EINVAL;
	mutex_lock(&l->lock);
	error = -EBUSY;
	if (l->vm.state == CO_VM_NEW)
		goto unlock;
	error = -EINVAL;
	offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	phys = resolve(&l->vm, offset, bytes, &never);
	if ((!phys && !is_memory_i386(&l->vm, offset, bytes)) ||
	    (vma->vm_flags & VM_WRITE && never & VM_MAYWRITE))
		goto unlock;
	restrict_vma(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, never);
	if (phys)
		error = remap_pfn_range(vma, vma->vm_start, phys >> PAGE_SHIFT, bytes,
					vma->vm_page_prot);
	else
		error = map_i386(&l->vm, vma, offset - CO_MMAP_I386, bytes);
unlock:
	mutex_unlock(&l->lock);
	return error;
}
