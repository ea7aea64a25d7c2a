/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP-Windows: the driver of OpenVPN's that makes network adapters whose other end is a
 * program's. What it is asked is by its own documentation for programs (tap-windows.h of the
 * project tap-windows6; the numbers are the same since its version 8.1), where an adapter is
 * found by Microsoft's (System-Defined Device Setup Classes: Net).
 */
#ifndef COLINUX_TAP_WINDOWS_H
#define COLINUX_TAP_WINDOWS_H

#include <wchar.h>

#include "os.h"

#define TAP_ID_SIZE	40u	/* {4D36E972-E325-11CE-BFC1-08002BE10318} */
#define TAP_NAME_SIZE	257u	/* of a connection, in characters */
#define TAP_DRIVER_SIZE	64u

enum tap_kind {
	TAP_NOT,	/* another driver's: a network card */
	TAP_OTHERS,	/* TAP-Windows under a name that some product gave it: only if it is asked for */
	TAP_COMMON,	/* as OpenVPN installs it */
};

/* A network adapter of this Windows. Its texts in UTF-8 are fit to be shown. */
struct tap_adapter {
	enum tap_kind kind;
	wchar_t id[TAP_ID_SIZE];
	wchar_t name[TAP_NAME_SIZE];	/* its connection's, as the user sees it; "": it has none */
	char shown[3 * TAP_NAME_SIZE];	/* that name; the id if it has none */
	char driver[TAP_DRIVER_SIZE];	/* "tap0901" */
};

struct tap_adapters {
	u32 count;
	struct tap_adapter *list;
};

/* All network adapters, in the system's order. -1: see error; tap_adapters_free() in either case. */
int tap_adapters_find(struct tap_adapters *adapters, struct error *error);
void tap_adapters_free(struct tap_adapters *adapters);

/*
 * Which of them may be meant by an ethN=tuntap: the one whose connection (or id) is called so, or
 * with name NULL the first common one from number `from` on. NULL: see error, which says what there is.
 */
const struct tap_adapter *tap_adapter_choose(const struct tap_adapters *adapters, const char *name,
					     u32 from, struct error *error);

/* --- one of them, opened --- */

struct tap_device {
	HANDLE handle;		/* for overlapped requests */
	u32 version[2];		/* of the driver: 9, 24 */
	u32 mtu;
};

/*
 * Opens it and plugs the cable in: from then on the system's frames can be read, each by a
 * read of its own, and written. -1: see error, which does not name the adapter.
 */
int tap_device_open(struct tap_device *device, const struct tap_adapter *adapter, struct error *error);
/* The reverse; no request may be under way. */
void tap_device_close(struct tap_device *device);

#endif
