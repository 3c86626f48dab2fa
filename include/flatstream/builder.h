/*
 * builder.h: makes FlatBuffers whose large strings and vectors stay where they are.
 *
 * A builder works from the back, as the standard builders do: children first, then the table that
 * refers to them, the root last. What is small is written into the builder's own pages. A string or
 * vector given by reference is not copied: it becomes a segment of the finished message, which is a
 * struct fls_payload and goes out in one gathered write. Read in order, the segments are an
 * ordinary FlatBuffer: byte for byte what the same calls make without references, and what Google's
 * C++ FlatBufferBuilder makes from the same calls.
 *
 *     fls_builder_reset(b);
 *     uint32_t name = fls_builder_create_cstring(b, "rack 7");
 *     uint32_t samples = fls_builder_reference_vector(b, data, count, sizeof *data, sizeof *data);
 *     fls_builder_start_table(b);
 *     fls_builder_add_ref(b, 0, name);
 *     fls_builder_add_f64(b, 1, 21.5, 0.0);
 *     fls_builder_add_ref(b, 2, samples);
 *     uint32_t root = fls_builder_end_table(b);
 *     if (fls_builder_finish(b, root, NULL, &payload) == FLS_OK)
 *         status = fls_writer_write_payload(writer, &payload);
 *
 * References. What was made is named by a uint32_t: its distance in bytes from the end of the
 * message. 0 names nothing; it is returned on failure, and a field to which it is added is left
 * out. A reference is good until the next reset, within the buffer in which it was made. One that
 * does not lie in the present buffer, or not aligned, is refused, and so is a root that is no
 * table; with check_references every reference but those that the builder has given out for this
 * buffer.
 *
 * Errors are sticky. After the first failure every call does nothing and returns 0 (or NULL), and
 * fls_builder_finish returns the first cause; so only its status need be looked at.
 *   FLS_INVALID_ARGUMENT  misuse: a table within a table, something left unfinished, a field set
 *                         twice or out of range, a reference to nothing, a missing required field
 *   FLS_LIMIT             the message would exceed the size limit, or a table 65,535 bytes;
 *                         expected is the limit, found what it would have become
 *   FLS_NO_MEMORY         the allocator gave nothing
 *
 * Lifetime. The segments of a payload belong to the builder and live until its next reset or close.
 * Memory that was given by reference must stay there unchanged until the message has been written
 * (and, with a writer that batches, flushed). To change it earlier is the caller's breach: the
 * frame's checksum will not match, or the message is not what it was when it was checked.
 *
 * Byte order. A FlatBuffer is little-endian. The scalar functions convert where the host is not;
 * functions that take raw bytes (structs, fls_builder_create_vector) expect them in wire order,
 * which on a little-endian host is the order in which they lie in memory.
 *
 * Alignment is a power of two from 1 to FLS_BUILDER_ALIGNMENT_MAX, counted from the start of the
 * message: the message must itself lie at a multiple of fls_builder_alignment() to be read in
 * place.
 *
 * A builder belongs to one thread at a time.
 */
#ifndef FLATSTREAM_BUILDER_H
#define FLATSTREAM_BUILDER_H

#include <flatstream/payload.h>
#include <flatstream/status.h>

FLS_BEGIN_DECLS

/* The largest message, in bytes: offsets are signed 32-bit numbers. */
#define FLS_BUILDER_BYTES_MAX ((uint32_t)0x7fffffff)
/* The largest alignment. */
#define FLS_BUILDER_ALIGNMENT_MAX 256u
/* The highest field id: a vtable has 65,535 bytes at most. */
#define FLS_BUILDER_FIELD_MAX 32764u
/* Bytes of the first page, unless told otherwise. */
#define FLS_BUILDER_PAGE_BYTES_DEFAULT ((size_t)32 * 1024)
/* From this size on, memory in stable ranges goes by reference, unless told otherwise. */
#define FLS_BUILDER_REFERENCE_BYTES_DEFAULT ((size_t)4096)

/*
 * Where a builder gets its memory.
 *
 *   allocate  returns `bytes` bytes aligned as malloc aligns, or NULL. What is not even aligned for
 *             a pointer is given back at once, and counts as NULL
 *   release   takes back what allocate returned (never NULL), with the size that was asked for
 *   context   given to both
 * Both NULL: malloc and free.
 */
struct fls_allocator {
    void *(*allocate)(void *context, size_t bytes);
    void (*release)(void *context, void *memory, size_t bytes);
    void *context;
};

/* Memory that the caller keeps unchanged until the message is written. */
struct fls_stable_range {
    const void *base;
    size_t bytes;
};

/*
 * Options; all zero is the default.
 *
 *   page_bytes           of each arena page; 0: the default above. A larger object gets a larger
 *                        page
 *   reference_bytes_min  strings and vectors of at least this many bytes that lie in a stable range
 *                        go by reference; 0: the default above
 *   message_bytes_max    the size limit; 0: FLS_BUILDER_BYTES_MAX, which is also the most
 *   stable, stable_count the first stable ranges (the array is copied); see
 *                        fls_builder_register_stable
 *   allocator            see above
 *   force_defaults       non-zero: scalars that equal their default are written as well
 *   no_references        non-zero: everything is copied, also by the fls_builder_reference_
 *                        functions
 *   check_references     non-zero: each reference is looked up among those given out, for programs
 *                        under development: four bytes and a few ns for each object
 */
struct fls_builder_options {
    size_t page_bytes;
    size_t reference_bytes_min;
    uint32_t message_bytes_max;
    const struct fls_stable_range *stable;
    size_t stable_count;
    struct fls_allocator allocator;
    int force_defaults;
    int no_references;
    int check_references;
};

/*
 * What a builder has done since it was opened. Messages count when they are finished.
 *
 *   messages          finished
 *   bytes             their bytes
 *   bytes_copied      of these, the bytes that the builder wrote or copied itself, and what went
 *                     through fls_builder_push
 *   bytes_referenced  of these, the bytes that stayed with the caller
 *   segments          of their payloads
 *   allocations       times that the allocator was asked, open included
 *   bytes_allocated   bytes held now
 */
struct fls_builder_counts {
    uint64_t messages;
    uint64_t bytes;
    uint64_t bytes_copied;
    uint64_t bytes_referenced;
    uint64_t segments;
    uint64_t allocations;
    uint64_t bytes_allocated;
};

struct fls_builder;

/* ---- life ---- */

/*
 * Opens a builder; `options` may be NULL. FLS_OK sets *builder. FLS_INVALID_ARGUMENT (only one of
 * the allocator's functions is set, a limit over FLS_BUILDER_BYTES_MAX, an unusable page size),
 * FLS_NO_MEMORY; error may be NULL.
 */
FLS_API FLS_MUST_USE enum fls_status fls_builder_open(const struct fls_builder_options *options,
                                                      struct fls_builder **builder,
                                                      struct fls_error *error);

/* Frees the builder and all that it owns; payloads made by it are gone. NULL is allowed. */
FLS_API void fls_builder_close(struct fls_builder *builder);

/* Starts the next message: forgets the present one and any error, keeps the pages, the options and
 * the stable ranges. Nothing is freed or allocated. A builder just opened needs none. */
FLS_API void fls_builder_reset(struct fls_builder *builder);

/*
 * Starts the next message, as fls_builder_reset does, and gives memory back to the allocator, the
 * largest pages first, until no more than `bytes` bytes are held (bytes_allocated of the counts; a
 * few KiB always stay). For after a message that was far larger than the others. Payloads made
 * before are gone.
 */
FLS_API void fls_builder_trim(struct fls_builder *builder, size_t bytes);

/* The first error since the last reset (status FLS_OK: none); owned by the builder. */
FLS_API const struct fls_error *fls_builder_error(const struct fls_builder *builder);

FLS_API struct fls_builder_counts fls_builder_statistics(const struct fls_builder *builder);

/* Whether scalars that equal their default are written, from now on. */
FLS_API void fls_builder_force_defaults(struct fls_builder *builder, int force);

/*
 * Says that `bytes` bytes at `base` stay unchanged until each message that was built over them is
 * written. From now on strings and vectors of at least reference_bytes_min bytes that lie wholly in
 * a stable range go by reference from all create functions. Ranges outlive resets. FLS_OK,
 * FLS_INVALID_ARGUMENT (NULL, or past the end of the address space), FLS_NO_MEMORY; not sticky.
 */
FLS_API FLS_MUST_USE enum fls_status fls_builder_register_stable(struct fls_builder *builder,
                                                                 const void *base, size_t bytes);

/* Forgets all stable ranges; what the present message refers to stays referred to. */
FLS_API void fls_builder_forget_stable(struct fls_builder *builder);

/* ---- finishing ---- */

/*
 * Finishes the message with `root` (a table) and, unless it is NULL, the file identifier: exactly
 * four bytes, none of them zero. FLS_OK sets *payload, which lives until the next reset or close;
 * until the reset, further calls on the builder are errors. Otherwise returns the first error of
 * the message and *payload is empty.
 */
FLS_API FLS_MUST_USE enum fls_status fls_builder_finish(struct fls_builder *builder, uint32_t root,
                                                        const char *identifier,
                                                        struct fls_payload *payload);

/* The same with the message's size (without these four bytes) in front. A stream's frames have
 * their own length: this is for other containers. */
FLS_API FLS_MUST_USE enum fls_status fls_builder_finish_size_prefixed(struct fls_builder *builder,
                                                                      uint32_t root,
                                                                      const char *identifier,
                                                                      struct fls_payload *payload);

/* The alignment that the message needs when it is to be read in place: the largest of its parts, at
 * least 1. Complete after finish; within a nested buffer, of that buffer so far. */
FLS_API uint32_t fls_builder_alignment(const struct fls_builder *builder);

/* The bytes of the message so far. */
FLS_API uint32_t fls_builder_bytes(const struct fls_builder *builder);

/* ---- tables ---- */

/* Starts a table. Until fls_builder_end_table only the add and set functions may be called:
 * strings, vectors and other tables are made before. */
FLS_API void fls_builder_start_table(struct fls_builder *builder);

/* Ends the table. Tables of the same layout share one vtable. Returns its reference. */
FLS_API uint32_t fls_builder_end_table(struct fls_builder *builder);

/*
 * fls_builder_add_<type>(builder, field, value, default_value): a scalar field of the open table.
 * It is left out when the value equals the default, unless defaults are forced. `field` is the
 * field's id, from 0 (a union takes two). Fields may come in any order; large ones first packs
 * best.
 */
FLS_API void fls_builder_add_bool(struct fls_builder *builder, uint32_t field, int value,
                                  int default_value);
FLS_API void fls_builder_add_i8(struct fls_builder *builder, uint32_t field, int8_t value,
                                int8_t default_value);
FLS_API void fls_builder_add_u8(struct fls_builder *builder, uint32_t field, uint8_t value,
                                uint8_t default_value);
FLS_API void fls_builder_add_i16(struct fls_builder *builder, uint32_t field, int16_t value,
                                 int16_t default_value);
FLS_API void fls_builder_add_u16(struct fls_builder *builder, uint32_t field, uint16_t value,
                                 uint16_t default_value);
FLS_API void fls_builder_add_i32(struct fls_builder *builder, uint32_t field, int32_t value,
                                 int32_t default_value);
FLS_API void fls_builder_add_u32(struct fls_builder *builder, uint32_t field, uint32_t value,
                                 uint32_t default_value);
FLS_API void fls_builder_add_i64(struct fls_builder *builder, uint32_t field, int64_t value,
                                 int64_t default_value);
FLS_API void fls_builder_add_u64(struct fls_builder *builder, uint32_t field, uint64_t value,
                                 uint64_t default_value);
FLS_API void fls_builder_add_f32(struct fls_builder *builder, uint32_t field, float value,
                                 float default_value);
FLS_API void fls_builder_add_f64(struct fls_builder *builder, uint32_t field, double value,
                                 double default_value);

/* fls_builder_set_<type>(builder, field, value): the same, always written: for fields whose schema
 * says `= null`. */
FLS_API void fls_builder_set_bool(struct fls_builder *builder, uint32_t field, int value);
FLS_API void fls_builder_set_i8(struct fls_builder *builder, uint32_t field, int8_t value);
FLS_API void fls_builder_set_u8(struct fls_builder *builder, uint32_t field, uint8_t value);
FLS_API void fls_builder_set_i16(struct fls_builder *builder, uint32_t field, int16_t value);
FLS_API void fls_builder_set_u16(struct fls_builder *builder, uint32_t field, uint16_t value);
FLS_API void fls_builder_set_i32(struct fls_builder *builder, uint32_t field, int32_t value);
FLS_API void fls_builder_set_u32(struct fls_builder *builder, uint32_t field, uint32_t value);
FLS_API void fls_builder_set_i64(struct fls_builder *builder, uint32_t field, int64_t value);
FLS_API void fls_builder_set_u64(struct fls_builder *builder, uint32_t field, uint64_t value);
FLS_API void fls_builder_set_f32(struct fls_builder *builder, uint32_t field, float value);
FLS_API void fls_builder_set_f64(struct fls_builder *builder, uint32_t field, double value);

/* A field that refers to a string, vector, table or union value. 0: the field is left out. */
FLS_API void fls_builder_add_ref(struct fls_builder *builder, uint32_t field, uint32_t ref);

/* A struct field of `bytes` bytes (a multiple of `alignment`) in wire order, padding included.
 * NULL: the field is left out. */
FLS_API void fls_builder_add_struct(struct fls_builder *builder, uint32_t field, const void *data,
                                    size_t bytes, uint32_t alignment);

/* A union: its value at `field`, its type at `field` - 1, as schemas number them. `type` 0 (NONE)
 * leaves both out, and asks for `ref` 0. */
FLS_API void fls_builder_add_union(struct fls_builder *builder, uint32_t field, uint8_t type,
                                   uint32_t ref);

/* Fails, with the field's number in `expected`, unless `field` of the open table has been set. */
FLS_API void fls_builder_require(struct fls_builder *builder, uint32_t field);

/* ---- strings ---- */

/* A string of `bytes` bytes; the terminating zero is added. NULL is allowed with 0. */
FLS_API uint32_t fls_builder_create_string(struct fls_builder *builder, const char *text,
                                           size_t bytes);

/* The same for a text that ends with a zero. */
FLS_API uint32_t fls_builder_create_cstring(struct fls_builder *builder, const char *text);

/* The same, with the string's first byte at a multiple of `alignment`. */
FLS_API uint32_t fls_builder_create_string_aligned(struct fls_builder *builder, const char *text,
                                                   size_t bytes, uint32_t alignment);

/* The same string only once a message: returns the earlier one if its bytes are equal to those of
 * a shared string already there. All bytes are read, also when the string goes by reference. */
FLS_API uint32_t fls_builder_create_shared_string(struct fls_builder *builder, const char *text,
                                                  size_t bytes);

/* A string whose bytes, whatever their number, stay where they are (see "Lifetime" above). */
FLS_API uint32_t fls_builder_reference_string(struct fls_builder *builder, const char *text,
                                              size_t bytes);

/* ---- structs and vectors ---- */

/* A struct by itself, for a union. `bytes` is a multiple of `alignment`. */
FLS_API uint32_t fls_builder_create_struct(struct fls_builder *builder, const void *data,
                                           size_t bytes, uint32_t alignment);

/*
 * A vector of `count` elements of `element_bytes` each, in wire order: scalars or structs. The
 * first element lies at a multiple of `alignment` (and of 4). `data` may be NULL when count is 0.
 */
FLS_API uint32_t fls_builder_create_vector(struct fls_builder *builder, const void *data,
                                           size_t count, size_t element_bytes, uint32_t alignment);

/* The same for scalars of 1, 2, 4 or 8 bytes in the host's order, which are converted where it is
 * not the wire's (such a vector then never goes by reference). */
FLS_API uint32_t fls_builder_create_scalar_vector(struct fls_builder *builder, const void *data,
                                                  size_t count, size_t element_bytes);

/* A vector whose bytes, whatever their number, stay where they are (see "Lifetime" above). */
FLS_API uint32_t fls_builder_reference_vector(struct fls_builder *builder, const void *data,
                                              size_t count, size_t element_bytes,
                                              uint32_t alignment);

/*
 * A vector whose elements the caller fills in: *memory is set to their uninitialised bytes, aligned
 * as they are in the message, which may be written to until the message is finished. NULL on
 * failure.
 */
FLS_API uint32_t fls_builder_create_vector_space(struct fls_builder *builder, size_t count,
                                                 size_t element_bytes, uint32_t alignment,
                                                 void **memory);

/* A vector of references to strings or tables; the same one may come again. None may be 0. */
FLS_API uint32_t fls_builder_create_ref_vector(struct fls_builder *builder, const uint32_t *refs,
                                               size_t count);

/* `count` strings and the vector of them. `bytes` holds their lengths; NULL: each ends with a
 * zero. */
FLS_API uint32_t fls_builder_create_string_vector(struct fls_builder *builder,
                                                  const char *const *texts, const size_t *bytes,
                                                  size_t count);

/*
 * A vector of unions: sets *types_ref to the vector of types and *values_ref to that of values (0
 * and 0 on failure), for two fields of a table: the values at an id, the types at the id before it.
 * An element of type 0 (NONE) has ref 0.
 */
FLS_API void fls_builder_create_union_vector(struct fls_builder *builder, const uint8_t *types,
                                             const uint32_t *refs, size_t count,
                                             uint32_t *types_ref, uint32_t *values_ref);

/*
 * A vector of unknown length, element by element: start, push any number of times, end. Between
 * them strings, tables and other vectors may be made, also by start, push and end: what was started
 * last is pushed to and ended first. The elements are collected in memory of the builder's and
 * copied once more at the end. `data` holds `count` elements in wire order.
 */
FLS_API void fls_builder_start_vector(struct fls_builder *builder, size_t element_bytes,
                                      uint32_t alignment);
FLS_API void fls_builder_push(struct fls_builder *builder, const void *data, size_t count);
FLS_API uint32_t fls_builder_end_vector(struct fls_builder *builder);

/* The same for a vector of references. */
FLS_API void fls_builder_start_ref_vector(struct fls_builder *builder);
FLS_API void fls_builder_push_ref(struct fls_builder *builder, uint32_t ref);
FLS_API uint32_t fls_builder_end_ref_vector(struct fls_builder *builder);

/* ---- nested buffers ---- */

/*
 * Starts a FlatBuffer within this one, for a field of type [ubyte] with `nested_flatbuffer`. Until
 * fls_builder_end_nested what is made belongs to it: it can't refer to what was made before, and
 * shares no vtables or strings with it. Nesting may be repeated.
 */
FLS_API void fls_builder_start_nested(struct fls_builder *builder);

/* Ends it with its root and identifier, as fls_builder_finish does. Returns the reference of the
 * vector of bytes. */
FLS_API uint32_t fls_builder_end_nested(struct fls_builder *builder, uint32_t root,
                                        const char *identifier);

/*
 * A vector of bytes from a finished message of another builder, whose fls_builder_alignment() is
 * `alignment`. create copies the bytes; reference makes each segment one of this message (so the
 * other builder must not be reset before this message is written).
 */
FLS_API uint32_t fls_builder_create_nested(struct fls_builder *builder,
                                           const struct fls_payload *payload, uint32_t alignment);
FLS_API uint32_t fls_builder_reference_nested(struct fls_builder *builder,
                                              const struct fls_payload *payload,
                                              uint32_t alignment);

FLS_END_DECLS

#endif
