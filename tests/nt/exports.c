// SPDX-License-Identifier: GPL-2.0-only
/* The table of what this NT exports, and what it offers to those who ask at run time. */
#include <linux/string.h>

#include "nt.h"

/* Each is defined elsewhere, with its own arguments; here only its address counts. */
#define X(name) extern char nt_##name[];
NT_EXPORTS(X)
#undef X
extern char nt_KeSaveExtendedProcessorState[], nt_KeRestoreExtendedProcessorState[];
extern char nt_KeFlushQueuedDpcs[], nt_RtlGetEnabledExtendedFeatures[];
#ifndef CONFIG_X86_64
extern char nt_KeGetCurrentIrql[], nt_KeQuerySystemTime[], nt_KfLowerIrql[], nt_KfRaiseIrql[];
#endif

static const struct { const char *name; void *address; } exports[] = {
#define X(name) { #name, nt_##name },
	NT_EXPORTS(X)
#undef X
#ifndef CONFIG_X86_64
	{ "KeGetCurrentIrql", nt_KeGetCurrentIrql },
	{ "KfLowerIrql", nt_KfLowerIrql },
	{ "KfRaiseIrql", nt_KfRaiseIrql },
#endif
}, routines[] = {	/* what not every Windows has: by MmGetSystemRoutineAddress */
#ifdef CONFIG_X86_64			/* Windows 7's */
	{ "KeFlushQueuedDpcs", nt_KeFlushQueuedDpcs },
	{ "KeSaveExtendedProcessorState", nt_KeSaveExtendedProcessorState },
	{ "KeRestoreExtendedProcessorState", nt_KeRestoreExtendedProcessorState },
	{ "RtlGetEnabledExtendedFeatures", nt_RtlGetEnabledExtendedFeatures },
#else					/* Windows 2000's */
	{ "KeQuerySystemTime", nt_KeQuerySystemTime },
#endif
	{ NULL, NULL }
};

void *nt_export(const char *dll, const char *name)
{
	int i;

	if (strcasecmp(dll, "ntoskrnl.exe") && strcasecmp(dll, "hal.dll"))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(exports); i++)
		if (!strcmp(exports[i].name, name))
			return exports[i].address;
	return NULL;
}

void *nt_routine(const struct nt_string *name)
{
	char text[64];
	int i;

	for (i = 0; i < name->length / 2 && i < sizeof(text) - 1; i++)
		text[i] = name->buffer[i];
	text[i] = '\0';
	for (i = 0; routines[i].name; i++)
		if (!strcmp(routines[i].name, text))
			return routines[i].address;
	return NULL;
}
