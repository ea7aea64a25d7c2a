/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's programs have switched in the terminal that shows its console: private
 * modes (cursor, other screen, mouse, pasting in brackets; "DEC private mode set", CSI ? N h).
 */
#ifndef COLINUX_ATTACH_MODES_H
#define COLINUX_ATTACH_MODES_H

#include <stddef.h>

#define MODES_RESET_SIZE	300u

/* Reads along what is shown, in what pieces ever. */
void modes_watch(const char *bytes, size_t count);
/* What makes the terminal as programs expect it; returns its length. */
size_t modes_reset_text(char *text, size_t size);

#endif
