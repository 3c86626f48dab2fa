/*
 * api.h: the marks on public declarations, and the version.
 */
#ifndef FLATSTREAM_API_H
#define FLATSTREAM_API_H

#define FLS_VERSION_MAJOR 0
#define FLS_VERSION_MINOR 1
#define FLS_VERSION_PATCH 0
#define FLS_VERSION_TEXT "0.1.0"

/*
 * FLATSTREAM_USE_VERSION: the behaviour that the program was written for. Define it before the
 * first include of a flatstream header (as FUSE_USE_VERSION is):
 *
 *   30  the simple framer (two writes a message) is the default, the vectored one is opt-in
 *   31  the same, and naming the simple framer draws a deprecation warning
 *   40  the vectored framer (one writev a message) is the default; the simple framer stays,
 *       as FLS_FRAMER_LEGACY
 *
 * The bytes written are the same under each.
 */
#ifndef FLATSTREAM_USE_VERSION
#define FLATSTREAM_USE_VERSION 40
#endif

#if FLATSTREAM_USE_VERSION != 30 && FLATSTREAM_USE_VERSION != 31 && FLATSTREAM_USE_VERSION != 40
#error "FLATSTREAM_USE_VERSION must be 30, 31 or 40"
#endif

/* FLS_API: a public symbol. FLS_MUST_USE: the returned status must be looked at. */
#if defined(__GNUC__)
#define FLS_API __attribute__((visibility("default")))
#define FLS_MUST_USE __attribute__((warn_unused_result))
#define FLS_DEPRECATED(text) __attribute__((deprecated(text)))
#else
#define FLS_API
#define FLS_MUST_USE
#define FLS_DEPRECATED(text)
#endif

#ifdef __cplusplus
#define FLS_BEGIN_DECLS extern "C" {
#define FLS_END_DECLS }
#else
#define FLS_BEGIN_DECLS
#define FLS_END_DECLS
#endif

/* Zeroes a struct where it is defined, in C and in C++: `struct fls_writer_options o = FLS_ZERO;`
 */
#ifdef __cplusplus
#define FLS_ZERO                                                                                   \
    {                                                                                              \
    }
#else
#define FLS_ZERO                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#endif

FLS_BEGIN_DECLS

/* Returns the version of the library in use, for example "0.1.0"; a static string. Any thread. */
FLS_API const char *fls_version(void);

FLS_END_DECLS

#endif
