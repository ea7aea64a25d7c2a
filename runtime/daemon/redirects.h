/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Redirections: ports of the host's that lead into the guest. Their language, as in
 * ethN=slirp,,tcp:2222:22 and in colinux-ctl's requests, and how those of a wire are
 * opened and closed while it works.
 */
#ifndef COLINUX_REDIRECTS_H
#define COLINUX_REDIRECTS_H

#include "options.h"
#include "wire.h"

/* "tcp:255.255.255.255:65535:65535:1024" and the NUL, and some more. */
#define REDIRECT_TEXT_SIZE	48u

enum redirects_change { REDIRECTS_LIST, REDIRECTS_OPEN, REDIRECTS_CLOSE };

/*
 * PROTOCOL:[ADDRESS:]HOST-PORT:GUEST-PORT[:COUNT], several with slashes between them, are
 * added to the list; NULL and "" are none. The text is taken apart. -1: see error.
 */
int redirects_parse(struct option_redirects *list, char *text, struct error *error);

/* One of them, written out in full. Returns out. */
const char *redirect_text(const struct option_redirect *redirect, char out[REDIRECT_TEXT_SIZE]);

/*
 * The wire's thread: opens all of these or none, or closes all of them or none.
 * -1: see error. `device` ("eth0") is for messages.
 */
int redirects_change(struct wire *wire, const char *device, enum redirects_change change,
		     const struct option_redirects *asked, struct error *error);

#endif
