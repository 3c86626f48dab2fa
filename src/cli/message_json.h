/*
 * message_json.h: a message as JSON, by its schema.
 */
#ifndef CLI_MESSAGE_JSON_H
#define CLI_MESSAGE_JSON_H

#include <flatstream/schema.h>

/*
 * Prints a message that fls_verifier_check has accepted for `root`, as one line without a newline,
 * on standard output: the fields that are in it, in the order of their ids. Enums are their names
 * (bit flags separated by spaces, other values numbers), numbers have the digits that read back the
 * same, those that JSON lacks are nan, inf and -inf. FLS_OK; FLS_UNSUPPORTED: it cannot be
 * said in JSON (text that is no UTF-8, a union with a member that the schema does not know), and
 * nothing was printed.
 */
enum fls_status cli_message_json(const struct fls_object *root, const void *message,
                                 struct fls_error *error);

#endif
