// SPDX-License-Identifier: GPL-2.0-only
/*
 * os_link.h on Windows: guests cannot be reached by name there yet, and say so. The
 * daemon goes on without; nothing else of these functions is ever called.
 */
#include "os_link.h"

struct os_listener *os_listener_open(const char *name, bool *taken, struct error *error)
{
	*taken = false;
	error_set(error, "%s: guests are not controlled by name on Windows yet", name);
	return NULL;
}

void os_listener_close(struct os_listener *listener)
{
	(void)listener;
}

struct os_link *os_listener_accept(struct os_listener *listener)
{
	(void)listener;
	return NULL;
}

long os_link_read(struct os_link *link, void *buffer, size_t bytes)
{
	(void)link, (void)buffer, (void)bytes;
	return -1;
}

long os_link_write(struct os_link *link, const void *buffer, size_t bytes)
{
	(void)link, (void)buffer, (void)bytes;
	return -1;
}

void os_link_close(struct os_link *link)
{
	(void)link;
}

bool os_links_wait(struct os_listener *listener, bool accept, struct os_link_wait *waits,
		   u32 count, u32 ms)
{
	(void)listener, (void)accept, (void)waits, (void)count, (void)ms;
	return false;
}

void os_listener_wake(struct os_listener *listener)
{
	(void)listener;
}

u32 os_process_number(void)
{
	return GetCurrentProcessId();
}
