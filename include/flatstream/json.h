/*
 * json.h: messages as JSON, JSON as messages, and schemas from .fbs files.
 *
 * This is libflatstream-json, a library of its own beside libflatstream: it stands on Google's
 * libflatbuffers and is written in C++, of which the rest stays free. No exception leaves it.
 *
 * One thread at a time may use a struct fls_json; several of them may be used at the same time.
 */
#ifndef FLATSTREAM_JSON_H
#define FLATSTREAM_JSON_H

#include <flatstream/schema.h>

FLS_BEGIN_DECLS

struct fls_json;

/*
 * Opens a binary schema. The bytes are copied, and checked as fls_schema_open does. FLS_OK sets
 * *json; FLS_INVALID_FLATBUFFER and FLS_UNSUPPORTED as there; FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_json_open_bfbs(const void *bfbs, size_t bytes, struct fls_json **json, struct fls_error *error);

/*
 * Parses a schema in text. `path` is the file that the text came from: it stands in errors, and
 * what the text includes is looked for beside it, then in the working directory; NULL: the working
 * directory alone. An include opens that file: do not parse a schema that you do not trust. FLS_OK
 * sets *json. FLS_INVALID_ARGUMENT: error->reason is the parser's message, error->expected the line
 * and error->found the column (from 1) behind which it stopped. FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_json_open_fbs(const char *text, size_t length,
                                                       const char *path, struct fls_json **json,
                                                       struct fls_error *error);

/* Reads the file `path` and opens it as what it is: a .bfbs or an .fbs. FLS_IO with errno if it
 * cannot be read (over 64 MiB: EFBIG); otherwise as the two above. */
FLS_API FLS_MUST_USE enum fls_status fls_json_open_file(const char *path, struct fls_json **json,
                                                        struct fls_error *error);

/* Frees it; NULL is ignored. */
FLS_API void fls_json_close(struct fls_json *json);

/* The binary schema, for fls_schema_open: attributes included, so that nested FlatBuffers are
 * known. Borrowed from `json`. */
FLS_API const void *fls_json_bfbs(const struct fls_json *json, size_t *bytes);

/* Sets the root table of messages, by its full or last name, where it is not the schema's. FLS_OK;
 * FLS_INVALID_ARGUMENT if there is no such table, or several; then the root stays as it was. */
FLS_API FLS_MUST_USE enum fls_status fls_json_set_root(struct fls_json *json, const char *name,
                                                       struct fls_error *error);

/*
 * How messages are printed; all zero is the default: one line, strict JSON, only what is in the
 * message.
 *
 *   pretty          over several lines, indented by two
 *   defaults        also scalars that are not in the message, with their defaults
 *   unquoted_names  names without quotes, as in an .fbs (not JSON, but parsed below)
 *   any_bytes       print strings that are not UTF-8 with \x escapes (not JSON either) instead of
 *                   failing
 *   from_prefix     the message was aligned from four bytes before its start
 *                   (FLS_ALIGNED_FROM_PREFIX): its numbers are read accordingly
 */
struct fls_json_options {
    int pretty;
    int defaults;
    int unquoted_names;
    int any_bytes;
    int from_prefix;
};

/*
 * Prints a message. `options` may be NULL. FLS_OK sets *text (terminated by a zero, no newline at
 * the end) and *length, borrowed until the next call on `json`. FLS_INVALID_FLATBUFFER: a strict
 * verifier (verifier.h) refuses it, for which libflatbuffers could not print it safely; or it
 * cannot be said in JSON: a string is not UTF-8, or a union holds a member that the schema does not
 * know. FLS_INVALID_ARGUMENT: no root table. FLS_NO_MEMORY.
 *
 * Doubles are rounded to 12 decimals and floats to 6, as libflatbuffers 2.0.8 prints them; what
 * must come back exactly is better read by fls_path_read (the command prints with code of its own).
 * The numbers that JSON lacks are printed as nan, inf and -inf. A vector with the attribute
 * `flexbuffer` is printed as its bytes.
 */
FLS_API FLS_MUST_USE enum fls_status fls_json_print(struct fls_json *json, const void *message,
                                                    size_t bytes,
                                                    const struct fls_json_options *options,
                                                    const char **text, size_t *length,
                                                    struct fls_error *error);

/*
 * Parses one JSON object into a message, with the schema's file identifier if the root is the
 * schema's own. Names without quotes, comments and trailing commas are accepted. FLS_OK sets
 * *message and *bytes, borrowed until the next call on `json`.
 * FLS_INVALID_ARGUMENT: error->reason is the parser's message, error->expected the line and
 * error->found the column (from 1) behind which it stopped; also for a field that the schema does
 * not have, a missing required field, and text with a zero in it. FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_json_parse(struct fls_json *json, const char *text,
                                                    size_t length, const void **message,
                                                    size_t *bytes, struct fls_error *error);

FLS_END_DECLS

#endif
