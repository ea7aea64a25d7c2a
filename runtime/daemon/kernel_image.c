// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest kernel's file. Nothing in it is believed: each number is read
 * once, compared with the file's size or with the others, and each way in
 * which a file can be wrong has a message of its own.
 */
#include "kernel_image.h"

#include <string.h>

#include "elf64.h"

/* A kernel larger than this is a damaged header, not a kernel. */
#define IMAGE_BYTES_MAX		(512ull << 20)
#define NOTES_BYTES_MAX		(64u << 10)
#define PHNUM_MAX		64u

static int read_at(struct kernel_image *image, void *buffer, u64 bytes, u64 offset,
		   struct error *error)
{
	struct os_iov iov = { buffer, bytes };

	if (os_file_read(image->file, &iov, 1, offset) != OS_OK)
		return error_set(error, "%s: reading %llu bytes at offset %llu: %s", image->path,
				 (unsigned long long)bytes, (unsigned long long)offset,
				 os_last_error());
	return 0;
}

/* Does [offset, offset + bytes) lie in a file of that size? Overflow included. */
static bool inside(u64 offset, u64 bytes, u64 size)
{
	return offset <= size && bytes <= size - offset;
}

/* What else people hand to a loader, and what they should have handed. */
static int not_elf(struct kernel_image *image, const u8 *head, u64 bytes, struct error *error)
{
	u64 size = os_file_bytes(image->file);
	u8 magic[4];

	if (size >= 0x206 && !read_at(image, magic, 4, 0x202, error) && !memcmp(magic, "HdrS", 4))
		return error_set(error, "%s: is a compressed boot image (bzImage); give the uncompressed vmlinux of a cooperative kernel",
				 image->path);
	if (bytes >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return error_set(error, "%s: is compressed with gzip; give the uncompressed vmlinux",
				 image->path);
	return error_set(error, "%s: is not an ELF file; give the vmlinux of a cooperative kernel",
			 image->path);
}

static int check_header(struct kernel_image *image, struct elf64_header *header,
			struct error *error)
{
	u64 size = os_file_bytes(image->file);
	u64 have = size < sizeof(*header) ? size : sizeof(*header);

	memset(header, 0, sizeof(*header));
	if (!size)
		return error_set(error, "%s: is empty", image->path);
	if (read_at(image, header, have, 0, error))
		return -1;
	if (have < 4 || memcmp(header->ident, ELF_MAGIC, 4))
		return not_elf(image, header->ident, have, error);
	if (have > ELF_IDENT_CLASS && header->ident[ELF_IDENT_CLASS] == ELF_CLASS_32)
		return error_set(error, "%s: is 32-bit; this host driver boots 64-bit guests",
				 image->path);
	if (have < sizeof(*header))
		return error_set(error, "%s: is truncated: the ELF header needs %u bytes, the file has %llu",
				 image->path, (u32)sizeof(*header), (unsigned long long)size);
	if (header->ident[ELF_IDENT_CLASS] != ELF_CLASS_64 ||
	    header->ident[ELF_IDENT_DATA] != ELF_DATA_LSB)
		return error_set(error, "%s: ELF class %u, byte order %u: expected 64-bit little-endian (2, 1)",
				 image->path, header->ident[ELF_IDENT_CLASS],
				 header->ident[ELF_IDENT_DATA]);
	if (header->machine != ELF_MACHINE_X86_64)
		return error_set(error, "%s: is for ELF machine %u; this host driver boots x86-64 guests (62)",
				 image->path, header->machine);
	if (header->type != ELF_TYPE_EXEC && header->type != ELF_TYPE_DYN)
		return error_set(error, "%s: ELF type %u: expected an executable (an object file was given?)",
				 image->path, header->type);
	if (header->phentsize != sizeof(struct elf64_segment) || !header->phnum ||
	    header->phnum > PHNUM_MAX)
		return error_set(error, "%s: %u program headers of %u bytes: expected 1 to %u of %u",
				 image->path, header->phnum, header->phentsize, PHNUM_MAX,
				 (u32)sizeof(struct elf64_segment));
	if (!inside(header->phoff, (u64)header->phnum * header->phentsize, size))
		return error_set(error, "%s: is truncated: the program headers end at offset %llu, the file has %llu bytes",
				 image->path,
				 (unsigned long long)(header->phoff + (u64)header->phnum * header->phentsize),
				 (unsigned long long)size);
	return 0;
}

static int add_segment(struct kernel_image *image, u32 number, const struct elf64_segment *ph,
		       struct error *error)
{
	struct kernel_segment *segment;
	u32 at;

	if (!ph->memsz)
		return 0;
	if (ph->filesz > ph->memsz)
		return error_set(error, "%s: segment %u holds %llu bytes but has room for %llu",
				 image->path, number, (unsigned long long)ph->filesz,
				 (unsigned long long)ph->memsz);
	if (!inside(ph->offset, ph->filesz, os_file_bytes(image->file)))
		return error_set(error, "%s: is truncated: segment %u is %llu bytes at offset %llu, the file has %llu bytes",
				 image->path, number, (unsigned long long)ph->filesz,
				 (unsigned long long)ph->offset,
				 (unsigned long long)os_file_bytes(image->file));
	if (ph->memsz > IMAGE_BYTES_MAX || ph->paddr > ~0ull - 2 * IMAGE_BYTES_MAX)
		return error_set(error, "%s: segment %u is absurd: %llu bytes at physical address 0x%llx",
				 image->path, number, (unsigned long long)ph->memsz,
				 (unsigned long long)ph->paddr);
	if (image->nsegments == KERNEL_SEGMENTS_MAX)
		return error_set(error, "%s: has more than %u segments to load", image->path,
				 KERNEL_SEGMENTS_MAX);
	/* kept in ascending order, whatever the file's order */
	for (at = image->nsegments; at && image->segment[at - 1].start > ph->paddr; at--)
		image->segment[at] = image->segment[at - 1];
	segment = &image->segment[at];
	segment->offset = ph->offset;
	segment->file_bytes = ph->filesz;
	segment->memory_bytes = ph->memsz;
	segment->start = ph->paddr;
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

/* Does one segment hold all of [start, start + bytes)? */
static bool in_image(const struct kernel_image *image, u64 start, u64 bytes)
{
	u32 i;

	for (i = 0; i < image->nsegments; i++) {
		const struct kernel_segment *segment = &image->segment[i];

		if (start >= segment->start &&
		    inside(start - segment->start, bytes, segment->memory_bytes))
			return true;
	}
	return false;
}

/* Looks for our note in one PT_NOTE segment: 1 found, 0 not here, -1 error. */
static int find_note(struct kernel_image *image, const struct elf64_segment *ph, u32 number,
		     struct error *error)
{
	static u8 notes[NOTES_BYTES_MAX];
	u64 bytes = ph->filesz, at = 0;

	if (!inside(ph->offset, bytes, os_file_bytes(image->file)))
		return error_set(error, "%s: is truncated: note segment %u is %llu bytes at offset %llu, the file has %llu bytes",
				 image->path, number, (unsigned long long)bytes,
				 (unsigned long long)ph->offset,
				 (unsigned long long)os_file_bytes(image->file));
	if (bytes > sizeof(notes))
		return error_set(error, "%s: note segment %u has %llu bytes, more than any kernel's",
				 image->path, number, (unsigned long long)bytes);
	if (read_at(image, notes, bytes, ph->offset, error))
		return -1;
	while (bytes - at >= sizeof(struct elf_note)) {
		struct elf_note note;
		u64 name, desc, align = ph->align == 8 ? 8 : 4;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		desc = (name + note.namesz + align - 1) & ~(align - 1);
		if (note.namesz > bytes || note.descsz > bytes || desc > bytes ||
		    note.descsz > bytes - desc)
			return error_set(error, "%s: note segment %u: the note at its offset %llu reaches beyond its end",
					 image->path, number, (unsigned long long)at);
		if (note.type == CO_NOTE_TYPE && note.namesz == CO_NOTE_OWNER_SIZE &&
		    !memcmp(notes + name, CO_NOTE_OWNER, CO_NOTE_OWNER_SIZE)) {
			if (note.descsz < sizeof(u32))
				return error_set(error, "%s: the colinux note is empty", image->path);
			/* the version comes first, in every version */
			memcpy(&image->note.abi_version, notes + desc, sizeof(u32));
			if (image->note.abi_version != CO_ABI_VERSION)
				return error_set(error, "%s: was built for ABI version %u, this daemon speaks version %u; build both from one release",
						 image->path, image->note.abi_version, CO_ABI_VERSION);
			if (note.descsz != sizeof(struct co_note))
				return error_set(error, "%s: the colinux note has %u bytes, expected %u",
						 image->path, note.descsz, (u32)sizeof(struct co_note));
			memcpy(&image->note, notes + desc, sizeof(struct co_note));
			return 1;
		}
		at = (desc + note.descsz + align - 1) & ~(align - 1);
		if (at > bytes)
			break;
	}
	return 0;
}

static int check_note(struct kernel_image *image, struct error *error)
{
	const struct co_note *note = &image->note;
	u64 first = note->area_va, last = first + (u64)CO_AREA_PAGES * CO_PAGE_SIZE - 1;

	/* canonical in 4-level paging too, which 5-level paging contains */
	if (first % CO_PAGE_SIZE || first < 0xffff800000000000ull || last < first)
		return error_set(error, "%s: its colinux note puts the shared area at 0x%llx, no page in a kernel's half",
				 image->path, (unsigned long long)first);
	if (note->area_pte % sizeof(u64) ||
	    note->area_pte % CO_PAGE_SIZE / sizeof(u64) + CO_AREA_PAGES > CO_PAGE_SIZE / sizeof(u64) ||
	    !in_image(image, note->area_pte, CO_AREA_PAGES * sizeof(u64)))
		return error_set(error, "%s: its colinux note points outside the image: page-table entries at 0x%llx",
				 image->path, (unsigned long long)note->area_pte);
	return 0;
}

static int parse(struct kernel_image *image, struct error *error)
{
	struct elf64_segment ph[PHNUM_MAX];
	struct elf64_header header;
	int found = 0;
	u32 i;

	if (check_header(image, &header, error) ||
	    read_at(image, ph, (u64)header.phnum * sizeof(*ph), header.phoff, error))
		return -1;
	for (i = 0; i < header.phnum; i++)
		if (ph[i].type == ELF_SEGMENT_LOAD && add_segment(image, i, &ph[i], error))
			return -1;
	if (check_layout(image, error))
		return -1;
	for (i = 0; i < header.phnum && !found; i++)
		if (ph[i].type == ELF_SEGMENT_NOTE) {
			found = find_note(image, &ph[i], i, error);
			if (found < 0)
				return -1;
		}
	if (!found)
		return error_set(error, "%s: is not a cooperative kernel: it has no colinux note; build it with CONFIG_COLINUX_GUEST",
				 image->path);
	if (!in_image(image, header.entry, 1))
		return error_set(error, "%s: the entry point 0x%llx lies outside the image (virtual instead of physical?)",
				 image->path, (unsigned long long)header.entry);
	image->entry = header.entry;
	return check_note(image, error);
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
