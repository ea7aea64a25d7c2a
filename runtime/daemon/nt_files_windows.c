// SPDX-License-Identifier: GPL-2.0-only
/* NT's own calls for files: see nt_files_windows.h. */
#include "nt_files_windows.h"

#include <stdlib.h>
#include <string.h>

#include "p9.h"

/* ntdll.dll; MinGW's winternl.h has the others. */
NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, void *context, PIO_STATUS_BLOCK io,
			  void *buffer, ULONG bytes, PLARGE_INTEGER offset, PULONG key);
NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, void *context, PIO_STATUS_BLOCK io,
			   const void *buffer, ULONG bytes, PLARGE_INTEGER offset, PULONG key);
NTSTATUS NTAPI NtFlushBuffersFile(HANDLE file, PIO_STATUS_BLOCK io);
NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, void *context,
				    PIO_STATUS_BLOCK io, void *buffer, ULONG bytes, FILE_INFORMATION_CLASS type,
				    BOOLEAN single, PUNICODE_STRING mask, BOOLEAN restart);

/* MS-FSCC 2.4.11, FileDispositionInformationEx */
#define DISPOSITION_EX		((FILE_INFORMATION_CLASS)64)
#define DISPOSITION_DELETE	1u
#define DISPOSITION_POSIX	2u
#define DISPOSITION_READONLY	0x10u

/* MS-ERREF 2.3.1; only some of them are in MinGW's winnt.h and winternl.h. */
static const struct {
	u32 status;
	int error;
} errors[] = {
	{ 0xc0000002, P9_EOPNOTSUPP },	/* STATUS_NOT_IMPLEMENTED */
	{ 0xc0000003, P9_EOPNOTSUPP },	/* STATUS_INVALID_INFO_CLASS */
	{ 0xc000000d, P9_EINVAL },	/* STATUS_INVALID_PARAMETER */
	{ 0xc000000f, P9_ENOENT },	/* STATUS_NO_SUCH_FILE */
	{ 0xc0000010, P9_EOPNOTSUPP },	/* STATUS_INVALID_DEVICE_REQUEST */
	{ 0xc0000017, P9_ENOMEM },	/* STATUS_NO_MEMORY */
	{ 0xc0000022, P9_EACCES },	/* STATUS_ACCESS_DENIED */
	{ 0xc0000033, P9_EINVAL },	/* STATUS_OBJECT_NAME_INVALID */
	{ 0xc0000034, P9_ENOENT },	/* STATUS_OBJECT_NAME_NOT_FOUND */
	{ 0xc0000035, P9_EEXIST },	/* STATUS_OBJECT_NAME_COLLISION */
	{ 0xc000003a, P9_ENOENT },	/* STATUS_OBJECT_PATH_NOT_FOUND */
	{ 0xc0000043, P9_EBUSY },	/* STATUS_SHARING_VIOLATION */
	{ 0xc0000054, P9_EAGAIN },	/* STATUS_FILE_LOCK_CONFLICT */
	{ 0xc0000056, P9_ENOENT },	/* STATUS_DELETE_PENDING: nobody can open it any more */
	{ 0xc000007f, P9_ENOSPC },	/* STATUS_DISK_FULL */
	{ 0xc000009a, P9_ENOMEM },	/* STATUS_INSUFFICIENT_RESOURCES */
	{ 0xc00000a2, P9_EROFS },	/* STATUS_MEDIA_WRITE_PROTECTED */
	{ 0xc00000ba, P9_EISDIR },	/* STATUS_FILE_IS_A_DIRECTORY */
	{ 0xc00000bb, P9_EOPNOTSUPP },	/* STATUS_NOT_SUPPORTED */
	{ 0xc00000d4, P9_EXDEV },	/* STATUS_NOT_SAME_DEVICE */
	{ 0xc0000101, P9_ENOTEMPTY },	/* STATUS_DIRECTORY_NOT_EMPTY */
	{ 0xc0000103, P9_ENOTDIR },	/* STATUS_NOT_A_DIRECTORY */
	{ 0xc0000106, P9_ENAMETOOLONG },	/* STATUS_NAME_TOO_LONG */
	{ 0xc0000121, P9_EPERM },	/* STATUS_CANNOT_DELETE */
	{ 0xc0000265, P9_EMLINK },	/* STATUS_TOO_MANY_LINKS */
};

#define STATUS_END		((NTSTATUS)0xc0000011)	/* STATUS_END_OF_FILE */
#define STATUS_NO_MORE		((NTSTATUS)0x80000006)	/* STATUS_NO_MORE_FILES */
#define STATUS_NONE		((NTSTATUS)0xc000000f)	/* STATUS_NO_SUCH_FILE: not one, not even "." */
#define STATUS_UNKNOWN_CLASS	((NTSTATUS)0xc0000003)	/* STATUS_INVALID_INFO_CLASS */

int nt_error(NTSTATUS status)
{
	u32 i;

	if (status >= 0)
		return 0;
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].status == (u32)status)
			return -errors[i].error;
	return -P9_EIO;
}

int nt_open(HANDLE dir, const WCHAR *name, u32 chars, const struct nt_open *how, HANDLE *handle)
{
	UNICODE_STRING text = { chars * sizeof(*name), chars * sizeof(*name), (WCHAR *)name };
	OBJECT_ATTRIBUTES object = { .Length = sizeof(object), .RootDirectory = dir, .ObjectName = &text };
	IO_STATUS_BLOCK io;

	if (chars * sizeof(*name) > 0xfffe)
		return -P9_ENAMETOOLONG;
	return nt_error(NtCreateFile(handle, how->access | SYNCHRONIZE, &object, &io, NULL,
				     how->attributes ? how->attributes : FILE_ATTRIBUTE_NORMAL,
				     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, how->disposition,
				     how->options | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_REPARSE_POINT, NULL, 0));
}

int nt_attr(HANDLE handle, struct nt_attr *attr)
{
	FILE_INTERNAL_INFORMATION internal;
	FILE_STANDARD_INFORMATION standard;
	FILE_BASIC_INFORMATION basic;
	IO_STATUS_BLOCK io;
	NTSTATUS status;

	status = NtQueryInformationFile(handle, &io, &basic, sizeof(basic), FileBasicInformation);
	if (status >= 0)
		status = NtQueryInformationFile(handle, &io, &standard, sizeof(standard), FileStandardInformation);
	if (status >= 0)
		status = NtQueryInformationFile(handle, &io, &internal, sizeof(internal), FileInternalInformation);
	if (status < 0)
		return nt_error(status);
	*attr = (struct nt_attr){
		.inode = internal.IndexNumber.QuadPart, .bytes = standard.EndOfFile.QuadPart,
		.allocated = standard.AllocationSize.QuadPart, .links = standard.NumberOfLinks,
		.atime = basic.LastAccessTime.QuadPart, .mtime = basic.LastWriteTime.QuadPart,
		/* a file system that knows no time of change has none */
		.ctime = basic.ChangeTime.QuadPart ? basic.ChangeTime.QuadPart : basic.LastWriteTime.QuadPart,
		.attributes = basic.FileAttributes,
	};
	return 0;
}

bool nt_is_reparse_point(HANDLE handle)
{
	FILE_ATTRIBUTE_TAG_INFORMATION tag;
	IO_STATUS_BLOCK io;

	/* who does not know has none */
	return NtQueryInformationFile(handle, &io, &tag, sizeof(tag), FileAttributeTagInformation) >= 0 &&
	       tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
}

int nt_set_basic(HANDLE handle, u64 atime, u64 mtime, u32 attributes)
{
	FILE_BASIC_INFORMATION basic = {
		.LastAccessTime.QuadPart = atime, .LastWriteTime.QuadPart = mtime, .FileAttributes = attributes,
	};
	IO_STATUS_BLOCK io;

	return nt_error(NtSetInformationFile(handle, &io, &basic, sizeof(basic), FileBasicInformation));
}

int nt_set_bytes(HANDLE handle, u64 bytes)
{
	LARGE_INTEGER end = { .QuadPart = bytes };	/* all of FILE_END_OF_FILE_INFORMATION */
	IO_STATUS_BLOCK io;

	return nt_error(NtSetInformationFile(handle, &io, &end, sizeof(end), FileEndOfFileInformation));
}

/* FILE_RENAME_INFORMATION and FILE_LINK_INFORMATION are the same. */
static int set_name(HANDLE handle, HANDLE dir, const WCHAR *name, u32 chars, bool replace,
		    FILE_INFORMATION_CLASS type)
{
	u32 bytes = sizeof(FILE_RENAME_INFORMATION) + chars * sizeof(*name);
	FILE_RENAME_INFORMATION *new = calloc(1, bytes);
	IO_STATUS_BLOCK io;
	NTSTATUS status;

	if (!new)
		return -P9_ENOMEM;
	new->ReplaceIfExists = replace;
	new->RootDirectory = dir;
	new->FileNameLength = chars * sizeof(*name);
	memcpy(new->FileName, name, chars * sizeof(*name));
	status = NtSetInformationFile(handle, &io, new, bytes, type);
	free(new);
	return nt_error(status);
}

int nt_rename(HANDLE handle, HANDLE dir, const WCHAR *name, u32 chars, bool replace)
{
	return set_name(handle, dir, name, chars, replace, FileRenameInformation);
}

int nt_link(HANDLE handle, HANDLE dir, const WCHAR *name, u32 chars)
{
	return set_name(handle, dir, name, chars, false, FileLinkInformation);
}

int nt_delete(HANDLE handle)
{
	FILE_DISPOSITION_INFORMATION going = { TRUE };
	IO_STATUS_BLOCK io;

	return nt_error(NtSetInformationFile(handle, &io, &going, sizeof(going), FileDispositionInformation));
}

int nt_delete_now(HANDLE handle)
{
	ULONG flags = DISPOSITION_DELETE | DISPOSITION_POSIX | DISPOSITION_READONLY;
	IO_STATUS_BLOCK io;
	int result = nt_error(NtSetInformationFile(handle, &io, &flags, sizeof(flags), DISPOSITION_EX));

	/* file systems that do not know it say the one or the other */
	return result == -P9_EINVAL ? -P9_EOPNOTSUPP : result;
}

int nt_read(HANDLE handle, void *to, u32 bytes, u64 offset)
{
	LARGE_INTEGER at = { .QuadPart = offset };
	IO_STATUS_BLOCK io = { 0 };
	NTSTATUS status = NtReadFile(handle, NULL, NULL, NULL, &io, to, bytes, &at, NULL);

	if (status == STATUS_END)
		return 0;
	return status < 0 ? nt_error(status) : (int)io.Information;
}

int nt_write(HANDLE handle, const void *from, u32 bytes, u64 offset)
{
	/* FILE_WRITE_TO_END_OF_FILE is -1 in both halves, as ~0 is */
	LARGE_INTEGER at = { .QuadPart = offset };
	IO_STATUS_BLOCK io = { 0 };
	NTSTATUS status = NtWriteFile(handle, NULL, NULL, NULL, &io, from, bytes, &at, NULL);

	return status < 0 ? nt_error(status) : (int)io.Information;
}

int nt_flush(HANDLE handle)
{
	IO_STATUS_BLOCK io;

	return nt_error(NtFlushBuffersFile(handle, &io));
}

int nt_list(HANDLE handle, void *to, u32 bytes, bool restart, bool *ids)
{
	IO_STATUS_BLOCK io = { 0 };
	NTSTATUS status = NtQueryDirectoryFile(handle, NULL, NULL, NULL, &io, to, bytes, FileIdBothDirectoryInformation,
					       FALSE, NULL, restart);

	*ids = status != STATUS_UNKNOWN_CLASS;
	if (!*ids)
		status = NtQueryDirectoryFile(handle, NULL, NULL, NULL, &io, to, bytes, FileBothDirectoryInformation,
					      FALSE, NULL, restart);
	if (status == STATUS_NO_MORE || status == STATUS_NONE)
		return -P9_ENOENT;
	return nt_error(status);
}

int nt_space(HANDLE handle, FILE_FS_FULL_SIZE_INFORMATION *space)
{
	IO_STATUS_BLOCK io;

	return nt_error(NtQueryVolumeInformationFile(handle, &io, space, sizeof(*space), FileFsFullSizeInformation));
}
