/*
 * version.c: the version of the library in use.
 */
#include <flatstream/api.h>

const char *fls_version(void)
{
    return FLS_VERSION_TEXT;
}
