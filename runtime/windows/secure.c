// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may open the device: LocalSystem and the members of Administrators (CO_NT_SDDL).
 * Root in a guest is the host's kernel; so whoever starts one must be that already.
 *
 * IoCreateDeviceSecure would do the same, but is missing before Windows XP; an
 * object's owner may always set its access list.
 */
#include <ntifs.h>

NTSTATUS co_nt_secure(PDEVICE_OBJECT device);

/* Well-known security identifiers: revision, number of parts, authority 5 (NT), parts. */
static const UCHAR local_system[] = { 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0 };
static const UCHAR administrators[] = { 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0 };

/* An access-allowed entry has its SID in place of its last field. */
#define ACE_BYTES(sid)	(FIELD_OFFSET(ACCESS_ALLOWED_ACE, SidStart) + sizeof(sid))
#define ACL_BYTES	(sizeof(ACL) + ACE_BYTES(local_system) + ACE_BYTES(administrators))

static NTSTATUS describe(SECURITY_DESCRIPTOR *descriptor, ACL *acl)
{
	NTSTATUS status = RtlCreateSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION);

	if (NT_SUCCESS(status))
		status = RtlCreateAcl(acl, ACL_BYTES, ACL_REVISION);
	if (NT_SUCCESS(status))
		status = RtlAddAccessAllowedAce(acl, ACL_REVISION, FILE_ALL_ACCESS,
						(PSID)local_system);
	if (NT_SUCCESS(status))
		status = RtlAddAccessAllowedAce(acl, ACL_REVISION, FILE_ALL_ACCESS,
						(PSID)administrators);
	if (NT_SUCCESS(status))
		status = RtlSetDaclSecurityDescriptor(descriptor, TRUE, acl, FALSE);
	return status;
}

NTSTATUS co_nt_secure(PDEVICE_OBJECT device)
{
	SECURITY_DESCRIPTOR descriptor;
	ULONG acl[(ACL_BYTES + 3) / 4];		/* aligned */
	NTSTATUS status;
	HANDLE handle;

	status = describe(&descriptor, (ACL *)acl);
	if (!NT_SUCCESS(status))
		return status;
	status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL,
				       KernelMode, &handle);
	if (!NT_SUCCESS(status))
		return status;
	status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION |
				     PROTECTED_DACL_SECURITY_INFORMATION, &descriptor);
	ZwClose(handle);
	return status;
}
