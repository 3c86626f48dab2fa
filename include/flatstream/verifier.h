/*
 * verifier.h: is this memory a FlatBuffer that may be read?
 *
 * Two depths: the structure of the root table alone, without a schema; and everything that a
 * schema says. A message that passed the second can be read by generated accessors, fls_path_read
 * and fls_json_print without leaving its memory. Nothing is allocated for a message.
 *
 * The message is contiguous memory, aligned as it may be: what is checked is the alignment of its
 * parts within it.
 */
#ifndef FLATSTREAM_VERIFIER_H
#define FLATSTREAM_VERIFIER_H

#include <flatstream/schema.h>
#include <flatstream/tap.h>

FLS_BEGIN_DECLS

/*
 * From where the alignment of a message's parts is counted. A message cut out of a size-prefixed
 * FlatBuffer (which a frame without a checksum is) was aligned from four bytes before its start:
 * its 8-byte numbers then lie at 4, 12, 20, ... Tools that read streams of unknown origin want
 * FLS_ALIGNED_FROM_EITHER (all parts by the one or all by the other); the default is what Google's
 * verifier does.
 */
enum fls_alignment_rule {
    FLS_ALIGNED_FROM_START,
    FLS_ALIGNED_FROM_PREFIX,
    FLS_ALIGNED_FROM_EITHER,
    FLS_ALIGNMENT_IGNORED
};

/*
 * Limits; all zero is the default.
 *
 *   depth_max     tables nested in one another, the root being 1; 0: 64; more than 1,000 counts as
 *                 1,000
 *   tables_max    tables visited, one that is referred to twice counting twice; 0: 1,000,000
 *   elements_max  elements of vectors of strings, tables and unions visited; 0: the message's
 *                 bytes + 1,000,000. Keeps shared vectors from costing more time than their size
 *   alignment     see above
 */
struct fls_verifier_limits {
    uint32_t depth_max;
    uint32_t tables_max;
    uint64_t elements_max;
    enum fls_alignment_rule alignment;
};

#define FLS_VERIFIER_DEPTH_DEFAULT 64
#define FLS_VERIFIER_TABLES_DEFAULT 1000000

/*
 * Checks the structure of the root table without a schema: at least four bytes, the root offset,
 * the table, its vtable of 4 bytes or more, and that each field begins inside the message (also one
 * that a schema would not know, which fls_verifier_check passes over). It says nothing about what
 * the fields hold. `limits` may be NULL; of them only the alignment matters here. FLS_OK;
 * FLS_INVALID_FLATBUFFER: error->reason in words, error->found the byte offset in the message,
 * error->expected the message's length.
 */
FLS_API FLS_MUST_USE enum fls_status fls_verify_table_root(const void *message, size_t bytes,
                                                           const struct fls_verifier_limits *limits,
                                                           struct fls_error *error);

/*
 * Options; all zero is the default.
 *
 *   limits            as above
 *   check_identifier  non-zero: the message must carry the schema's file identifier
 *   strict            non-zero: refuses what Google's verifier takes, though no builder that works
 *                     makes it: a union's type without a value; a value with the type NONE or
 *                     without a type; a null offset in a vector; a vtable under 4 bytes; a
 *                     deprecated field that is not what the schema says
 */
struct fls_verifier_options {
    struct fls_verifier_limits limits;
    int check_identifier;
    int strict;
};

struct fls_verifier;

/*
 * Compiles what `schema` says about messages whose root is `root` (NULL: the schema's root table).
 * The schema is borrowed and must outlive the verifier. `options` may be NULL. FLS_OK sets
 * *verifier; FLS_INVALID_ARGUMENT: no root table, or `root` is a struct, or an identifier is to be
 * checked and the schema has none; FLS_NO_MEMORY. Once opened it never changes: any number of
 * threads may use it at the same time.
 */
FLS_API FLS_MUST_USE enum fls_status fls_verifier_open(const struct fls_schema *schema,
                                                       const struct fls_object *root,
                                                       const struct fls_verifier_options *options,
                                                       struct fls_verifier **verifier,
                                                       struct fls_error *error);

/* Frees the verifier; NULL is ignored. */
FLS_API void fls_verifier_close(struct fls_verifier *verifier);

/*
 * Checks the whole message: every offset, vtable, vector, string and its terminator, alignment,
 * required field, union (a member that the schema does not know is accepted, since it comes from a
 * later schema), nested FlatBuffer, depth, and number of tables. FLS_OK; FLS_INVALID_FLATBUFFER:
 * error->reason names the field and what is wrong ("field Monster.items[3].name: string at byte 120
 * is not terminated"), error->found is the byte offset in the message, error->expected the
 * message's length.
 *
 * It accepts and refuses what the C++ verifier does that Google's flatc generates for the schema
 * (2.0.8; the limits being the same), except that
 *
 *   - the elements of a vector must be aligned, where Google's looks at the vector's count alone:
 *     reading numbers or structs in place is undefined otherwise, and the verifiers of Rust and
 *     flatcc refuse them too. FLS_ALIGNMENT_IGNORED takes them, and everything else misaligned;
 *   - depth_max and tables_max count through nested FlatBuffers, where Google's begins again in
 *     each, to any depth of the stack, and elements_max bounds the time, for which it has no limit;
 *   - a vector with the attribute `flexbuffer` is bytes: what is in it is not looked at;
 *   - a message of 2^31-1 bytes or more, for which Google's asserts, is refused from 2^31 on;
 *   - the identifier is checked only if that is asked for;
 *   - a .bfbs made without `flatc --bfbs-builtins` does not say which vectors are FlatBuffers: to
 *     us they are bytes then.
 *
 * Neither looks at whether a text is UTF-8, nor at the order of keys.
 *
 * In particular the following are accepted, unless the options say `strict`, and mean the same to
 * generated code, to fls_path_read and to the command: a union without a type, or of the type NONE,
 * is none, whatever its offset refers to; one without a value is none, whatever its type (but a
 * member that is a struct must be there); a null offset in a vector is an empty string or a table
 * without fields; a vtable under 4 bytes has no fields. In a vector of unions types and values must
 * be there both or neither, and as many; where the type is NONE or unknown, the offset is not
 * looked at. A deprecated field is not looked at: fls_path_read, which
 * can be asked for it, checks what it reads.
 */
FLS_API FLS_MUST_USE enum fls_status fls_verifier_check(const struct fls_verifier *verifier,
                                                        const void *message, size_t bytes,
                                                        struct fls_error *error);

/* fls_verify_table_root as a tap, called "table_root". `limits` is borrowed, NULL: the default. */
FLS_API struct fls_tap fls_tap_table_root(const struct fls_verifier_limits *limits);

/* fls_verifier_check as a tap, called "schema". The verifier is borrowed. */
FLS_API struct fls_tap fls_tap_schema(const struct fls_verifier *verifier);

FLS_END_DECLS

#endif
