// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network adapters in the registry: each is a numbered key of its class, with the name of its
 * driver and an id; by that id another key knows the connection, which is what the user sees.
 */
#include "tap_windows.h"

#include <stdlib.h>
#include <string.h>

#include "text_windows.h"

#define NET_CLASS	L"{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define ADAPTERS	L"SYSTEM\\CurrentControlSet\\Control\\Class\\" NET_CLASS
#define CONNECTIONS	L"SYSTEM\\CurrentControlSet\\Control\\Network\\" NET_CLASS
#define PATH_SIZE	200u	/* the longest of these, an id, \Connection */

#define INSTALL_IT	"install TAP-Windows (OpenVPN's setup has it, with \"Add a new TAP virtual ethernet adapter\") and start anew"

/* --- the registry's values --- */

/* A text of at most size - 1 characters, with its end marked; false: there is none such. */
static bool read_text(HKEY key, const wchar_t *name, wchar_t *text, u32 size)
{
	DWORD bytes = (size - 1) * sizeof(*text), type = 0;

	if (RegQueryValueExW(key, name, NULL, &type, (BYTE *)text, &bytes) || type != REG_SZ)
		return false;
	/* the registry keeps what it was given, an end or not */
	text[bytes / sizeof(*text)] = L'\0';
	return text[0];
}

static void to_utf8(char *utf8, size_t size, const wchar_t *text)
{
	char *made = utf8_of(text);

	snprintf(utf8, size, "%s", made ? made : "?");
	free(made);
	/* whoever may name a connection, no terminal obeys him */
	for (; *utf8; utf8++)
		if ((u8)*utf8 < 0x20 || *utf8 == 0x7f)
			*utf8 = '?';
}

/* "tap0901", "root\tap0901", "TAP0801co": OpenVPN's. Other products have the same driver as tapNAME. */
static enum tap_kind kind_of(const wchar_t *component)
{
	if (!_wcsnicmp(component, L"root\\", 5))
		component += 5;
	if (_wcsnicmp(component, L"tap", 3))
		return TAP_NOT;
	return wcsspn(component + 3, L"0123456789") == 4 ? TAP_COMMON : TAP_OTHERS;
}

static void read_name(struct tap_adapter *adapter)
{
	wchar_t path[PATH_SIZE];
	HKEY key;

	_snwprintf(path, PATH_SIZE, L"%ls\\%ls\\Connection", CONNECTIONS, adapter->id);
	path[PATH_SIZE - 1] = L'\0';
	if (!RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, &key)) {
		if (!read_text(key, L"Name", adapter->name, TAP_NAME_SIZE))
			adapter->name[0] = L'\0';
		RegCloseKey(key);
	}
	to_utf8(adapter->shown, sizeof(adapter->shown), adapter->name[0] ? adapter->name : adapter->id);
}

/* False: this key is no adapter's, or none of ours to look at. */
static bool read_adapter(HKEY class, const wchar_t *number, struct tap_adapter *adapter)
{
	wchar_t component[TAP_DRIVER_SIZE];
	HKEY key;
	bool found;

	memset(adapter, 0, sizeof(*adapter));
	if (RegOpenKeyExW(class, number, 0, KEY_QUERY_VALUE, &key))
		return false;
	found = read_text(key, L"ComponentId", component, TAP_DRIVER_SIZE) &&
		read_text(key, L"NetCfgInstanceId", adapter->id, TAP_ID_SIZE) &&
		/* it becomes a part of paths */
		adapter->id[0] == L'{' && !wcschr(adapter->id, L'\\');
	RegCloseKey(key);
	if (!found)
		return false;
	adapter->kind = kind_of(component);
	to_utf8(adapter->driver, sizeof(adapter->driver), component);
	read_name(adapter);
	return true;
}

int tap_adapters_find(struct tap_adapters *adapters, struct error *error)
{
	struct tap_adapter *more;
	wchar_t number[32];
	DWORD index, length;
	LONG result;
	HKEY class;

	memset(adapters, 0, sizeof(*adapters));
	result = RegOpenKeyExW(HKEY_LOCAL_MACHINE, ADAPTERS, 0, KEY_ENUMERATE_SUB_KEYS, &class);
	if (result == ERROR_FILE_NOT_FOUND)
		return 0;
	if (result)
		return error_set(error, "the list of network adapters: %s", windows_error(result));
	for (index = 0; ; index++) {
		length = sizeof(number) / sizeof(*number);
		result = RegEnumKeyExW(class, index, number, &length, NULL, NULL, NULL, NULL);
		if (result == ERROR_MORE_DATA)
			continue;	/* a longer name than any number */
		if (result)
			break;
		more = realloc(adapters->list, (adapters->count + 1) * sizeof(*more));
		if (!more) {
			result = ERROR_NOT_ENOUGH_MEMORY;
			break;
		}
		adapters->list = more;
		if (read_adapter(class, number, &more[adapters->count]))
			adapters->count++;
	}
	RegCloseKey(class);
	return result == ERROR_NO_MORE_ITEMS ? 0 :
	       error_set(error, "the list of network adapters: %s", windows_error(result));
}

void tap_adapters_free(struct tap_adapters *adapters)
{
	free(adapters->list);
	memset(adapters, 0, sizeof(*adapters));
}

/* --- which one is meant? --- */

/* Of those that may be named: "LAN 2", "coLinux"; as many as there is room for. */
static void list_names(const struct tap_adapters *adapters, char *text, size_t size)
{
	size_t used = 0;
	u32 i;

	text[0] = '\0';
	for (i = 0; i < adapters->count; i++)
		if (adapters->list[i].kind != TAP_NOT && used < size)
			used += snprintf(text + used, size - used, "%s\"%s\"", used ? ", " : "",
					 adapters->list[i].shown);
}

static const struct tap_adapter *named(const struct tap_adapters *adapters, const wchar_t *name)
{
	u32 i;

	/* without regard to large and small letters, as Windows has it */
	for (i = 0; i < adapters->count; i++)
		if (!lstrcmpiW(adapters->list[i].name, name) || !lstrcmpiW(adapters->list[i].id, name))
			return &adapters->list[i];
	return NULL;
}

const struct tap_adapter *tap_adapter_choose(const struct tap_adapters *adapters, const char *name,
					     u32 from, struct error *error)
{
	const struct tap_adapter *found = NULL;
	wchar_t *wide = name ? wide_of(name) : NULL;
	char others[1000];

	if (wide)
		found = named(adapters, wide);
	free(wide);
	for (; !name && !found && from < adapters->count; from++)
		if (adapters->list[from].kind == TAP_COMMON)
			found = &adapters->list[from];
	if (found && found->kind != TAP_NOT)
		return found;
	list_names(adapters, others, sizeof(others));
	if (found)
		error_set(error, "\"%s\" is no adapter of TAP-Windows: its driver is %s; %s%s", name, found->driver,
			  others[0] ? "those there are: " : INSTALL_IT, others);
	else if (!others[0])
		error_set(error, "there is no adapter of TAP-Windows: " INSTALL_IT);
	else if (name)
		error_set(error, "no network connection is called \"%s\"; of TAP-Windows there are: %s", name, others);
	else
		error_set(error, "every adapter of TAP-Windows here is some product's own; if one of them may be used, name it: %s",
			  others);
	return NULL;
}
