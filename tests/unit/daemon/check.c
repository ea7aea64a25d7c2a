// SPDX-License-Identifier: GPL-2.0-only
/* main() of a test program: no argument lists the tests, a name runs one. */
#include "check.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	const struct test *test;

	for (test = tests; test->name; test++) {
		if (argc < 2)
			puts(test->name);
		else if (!strcmp(argv[1], test->name)) {
			alarm(60);	/* a test that waits for ever fails */
			test->run();
			return 0;
		}
	}
	if (argc > 1)
		fprintf(stderr, "no test %s\n", argv[1]);
	return argc > 1;
}
