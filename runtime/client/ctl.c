// SPDX-License-Identifier: GPL-2.0-only
/* colinux-ctl: looks at running guests and ends them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "ctl_print.h"
#include "json_read.h"

#ifndef CO_RELEASE
#define CO_RELEASE "development"
#endif

enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* Behind the command: NAME add ethN REDIRECTION, and one too many. */
#define WORDS_MAX	5

struct ctl {
	const char *command, *name;
	const char *words[WORDS_MAX];
	int nwords;
	bool json, no_wait;
	bool waits;				/* balloon: for what it asks for */
	char chosen[CLIENT_NAME_SIZE];
	char request[CLIENT_REQUEST_MAX];	/* of redirect and balloon */
	char reply[CLIENT_REPLY_MAX];
};

static const char manual[] =
"usage: colinux-ctl [--json] COMMAND [NAME] [WORDS]\n"
"\n"
"Looks at guests of this user that run, and ends them. A guest's name is its\n"
"configuration's name=, or the file's name; it may be left out when one runs.\n"
"\n"
"  list            all of them\n"
"  status [NAME]   one in more detail\n"
"  stats [NAME]    its switches and interrupts, what it ran and idled, its devices\n"
"  stop [NAME]     ask it to shut down; it is ended when its shutdown-timeout is over\n"
"  reboot [NAME]   the same, and start it anew in the same daemon\n"
"  kill [NAME]     end it at once: it loses what it has not written yet\n"
"  wait [NAME]     wait for its end\n"
"  redirect [NAME] the host's ports that lead into it, through its ethN=slirp\n"
"  redirect [NAME] add|remove [ethN] REDIRECTION\n"
"                  opens more of them, or closes some: PROTOCOL:[ADDRESS:]HOST-PORT:\n"
"                  GUEST-PORT[:COUNT], like tcp:2222:22, several with slashes between\n"
"                  them; as long as its daemon runs. ethN says of which interface,\n"
"                  where several are slirp\n"
"  balloon [NAME]  how much of its memory it keeps; the rest is with the host\n"
"  balloon [NAME] MIB|auto\n"
"                  so much it shall keep; auto: as much as it finds good. Waits until it\n"
"                  has come to that. Guests of Linux 6.1 on Linux hosts only\n"
"\n"
"  --json          answers as JSON: a line, of list an array\n"
"  --no-wait       stop, reboot, kill and balloon: only say so, do not wait for it\n"
"  --version, --help\n"
"\n"
"Exit status: 0 it is done; with stop and wait: the guest shut down by itself;\n"
"1 it is not, the reason is on stderr; 2 a mistake in the command line.\n";

static int fail(const struct error *error)
{
	fprintf(stderr, "colinux-ctl: %s\n", error->text);
	return FAILED;
}

static int show(const struct ctl *ctl, void (*print)(const char *))
{
	if (ctl->json)
		puts(ctl->reply);
	else
		print(ctl->reply);
	return DONE;
}

/* --- commands --- */

static int list(struct ctl *ctl)
{
	char (*names)[CLIENT_NAME_SIZE], chosen[CLIENT_NAME_SIZE];
	struct error error = { 0 };
	struct client_link *link;
	int count, i, shown = 0, result = DONE;

	count = client_list(&names, &error);
	if (count < 0)
		return fail(&error);
	if (ctl->json)
		putchar('[');
	else if (count)
		print_list_line(NULL);
	for (i = 0; i < count; i++) {
		link = client_connect(names[i], chosen, &error);
		if (!link)
			continue;	/* it has just ended */
		if (client_ask(link, "status", ctl->reply, CLIENT_PATIENCE_MS, &error) ||
		    client_refused(ctl->reply, &error)) {
			fprintf(stderr, "colinux-ctl: %s: %s\n", names[i], error.text);
			result = FAILED;
		} else if (ctl->json) {
			printf("%s%s", shown++ ? "," : "", ctl->reply);
		} else {
			print_list_line(ctl->reply);
		}
		client_close(link);
	}
	if (ctl->json)
		puts("]");
	free(names);
	return result;
}

static int look(struct ctl *ctl, struct client_link *link, struct error *error)
{
	if (client_ask(link, ctl->command, ctl->reply, CLIENT_PATIENCE_MS, error) ||
	    client_refused(ctl->reply, error))
		return fail(error);
	return show(ctl, strcmp(ctl->command, "stats") ? print_status : print_stats);
}

/* How it came out: the event's line is in ctl->reply. */
static int outcome(struct ctl *ctl)
{
	char event[32], reason[400];
	int code = json_number(json_find(ctl->reply, "exit_code"));

	json_string(json_find(ctl->reply, "event"), event, sizeof(event));
	json_string(json_find(ctl->reply, "reason"), reason, sizeof(reason));
	if (ctl->json)
		puts(ctl->reply);
	/* what was killed has not shut down, and should not */
	if (!code || !strcmp(ctl->command, "kill"))
		return DONE;
	fprintf(stderr, "colinux-ctl: %s %s (exit code %d): %s\n", ctl->chosen, event, code, reason);
	return FAILED;
}

static int change(struct ctl *ctl, struct client_link *link, struct error *error)
{
	if (client_ask(link, ctl->command, ctl->reply, CLIENT_PATIENCE_MS, error) ||
	    client_refused(ctl->reply, error))
		return fail(error);
	if (ctl->no_wait) {
		if (ctl->json)
			puts(ctl->reply);
		return DONE;
	}
	if (client_ask(link, NULL, ctl->reply, -1, error))
		return fail(error);
	return outcome(ctl);
}

static int redirect(struct ctl *ctl, struct client_link *link, struct error *error)
{
	if (client_ask(link, ctl->request, ctl->reply, CLIENT_PATIENCE_MS, error) ||
	    client_refused(ctl->reply, error))
		return fail(error);
	/* who has changed something knows what */
	return ctl->json || !strcmp(ctl->request, "redirect") ? show(ctl, print_redirects) : DONE;
}

/* It gives and takes chunk by chunk; when for so long none comes or goes, none will. */
#define LOOK_AGAIN_MS	200
#define BALLOON_STUCK_MS 12000

static int ask_balloon(struct ctl *ctl, struct client_link *link, const char *request, struct error *error)
{
	if (client_ask(link, request, ctl->reply, CLIENT_PATIENCE_MS, error))
		return -1;
	return client_refused(ctl->reply, error);
}

static int balloon(struct ctl *ctl, struct client_link *link, struct error *error)
{
	const char *told;
	double actual, before = -1, target;
	long long since = 0;
	char nothing;

	if (ask_balloon(ctl, link, ctl->request, error))
		return fail(error);
	/* what it chooses itself has no end */
	if (ctl->no_wait || !ctl->waits)
		return show(ctl, print_balloon);
	for (;;) {
		told = json_find(ctl->reply, "balloon");
		actual = json_number(json_find(told, "actual_mib"));
		target = json_number(json_find(told, "target_mib"));
		if (actual != before)
			since = client_now_ms();
		before = actual;
		if (actual == target || json_true(json_find(told, "auto")) ||
		    json_true(json_find(told, "broken")) || client_now_ms() - since > BALLOON_STUCK_MS)
			break;
		/* nothing comes unasked: this is a rest, or the guest's end */
		if (client_receive(link, &nothing, 1, LOOK_AGAIN_MS, error) != CLIENT_LATE) {
			error_set(error, "the guest has ended");
			return fail(error);
		}
		if (ask_balloon(ctl, link, "balloon", error))
			return fail(error);
	}
	show(ctl, print_balloon);
	if (actual == target)
		return DONE;
	fprintf(stderr, "colinux-ctl: %s keeps %.0f MiB, not %.0f: %s\n", ctl->chosen, actual, target,
		actual > target ? "it can spare no more now" :
		"the host has put into the rest what cannot be moved, or has no memory to spare");
	return FAILED;
}

static const struct command {
	const char *word;
	int (*run)(struct ctl *ctl, struct client_link *link, struct error *error);
} commands[] = {
	{ "list", NULL },
	{ "status", look },
	{ "stats", look },
	{ "stop", change },
	{ "reboot", change },
	{ "kill", change },
	{ "wait", change },
	{ "redirect", redirect },
	{ "balloon", balloon },
};

static const struct command *find(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].word, word))
			return &commands[i];
	return NULL;
}

static int run(struct ctl *ctl, const struct command *command)
{
	struct error error = { 0 };
	struct client_link *link;
	int result;

	if (!command->run)
		return list(ctl);
	link = client_connect(ctl->name, ctl->chosen, &error);
	if (!link)
		return fail(&error);
	result = command->run(ctl, link, &error);
	client_close(link);
	return result;
}

/* --- the command line --- */

static int misuse(const char *what, const char *word)
{
	fprintf(stderr, "colinux-ctl: %s%s; see --help\n", what, word);
	return USAGE;
}

static bool is_change(const char *word)
{
	return !strcmp(word, "add") || !strcmp(word, "remove");
}

/* A request is one line of words with blanks between them; a word is one of printable ASCII. */
static int add_to_request(struct ctl *ctl, const char *word)
{
	size_t used = strlen(ctl->request), i;

	for (i = 0; word[i]; i++)
		if (word[i] <= 0x20 || word[i] > 0x7e)
			return misuse("a redirection is like tcp:2222:22, not like ", word);
	if (snprintf(ctl->request + used, sizeof(ctl->request) - used, " %s", word) >=
	    (int)(sizeof(ctl->request) - used))
		return misuse("too many redirections at once: ", word);
	return DONE;
}

/* [NAME] [add|remove [ethN] REDIRECTION] */
static int take_redirect_words(struct ctl *ctl)
{
	int at = 0;

	strcpy(ctl->request, "redirect");
	if (ctl->nwords && !is_change(ctl->words[0]))
		ctl->name = ctl->words[at++];
	if (at == ctl->nwords)
		return DONE;
	if (!is_change(ctl->words[at]))
		return misuse("expected add or remove, not ", ctl->words[at]);
	if (ctl->nwords - at < 2)
		return misuse("a redirection is missing behind ", ctl->words[at]);
	if (ctl->nwords - at > 3)
		return misuse("unexpected ", ctl->words[at + 3]);
	for (; at < ctl->nwords; at++)
		if (add_to_request(ctl, ctl->words[at]))
			return USAGE;
	return DONE;
}

static bool is_amount(const char *word)
{
	return !strcmp(word, "auto") || (*word && strspn(word, "0123456789") == strlen(word));
}

/* [NAME] [MIB|auto] */
static int take_balloon_words(struct ctl *ctl)
{
	const char *amount = ctl->nwords == 2 ? ctl->words[1] :
			     ctl->nwords == 1 && is_amount(ctl->words[0]) ? ctl->words[0] : NULL;

	if (ctl->nwords > 2)
		return misuse("unexpected ", ctl->words[2]);
	if (ctl->nwords == 2 || !amount)
		ctl->name = ctl->words[0];
	if (amount && (!is_amount(amount) || strlen(amount) > 9))
		return misuse("expected a number of MiB or auto, not ", amount);
	snprintf(ctl->request, sizeof(ctl->request), "balloon%s%s", amount ? " " : "", amount ? amount : "");
	ctl->waits = amount && strcmp(amount, "auto");
	return DONE;
}

static int take_words(struct ctl *ctl, const struct command *command)
{
	if (command->run == redirect)
		return take_redirect_words(ctl);
	if (command->run == balloon)
		return take_balloon_words(ctl);
	if (!command->run && ctl->nwords)
		return misuse("list takes no name, but has ", ctl->words[0]);
	if (ctl->nwords > 1)
		return misuse("one guest at a time, not also ", ctl->words[1]);
	ctl->name = ctl->words[0];
	return DONE;
}

int main(int argc, char **argv)
{
	static struct ctl ctl;
	const struct command *command;
	int i, result;

	argv = client_arguments(&argc, argv);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return fputs(manual, stdout) < 0 || fflush(stdout) ? FAILED : DONE;
		if (!strcmp(argv[i], "--version"))
			return printf("colinux-ctl %s\n", CO_RELEASE) < 0 || fflush(stdout) ? FAILED : DONE;
		if (!strcmp(argv[i], "--json"))
			ctl.json = true;
		else if (!strcmp(argv[i], "--no-wait"))
			ctl.no_wait = true;
		else if (argv[i][0] == '-')
			return misuse("unknown switch ", argv[i]);
		else if (!ctl.command)
			ctl.command = argv[i];
		else if (ctl.nwords < WORDS_MAX)
			ctl.words[ctl.nwords++] = argv[i];
		else
			return misuse("unexpected ", argv[i]);
	}
	if (!ctl.command)
		return misuse("a command is needed", "");
	command = find(ctl.command);
	if (!command)
		return misuse("unknown command ", ctl.command);
	if (take_words(&ctl, command))
		return USAGE;
	result = run(&ctl, command);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "colinux-ctl: writing to stdout failed\n");
		return FAILED;
	}
	return result;
}
