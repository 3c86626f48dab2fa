#!/usr/bin/env bash
# `write --async` whose thread finds no memory for a message: exit status 0 comes only with all
# messages, and what is refused is said. From the k-th allocation on, for each k, there is none.
. "$(dirname "$0")/cli_support.sh"
[ -z "${SANITIZE:-}" ] || {
    echo "skipped: a sanitizer has its own malloc"
    exit 77
}
cat >no_memory.c <<'PROGRAM'
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
static long left = -1;
static int refuses(void)
{
    const char *from = getenv("NO_MEMORY_FROM");
    if (left < 0)
        left = from ? atol(from) : 1L << 40;
    if (__atomic_load_n(&left, __ATOMIC_RELAXED) > 1)
        return __atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED), 0;
    errno = ENOMEM;
    return 1;
}
void *malloc(size_t bytes) { return refuses() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return refuses() ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { return refuses() ? NULL : __libc_realloc(old, bytes); }
PROGRAM
"${CC:-cc}" -O1 -shared -fPIC -o no_memory.so no_memory.c || fail "the preloaded library does not build"

messages=400
awk -v n=$messages 'BEGIN { for (i = 0; i < n; i++) printf "%05d %0*d\n", i, i % 4 == 3 ? 9000 : 300, 0 }' >lines
refused=0
whole=0
for from in $(seq 1 40) 100000; do
    rm -f out.fls
    NO_MEMORY_FROM=$from LD_PRELOAD=$PWD/no_memory.so timeout 60 "$flatstream" write -o out.fls --async \
        <lines 2>said
    status=$?
    if [ "$status" -eq 0 ]; then
        "$flatstream" cat out.fls --as lines | cmp -s - lines || fail "allocation $from: exit status 0, but not all"
        whole=$((whole + 1))
    else
        [ -s said ] || fail "allocation $from: exit status $status, and not a word"
        ! grep -q 'not written; the first' said || refused=$((refused + 1))
    fi
done
[ "$whole" -gt 0 ] || fail "no run had enough memory"
[ "$refused" -gt 0 ] || fail "no message was refused: nothing was tested"
finish
