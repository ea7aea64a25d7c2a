/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest with all its devices, from the user's options to its end. */
#ifndef COLINUX_MACHINE_H
#define COLINUX_MACHINE_H

#include "balloon.h"
#include "block.h"
#include "cofs.h"
#include "console.h"
#include "net.h"
#include "options.h"
#include "rng.h"
#include "vm.h"

struct machine {
	const struct options *options;
	struct vm vm;
	u32 ndevices;
	struct device *device[CO_NR_VDEV];
	struct console *console;			/* device 0 */
	struct console *serial[OPTIONS_SERIALS];
	struct console *further[OPTIONS_CONSOLES];	/* [0] is never there: that is `console` */
	struct block *disk[OPTIONS_DISKS];
	struct cofs *folder[OPTIONS_FOLDERS];
	struct net *net[OPTIONS_NETS];
	struct rng *rng;
	struct balloon balloon;
	struct os_process *program[OPTIONS_PROGRAMS];
	/* the vCPU thread */
	struct os_thread vcpu;
	bool has_vcpu, interactive;
	bool stopping;			/* atomic: end the guest now */
	bool has_ended;			/* atomic: its thread is done */
	u64 runs;
	/* for colinux-ctl, any thread: */
	u64 started_ms;			/* os_now_ms() at its start */
	bool asked;			/* atomic: it was asked to shut down */
	bool restart;			/* atomic: and is to be started anew then */
	/* how it ended, valid once the vCPU thread has posted ENDED */
	struct error end;		/* text may be empty */
};

/* Before the first machine: what a sandbox will not let it find out. */
void machine_prepare(const struct options *options);
/*
 * Opens disks, folders, networks and consoles, loads the guest and gets it ready;
 * vcpu_start() is next.
 * After -1, as after the guest's end, machine_close() gives everything back.
 */
int machine_start(struct machine *machine, const struct options *options, struct error *error);

/*
 * Waits for the guest's end, serving signals and colinux-ctl meanwhile; returns the
 * exit code, EXIT_AGAIN: the same guest is to be started anew, by the user's wish.
 */
int machine_wait(struct machine *machine);

/* The same thing backwards. */
void machine_close(struct machine *machine);

/* One line a device and one for the whole, at the given level. */
void machine_log_stats(struct machine *machine, int level);

/* machine_cofs.c: the host folders; attach_folders() counts the devices on. */
int open_folders(struct machine *machine, struct error *error);
int attach_folders(struct machine *machine, u32 *ndevices, struct error *error);
void close_folders(struct machine *machine);
void log_folder_stats(const struct machine *machine, int level);

/* machine_net.c: the guest's network interfaces; prepare_nets() finds their addresses. */
void prepare_nets(const struct options *options);
int open_nets(struct machine *machine, struct error *error);
/*
 * Any thread, while the guest runs: changes the redirections of eth<number>, also for
 * the guest's lives to come in this daemon; open: those that there are now. -1: see error.
 */
int redirect_net(struct machine *machine, u32 number, enum redirects_change change,
		 const struct option_redirects *asked, struct option_redirects *open,
		 struct error *error);
void log_net_stats(const struct machine *machine, int level);

/* run.c: the vCPU thread. */
int vcpu_start(struct machine *machine, struct error *error);
/* Makes the guest end now, whatever it does; returns when it has. */
void vcpu_end(struct machine *machine);

#endif
