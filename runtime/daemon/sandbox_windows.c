// SPDX-License-Identifier: GPL-2.0-only
/* sandbox.h on Windows, where there is none yet. */
#include "sandbox.h"

const char *sandbox_would_be(const struct options *options)
{
	return options->sandbox == SANDBOX_NOT_WANTED ? "off" : "unavailable";
}

static const char *state = "unavailable";

const char *sandbox_is(void)
{
	return state;
}

int sandbox_begin(const struct options *options, struct error *error)
{
	state = sandbox_would_be(options);
	if (options->sandbox == SANDBOX_INSISTED)
		return error_set(error, "sandbox=on: there is no sandbox on Windows");
	return 0;
}

int sandbox_enter(const struct options *options, struct error *error)
{
	(void)options, (void)error;
	return 0;
}

void sandbox_end(void)
{
}
