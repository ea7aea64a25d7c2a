// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.h on Windows: files, volumes and disks. What a file is locked with is the
 * way it is shared: a writer shares it with nobody, a reader with readers.
 */
#include "os.h"

#include <stdlib.h>
#include <string.h>
#include <winioctl.h>
#include <winternl.h>

#include "text_windows.h"

#define SECTOR		512u
#define BOUNCE_BYTES	(64u << 10)

struct os_file {
	HANDLE handle;
	u64 bytes;
	bool device, discards, read_only;
	u8 *bounce;		/* of a device: it takes whole sectors at aligned addresses */
};

/* --- opening --- */

/* Names of NT's own, as coLinux's files have them: \Device\Harddisk0\Partition1. */
static bool is_nt_name(const wchar_t *path)
{
	return !_wcsnicmp(path, L"\\Device\\", 8) || !_wcsnicmp(path, L"\\DosDevices\\", 12) ||
	       !_wcsnicmp(path, L"\\??\\", 4);
}

static HANDLE open_nt_name(wchar_t *path, DWORD access, DWORD share)
{
	UNICODE_STRING name;
	OBJECT_ATTRIBUTES attributes;
	IO_STATUS_BLOCK status;
	HANDLE handle;
	NTSTATUS failure;

	RtlInitUnicodeString(&name, path);
	InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
	failure = NtCreateFile(&handle, access | SYNCHRONIZE, &attributes, &status, NULL, 0, share,
			       FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
	if (failure < 0) {
		SetLastError(RtlNtStatusToDosError(failure));
		return INVALID_HANDLE_VALUE;
	}
	return handle;
}

static HANDLE open_path(const char *path, enum os_access access, bool lock)
{
	DWORD want = GENERIC_READ | (access == OS_READ ? 0 : GENERIC_WRITE);
	DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE, failure, attributes;
	wchar_t *wide = wide_of(path);
	HANDLE handle;

	if (!wide) {
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
		return INVALID_HANDLE_VALUE;
	}
	if (lock)
		share = access == OS_READ ? FILE_SHARE_READ : 0;
	if (is_nt_name(wide)) {
		handle = open_nt_name(wide, want, share);
	} else {
		/* A raw volume or disk, \\.\d: or \\.\PhysicalDrive1, is never ours alone
		 * to open; who else uses it is asked of the file system, below. */
		if (!wcsncmp(wide, L"\\\\.\\", 4))
			share = FILE_SHARE_READ | FILE_SHARE_WRITE;
		handle = CreateFileW(wide, want, share, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
		failure = GetLastError();
		attributes = handle == INVALID_HANDLE_VALUE ? GetFileAttributesW(wide) : 0;
		if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY)
			failure = ERROR_DIRECTORY;
		SetLastError(failure);
	}
	failure = GetLastError();
	free(wide);
	SetLastError(failure);
	return handle;
}

/* A volume's or disk's size, from the first that knows it. */
static bool device_bytes(HANDLE handle, u64 *bytes, u32 *sector)
{
	GET_LENGTH_INFORMATION length;		/* from Windows XP on */
	PARTITION_INFORMATION partition;
	DISK_GEOMETRY geometry;
	DWORD got;

	*sector = SECTOR;
	if (DeviceIoControl(handle, IOCTL_DISK_GET_DRIVE_GEOMETRY, NULL, 0, &geometry, sizeof(geometry),
			    &got, NULL)) {
		*sector = geometry.BytesPerSector;
		*bytes = geometry.Cylinders.QuadPart * geometry.TracksPerCylinder *
			 geometry.SectorsPerTrack * geometry.BytesPerSector;
	} else {
		*bytes = 0;
	}
	if (DeviceIoControl(handle, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &length, sizeof(length), &got, NULL))
		*bytes = length.Length.QuadPart;
	else if (DeviceIoControl(handle, IOCTL_DISK_GET_PARTITION_INFO, NULL, 0, &partition,
				 sizeof(partition), &got, NULL))
		*bytes = partition.PartitionLength.QuadPart;
	return *bytes;
}

static int no_file(const char *path, struct error *error)
{
	return error_set(error, "%s: is neither a file nor a block device", path);
}

static int measure_device(struct os_file *file, const char *path, struct error *error)
{
	u32 sector;

	if (!device_bytes(file->handle, &file->bytes, &sector))
		return no_file(path, error);
	if (sector != SECTOR)
		return error_set(error, "%s: has sectors of %u bytes; the guest's disks have %u", path, sector,
				 SECTOR);
	file->device = true;
	file->bounce = VirtualAlloc(NULL, BOUNCE_BYTES, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	return file->bounce ? 0 : error_set(error, "out of memory");
}

static int measure(struct os_file *file, const char *path, struct error *error)
{
	BY_HANDLE_FILE_INFORMATION about;
	DWORD type = GetFileType(file->handle);

	if (type != FILE_TYPE_DISK && type != FILE_TYPE_UNKNOWN)
		return no_file(path, error);
	if (!GetFileInformationByHandle(file->handle, &about))
		return measure_device(file, path, error);
	if (about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
		return no_file(path, error);
	file->bytes = (u64)about.nFileSizeHigh << 32 | about.nFileSizeLow;
	/* whoever made it sparse wants its blocks back */
	file->discards = !file->read_only && about.dwFileAttributes & FILE_ATTRIBUTE_SPARSE_FILE;
	return 0;
}

/*
 * Nobody else uses the volume while this handle is open. What has no file system
 * that Windows knows (the guest's own) can be locked as well; where there is
 * nothing to lock, a whole disk, Windows itself refuses to write below its volumes.
 */
static int lock_device(struct os_file *file, const char *path, struct error *error)
{
	DWORD got;

	if (DeviceIoControl(file->handle, FSCTL_LOCK_VOLUME, NULL, 0, NULL, 0, &got, NULL))
		DeviceIoControl(file->handle, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, &got, NULL);
	else if (GetLastError() == ERROR_ACCESS_DENIED || GetLastError() == ERROR_SHARING_VIOLATION)
		return error_set(error, "%s: is in use on the host (mounted, or another guest's)", path);
	/* the sectors behind the file system's end, too; no matter where there is none */
	DeviceIoControl(file->handle, FSCTL_ALLOW_EXTENDED_DASD_IO, NULL, 0, NULL, 0, &got, NULL);
	return 0;
}

struct os_file *os_file_open(const char *path, enum os_access access, bool lock,
			     struct error *error)
{
	struct os_file *file = calloc(1, sizeof(*file));

	if (!file) {
		error_set(error, "out of memory");
		return NULL;
	}
	file->read_only = access == OS_READ;
	file->handle = open_path(path, access, lock);
	if (file->handle == INVALID_HANDLE_VALUE) {
		if (GetLastError() == ERROR_SHARING_VIOLATION)
			error_set(error, "%s: is in use, by another guest or twice by this one%s", path,
				  access == OS_READ ? "" : "; read-only (,ro) it could be shared");
		else if (GetLastError() == ERROR_DIRECTORY && access != OS_READ)
			error_set(error, "%s: Is a directory", path);
		else if (GetLastError() == ERROR_DIRECTORY)
			no_file(path, error);
		else
			error_set(error, "%s: %s", path, os_last_error());
		free(file);
		return NULL;
	}
	if (measure(file, path, error) ||
	    (file->device && lock && access != OS_READ && lock_device(file, path, error))) {
		os_file_close(file);
		return NULL;
	}
	return file;
}

bool os_file_exists(const char *path)
{
	wchar_t *wide = wide_of(path);
	bool exists = wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;

	free(wide);
	return exists;
}

/* The zeros that a new file is made longer with take no room, where its file system can do that. */
static bool make_long(HANDLE handle, u64 bytes)
{
	LONG high = (LONG)(bytes >> 32);
	DWORD got;

	DeviceIoControl(handle, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &got, NULL);
	SetLastError(NO_ERROR);
	if (SetFilePointer(handle, (LONG)bytes, &high, FILE_BEGIN) == INVALID_SET_FILE_POINTER &&
	    GetLastError() != NO_ERROR)
		return false;
	return SetEndOfFile(handle);
}

struct os_file *os_file_create(const char *path, u64 bytes, struct error *error)
{
	struct os_file *file = calloc(1, sizeof(*file));
	wchar_t *wide = wide_of(path);

	if (!file || !wide) {
		free(file);
		free(wide);
		error_set(error, "out of memory");
		return NULL;
	}
	file->handle = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW,
				   FILE_ATTRIBUTE_NORMAL, NULL);
	if (file->handle == INVALID_HANDLE_VALUE) {
		error_set(error, "%s: %s", path, os_last_error());
		goto no_file;
	}
	if (!make_long(file->handle, bytes)) {
		error_set(error, "%s: %llu bytes: %s", path, (unsigned long long)bytes, os_last_error());
		CloseHandle(file->handle);
		DeleteFileW(wide);
		goto no_file;
	}
	free(wide);
	if (!measure(file, path, error))
		return file;
	os_file_close(file);
	return NULL;
no_file:
	free(wide);
	free(file);
	return NULL;
}

void os_file_close(struct os_file *file)
{
	if (file->bounce)
		VirtualFree(file->bounce, 0, MEM_RELEASE);
	CloseHandle(file->handle);
	free(file);
}

u64 os_file_bytes(const struct os_file *file)
{
	return file->bytes;
}

bool os_file_discards(const struct os_file *file)
{
	return file->discards;
}

/* --- reading and writing --- */

enum direction { READING, WRITING };

/* All of it at the offset; the handle's own position is nobody's business. */
static enum os_result transfer(struct os_file *file, enum direction direction, u8 *bytes, size_t count,
			       u64 offset)
{
	while (count) {
		OVERLAPPED at = { .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
		DWORD piece = count < 1u << 20 ? (DWORD)count : 1u << 20, done = 0;
		BOOL well;

		if (direction == READING)
			well = ReadFile(file->handle, bytes, piece, &done, &at);
		else
			well = WriteFile(file->handle, bytes, piece, &done, &at);
		if (!well)
			return OS_FAILED;
		if (!done) {
			SetLastError(ERROR_HANDLE_EOF);
			return OS_FAILED;
		}
		bytes += done;
		count -= done;
		offset += done;
	}
	return OS_OK;
}

/* Copies between the front of the array and buffer, as much as both have; drops it from the array. */
static size_t gather(struct os_iov **iov, u32 *count, enum direction direction, u8 *buffer, size_t room)
{
	size_t used = 0;

	while (*count && used < room) {
		struct os_iov *first = *iov;
		size_t piece = first->bytes < room - used ? first->bytes : room - used;

		if (direction == READING)
			memcpy(first->base, buffer + used, piece);
		else
			memcpy(buffer + used, first->base, piece);
		used += piece;
		first->base = (u8 *)first->base + piece;
		first->bytes -= piece;
		if (!first->bytes) {
			++*iov;
			--*count;
		}
	}
	return used;
}

static enum os_result transfer_device(struct os_file *file, enum direction direction, struct os_iov *iov,
				      u32 count, u64 offset)
{
	u64 left = 0;
	u32 i;

	for (i = 0; i < count; i++)
		left += iov[i].bytes;
	while (left) {
		size_t piece = left < BOUNCE_BYTES ? (size_t)left : BOUNCE_BYTES;

		if (direction == WRITING)
			gather(&iov, &count, direction, file->bounce, piece);
		if (transfer(file, direction, file->bounce, piece, offset) != OS_OK)
			return OS_FAILED;
		if (direction == READING)
			gather(&iov, &count, direction, file->bounce, piece);
		left -= piece;
		offset += piece;
	}
	return OS_OK;
}

static enum os_result transfer_all(struct os_file *file, enum direction direction, struct os_iov *iov,
				   u32 count, u64 offset)
{
	u32 i;

	if (file->device)
		return transfer_device(file, direction, iov, count, offset);
	for (i = 0; i < count; i++) {
		if (transfer(file, direction, iov[i].base, iov[i].bytes, offset) != OS_OK)
			return OS_FAILED;
		offset += iov[i].bytes;
	}
	return OS_OK;
}

enum os_result os_file_read(struct os_file *file, struct os_iov *iov, u32 count, u64 offset)
{
	return transfer_all(file, READING, iov, count, offset);
}

enum os_result os_file_write(struct os_file *file, struct os_iov *iov, u32 count, u64 offset)
{
	return transfer_all(file, WRITING, iov, count, offset);
}

enum os_result os_file_sync(struct os_file *file)
{
	/* Windows refuses to flush what may not be written */
	return file->read_only || FlushFileBuffers(file->handle) ? OS_OK : OS_FAILED;
}

enum os_result os_file_discard(struct os_file *file, u64 offset, u64 bytes)
{
	FILE_ZERO_DATA_INFORMATION range = {
		.FileOffset.QuadPart = offset, .BeyondFinalZero.QuadPart = offset + bytes,
	};
	DWORD got;

	if (DeviceIoControl(file->handle, FSCTL_SET_ZERO_DATA, &range, sizeof(range), NULL, 0, &got, NULL))
		return OS_OK;
	return GetLastError() == ERROR_INVALID_FUNCTION || GetLastError() == ERROR_NOT_SUPPORTED ?
	       OS_UNSUPPORTED : OS_FAILED;
}

enum os_result os_file_zero(struct os_file *file, u64 offset, u64 bytes)
{
	static u8 zeros[1 << 16];

	/* FSCTL_SET_ZERO_DATA would give a sparse file's blocks back */
	while (bytes) {
		struct os_iov iov = { zeros, bytes < sizeof(zeros) ? (size_t)bytes : sizeof(zeros) };
		size_t piece = iov.bytes;

		if (os_file_write(file, &iov, 1, offset) != OS_OK)
			return OS_FAILED;
		offset += piece;
		bytes -= piece;
	}
	return OS_OK;
}
