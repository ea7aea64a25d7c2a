// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's log: lines for the kernel debugger (or a program like DebugView), and
 * the last one for the daemon, which says it to its user.
 *
 * Words are put together here, as old systems' _vsnprintf does not know "ll".
 */
#include "nt.h"

static KMUTEX lock;
static struct co_log last = { .size = sizeof(last) };

void co_nt_log_init(void)
{
	KeInitializeMutex(&lock, 0);
}

struct text {
	char *at, *end;		/* *end is for the NUL */
};

static void put(struct text *t, char c)
{
	if (t->at < t->end)
		*t->at++ = c;
}

static void put_number(struct text *t, u64 value, u32 base)
{
	char digits[20];	/* of 2^64 - 1 */
	u64 quotient;
	u32 n = 0;

	do {
		quotient = co_divide(value, base);
		digits[n++] = "0123456789abcdef"[value - quotient * base];
		value = quotient;
	} while (value);
	while (n)
		put(t, digits[--n]);
}

/* %s, %u, %x, %llu, %llx: what os.h promises. */
static void format_text(struct text *t, const char *format, __builtin_va_list args)
{
	const char *s;
	u32 wide;

	for (; *format; format++) {
		if (*format != '%') {
			put(t, *format);
			continue;
		}
		wide = format[1] == 'l' && format[2] == 'l';
		format += wide ? 3 : 1;
		switch (*format) {
		case 's':
			for (s = __builtin_va_arg(args, const char *); *s; s++)
				put(t, *s);
			break;
		case 'u':
		case 'x':
			put_number(t, wide ? __builtin_va_arg(args, u64) :
				   __builtin_va_arg(args, u32), *format == 'u' ? 10 : 16);
			break;
		case '\0':
			return;
		default:
			put(t, *format);
		}
	}
}

void co_os_log(const char *format, ...)
{
	struct text t;
	__builtin_va_list args;

	co_nt_lock(&lock);
	t.at = last.text;
	t.end = last.text + sizeof(last.text) - 1;
	__builtin_va_start(args, format);
	format_text(&t, format, args);
	__builtin_va_end(args);
	*t.at = '\0';
	last.lines++;
	DbgPrint("colinux: %s\n", last.text);
	co_nt_unlock(&lock);
}

void co_nt_last_log(struct co_log *log)
{
	co_nt_lock(&lock);
	*log = last;
	co_nt_unlock(&lock);
}
