/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers and layouts of the OASIS "Virtual I/O Device (VIRTIO) Version 1.2"
 * that the daemon uses; the sections are given. All fields are little-endian,
 * as is every CPU that this project knows.
 */
#ifndef COLINUX_VIRTIO_H
#define COLINUX_VIRTIO_H

#include "colinux_types.h"

/* 2.1 Device status field */
#define VIRTIO_S_ACKNOWLEDGE	1u
#define VIRTIO_S_DRIVER		2u
#define VIRTIO_S_DRIVER_OK	4u
#define VIRTIO_S_FEATURES_OK	8u
#define VIRTIO_S_NEEDS_RESET	64u
#define VIRTIO_S_FAILED		128u

/* 6 Reserved feature bits */
#define VIRTIO_F_INDIRECT_DESC	(1ull << 28)
#define VIRTIO_F_EVENT_IDX	(1ull << 29)
#define VIRTIO_F_VERSION_1	(1ull << 32)

/* 2.7.5 The virtqueue descriptor table */
struct vring_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};
#define VRING_DESC_NEXT		1u
#define VRING_DESC_WRITE	2u
#define VRING_DESC_INDIRECT	4u

/* 2.7.6 The available ring: flags, idx, ring[size], used_event */
#define VRING_AVAIL_NO_INTERRUPT	1u
/* 2.7.8 The used ring: flags, idx, {id, len}[size], avail_event */
#define VRING_USED_NO_NOTIFY		1u

/* 5 Device types */
#define VIRTIO_ID_NET		1u
#define VIRTIO_ID_BLOCK		2u
#define VIRTIO_ID_CONSOLE	3u
#define VIRTIO_ID_ENTROPY	4u
#define VIRTIO_ID_9P		9u

/* 5.1 Network device */
#define VIRTIO_NET_F_MAC	(1ull << 5)
#define VIRTIO_NET_F_STATUS	(1ull << 16)

#define VIRTIO_NET_MAC_BYTES	6u
#define VIRTIO_NET_S_LINK_UP	1u

struct virtio_net_config {
	u8 mac[VIRTIO_NET_MAC_BYTES];
	u16 status;
};

/* 5.1.6 Device Operation: before every frame, both ways */
struct virtio_net_header {
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset;
	u16 num_buffers;	/* legacy drivers without mergeable buffers do not have it */
};
#define VIRTIO_NET_LEGACY_HEADER_BYTES	10u

/* 5.2 Block device */
#define VIRTIO_BLK_F_SEG_MAX		(1ull << 2)
#define VIRTIO_BLK_F_RO			(1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE		(1ull << 6)
#define VIRTIO_BLK_F_FLUSH		(1ull << 9)
#define VIRTIO_BLK_F_DISCARD		(1ull << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES	(1ull << 14)

struct virtio_blk_config {
	u64 capacity;		/* sectors of 512 bytes */
	u32 size_max, seg_max;
	u16 cylinders;
	u8 heads, sectors;
	u32 blk_size;
	u8 physical_block_exp, alignment_offset;
	u16 min_io_size;
	u32 opt_io_size;
	u8 writeback, unused0;
	u16 num_queues;
	u32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	u32 max_write_zeroes_sectors, max_write_zeroes_seg;
	u8 write_zeroes_may_unmap, unused1[3];
};

#define VIRTIO_BLK_T_IN			0u
#define VIRTIO_BLK_T_OUT		1u
#define VIRTIO_BLK_T_FLUSH		4u
#define VIRTIO_BLK_T_GET_ID		8u
#define VIRTIO_BLK_T_DISCARD		11u
#define VIRTIO_BLK_T_WRITE_ZEROES	13u

#define VIRTIO_BLK_S_OK			0u
#define VIRTIO_BLK_S_IOERR		1u
#define VIRTIO_BLK_S_UNSUPP		2u

#define VIRTIO_BLK_ID_BYTES		20u
#define VIRTIO_BLK_SECTOR		512u

struct virtio_blk_header {
	u32 type, reserved;
	u64 sector;
};

struct virtio_blk_range {	/* of DISCARD and WRITE_ZEROES */
	u64 sector;
	u32 sectors;
	u32 flags;
};
#define VIRTIO_BLK_RANGE_UNMAP		1u

/* 9P transport: the standard has its id, Linux (virtio_9p.h) its layout */
#define VIRTIO_9P_F_MOUNT_TAG		(1ull << 0)
struct virtio_9p_config {
	u16 tag_len;
	char tag[30];
};

/* 5.3 Console device */
#define VIRTIO_CONSOLE_F_SIZE		(1ull << 0)

struct virtio_console_config {
	u16 columns, rows;
	u32 max_nr_ports, emerg_wr;
};

#endif
