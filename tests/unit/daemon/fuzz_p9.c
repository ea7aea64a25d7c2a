// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_p9 SEED COUNT: so many messages to a server of a host folder, in either dialect: good
 * ones, good ones with a fault, and noise, about few names and few fids so that they meet. Beside the
 * folder lies a secret, inside of it links that lead there. Fails if the secret is
 * read, changed or gone. Prints how many requests were served and how many refused.
 */
#include "check.h"
#include "fuzz.h"
#include "p9_client_u.h"

/* Some that lead out, if anything does; "up", "out" and "abs" are links of the host's. */
static const char *const names[] = {
	"a", "b", "c", "d", "dir", "up", "out", "abs", "fifo", "..", ".", "", "../secret", "dir/a", "/", "secret",
};
#define NAMES (sizeof(names) / sizeof(*names))

static void put_some_name(struct p9_out *out)
{
	const char *name = names[one_of(8) ? one_of(9) : one_of(NAMES)];
	size_t bytes = strlen(name);

	if (!one_of(64))
		p9_put_text(out, "a\0b", 3);
	else if (!one_of(64))
		p9_put16(out, random_number());		/* a length without a text */
	else
		p9_put_text(out, name, bytes);
}

static u64 some_number(void)
{
	static const u64 numbers[] = {
		0, 1, 2, 7, 100, 4095, 4096, 65536, 1 << 20, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 63, ~0ull,
	};

	return one_of(4) ? numbers[one_of(sizeof(numbers) / sizeof(*numbers))] : random_number() >> one_of(64);
}

/* What a request consists of: fid f, name n, number of 4 or 8 bytes 4 8, flags o, mode m, byte 1, stat S. */
static const struct form {
	u8 type;
	const char *fields;
} forms_u[] = {
	{ P9_VERSION, "4v" }, { P9_ATTACH, "f4nnu" }, { P9_ATTACH, "f4nnu" }, { P9_WALK, "ffw" }, { P9_WALK, "ffw" },
	{ P9_WALK, "ffw" }, { P9_CLUNK, "f" }, { P9_OPEN, "fO" }, { P9_OPEN, "fO" }, { P9_CREATE, "fnpOx" },
	{ P9_CREATE, "fnpOx" }, { P9_CREATE, "fnpOx" }, { P9_STAT, "f" }, { P9_STAT, "f" }, { P9_WSTAT, "fS" },
	{ P9_WSTAT, "fS" }, { P9_REMOVE, "f" }, { P9_READ, "f84" }, { P9_READ, "fz4" }, { P9_WRITE, "f8d" },
	{ P9_FLUSH, "2" }, { P9_AUTH, "fnnu" },
}, forms[] = {
	{ P9_VERSION, "4v" }, { P9_ATTACH, "f4nnu" }, { P9_ATTACH, "f4nnu" }, { P9_ATTACH, "f4nnu" }, { P9_WALK, "ffw" }, { P9_WALK, "ffw" }, { P9_WALK, "ffw" },
	{ P9_CLUNK, "f" }, { P9_CLUNK, "f" }, { P9_LOPEN, "fo" }, { P9_LOPEN, "fo" }, { P9_LCREATE, "fnomg" },
	{ P9_LCREATE, "fnomg" }, { P9_SYMLINK, "fnng" }, { P9_MKNOD, "fnm44g" }, { P9_READLINK, "f" },
	{ P9_GETATTR, "f8" }, { P9_SETATTR, "fsmug88888" }, { P9_READDIR, "f84" }, { P9_READ, "f84" },
	{ P9_WRITE, "f8d" }, { P9_FSYNC, "f4" }, { P9_LOCK, "f1488un" }, { P9_GETLOCK, "f188un" },
	{ P9_LINK, "ffn" }, { P9_MKDIR, "fnmg" }, { P9_RENAMEAT, "fnfn" }, { P9_UNLINKAT, "fnr" },
	{ P9_STATFS, "f" }, { P9_FLUSH, "2" }, { P9_REMOVE, "f" }, { P9_RENAME, "ffn" }, { P9_XATTRWALK, "ffn" },
	{ P9_XATTRCREATE, "fn84" }, { P9_AUTH, "fnnu" },
};

/* One that changes this or that, mostly with sizes that are right. */
static void put_some_stat(struct p9_out *out)
{
	u8 *start = out->at;
	u16 bytes;

	p9_put32(out, 0);
	p9_put16(out, 0xffff);
	p9_put32(out, P9_U_BLANK4);
	p9_put8(out, one_of(32) ? 0xff : 0);
	p9_put32(out, P9_U_BLANK4);
	p9_put64(out, P9_U_BLANK8);
	p9_put32(out, one_of(2) ? P9_U_BLANK4 : 0644);
	p9_put32(out, one_of(2) ? P9_U_BLANK4 : (u32)some_number());
	p9_put32(out, one_of(2) ? P9_U_BLANK4 : (u32)some_number());
	p9_put64(out, one_of(2) ? P9_U_BLANK8 : some_number() & 0xffffff);
	if (one_of(2))
		put_some_name(out);
	else
		p9_put16(out, 0);
	p9_put32(out, 0);
	put_some_name(out);
	p9_put16(out, 0);
	p9_put32(out, one_of(4) ? P9_U_BLANK4 : client_user());
	p9_put32(out, one_of(4) ? P9_U_BLANK4 : client_group());
	p9_put32(out, P9_U_BLANK4);
	bytes = out->at - start - 2;
	if (one_of(32)) {
		memcpy(start, &bytes, 2);
		bytes -= 2;
		memcpy(start + 2, &bytes, 2);
	}
}

static void put_field(struct p9_out *out, char field)
{
	static const u32 kinds[] = { 0, 0, 0, P9_DMDIR, P9_DMDIR, P9_DMSYMLINK, P9_DMLINK, P9_DMDEVICE, P9_DMNAMEDPIPE, P9_DMSOCKET };
	static const char *const texts[] = { "0\n", "1\n", "2\n", "3\n", "4\n", "7\n", "c 1 1", "b 8 0", "../secret", "", "4294967296\n" };
	static const u32 modes[] = { 0, 0777, 0644, 0100644, 010644, 020666, 060666, 0140777, 040755, 0120777, 07777 };
	const char *text;
	u32 count, i;

	switch (field) {
	case 'f':
		p9_put32(out, one_of(32) ? one_of(6) : some_number());
		break;
	case 'n':
		put_some_name(out);
		break;
	case 'w':
		count = one_of(16) ? one_of(3) : one_of(40);
		p9_put16(out, count);
		for (i = 0; i < count; i++)
			put_some_name(out);
		break;
	case 'v':
		p9_put_text(out, one_of(2) ? "9P2000.L" : "9P2000.u", one_of(8) ? 8 : 6);
		break;
	case 'O':
		p9_put8(out, one_of(4) ? one_of(4) | (one_of(2) ? P9_U_TRUNC : 0) : some_number());
		break;
	case 'p':
		p9_put32(out, kinds[one_of(sizeof(kinds) / sizeof(*kinds))] | (one_of(8) ? 0755 : (u32)some_number()));
		break;
	case 'x':
		text = texts[one_of(sizeof(texts) / sizeof(*texts))];
		if (one_of(2))
			put_some_name(out);
		else
			p9_put_text(out, text, strlen(text));
		break;
	case 'z':
		p9_put64(out, 0);
		break;
	case 'S':
		put_some_stat(out);
		break;
	case 'u':
	case 'g':
		p9_put32(out, one_of(4) ? (field == 'u' ? client_user() : client_group()) : some_number());
		break;
	case 'o':
		p9_put32(out, one_of(4) ? one_of(4) | (one_of(2) ? P9_O_TRUNC : 0) | (one_of(2) ? P9_O_EXCL : 0) : some_number());
		break;
	case 'm':
		p9_put32(out, modes[one_of(sizeof(modes) / sizeof(*modes))]);
		break;
	case 's':
		p9_put32(out, one_of(0x200));
		break;
	case 'r':
		p9_put32(out, one_of(4) ? one_of(2) * P9_AT_REMOVEDIR : some_number());
		break;
	case 'd':
		count = one_of(200);
		p9_put32(out, one_of(16) ? count : some_number());
		memset(out->at, 'x', count);
		out->at += count;
		break;
	case '1':
		p9_put8(out, one_of(4));
		break;
	case '2':
		p9_put16(out, random_number());
		break;
	case '4':
		p9_put32(out, some_number());
		break;
	case '8':
		p9_put64(out, some_number());
		break;
	}
}

/* A message in client.request, mostly of this dialect; returns its length. */
static u32 some_message(bool is_u)
{
	const struct form *form = one_of(16) ? is_u ? &forms_u[one_of(sizeof(forms_u) / sizeof(*forms_u))] :
						      &forms[one_of(sizeof(forms) / sizeof(*forms))] :
					       &forms[one_of(sizeof(forms) / sizeof(*forms))];
	const char *field;
	u32 bytes, i;

	/* a version takes all fids away, so it must be rare */
	if (form->type == P9_VERSION && one_of(8))
		form++;
	message(form->type);
	for (field = form->fields; *field; field++)
		put_field(&client.out, *field);
	bytes = client.out.at - client.out.start;
	if (!one_of(16))
		for (i = one_of(4) + 1; i; i--)
			client.request[4 + one_of(bytes - 4)] = random_number();
	if (!one_of(32))
		bytes = one_of(bytes + 1);
	memcpy(client.request, &bytes, 4);
	if (!one_of(64))
		client.request[one_of(4)] = random_number();
	return bytes;
}

static bool holds_secret(const u8 *bytes, size_t count)
{
	const u8 *end = bytes + count - strlen(SECRET);

	for (; bytes < end && (bytes = memchr(bytes, SECRET[0], end - bytes)); bytes++)
		if (!memcmp(bytes, SECRET, strlen(SECRET)))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	u64 count, served = 0, refused = 0;
	bool is_u = false;

	CHECK(argc == 3);
	random_begin(argv[1]);
	client_begin(NULL);
	client_sweep();
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		if (count % 1024 == 0)
			client_sweep();
		if (count % 128 == 0) {
			client.room = 4096;
			is_u = one_of(2);
			client_attach_as(is_u ? "9P2000.u" : "9P2000.L", P9_MSIZE_MIN << one_of(5), client_user());
		}
		client.room = one_of(16) ? 4096 + one_of(8192) : one_of(40);
		if (!ask_bytes(some_message(is_u)) || client.error)
			refused++;
		else
			served++;
		CHECK(!holds_secret(client.answer, sizeof(client.answer) / 8));
		if (count % 4096 == 0)
			client_secret_is_kept();
	}
	client_secret_is_kept();
	client_end();
	printf("%llu %llu\n", (unsigned long long)served, (unsigned long long)refused);
	return 0;
}
