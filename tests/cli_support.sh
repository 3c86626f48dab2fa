# shellcheck shell=bash disable=SC2034 # what is set here is for the test that reads this
# Read by the tests of the command, first of all: a folder to work in, and what a test asserts with.
# Works in $FLS_SCRATCH_IN (default: the temporary folder); FLATSTREAM is the command's path.
set -u
flatstream=${FLATSTREAM:?}
scratch=$(mktemp -d -p "${FLS_SCRATCH_IN:-${TMPDIR:-/tmp}}")
trap '[ "$BASHPID" != $$ ] || rm -rf "$scratch"' EXIT # not where a signal meets what is still to be begun
cd "$scratch" || exit 1
failures=0
checks=0

# fail WHAT...: says it, with the line of the test.
fail() {
    failures=$((failures + 1))
    echo "FAILED: $* (line ${BASH_LINENO[-2]})" >&2
}

# expect STATUS COMMAND...: runs it; output in ./out and ./err, microseconds in $took.
expect() {
    local want=$1 got began=${EPOCHREALTIME/./}
    shift
    checks=$((checks + 1))
    "$@" >out 2>err
    got=$?
    took=$((${EPOCHREALTIME/./} - began))
    [ "$got" = "$want" ] || {
        fail "exit $got, not $want: $*"
        head -5 out err >&2
    }
}

# says FILE PATTERN: an extended regular expression.
says() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || {
        fail "$1 does not say '$2'"
        head -5 "$1" >&2
    }
}

quiet() {
    checks=$((checks + 1))
    [ ! -s "$1" ] || {
        fail "$1 is not empty"
        head -3 "$1" >&2
    }
}

same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || {
        fail "$1 and $2 differ"
        cmp "$1" "$2" >&2
    }
}

# until_true COMMAND...: runs it again and again, for up to 20 seconds.
until_true() {
    for _ in $(seq 1 400); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    fail "never: $*"
}

# holds FILE BYTES: or more
holds() {
    [ "$(stat -c %s "$1")" -ge "$2" ]
}

# waits PID: it has SIGINT in hand, and sleeps until there is something to do.
waits() {
    local caught
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
    ((0x${caught:-0} & 2)) && grep -q '^State:[[:space:]]*S' "/proc/$1/status"
}

# has_terminals WHAT: can a terminal be had here? Says what is skipped when not.
has_terminals() {
    python3 -c 'import pty; pty.openpty()' 2>/dev/null && return 0
    echo "skipped: $*: no terminal can be had here, or no python3"
    return 1
}

# finish: the last line of a test.
finish() {
    echo "$(basename "$0" .sh): $checks checks, $failures failures"
    [ "$failures" = 0 ]
}
