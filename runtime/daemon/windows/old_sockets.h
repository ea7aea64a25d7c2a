/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before everything else of libslirp: what it asks of Windows Vista or XP for its
 * sockets' addresses, from old_sockets_windows.c, which Windows 2000 can run.
 */
#ifndef COLINUX_OLD_SOCKETS_H
#define COLINUX_OLD_SOCKETS_H

#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>
#include <iphlpapi.h>

const char *old_inet_ntop(int family, const void *address, char *text, size_t bytes);
int old_getnameinfo(const struct sockaddr *address, int length, char *host, size_t host_bytes,
		    char *service, size_t service_bytes, int flags);
ULONG old_adapters_addresses(ULONG family, ULONG flags, void *reserved, IP_ADAPTER_ADDRESSES *found, ULONG *bytes);

/* their headers are in, so no declaration is changed by these */
#define inet_ntop		old_inet_ntop
#define getnameinfo		old_getnameinfo
#define GetAdaptersAddresses	old_adapters_addresses

#endif
