// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest kernel's file. Nothing in it is believed: each number is read
 * once, compared with the file's size or with the others, and each way in
 * which a file can be wrong has a message of its own.
 */
#include "kernel_parts.h"

#include <string.h>

/* A kernel larger than this is a damaged header, not a kernel. */
#define IMAGE_BYTES_MAX		(512ull << 20)
#define PHNUM_MAX		64u

int kernel_read_at(struct kernel_image *image, void *buffer, u64 bytes, u64 offset,
		   struct error *error)
{
	struct os_iov iov = { buffer, bytes };

	if (os_file_read(image->file, &iov, 1, offset) != OS_OK)
		return error_set(error, "%s: reading %llu bytes at offset %llu: %s", image->path,
				 (unsigned long long)bytes, (unsigned long long)offset,
				 os_last_error());
	return 0;
}

/* What else people hand to a loader, and what they should have handed. */
static int not_elf(struct kernel_image *image, const u8 *head, u64 bytes, struct error *error)
{
	u64 size = os_file_bytes(image->file);
	u8 magic[4];

	if (size >= 0x206 && !kernel_read_at(image, magic, 4, 0x202, error) && !memcmp(magic, "HdrS", 4))
		return error_set(error, "%s: is a compressed boot image (bzImage); give the uncompressed vmlinux of a cooperative kernel",
				 image->path);
	if (bytes >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return error_set(error, "%s: is compressed with gzip; give the uncompressed vmlinux",
				 image->path);
	return error_set(error, "%s: is not an ELF file; give the vmlinux of a cooperative kernel",
			 image->path);
}

/* The header and the program headers of a 32-bit file, in the wider form. */
static void widen_header(struct elf64_header *header)
{
	struct elf32_header narrow;

	memcpy(&narrow, header, sizeof(narrow));
	header->entry = narrow.entry;
	header->phoff = narrow.phoff;
	header->phentsize = narrow.phentsize;
	header->phnum = narrow.phnum;
}

static void widen_segments(struct elf64_segment *ph, u32 count)
{
	struct elf32_segment narrow[PHNUM_MAX];
	u32 i;

	memcpy(narrow, ph, count * sizeof(*narrow));
	for (i = 0; i < count; i++)
		ph[i] = (struct elf64_segment){
			.type = narrow[i].type, .flags = narrow[i].flags,
			.offset = narrow[i].offset, .vaddr = narrow[i].vaddr,
			.paddr = narrow[i].paddr, .filesz = narrow[i].filesz,
			.memsz = narrow[i].memsz, .align = narrow[i].align,
		};
}

static int check_header(struct kernel_image *image, struct elf64_header *header,
			struct error *error)
{
	u64 size = os_file_bytes(image->file);
	u64 have = size < sizeof(*header) ? size : sizeof(*header);
	u32 needed = sizeof(*header), segment = sizeof(struct elf64_segment);

	memset(header, 0, sizeof(*header));
	if (!size)
		return error_set(error, "%s: is empty", image->path);
	if (kernel_read_at(image, header, have, 0, error))
		return -1;
	if (have < 4 || memcmp(header->ident, ELF_MAGIC, 4))
		return not_elf(image, header->ident, have, error);
	image->is_i386 = have > ELF_IDENT_CLASS && header->ident[ELF_IDENT_CLASS] == ELF_CLASS_32;
	if (image->is_i386) {
		needed = sizeof(struct elf32_header);
		segment = sizeof(struct elf32_segment);
	}
	if (have < needed)
		return error_set(error, "%s: is truncated: the ELF header needs %u bytes, the file has %llu",
				 image->path, needed, (unsigned long long)size);
	if ((!image->is_i386 && header->ident[ELF_IDENT_CLASS] != ELF_CLASS_64) ||
	    header->ident[ELF_IDENT_DATA] != ELF_DATA_LSB)
		return error_set(error, "%s: ELF class %u, byte order %u: expected 64-bit or 32-bit, little-endian (2 or 1, 1)",
				 image->path, header->ident[ELF_IDENT_CLASS],
				 header->ident[ELF_IDENT_DATA]);
	if (header->machine != (image->is_i386 ? ELF_MACHINE_386 : ELF_MACHINE_X86_64))
		return error_set(error, "%s: is a %s-bit file for ELF machine %u; a guest is x86-64 (62) or i386 (3, in 32 bits)",
				 image->path, image->is_i386 ? "32" : "64", header->machine);
	if (image->is_i386)
		widen_header(header);
	if (header->type != ELF_TYPE_EXEC && header->type != ELF_TYPE_DYN)
		return error_set(error, "%s: ELF type %u: expected an executable (an object file was given?)",
				 image->path, header->type);
	if (header->phentsize != segment || !header->phnum || header->phnum > PHNUM_MAX)
		return error_set(error, "%s: %u program headers of %u bytes: expected 1 to %u of %u",
				 image->path, header->phnum, header->phentsize, PHNUM_MAX, segment);
	if (!kernel_inside(header->phoff, (u64)header->phnum * header->phentsize, size))
		return error_set(error, "%s: is truncated: the program headers end at offset %llu, the file has %llu bytes",
				 image->path,
				 (unsigned long long)(header->phoff + (u64)header->phnum * header->phentsize),
				 (unsigned long long)size);
	return 0;
}

/*
 * Where a segment goes in guest-physical memory: 1, or 0 and a message. An i386
 * kernel's is told by its virtual address, as 2.4's p_paddr is a virtual one, too;
 * its first megabyte is the loader's, the last of its memory the direct mapping's.
 */
static bool place_segment(struct kernel_image *image, u32 number, const struct elf64_segment *ph,
			  u64 *start, struct error *error)
{
	*start = ph->paddr;
	if (!image->is_i386)
		return true;
	*start = ph->vaddr - image->note.page_offset;
	if (ph->vaddr < image->note.page_offset || *start < KERNEL_I386_LOW ||
	    *start > KERNEL_I386_HIGH || ph->memsz > KERNEL_I386_HIGH - *start) {
		error_set(error, "%s: segment %u is at virtual address 0x%llx, %llu bytes: not between 1 and %llu MiB above 0x%x",
			  image->path, number, (unsigned long long)ph->vaddr,
			  (unsigned long long)ph->memsz, KERNEL_I386_HIGH >> 20,
			  image->note.page_offset);
		return false;
	}
	return true;
}

static int add_segment(struct kernel_image *image, u32 number, const struct elf64_segment *ph,
		       struct error *error)
{
	struct kernel_segment *segment;
	u64 start;
	u32 at;

	if (!ph->memsz)
		return 0;
	if (!place_segment(image, number, ph, &start, error))
		return -1;
	if (ph->filesz > ph->memsz)
		return error_set(error, "%s: segment %u holds %llu bytes but has room for %llu",
				 image->path, number, (unsigned long long)ph->filesz,
				 (unsigned long long)ph->memsz);
	if (!kernel_inside(ph->offset, ph->filesz, os_file_bytes(image->file)))
		return error_set(error, "%s: is truncated: segment %u is %llu bytes at offset %llu, the file has %llu bytes",
				 image->path, number, (unsigned long long)ph->filesz,
				 (unsigned long long)ph->offset,
				 (unsigned long long)os_file_bytes(image->file));
	if (ph->memsz > IMAGE_BYTES_MAX || start > ~0ull - 2 * IMAGE_BYTES_MAX)
		return error_set(error, "%s: segment %u is absurd: %llu bytes at physical address 0x%llx",
				 image->path, number, (unsigned long long)ph->memsz,
				 (unsigned long long)start);
	if (image->nsegments == KERNEL_SEGMENTS_MAX)
		return error_set(error, "%s: has more than %u segments to load", image->path,
				 KERNEL_SEGMENTS_MAX);
	/* kept in ascending order, whatever the file's order */
	for (at = image->nsegments; at && image->segment[at - 1].start > start; at--)
		image->segment[at] = image->segment[at - 1];
	segment = &image->segment[at];
	segment->offset = ph->offset;
	segment->file_bytes = ph->filesz;
	segment->memory_bytes = ph->memsz;
	segment->start = start;
	image->nsegments++;
	return 0;
}

static int check_layout(struct kernel_image *image, struct error *error)
{
	u32 i;

	if (!image->nsegments)
		return error_set(error, "%s: has nothing to load", image->path);
	for (i = 1; i < image->nsegments; i++) {
		const struct kernel_segment *a = &image->segment[i - 1], *b = a + 1;

		if (b->start - a->start < a->memory_bytes)
			return error_set(error, "%s: segments overlap at physical address 0x%llx",
					 image->path, (unsigned long long)b->start);
	}
	image->low = image->segment[0].start & ~(KERNEL_ALIGN - 1);
	image->high = image->segment[i - 1].start + image->segment[i - 1].memory_bytes;
	if (image->high - image->low > IMAGE_BYTES_MAX)
		return error_set(error, "%s: segments span %llu MiB of memory, more than any kernel does",
				 image->path, (unsigned long long)(image->high - image->low) >> 20);
	return 0;
}

static int read_segments(struct kernel_image *image, const struct elf64_header *header,
			 struct elf64_segment *ph, struct error *error)
{
	if (kernel_read_at(image, ph, (u64)header->phnum * header->phentsize, header->phoff, error))
		return -1;
	if (image->is_i386)
		widen_segments(ph, header->phnum);
	return 0;
}

static int find_note(struct kernel_image *image, const struct elf64_segment *ph, u32 count,
		     struct error *error)
{
	int found = 0;
	u32 i;

	for (i = 0; i < count && !found; i++)
		if (ph[i].type == ELF_SEGMENT_NOTE)
			found = kernel_find_note(image, &ph[i], i, error);
	if (!found)
		error_set(error, "%s: is not a cooperative kernel: it has no colinux note; build it with CONFIG_COLINUX_GUEST",
			  image->path);
	return found > 0 ? 0 : -1;
}

static int add_segments(struct kernel_image *image, const struct elf64_segment *ph, u32 count,
			struct error *error)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (ph[i].type == ELF_SEGMENT_LOAD && add_segment(image, i, &ph[i], error))
			return -1;
	return check_layout(image, error);
}

static int parse(struct kernel_image *image, struct error *error)
{
	struct elf64_segment ph[PHNUM_MAX];
	struct elf64_header header;

	if (check_header(image, &header, error) || read_segments(image, &header, ph, error))
		return -1;
	if (image->is_i386) {
		/* the note says where the segments go */
		if (find_note(image, ph, header.phnum, error) ||
		    kernel_check_page_offset(image, error) ||
		    add_segments(image, ph, header.phnum, error))
			return -1;
	} else if (add_segments(image, ph, header.phnum, error) ||
		   find_note(image, ph, header.phnum, error)) {
		return -1;
	}
	return kernel_check_note(image, header.entry, error);
}

int kernel_image_open(struct kernel_image *image, const char *path, struct error *error)
{
	memset(image, 0, sizeof(*image));
	image->path = path;
	image->file = os_file_open(path, OS_READ, false, error);
	if (!image->file)
		return -1;
	if (parse(image, error)) {
		kernel_image_close(image);
		return -1;
	}
	return 0;
}

void kernel_image_close(struct kernel_image *image)
{
	if (image->file)
		os_file_close(image->file);
	image->file = NULL;
}

u64 kernel_image_bytes(const struct kernel_image *image)
{
	return image->high - image->low;
}

int kernel_image_load(const struct kernel_image *image, struct guest_memory *memory, u64 base,
		      struct error *error)
{
	u32 i;

	for (i = 0; i < image->nsegments; i++) {
		const struct kernel_segment *segment = &image->segment[i];
		u8 *to = guest_memory_at(memory, segment->start - image->low + base,
					 segment->memory_bytes);
		struct os_iov iov = { to, segment->file_bytes };

		if (!to)
			return error_set(error, "the driver's memory has no room for the kernel at 0x%llx",
					 (unsigned long long)base);
		if (segment->file_bytes &&
		    os_file_read(image->file, &iov, 1, segment->offset) != OS_OK)
			return error_set(error, "%s: reading segment %u: %s", image->path, i,
					 os_last_error());
		memset(to + segment->file_bytes, 0, segment->memory_bytes - segment->file_bytes);
	}
	return 0;
}
