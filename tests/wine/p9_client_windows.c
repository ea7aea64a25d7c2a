// SPDX-License-Identifier: GPL-2.0-only
/* A client of 9P for tests: the folder it works in, on Windows, and what lies beside it; see p9_client.h. */
#include <windows.h>

#include "../unit/daemon/check.h"
#include "folder_windows.h"
#include "../unit/daemon/p9_client.h"

/* How far the numbers of so many more handles go. Wine counts none; it takes the lowest that is free. */
#define MORE	200
static size_t reached;

static size_t reach(void)
{
	HANDLE handles[MORE];
	size_t highest = 0;
	u32 i;

	for (i = 0; i < MORE; i++) {
		handles[i] = CreateEventA(NULL, TRUE, FALSE, NULL);
		CHECK(handles[i]);
		highest = (size_t)handles[i] > highest ? (size_t)handles[i] : highest;
	}
	for (i = 0; i < MORE; i++)
		CloseHandle(handles[i]);
	return highest;
}

static BY_HANDLE_FILE_INFORMATION secret;

static BY_HANDLE_FILE_INFORMATION look(void)
{
	BY_HANDLE_FILE_INFORMATION found;
	HANDLE handle = CreateFileA("secret", FILE_READ_ATTRIBUTES, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);

	CHECK(handle != INVALID_HANDLE_VALUE && GetFileInformationByHandle(handle, &found));
	CloseHandle(handle);
	return found;
}

static void write_secret(void)
{
	FILE *file = fopen("secret", "wb");

	CHECK(file && fwrite(SECRET, 1, strlen(SECRET), file) == strlen(SECRET));
	fclose(file);
	secret = look();
}

void client_secret_is_kept(void)
{
	BY_HANDLE_FILE_INFORMATION now = look();

	CHECK_EQUAL(now.nFileIndexLow, secret.nFileIndexLow);
	CHECK_EQUAL(now.nFileIndexHigh, secret.nFileIndexHigh);
	CHECK_EQUAL(now.nFileSizeLow, secret.nFileSizeLow);
	CHECK_EQUAL(now.nNumberOfLinks, 1);
	CHECK_EQUAL(now.dwFileAttributes, secret.dwFileAttributes);
	CHECK(!memcmp(&now.ftLastWriteTime, &secret.ftLastWriteTime, sizeof(FILETIME)));
}

u32 client_user(void)
{
	return 0;
}

u32 client_group(void)
{
	return 0;
}

/* Where the guest has a file open, that stays for now, and the directories that it is in. */
static void remove_all(const char *folder)
{
	char path[4096];
	WIN32_FIND_DATAA data;
	HANDLE find;

	snprintf(path, sizeof(path), "%s\\*", folder);
	find = FindFirstFileA(path, &data);
	if (find == INVALID_HANDLE_VALUE)	/* deeper than Win32's paths are long, or on its way out */
		return;
	do {
		if (!strcmp(data.cFileName, ".") || !strcmp(data.cFileName, ".."))
			continue;
		snprintf(path, sizeof(path), "%s\\%s", folder, data.cFileName);
		if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
			remove_all(path);
			RemoveDirectoryA(path);
		} else {
			SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL);
			DeleteFileA(path);
		}
	} while (FindNextFileA(find, &data));
	FindClose(find);
}

/* No links: Wine has none of NT's. */
void client_sweep(void)
{
	remove_all("shared");
	CreateDirectoryA("shared\\dir", NULL);
	CHECK(GetFileAttributesA("shared") & FILE_ATTRIBUTE_DIRECTORY);
}

void client_begin(const struct folder_setting *setting)
{

	CHECK(CreateDirectoryA("shared", NULL));
	write_secret();
	reached = reach();
	client_open(setting);
}

void client_end(void)
{
	p9_server_free(client.server);
	CHECK(!folder_of(client.folder)->nodes);
	CHECK_EQUAL(folder_of(client.folder)->held, 0);
	client.folder->ops->close(client.folder);
	CHECK_EQUAL(reach(), reached);
}
