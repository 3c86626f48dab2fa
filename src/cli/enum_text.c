/*
 * enum_text.c: see enum_text.h.
 */
#include <string.h>

#include "cli/enum_text.h"

int cli_is_flags(const struct fls_enum *enumeration)
{
    for (size_t i = 0; i < enumeration->value_count; i++) {
        uint64_t value = (uint64_t)enumeration->values[i].value;
        if (value == 0 || (value & (value - 1)) != 0)
            return 0;
    }
    return !enumeration->is_union;
}

/* The bits that no value of the enum has. */
static uint64_t nameless(const struct fls_enum *enumeration, uint64_t value)
{
    for (size_t i = 0; i < enumeration->value_count; i++)
        value &= ~(uint64_t)enumeration->values[i].value;
    return value;
}

int cli_enum_has_name(const struct fls_enum *enumeration, int64_t value)
{
    return enumeration &&
           (fls_enum_name(enumeration, value) || (value != 0 && cli_is_flags(enumeration) &&
                                                  nameless(enumeration, (uint64_t)value) == 0));
}

int cli_enum_put(const struct fls_enum *enumeration, int64_t value, cli_put_text *put,
                 void *context)
{
    const char *name = enumeration ? fls_enum_name(enumeration, value) : NULL;
    size_t count = 0;

    if (name) {
        put(context, name, strlen(name));
        return 1;
    }
    if (!cli_enum_has_name(enumeration, value))
        return 0;
    for (size_t i = 0; i < enumeration->value_count; i++) {
        if (((uint64_t)enumeration->values[i].value & (uint64_t)value) == 0)
            continue;
        if (count++ > 0)
            put(context, " ", 1);
        put(context, enumeration->values[i].name, strlen(enumeration->values[i].name));
    }
    return 1;
}

struct room {
    char *text;
    size_t size;
    size_t used;
};

static void append(void *context, const char *text, size_t length)
{
    struct room *room = context;
    size_t left = room->size - 1 - room->used;

    length = length < left ? length : left;
    memcpy(room->text + room->used, text, length);
    room->used += length;
}

int cli_enum_name(const struct fls_enum *enumeration, int64_t value, char *text, size_t size)
{
    struct room room = {text, size, 0};
    int has_name = cli_enum_put(enumeration, value, append, &room);

    text[room.used] = '\0';
    return has_name;
}

/* The flag whose name is the `length` bytes at `name`; 0: there is none. */
static uint64_t flag_called(const struct fls_enum *enumeration, const char *name, size_t length)
{
    for (size_t i = 0; i < enumeration->value_count; i++)
        if (strncmp(enumeration->values[i].name, name, length) == 0 &&
            enumeration->values[i].name[length] == '\0')
            return (uint64_t)enumeration->values[i].value;
    return 0;
}

int cli_flags_parse(const struct fls_enum *enumeration, const char *names, int64_t *value)
{
    uint64_t sum = 0;

    if (!cli_is_flags(enumeration))
        return 0;
    for (;;) {
        size_t length = strcspn(names, " ");
        uint64_t flag = flag_called(enumeration, names, length);
        if (flag == 0)
            return 0;
        sum |= flag;
        if (names[length] == '\0')
            break;
        names += length + 1;
    }
    *value = (int64_t)sum;
    return 1;
}
