/*
 * options.c: see options.h.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/frame.h>

#include "cli/options.h"
#include "cli/output.h"

#define OPTIONS_MAX 32

const char *const cli_checksum_choices[] = {"auto", "none", "crc16", "crc32", "xxh3", NULL};

struct parser {
    const struct cli_verb *verb;
    const struct cli_option *options;
    size_t count;
    int argc;
    char **argv;
    int at;
};

/* A unit's shift: K, M, G or T, alone or as KiB. -1 when it is none. */
static int unit_shift(const char *suffix)
{
    static const char units[] = "KMGT";
    const char *unit = *suffix ? strchr(units, toupper((unsigned char)*suffix)) : NULL;

    if (*suffix == '\0')
        return 0;
    if (!unit || (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0))
        return -1;
    return 10 * (int)(unit - units + 1);
}

int cli_number(const char *text, int units, uint64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return 0;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    int shift = units || *end == '\0' ? unit_shift(end) : -1;
    if (errno != 0 || shift < 0 || value > UINT64_MAX >> shift)
        return 0;
    *number = (uint64_t)value << shift;
    return 1;
}

static int set_choice(const struct parser *parser, const struct cli_option *option,
                      const char *value)
{
    size_t used = 0;
    char list[256] = "";

    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *(int *)option->target = i;
            return CLI_GO_ON;
        }
        int added = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                             option->choices[i]);
        used += added > 0 && (size_t)added < sizeof list - used ? (size_t)added : 0;
    }
    return cli_usage(parser->verb, "--%s is one of %s, not '%s'", option->name, list, value);
}

static int set_number(const struct parser *parser, const struct cli_option *option,
                      const char *value)
{
    uint64_t number;

    if (!cli_number(value, option->kind == CLI_BYTES, &number))
        return cli_usage(parser->verb, "--%s takes a whole number%s, not '%s'", option->name,
                         option->kind == CLI_BYTES ? " of bytes (K, M, G allowed)" : "", value);
    if (number < option->least)
        return cli_usage(parser->verb, "--%s must be at least %" PRIu64, option->name,
                         option->least);
    *(uint64_t *)option->target = number;
    return CLI_GO_ON;
}

static int add_text(const struct parser *parser, const struct cli_option *option, const char *value)
{
    struct cli_texts *texts = option->target;

    if (texts->count == CLI_TEXTS_MAX)
        return cli_usage(parser->verb, "--%s: at most %d of them", option->name, CLI_TEXTS_MAX);
    texts->list[texts->count++] = value;
    return CLI_GO_ON;
}

static int set_value(const struct parser *parser, const struct cli_option *option,
                     const char *value)
{
    if (option->kind == CLI_CHOICE)
        return set_choice(parser, option, value);
    if (option->kind == CLI_TEXTS)
        return add_text(parser, option, value);
    if (option->kind != CLI_TEXT)
        return set_number(parser, option, value);
    *(const char **)option->target = value;
    return CLI_GO_ON;
}

/* The option with its value: behind '=', or behind the letter, or the next argument. */
static int take(struct parser *parser, const struct cli_option *option, const char *value)
{
    if (option->kind == CLI_FLAG) {
        if (value)
            return cli_usage(parser->verb, "--%s takes no value", option->name);
        *(int *)option->target = 1;
        return CLI_GO_ON;
    }
    if (!value && parser->at + 1 < parser->argc)
        value = parser->argv[++parser->at];
    if (!value)
        return cli_usage(parser->verb, "--%s needs a value", option->name);
    return set_value(parser, option, value);
}

static int unknown(const struct parser *parser, const char *argument)
{
    const char *names[OPTIONS_MAX];
    size_t count = parser->count < OPTIONS_MAX ? parser->count : OPTIONS_MAX;
    char word[64];

    for (size_t i = 0; i < count; i++)
        names[i] = parser->options[i].name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    const char *near = argument[1] == '-' ? cli_nearest(word, names, count) : NULL;
    if (near)
        return cli_usage(parser->verb, "unknown option '%s'; did you mean --%s?", argument, near);
    return cli_usage(parser->verb, "unknown option '%s'", argument);
}

static int take_long(struct parser *parser, char *argument)
{
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");

    for (size_t i = 0; i < parser->count; i++) {
        const struct cli_option *option = &parser->options[i];
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return take(parser, option, name[length] == '=' ? name + length + 1 : NULL);
    }
    return unknown(parser, argument);
}

static int take_short(struct parser *parser, char *argument)
{
    for (size_t i = 0; i < parser->count; i++) {
        const struct cli_option *option = &parser->options[i];
        if (option->letter == argument[1] && option->kind != CLI_FLAG)
            return take(parser, option, argument[2] ? argument + 2 : NULL);
        if (option->letter == argument[1] && argument[2] == '\0')
            return take(parser, option, NULL);
    }
    return unknown(parser, argument);
}

int cli_parse(const struct cli_verb *verb, const struct cli_option *options, size_t count, int argc,
              char **argv, struct cli_operands *operands)
{
    struct parser parser = {verb, options, count, argc, argv, 1};
    int only_operands = 0, result = CLI_GO_ON;

    *operands = (struct cli_operands){argv, 0};
    for (; parser.at < argc && result == CLI_GO_ON; parser.at++) {
        char *argument = argv[parser.at];
        if (only_operands || argument[0] != '-' || argument[1] == '\0') {
            argv[operands->count++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            only_operands = 1;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            cli_out_bytes(verb->help, strlen(verb->help));
            result = CLI_WELL;
        } else {
            result =
                argument[1] == '-' ? take_long(&parser, argument) : take_short(&parser, argument);
        }
    }
    return result;
}

int cli_check_max_frame(const struct cli_verb *verb, uint64_t *max_frame)
{
    if (*max_frame > (uint64_t)FLS_PAYLOAD_BYTES_WIRE_MAX + 1)
        return cli_usage(verb, "--max-frame is at most 4G: the format's length field has 32 bits");
    if (*max_frame > FLS_PAYLOAD_BYTES_WIRE_MAX)
        *max_frame = FLS_PAYLOAD_BYTES_WIRE_MAX;
    return CLI_GO_ON;
}
