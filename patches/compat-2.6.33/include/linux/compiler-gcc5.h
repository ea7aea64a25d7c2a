/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What <linux/compiler.h> wants to know of gcc 5 and later. 2.6.33 takes a
 * header by the compiler's major version and has none past 4; from 5 on one is
 * enough, since no attribute that is used here came or went after that.
 */
#ifndef __LINUX_COMPILER_H
#error "include <linux/compiler.h> instead"
#endif

#define __used				__attribute__((__used__))
#define __must_check			__attribute__((warn_unused_result))
#define __cold				__attribute__((__cold__))
#define __always_inline			inline __attribute__((always_inline))
#define __compiler_offsetof(a, b)	__builtin_offsetof(a, b)
#define __compiletime_object_size(obj)	__builtin_object_size(obj, 0)
#define __compiletime_warning(message)	__attribute__((warning(message)))
#define __compiletime_error(message)	__attribute__((error(message)))
#define unreachable()			__builtin_unreachable()
#define uninitialized_var(x)		x = x
