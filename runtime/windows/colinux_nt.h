/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How abi/colinux_ioctl.h reaches colinux.sys: for the driver and its daemon.
 *
 * The requests, their structures and their order are the same as on Linux. What
 * differs is said here:
 *
 *  - The device is opened as CO_NT_OPEN_PATH by members of Administrators and by
 *    LocalSystem; its security descriptor (CO_NT_SDDL) lets nobody else in.
 *  - Open it with FILE_FLAG_OVERLAPPED. On a synchronous handle the system itself
 *    lets one request in at a time, so that no KICK could ever reach a RUN;
 *    CREATE is refused there (STATUS_INVALID_PARAMETER). Every request is complete
 *    when DeviceIoControl returns: with an OVERLAPPED that nobody waits for, and
 *    an event in it that no other request uses meanwhile.
 *  - DeviceIoControl(CO_NT_IOC(CO_NR_x), s, sizeof(*s), s, sizeof(*s)): both
 *    lengths are the structure's exactly; KICK has none, neither buffer. Those that
 *    only go in (START, IRQ, UNMAP) have no output buffer.
 *  - There is no mmap: MAP and UNMAP below stand for it.
 *  - RUN comes back with CO_R_KICKED after a time slice at the latest, so that the
 *    thread can be ended; that asks for nothing but another RUN.
 *
 * Linux's codes, and what is returned in their place (and what user mode's
 * GetLastError makes of it):
 *
 *	EINVAL		STATUS_INVALID_PARAMETER	ERROR_INVALID_PARAMETER
 *	EBUSY		STATUS_DEVICE_BUSY		ERROR_BUSY
 *	ENOTTY		STATUS_INVALID_DEVICE_REQUEST	ERROR_INVALID_FUNCTION
 *	EPERM		STATUS_ACCESS_DENIED		ERROR_ACCESS_DENIED
 *	ENOMEM		STATUS_INSUFFICIENT_RESOURCES	ERROR_NO_SYSTEM_RESOURCES
 *	EINTR		STATUS_CANCELLED		ERROR_OPERATION_ABORTED
 *	ENODEV		STATUS_DEVICE_NOT_CONNECTED	ERROR_DEVICE_NOT_CONNECTED
 *	EOPNOTSUPP	STATUS_NOT_SUPPORTED		ERROR_NOT_SUPPORTED
 *
 * POOL's answer is of use after a failure, too, but NT carries no output then:
 * ask STATS. A driver that does not find itself in ring 0 of the CPU (a user-mode
 * emulation of NT) answers VERSION, STATS, LOG and refuses the rest with
 * STATUS_NOT_SUPPORTED.
 */
#ifndef COLINUX_NT_H
#define COLINUX_NT_H

#include "../abi/colinux_ioctl.h"

#define CO_NT_SERVICE		"colinux"
#define CO_NT_DRIVER_FILE	"colinux.sys"
#define CO_NT_OPEN_PATH		"\\\\.\\colinux"
#define CO_NT_DEVICE_NAME	L"\\Device\\colinux"
#define CO_NT_LINK_NAME		L"\\DosDevices\\colinux"

/* Protected, and everything for LocalSystem and for Administrators. */
#define CO_NT_SDDL		"D:P(A;;GA;;;SY)(A;;GA;;;BA)"

/*
 * CTL_CODE(type, function, method, access): a type and functions of the ranges that
 * are not the system's, METHOD_BUFFERED (0), FILE_READ_DATA | FILE_WRITE_DATA.
 */
#define CO_NT_DEVICE_TYPE	0x8c01u
#define CO_NT_IOC(nr)		((CO_NT_DEVICE_TYPE << 16) | (3u << 14) | ((0x800u + (nr)) << 2))

/* Beside colinux_ioctl.h's numbers. */
#define CO_NR_MAP		32
#define CO_NR_UNMAP		33
#define CO_NR_LOG		34

/*
 * Map [offset, offset + bytes) of what CO_MMAP_* describe into the caller's process,
 * as one piece; both multiples of a page. Gone with UNMAP (whole mappings only), with
 * the last handle, or with the process.
 */
struct co_map {
	u32 size;
	u32 writable;		/* 0 or 1 */
	u64 offset;
	u64 bytes;
	u64 address;		/* out: MAP; in: UNMAP */
};
CO_CHECK(sizeof(struct co_map) == 32, ioc_map_size);

/* The last line that the driver logged: why it refused, in words. */
struct co_log {
	u32 size;
	u32 lines;		/* out: how many there were; 0: none, and text is empty */
	char text[248];		/* out: NUL-terminated */
};
CO_CHECK(sizeof(struct co_log) == 256, ioc_log_size);

#endif /* COLINUX_NT_H */
