// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Linux: nothing is installed from here; what to do instead. */
#include "os.h"

int os_driver_install(struct error *error)
{
	return error_set(error, "--install-driver is for Windows; here the driver is loaded with insmod colinux.ko");
}

int os_driver_remove(struct error *error)
{
	return error_set(error, "--remove-driver is for Windows; here the driver is unloaded with rmmod colinux");
}

int os_service_install(const char *name, int argc, char **argv, struct error *error)
{
	(void)name, (void)argc, (void)argv;
	return error_set(error, "--install-service is for Windows; here systemd starts services: put this command into a unit's ExecStart=, with -d");
}

int os_service_remove(const char *name, struct error *error)
{
	(void)name;
	return error_set(error, "--remove-service is for Windows; here systemd starts services: systemctl disable --now");
}

int os_service_run(const char *name, int (*body)(void *), void *arg, struct error *error)
{
	(void)name, (void)body, (void)arg;
	return error_set(error, "--run-service is for Windows' service manager");
}
