// SPDX-License-Identifier: GPL-2.0-only
/* Text on Windows: letters in and out, errors in words. */
#include "text_windows.h"

#include <stdlib.h>
#include <string.h>

static wchar_t *wide_from(UINT code_page, DWORD flags, const char *text)
{
	int length = MultiByteToWideChar(code_page, flags, text, -1, NULL, 0);
	wchar_t *wide = length ? malloc(length * sizeof(*wide)) : NULL;

	if (wide)
		MultiByteToWideChar(code_page, flags, text, -1, wide, length);
	return wide;
}

wchar_t *wide_of(const char *text)
{
	wchar_t *wide = wide_from(CP_UTF8, MB_ERR_INVALID_CHARS, text);

	return wide ? wide : wide_from(CP_ACP, 0, text);
}

char *utf8_of(const wchar_t *text)
{
	int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
	char *utf8 = length ? malloc(length) : NULL;

	if (utf8)
		WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, length, NULL, NULL);
	return utf8;
}

const char *windows_error(DWORD code)
{
	static __thread char text[256];
	wchar_t wide[200];
	DWORD length;

	switch (code) {
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
	case ERROR_INVALID_NAME:
	case ERROR_BAD_NETPATH:
		return "No such file or directory";
	case ERROR_ACCESS_DENIED:
		return "Permission denied";
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
		return "out of memory";
	case ERROR_HANDLE_EOF:
		return "the file has become shorter";
	}
	length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
				FORMAT_MESSAGE_MAX_WIDTH_MASK, NULL, code, 0, wide,
				sizeof(wide) / sizeof(*wide), NULL);
	while (length && (wide[length - 1] == L' ' || wide[length - 1] == L'.'))
		length--;
	length = WideCharToMultiByte(CP_UTF8, 0, wide, length, text, sizeof(text) - 1, NULL, NULL);
	if (length)
		text[length] = '\0';
	else
		snprintf(text, sizeof(text), "error %lu", code);
	return text;
}

void *windows_newer(const wchar_t *library, const char *name)
{
	HMODULE module = GetModuleHandleW(library);

	return module ? (void *)(ULONG_PTR)GetProcAddress(module, name) : NULL;
}

bool windows_program(wchar_t path[WIDE_PATH], size_t *folder_length)
{
	DWORD length = GetModuleFileNameW(NULL, path, WIDE_PATH);

	if (!length || length >= WIDE_PATH)
		return false;
	for (*folder_length = length; *folder_length && path[*folder_length - 1] != L'\\'; )
		--*folder_length;
	return true;
}
