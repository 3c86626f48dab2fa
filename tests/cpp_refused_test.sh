#!/usr/bin/env bash
# What would dangle does not compile. Each case is two programs: the right one, which compiles, and its
# wrong twin, which does not, for the reason that it should not.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

say_and_fail() {
    echo "cpp_refused_test: $*" >&2
    exit 1
}

if [ -z "${CXX:-}" ]; then
    echo "skipped: no C++ compiler"
    exit 77
fi

cat >before.hpp <<'PROGRAM'
#include <flatstream/flatstream.hpp>
#include <array>
#include <string>
#include <string_view>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif
using namespace flatstream;
std::string text();
reader open_reader();
builder open_builder();
struct view_of_mine {
    const char *from;
    const char *data() const;
    std::size_t size() const;
};
PROGRAM

# compile STANDARD FILE
compile() {
    "$CXX" "-std=$1" -Wno-unused -I"$SOURCE_DIR/include" $all_errors -fsyntax-only "$2" 2>"$2.errors"
}
case "$("$CXX" --version)" in
*clang*) all_errors=-ferror-limit=0 ;;
*) all_errors=-fmax-errors=0 ;;
esac

# function FILE NAME STATEMENTS: errors in it stand under NAME
function_of() {
    printf '#line 1 "%s"\nvoid case_%s(writer &w, async_writer &a, std::error_code &code) { %s }\n' "$2" "$2" "$3" >>"$1"
}

# pair STANDARD NAME RIGHT WRONG: statements of a function.
pair() {
    function_of "right-$1.cc" "$2" "$3"
    function_of "wrong-$1.cc" "$2" "$4"
    echo "$2" >>"names-$1"
}

for standard in c++17 c++20; do
    for file in right wrong; do
        printf '#include "before.hpp"\n' >"$file-$standard.cc"
    done
done
pair c++17 view 'w.write_owned(std::string("x"), code);' 'w.write_owned(std::string_view("x"), code);'
pair c++17 view_thrown 'w.write_owned(text());' 'std::string_view v("x"); w.write_owned(std::move(v));'
pair c++17 view_of_mine 'w.write(view_of_mine{}, code);' 'w.write_owned(view_of_mine{}, code);'
pair c++17 lvalue 'std::string s; w.write_owned(std::move(s), code);' 'std::string s; w.write_owned(s, code);'
pair c++17 message 'auto r = open_reader(); w.write(*r.next(code), code);' \
    'auto r = open_reader(); w.write_owned(*r.next(code), code);'
pair c++17 addresses 'w.write(std::vector<int>(), code);' 'w.write(std::vector<const char *>(), code);'
pair c++17 views_within 'w.write(std::vector<double>(), code);' 'w.write(std::vector<std::string_view>(), code);'
pair c++17 async_view 'a.write_owned(std::array<char, 3>{}, code);' 'a.write_owned(std::string_view("x"), code);'
pair c++17 dead_loop 'auto r = open_reader(); for (auto &m : r.messages()) w.write(m);' \
    'for (auto &m : open_reader().messages()) w.write(m);'
pair c++17 dead_loop_with_code 'auto r = open_reader(); for (auto &m : r.messages(code)) w.write(m);' \
    'for (auto &m : open_reader().messages(code)) w.write(m);'
pair c++17 dead_message 'auto r = open_reader(); auto m = r.next();' 'auto m = open_reader().next();'
pair c++17 dead_begin 'for (auto &m : open_reader()) w.write(m);' 'auto it = open_reader().begin();'
pair c++17 dead_source 'const std::string s = text(); auto from = source::memory(s, code);' \
    'auto from = source::memory(text(), code);'
pair c++17 dead_bytes 'auto to = sink::memory(code); auto v = to.bytes(); (void)v;' \
    'auto v = sink::memory(code).bytes();'
pair c++17 dead_payload 'auto b = open_builder(); auto p = b.finish_message({}, code); (void)p;' \
    'auto p = open_builder().finish_message({}, code);'
pair c++17 dead_reference 'auto b = open_builder(); const std::string s = text(); b.reference_string(s);' \
    'auto b = open_builder(); b.reference_string(text());'
pair c++17 no_tap 'w.add_tap("name", [](std::string_view) {}, code);' 'w.add_tap("name", [](int) {}, code);'
pair c++20 span 'std::vector<int> v; w.write(std::span<int>(v), code); w.write_owned(std::move(v), code);' \
    'std::vector<int> v; w.write_owned(std::span<int>(v), code);'
for standard in c++17 c++20; do
    compile "$standard" "right-$standard.cc" ||
        say_and_fail "what is right does not compile: $(cat "right-$standard.cc.errors")"
    ! compile "$standard" "wrong-$standard.cc" || say_and_fail "what is wrong compiles"
    while read -r name; do
        grep -E "^$name:1:[0-9]+: " "wrong-$standard.cc.errors" |
            grep -qE 'deleted|no matching (member )?function|required from here|in instantiation|static assertion' ||
            say_and_fail "$name compiles, or fails for another reason:"$'\n'"$(cat "wrong-$standard.cc.errors")"
    done <"names-$standard"
done
[ "$(cat names-* | wc -l)" = 18 ] || say_and_fail "not 18 cases"
