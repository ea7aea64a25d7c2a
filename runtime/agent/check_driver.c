/* SPDX-License-Identifier: GPL-2.0-only */
/* The host driver's memory pool: what a leak check has to subtract. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "colinux_types.h"
#include "colinux_ioctl.h"

#include "check.h"

int check_pool(int argc, char **argv)
{
	struct co_pool pool = { .size = sizeof(pool), .op = CO_POOL_TRIM };
	struct co_stats stats = { .size = sizeof(stats) };
	int fd = open(CO_DEVICE_PATH, O_RDWR);

	if (fd < 0)
		return check_unable(CO_DEVICE_PATH);
	if (argc > 1) {
		if (strcmp(argv[1], "trim")) {
			fprintf(stderr, "colinux-check: pool: `trim` or nothing\n");
			return CHECK_USAGE;
		}
		if (ioctl(fd, CO_IOC_POOL, &pool))
			return check_unable("CO_IOC_POOL");
	}
	if (ioctl(fd, CO_IOC_STATS, &stats))
		return check_unable("CO_IOC_STATS");
	printf("pool_chunks=%llu\npool_chunks_used=%llu\nchunk_kib=%llu\n",
	       (unsigned long long)stats.pool_chunks, (unsigned long long)stats.pool_chunks_used,
	       (unsigned long long)(CO_CHUNK_SIZE >> 10));
	close(fd);
	return CHECK_OK;
}
