#!/usr/bin/env bash
# --help, the manual page and what the command takes: each verb has the same options in all three, and
# no line of --help or of the page, printed for 80 columns, is longer.
# shellcheck source=tests/cli_support.sh
. "$SOURCE_DIR/tests/cli_support.sh"
page=$SOURCE_DIR/man/flatstream.1

# The options that a text mentions at the beginning of its items: -x and --long, one a line.
options_of_help() {
    sed -nE 's/^  (-.*)/\1/p' "$1" | sed -E 's/  .*//' | grep -oE -- '(^|[ ,])-(-[a-z][a-z-]*|[a-z]\b)' |
        tr -d ' ,' | sort -u
}

# The verbs' own options: those in the `static const struct cli_option` of its source and of the
# tables that it adds to it.
verbs=$("$flatstream" --help | sed -nE 's/^  ([a-z]+) +[a-z].*/\1/p' | grep -v flatstream)

# section VERB: what the page says of it, from its heading to the next.
section() {
    awk -v verb="$(echo "$1" | tr '[:lower:]' '[:upper:]')" '
        /^\.SH / { inside = 0; for (i = 2; i <= NF; i++) { name = $i; sub(",", "", name)
                   if (name == verb) inside = 1 } next }
        inside' "$page"
}

# options_of_page: of the tags of its items (the line behind .TP) without the fonts.
options_of_page() {
    awk '/^\.TP/ { tag = 1; next } tag { print; tag = 0 }' | sed -E 's/\\f.//g; s/\\-/-/g; s/"//g' |
        grep -E '^\.[BIR]+ -' | sed -E 's/^\.[BIR]+ //' | grep -oE -- '(^|[ ,])-(-[a-z][a-z-]*|[a-z]\b)' |
        tr -d ' ,' | sort -u
}

# takes VERB OPTION: it is known to the command (what it then complains of is something else).
takes() {
    "$flatstream" "$1" "$2=" --no-such-option </dev/null 2>&1 | grep -q "unknown option '$2" && return 1
    return 0
}

: >long
"$flatstream" --help >out
awk 'length > 80 { print "--help: " $0 }' out >>long
for verb in $verbs; do
    "$flatstream" "$verb" --help >"$verb.help"
    LC_ALL=C.UTF-8 awk -v verb="$verb" 'length > 80 { print verb ": " $0 }' "$verb.help" >>long
    options_of_help "$verb.help" >"$verb.in_help"
    section "$verb" | options_of_page >"$verb.own"
    checks=$((checks + 1))
    [ -s "$verb.in_help" ] && [ -s "$verb.own" ] || fail "no options were found of $verb"
done
quiet long

# What stands once for several verbs: those that read, those that know schemas, and --replace.
awk '/^\.SS Options of every verb that reads/ { on = 1; next } /^\.S[SH]/ { on = 0 } on' "$page" |
    options_of_page >reading
awk '/^\.SS Options of the verbs that know/ { on = 1; next } /^\.S[SH]/ { on = 0 } on' "$page" |
    options_of_page >schema
printf -- '--replace\n' >replace
checks=$((checks + 1))
[ "$(wc -l <reading)" -ge 3 ] && [ "$(wc -l <schema)" -ge 3 ] || fail "the common options were not found"

# common VERB: the common options that this verb takes.
common() {
    cat reading schema replace | while read -r option; do
        takes "$1" "$option" && echo "$option"
    done
}

# INFO and VERIFY share a section, where an item that is of one alone says so: (info), (verify).
only_of_the_other() {
    case $1 in
    info) section "$1" | awk '/^\.TP/ { tag = 1; next } tag { line = $0; tag = 0; next }
              /^\.RB \( verify/ { print ".TP"; print line }' | options_of_page ;;
    verify) section "$1" | awk '/^\.TP/ { tag = 1; next } tag { line = $0; tag = 0; next }
              /^\.RB \( info/ { print ".TP"; print line }' | options_of_page ;;
    esac
}

for verb in $verbs; do
    only_of_the_other "$verb" | sort -u >other
    { comm -23 "$verb.own" other; common "$verb"; } | sort -u >"$verb.in_page"
    comm -23 "$verb.in_help" "$verb.in_page" >only_help
    comm -13 "$verb.in_help" "$verb.in_page" >only_page
    checks=$((checks + 2))
    [ ! -s only_help ] || fail "$verb: in --help and not in the page: $(tr '\n' ' ' <only_help)"
    [ ! -s only_page ] || fail "$verb: in the page and not in --help: $(tr '\n' ' ' <only_page)"
    for option in $(grep '^--' "$verb.in_help"); do
        checks=$((checks + 1))
        takes "$verb" "$option" || fail "$verb does not take $option"
    done
done

# What the sources declare is in --help: no option is a secret.
for verb in $verbs; do
    sed -nE "s/.*\{\"([a-z-]+)\", ('.'|0), *CLI_[A-Z]+,.*/--\1/p" "$SOURCE_DIR/src/cli/cmd_$verb.c" |
        sort -u >declared
    comm -23 declared "$verb.in_help" >secret
    checks=$((checks + 1))
    [ ! -s secret ] || fail "$verb: not in --help: $(tr '\n' ' ' <secret)"
done

# The kinds of error in JSON: those that report.c can print, and those of the page's table.
sed -n '/^const char \*cli_error_kind/,/^}/p' "$SOURCE_DIR/src/cli/report.c" |
    grep -oE '"[a-z_]+"' | tr -d '"' | sort -u >printed
sed -n '/^The kinds of error/,/^\.TE/p' "$page" | sed -nE 's/^([a-z_]+)\|.*/\1/p' | sort >listed
checks=$((checks + 1))
[ -s printed ] && cmp -s printed listed || fail "the page's kinds of error and report.c's differ: $(diff listed printed)"

if command -v groff >/dev/null && command -v tbl >/dev/null; then
    for manual in "$SOURCE_DIR"/man/flatstream.[0-9]; do
        tbl "$manual" | LC_ALL=C.UTF-8 groff -man -Tascii -rLL=80n -P-c -P-b -P-u 2>rendered.err | sed 's,.\x08,,g' |
            awk -v page="$(basename "$manual")" 'length > 80 { print page ": " $0 }' >out
        quiet out
    done
else
    echo "skipped: the length of the manual's lines: there is no groff"
fi
finish
