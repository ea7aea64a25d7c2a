// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs its arguments in a world without statfs64 and fstatfs64, as Linux 2.4 is
 * one (seccomp(2); i386 system call numbers 268 and 269, from
 * arch/x86/entry/syscalls/syscall_32.tbl). 77: this kernel cannot do that.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 268, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 269, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 77;
	execv(argv[1], argv + 1);
	return 76;
}
