// SPDX-License-Identifier: GPL-2.0-only
/*
 * eth0, eth1, ...: the host's network devices (VIRTIO 1.2, 5.1), one queue each
 * way, without offloads: whole frames, checksummed by us.
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/netdevice.h>
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include "colinux.h"
#include "ring.h"

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT };

#define FRAME_BYTES	(ETH_HLEN + ETH_DATA_LEN + 4)	/* with a VLAN's tag */
#define RECEIVE_BYTES	(sizeof(struct virtio_net_header) + FRAME_BYTES)

struct co_net {
	struct net_device dev;
	struct net_device_stats stats;
	u32 device;
	u64 features;
	struct co_ring receive, transmit;
	int up;
};

/* Before every frame we ask for nothing, so it is all zero; read by every device. */
static struct virtio_net_header no_offload;

/* ---- interrupts are off in all of these ---- */

static void refill(struct co_net *net)
{
	for (;;) {
		struct sk_buff *skb = dev_alloc_skb(RECEIVE_BYTES + 2);
		struct co_buf buf;

		if (!skb)
			break;
		skb_reserve(skb, 2);	/* so that IP's header is aligned */
		buf.data = skb->data;
		buf.len = RECEIVE_BYTES;
		if (co_ring_add(&net->receive, &buf, 0, 1, skb)) {
			dev_kfree_skb_any(skb);
			break;
		}
	}
	co_ring_kick(&net->receive);
}

static void receive(struct co_net *net, struct sk_buff *skb, u32 bytes)
{
	if (!net->up || bytes < sizeof(struct virtio_net_header) + ETH_HLEN ||
	    bytes > RECEIVE_BYTES) {
		net->stats.rx_errors += net->up;
		dev_kfree_skb_any(skb);
		return;
	}
	skb_put(skb, bytes);
	skb_pull(skb, sizeof(struct virtio_net_header));
	net->stats.rx_packets++;
	net->stats.rx_bytes += skb->len;
	skb->dev = &net->dev;
	skb->protocol = eth_type_trans(skb, &net->dev);
	netif_rx(skb);
	net->dev.last_rx = jiffies;
}

static void reclaim(struct co_net *net)
{
	struct sk_buff *skb;
	u32 written;

	while ((skb = co_ring_get(&net->transmit, &written)))
		dev_kfree_skb_any(skb);
}

static void link_state(struct co_net *net)
{
	struct virtio_net_config config;

	if (!(net->features & VIRTIO_NET_F_STATUS))
		return;
	co_device_config(net->device, 0, &config, sizeof(config));
	if (config.status & VIRTIO_NET_S_LINK_UP)
		netif_carrier_on(&net->dev);
	else
		netif_carrier_off(&net->dev);
}

static void net_interrupt(int irq, void *dev, struct pt_regs *regs)
{
	struct co_net *net = dev;
	u32 isr = co_device_isr(net->device), bytes;
	struct sk_buff *skb;

	if (isr & CO_ISR_CONFIG)
		link_state(net);
	if (!(isr & CO_ISR_QUEUE))
		return;
	do {
		while ((skb = co_ring_get(&net->receive, &bytes)))
			receive(net, skb, bytes);
	} while (co_ring_listen(&net->receive));
	refill(net);
	do {
		reclaim(net);
	} while (co_ring_listen(&net->transmit));
	if (net->up && net->transmit.nfree >= 2)
		netif_wake_queue(&net->dev);
}

/* ---- the network layer's calls ---- */

static int net_transmit(struct sk_buff *skb, struct net_device *dev)
{
	struct co_net *net = dev->priv;
	struct co_buf bufs[2];
	unsigned long flags;

	bufs[0].data = &no_offload;
	bufs[0].len = sizeof(no_offload);
	bufs[1].data = skb->data;
	bufs[1].len = skb->len;
	__save_flags(flags);
	__cli();
	reclaim(net);
	if (co_ring_add(&net->transmit, bufs, 2, 0, skb)) {
		netif_stop_queue(dev);
		__restore_flags(flags);
		return 1;		/* queued again by the caller */
	}
	net->stats.tx_packets++;
	net->stats.tx_bytes += skb->len;
	dev->trans_start = jiffies;
	co_ring_kick(&net->transmit);
	if (net->transmit.nfree < 2)
		netif_stop_queue(dev);
	__restore_flags(flags);
	return 0;
}

static int net_open(struct net_device *dev)
{
	struct co_net *net = dev->priv;

	net->up = 1;
	link_state(net);
	netif_start_queue(dev);
	return 0;
}

static int net_stop(struct net_device *dev)
{
	struct co_net *net = dev->priv;

	netif_stop_queue(dev);
	net->up = 0;
	return 0;
}

static struct net_device_stats *net_stats(struct net_device *dev)
{
	return &((struct co_net *)dev->priv)->stats;
}

/* ---- at boot ---- */

static int __init add_net(u32 device)
{
	struct co_net *net = kmalloc(sizeof(*net), GFP_KERNEL);
	struct virtio_net_config config;
	unsigned long flags;
	int err;

	if (!net)
		return -ENOMEM;
	memset(net, 0, sizeof(*net));
	net->device = device;
	net->features = co_device_begin(device, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS);
	if (!(net->features & VIRTIO_NET_F_MAC))
		return -ENODEV;		/* no address, no network */
	err = co_ring_setup(&net->receive, device, QUEUE_RECEIVE, net->features);
	if (!err)
		err = co_ring_setup(&net->transmit, device, QUEUE_TRANSMIT, net->features);
	if (err)
		return err;
	ether_setup(&net->dev);
	strcpy(net->dev.name, "eth%d");
	co_device_config(device, 0, &config, sizeof(config));
	memcpy(net->dev.dev_addr, config.mac, ETH_ALEN);
	net->dev.priv = net;
	net->dev.irq = CO_IRQ_DEVICE(device);
	net->dev.open = net_open;
	net->dev.stop = net_stop;
	net->dev.hard_start_xmit = net_transmit;
	net->dev.get_stats = net_stats;
	err = register_netdev(&net->dev);
	if (!err)
		err = request_irq(net->dev.irq, net_interrupt, SA_INTERRUPT | SA_SAMPLE_RANDOM,
				  net->dev.name, net);
	if (err)
		return err;
	co_device_ready(device);
	__save_flags(flags);
	__cli();
	refill(net);
	__restore_flags(flags);
	return 0;
}

static int __init net_init(void)
{
	u32 device;
	int err;

	for (device = 0; device < CO_NR_VDEV; device++) {
		if (co_once(co_vdevs[device].id) != VIRTIO_ID_NET)
			continue;
		err = add_net(device);
		if (err) {
			printk(KERN_ERR "colinux: network device %u: error %d\n", device, -err);
			co_device_fail(device);
		}
	}
	return 0;
}
__initcall(net_init);
