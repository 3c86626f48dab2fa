/*
 * command_line.h: a command as it was typed, to be typed again.
 */
#ifndef CLI_COMMAND_LINE_H
#define CLI_COMMAND_LINE_H

/* The arguments as they are now: parsing moves them about. Memory for free(), the texts are argv's;
 * NULL: no memory. */
char **cli_command_copy(int argc, char *const *argv);

/*
 * Prints a line on standard error: `flatstream: PREFIX: flatstream VERB OPTION ARGUMENT...`, with
 * the arguments (those behind the verb's name, argv[0]) quoted so that a shell reads them back as
 * they are; bytes that are not printable ASCII as $'\NNN'. All of them, however long.
 */
void cli_say_command(const char *prefix, const char *verb, const char *option, int argc,
                     char *const *argv);

#endif
