// SPDX-License-Identifier: GPL-2.0-only
/*
 * statfs() and statvfs() for Linux 2.4 as well.
 *
 * On i386 musl asks for the sizes of a file system by statfs64 and fstatfs64
 * only (system calls 268 and 269), which came with Linux 2.5.74; 2.4 knows
 * statfs and fstatfs (99 and 100). This file takes the place of statvfs.o in
 * our copy of the C library, so that df tells sizes in every guest.
 *
 * What the kernel fills in: include/asm-i386/statfs.h in Linux 2.4.
 */
#include <errno.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_statfs64

struct old_statfs {
	long type, bsize, blocks, bfree, bavail, files, ffree;
	int fsid[2];
	long namelen;
	long frsize;		/* since 2.6; 0 before */
	long spare[5];
};

/* The numbers are unsigned to Linux, but longs in its structure. */
static void widen(struct statfs *out, const struct old_statfs *in)
{
	memset(out, 0, sizeof(*out));
	out->f_type = (unsigned long)in->type;
	out->f_bsize = (unsigned long)in->bsize;
	out->f_blocks = (unsigned long)in->blocks;
	out->f_bfree = (unsigned long)in->bfree;
	out->f_bavail = (unsigned long)in->bavail;
	out->f_files = (unsigned long)in->files;
	out->f_ffree = (unsigned long)in->ffree;
	memcpy(&out->f_fsid, in->fsid, sizeof(in->fsid));
	out->f_namelen = (unsigned long)in->namelen;
	out->f_frsize = (unsigned long)in->frsize;
}

int statfs(const char *path, struct statfs *out)
{
	struct old_statfs old;

	memset(out, 0, sizeof(*out));
	if (!syscall(SYS_statfs64, path, sizeof(*out), out))
		return 0;
	if (errno != ENOSYS || syscall(SYS_statfs, path, &old))
		return -1;
	widen(out, &old);
	return 0;
}

int fstatfs(int fd, struct statfs *out)
{
	struct old_statfs old;

	memset(out, 0, sizeof(*out));
	if (!syscall(SYS_fstatfs64, fd, sizeof(*out), out))
		return 0;
	if (errno != ENOSYS || syscall(SYS_fstatfs, fd, &old))
		return -1;
	widen(out, &old);
	return 0;
}

#else

int statfs(const char *path, struct statfs *out)
{
	memset(out, 0, sizeof(*out));
	return (int)syscall(SYS_statfs, path, out);
}

int fstatfs(int fd, struct statfs *out)
{
	memset(out, 0, sizeof(*out));
	return (int)syscall(SYS_fstatfs, fd, out);
}

#endif

static void convert(struct statvfs *out, const struct statfs *in)
{
	memset(out, 0, sizeof(*out));
	out->f_bsize = in->f_bsize;
	out->f_frsize = in->f_frsize ? in->f_frsize : in->f_bsize;
	out->f_blocks = in->f_blocks;
	out->f_bfree = in->f_bfree;
	out->f_bavail = in->f_bavail;
	out->f_files = in->f_files;
	out->f_ffree = in->f_ffree;
	out->f_favail = in->f_ffree;
	memcpy(&out->f_fsid, &in->f_fsid, sizeof(int));
	out->f_flag = in->f_flags;
	out->f_namemax = in->f_namelen;
}

int statvfs(const char *restrict path, struct statvfs *restrict out)
{
	struct statfs in;

	if (statfs(path, &in))
		return -1;
	convert(out, &in);
	return 0;
}

int fstatvfs(int fd, struct statvfs *out)
{
	struct statfs in;

	if (fstatfs(fd, &in))
		return -1;
	convert(out, &in);
	return 0;
}
