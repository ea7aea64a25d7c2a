// SPDX-License-Identifier: GPL-2.0-only
/* The words for a serial port's line. */
#include "serial_line.h"

#include <stdio.h>
#include <string.h>

#include "option_values.h"

/* What the fastest of today's adapters do. */
#define BAUD_MIN	50u
#define BAUD_MAX	4000000u

#define WORD_MAX	24u

static int twice(const char *what, struct error *error)
{
	return error_set(error, "%s given twice", what);
}

static int set_baud(struct serial_line *line, const char *text, struct error *error)
{
	if (line->baud)
		return twice("the speed is", error);
	return option_number(text, "bits a second", BAUD_MIN, BAUD_MAX, &line->baud, error);
}

static int set_bits(struct serial_line *line, char bits, struct error *error)
{
	if (line->data_bits)
		return twice("the number of data bits is", error);
	if (bits < '5' || bits > '8')
		return error_set(error, "%c: a byte has 5 to 8 data bits", bits);
	line->data_bits = bits - '0';
	return 0;
}

static int set_parity(struct serial_line *line, char parity, struct error *error)
{
	if (line->parity)
		return twice("the parity is", error);
	if (!parity || !strchr("neoms", parity))
		return error_set(error, "%c: parity is n, e, o, m or s", parity);
	line->parity = parity;
	return 0;
}

static int set_stop(struct serial_line *line, char stop, struct error *error)
{
	if (line->stop_bits)
		return twice("the number of stop bits is", error);
	if (stop != '1' && stop != '2')
		return error_set(error, "%c: there are 1 or 2 stop bits", stop);
	line->stop_bits = stop - '0';
	return 0;
}

/* MODE says some of them in two words: OCTS=on RTS=hs. */
static int set_flow(struct serial_line *line, enum serial_flow flow, struct error *error)
{
	if (line->flow && line->flow != flow)
		return twice("the flow control is", error);
	line->flow = flow;
	return 0;
}

/* What an open line does anyway, or what does not concern us. */
static bool is_idle(const char *word)
{
	static const char *const idle[] = {
		"dtr=on", "rts=on", "xon=off", "octs=off", "odsr=off", "idsr=off", "to=on", "to=off",
	};
	size_t i;

	for (i = 0; i < sizeof(idle) / sizeof(*idle); i++)
		if (!strcmp(word, idle[i]))
			return true;
	return false;
}

static int take_word(struct serial_line *line, const char *word, struct error *error)
{
	size_t bytes = strlen(word);

	if (strspn(word, "0123456789") == bytes)
		return set_baud(line, word, error);
	if (!strncmp(word, "baud=", 5))
		return set_baud(line, word + 5, error);
	if (bytes == 3 && word[0] >= '0' && word[0] <= '9')
		return set_bits(line, word[0], error) || set_parity(line, word[1], error) ||
		       set_stop(line, word[2], error) ? -1 : 0;
	if (bytes == 6 && !strncmp(word, "data=", 5))
		return set_bits(line, word[5], error);
	if (bytes == 8 && !strncmp(word, "parity=", 7))
		return set_parity(line, word[7], error);
	if (bytes == 6 && !strncmp(word, "stop=", 5))
		return set_stop(line, word[5], error);
	if (!strcmp(word, "rtscts") || !strcmp(word, "octs=on") || !strcmp(word, "rts=hs"))
		return set_flow(line, FLOW_RTSCTS, error);
	if (!strcmp(word, "xonxoff") || !strcmp(word, "xon=on"))
		return set_flow(line, FLOW_XONXOFF, error);
	if (!strcmp(word, "noflow"))
		return set_flow(line, FLOW_NONE, error);
	if (is_idle(word))
		return 0;
	return error_set(error, "%s: unknown setting of a line; known are a speed (115200), bits (8n1), rtscts, xonxoff and noflow (a path with a comma needs quotes)",
			 word);
}

int serial_line_parse(struct serial_line *line, const char *text, struct error *error)
{
	char word[WORD_MAX];
	size_t bytes, i;

	for (;;) {
		text += strspn(text, ", \t");
		bytes = strcspn(text, ", \t");
		if (!bytes)
			return 0;
		if (bytes >= sizeof(word))
			return error_set(error, "%.40s: unknown setting of a line, like 115200,8n1", text);
		for (i = 0; i < bytes; i++)
			word[i] = text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i];
		word[bytes] = '\0';
		if (take_word(line, word, error))
			return -1;
		text += bytes;
	}
}

bool serial_line_any(const struct serial_line *line)
{
	return line->baud || line->data_bits || line->parity || line->stop_bits || line->flow;
}

const char *serial_line_text(const struct serial_line *line, char out[SERIAL_LINE_TEXT_SIZE])
{
	static const char *const flows[] = { "", "noflow", "rtscts", "xonxoff" };
	size_t used = 0;

	out[0] = '\0';
	if (line->baud)
		used += snprintf(out, SERIAL_LINE_TEXT_SIZE, "%u", line->baud);
	if (line->data_bits || line->parity || line->stop_bits)
		used += snprintf(out + used, SERIAL_LINE_TEXT_SIZE - used, "%s%c%c%c", used ? "," : "",
				 line->data_bits ? '0' + line->data_bits : '-',
				 line->parity ? line->parity : '-',
				 line->stop_bits ? '0' + line->stop_bits : '-');
	if (line->flow)
		snprintf(out + used, SERIAL_LINE_TEXT_SIZE - used, "%s%s", used ? "," : "",
			 flows[line->flow]);
	return out;
}
