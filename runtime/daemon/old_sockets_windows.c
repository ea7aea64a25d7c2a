// SPDX-License-Identifier: GPL-2.0-only
/* runtime/daemon/windows/old_sockets.h: addresses of sockets, without what newer Windows have for them. */
#ifdef CO_SLIRP

#include "old_sockets.h"

#include <stdbool.h>
#include <stdio.h>

#include "colinux_types.h"
#include "text_windows.h"

static int text_of_ip4(const u8 *at, char *text, size_t bytes)
{
	return snprintf(text, bytes, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
}

/* RFC 5952: the first of the longest runs of zeros, of two groups or more, is "::". */
static int text_of_ip6(const u8 *at, char *text, size_t bytes)
{
	char whole[INET6_ADDRSTRLEN] = "", *end = whole;
	int first = 8, longest = 1, run, i;

	for (i = 0; i < 8; i++) {
		for (run = 0; i + run < 8 && !at[2 * (i + run)] && !at[2 * (i + run) + 1]; run++)
			;
		if (run > longest) {
			first = i;
			longest = run;
		}
	}
	for (i = 0; i < 8; i++) {
		if (i == first) {
			end += sprintf(end, "::");
			i += longest - 1;
			continue;
		}
		end += sprintf(end, "%s%x", i && i != first + longest ? ":" : "", at[2 * i] << 8 | at[2 * i + 1]);
	}
	return snprintf(text, bytes, "%s", whole);
}

const char *old_inet_ntop(int family, const void *address, char *text, size_t bytes)
{
	int length = -1;

	if (family == AF_INET)
		length = text_of_ip4(address, text, bytes);
	else if (family == AF_INET6)
		length = text_of_ip6(address, text, bytes);
	return length >= 0 && (size_t)length < bytes ? text : NULL;
}

/* Numbers only: no name server is asked. */
int old_getnameinfo(const struct sockaddr *address, int length, char *host, size_t host_bytes,
		    char *service, size_t service_bytes, int flags)
{
	const struct sockaddr_in *ip4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
	bool is_ip6 = address->sa_family == AF_INET6;

	if ((flags & (NI_NUMERICHOST | NI_NUMERICSERV)) != (NI_NUMERICHOST | NI_NUMERICSERV))
		return EAI_BADFLAGS;
	if (length < (int)(is_ip6 ? sizeof(*ip6) : sizeof(*ip4)))
		return EAI_FAMILY;
	if (!old_inet_ntop(address->sa_family, is_ip6 ? (const void *)&ip6->sin6_addr : &ip4->sin_addr,
			   host, host_bytes))
		return EAI_FAMILY;
	snprintf(service, service_bytes, "%u", ntohs(is_ip6 ? ip6->sin6_port : ip4->sin_port));
	return 0;
}

/* From XP on. It finds name servers with IPv6, of which Windows 2000 has none. */
ULONG old_adapters_addresses(ULONG family, ULONG flags, void *reserved, IP_ADAPTER_ADDRESSES *found, ULONG *bytes)
{
	typedef ULONG (WINAPI *ask_windows)(ULONG, ULONG, void *, IP_ADAPTER_ADDRESSES *, ULONG *);
	ask_windows ask = windows_newer(L"iphlpapi.dll", "GetAdaptersAddresses");

	return ask ? ask(family, flags, reserved, found, bytes) : ERROR_NOT_SUPPORTED;
}

#endif
