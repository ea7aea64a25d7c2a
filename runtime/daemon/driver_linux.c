// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's door on Linux: /dev/colinux. Tests link another file in place of
 * this one, with a memfd for guest memory and no kernel behind it.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct os_driver {
	int fd;
};

struct os_driver *os_driver_open(struct error *error)
{
	struct os_driver *driver = malloc(sizeof(*driver));

	if (!driver) {
		error_set(error, "out of memory");
		return NULL;
	}
	driver->fd = open(CO_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	if (driver->fd >= 0)
		return driver;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		error_set_code(error, EXIT_NO_DRIVER,
			       "%s: %s; the driver is not installed: load it with insmod colinux.ko",
			       CO_DEVICE_PATH, strerror(errno));
	else if (errno == EACCES || errno == EPERM)
		error_set(error, "%s: %s; only root may run guests, because a guest runs in the host kernel's own privilege ring",
			  CO_DEVICE_PATH, strerror(errno));
	else
		error_set(error, "%s: %s", CO_DEVICE_PATH, strerror(errno));
	free(driver);
	return NULL;
}

void os_driver_close(struct os_driver *driver)
{
	close(driver->fd);
	free(driver);
}

static unsigned long request_code(u32 request)
{
	switch (request) {
	case CO_NR_VERSION:
		return CO_IOC_VERSION;
	case CO_NR_CREATE:
		return CO_IOC_CREATE;
	case CO_NR_START:
		return CO_IOC_START;
	case CO_NR_RUN:
		return CO_IOC_RUN;
	case CO_NR_IRQ:
		return CO_IOC_IRQ;
	case CO_NR_KICK:
		return CO_IOC_KICK;
	case CO_NR_STATS:
		return CO_IOC_STATS;
	case CO_NR_CHUNK:
		return CO_IOC_CHUNK;
	case CO_NR_BALLOON:
		return CO_IOC_BALLOON;
	default:
		return CO_IOC_POOL;
	}
}

enum os_call os_driver_call(struct os_driver *driver, u32 request, void *argument)
{
	if (!ioctl(driver->fd, request_code(request), argument))
		return OS_CALL_OK;
	switch (errno) {
	case EINTR:
		return OS_CALL_AGAIN;
	case ENODEV:
		return OS_CALL_ENDED;
	case ENOTTY:
		return OS_CALL_UNKNOWN;
	case ENOMEM:
		return OS_CALL_NO_MEMORY;
	case EOPNOTSUPP:
		return OS_CALL_CANNOT;
	default:
		return OS_CALL_FAILED;
	}
}

bool os_driver_reason(struct os_driver *driver, char *text, size_t size)
{
	(void)driver, (void)text, (void)size;
	return false;
}

/* neither a child nor a core file is to hold the guest's memory */
static void keep_private(void *address, u64 bytes)
{
	madvise(address, bytes, MADV_DONTFORK);
	madvise(address, bytes, MADV_DONTDUMP);
}

void *os_driver_map(struct os_driver *driver, u64 offset, u64 bytes, bool writable)
{
	void *address = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
			     driver->fd, offset);

	if (address == MAP_FAILED)
		return NULL;
	keep_private(address, bytes);
	return address;
}

void os_driver_unmap(struct os_driver *driver, void *address, u64 bytes)
{
	(void)driver;
	munmap(address, bytes);
}

bool os_driver_can_hide(void)
{
	return true;
}

/* In one step each: at no time is there nothing. */
int os_driver_hide(struct os_driver *driver, void *address, u64 bytes)
{
	(void)driver;
	return mmap(address, bytes, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0;
}

int os_driver_show(struct os_driver *driver, void *address, u64 offset, u64 bytes)
{
	if (mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, driver->fd,
		 offset) == MAP_FAILED)
		return -1;
	keep_private(address, bytes);
	return 0;
}
