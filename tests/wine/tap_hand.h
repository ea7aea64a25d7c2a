/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test's hand may do at tap_driver.c, the other end of its adapters. Numbers of 32 bits. */
#ifndef TAP_HAND_H
#define TAP_HAND_H

/* Their ids; \Device\... and \\.\Global\... end in .tap. */
#define TAP_ADAPTERS	2
#define TAP_ID_0	"{C0110000-0000-4000-8000-00000000C0DE}"
#define TAP_ID_1	"{C0110001-0000-4000-8000-00000000C0DE}"

#define HAND_DEVICE	"colinux-test-tap"
/* CTL_CODE(FILE_DEVICE_UNKNOWN, ..., METHOD_BUFFERED, FILE_ANY_ACCESS) */
#define HAND_CODE(nr)	(0x00220000u | (0x800u + (nr)) << 2)
#define HAND_SET	HAND_CODE(1)	/* struct hand_set -> nothing */
#define HAND_GET	HAND_CODE(2)	/* an adapter's number -> struct hand_get */
#define HAND_PUT	HAND_CODE(3)	/* the number, a frame -> nothing; busy: there is no room for it */
#define HAND_TAKE	HAND_CODE(4)	/* the number -> the oldest frame that was written; none: no bytes */

/* At an adapter: how the driver has answered to its being opened. */
#define HAND_OPENED	HAND_CODE(5)

#define HAND_FRAMES	64	/* that wait, each way */
#define HAND_FRAME_MAX	2000

/* How an adapter is from now on. */
struct hand_set {
	unsigned int adapter;
	unsigned int major, minor;	/* what it answers to GET_VERSION; 0, 0: it does not know that */
	unsigned int refuses_media;	/* a status, or 0 */
	unsigned int holds_writes;	/* they are under way until it does so no more */
	unsigned int gone;		/* a status: requests end with it, nobody can open it; 0: it is (again) there */
};

struct hand_get {
	unsigned int opened, plugged, mtu_asked;	/* by whom it has open; has that been plugged in */
	unsigned int reads, writes;		/* under way */
	unsigned int closed;			/* so often, since the driver was loaded: */
	unsigned int closed_plugged;		/* and with its cable in */
	unsigned int closed_busy;		/* and with requests under way */
	unsigned int cancelled;			/* requests */
	unsigned int odd;			/* requests that OpenVPN's driver would not take */
};

#endif
