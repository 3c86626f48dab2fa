# shellcheck shell=bash
# What stands beside a stream under the name of its lock, its index, the index's temporary or what
# is set aside, and is not ours, is neither followed, emptied, removed nor replaced, whatever it is,
# and nothing waits for it. The stream itself is then left as it was.
source "${BASH_SOURCE[0]%/*}/cli_support.sh"

umask 022

# torn NAME: not one whole frame: 100 of 4096 bytes.
torn() {
    { printf '\0\020\0\0' && printf '%0108d' 0; } >"$1"
}

# make KIND NAME: a foreign object; victim is a file of ours that a link leads to.
make() {
    printf 'a file of ours, beside\n' >victim
    chmod 644 victim
    case $1 in
    notes) printf 'my notes\n' >"$2" ;;
    pids) printf 'pid 1, my notes\n' >"$2" ;;
    large) { head -c 5000 /dev/zero && printf 'my notes\n'; } >"$2" ;;
    symlink) ln -s victim "$2" ;;
    dangling) ln -s nowhere "$2" ;;
    hardlink) ln victim "$2" ;;
    fifo) mkfifo "$2" ;;
    directory) mkdir "$2" && printf 'inside\n' >"$2/inside" ;;
    socket) perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' "$2" ;;
    esac
}

# state NAME: all that can be seen of it, and of what it leads to.
state() {
    stat -c '%F %i %h %s %a %u %Y' "$1"
    readlink "$1"
    [ -f "$1" ] && head -c 64 "$1" | od -c
    [ -d "$1" ] && cat "$1/inside"
    cat victim 2>/dev/null
    ls -d nowhere 2>/dev/null
    return 0
}

kinds='notes pids large symlink dangling hardlink fifo directory socket'
perl -MIO::Socket::UNIX -e 1 2>/dev/null || kinds=${kinds% socket}

printf 'one\ntwo\nthree\n' >lines
"$flatstream" write -o good.fls <lines

# untouched STATUS NAME COMMAND...: NAME is as before, and so is the stream s.fls.
untouched() {
    local status=$1 name=$2 before
    shift 2
    before=$(state "$name")
    cp s.fls s.before 2>/dev/null
    expect "$status" timeout -k 1 10 "$@" <lines
    [ "$(state "$name")" = "$before" ] || fail "$name ($kind) was touched by: $*"
    [ ! -e s.before ] || cmp -s s.fls s.before || fail "the stream was changed by: $*"
}

renew() {
    rm -rf s.fls* s-0* nowhere victim out.fls s.before
}

for kind in $kinds; do
    # the lock: who writes
    for options in '' '--append' '--append --index'; do
        renew
        [ -z "$options" ] || cp good.fls s.fls
        make "$kind" s.fls.lock
        # shellcheck disable=SC2086 # several words
        untouched 2 s.fls.lock "$flatstream" write -o s.fls $options
        says err 's\.fls\.lock.*(link|pipe|directory|socket|no lock|more names).*move it away'
        [ -n "$options" ] || [ ! -e s.fls ] || fail "$kind: a stream was begun all the same"
    done
    renew
    make "$kind" s.fls.lock
    untouched 2 s.fls.lock "$flatstream" write -o s.fls --rotate-messages 2
    says err 's\.fls\.lock.*move it away'
    [ ! -e s-000001.fls ] || fail "$kind: a segment was begun all the same"

    # the index: who makes one, and who would use it
    renew
    cp good.fls s.fls
    make "$kind" s.fls.idx
    untouched 2 s.fls.idx "$flatstream" index s.fls
    says err 's\.fls\.idx.*move it away'
    untouched 2 s.fls.idx "$flatstream" write -o s.fls --append --index
    says err 's\.fls\.idx.*move it away'
    for verb in 'slice s.fls --from 1 -o -' 'info s.fls' 'tail -n 1 s.fls' 'verify s.fls' \
        'recover s.fls' 'cat s.fls'; do
        # shellcheck disable=SC2086 # several words
        untouched 0 s.fls.idx "$flatstream" $verb
    done
    untouched 1 s.fls.idx "$flatstream" index --check s.fls
    cp s.fls s.before
    before=$(state s.fls.idx)
    expect 0 timeout -k 1 10 "$flatstream" write -o s.fls --append <lines
    [ "$(state s.fls.idx)" = "$before" ] || fail "$kind: appending touched the index's place"

    # deleting old segments: their indexes go, what is no index stays
    renew
    make "$kind" s-000001.fls.idx
    before=$(state s-000001.fls.idx)
    expect 0 timeout -k 1 10 "$flatstream" write -o s.fls --rotate-messages 1 --keep 2 <lines
    [ ! -e s-000001.fls ] || fail "$kind: the old segment was not deleted"
    [ "$(state s-000001.fls.idx)" = "$before" ] || fail "$kind: --keep touched a foreign file"

    # what is set aside goes to the next name
    renew
    torn s.fls
    make "$kind" s.fls.damaged-000001
    before=$(state s.fls.damaged-000001)
    expect 0 timeout -k 1 10 "$flatstream" write -o s.fls --append --repair --checksum xxh3 <lines
    [ "$(state s.fls.damaged-000001)" = "$before" ] || fail "$kind: the set aside was touched"
    [ -f s.fls.damaged-000002 ] || fail "$kind: nothing was set aside"
done

# A pipe where the stream itself should be makes no journal wait.
renew
mkfifo s.fls
expect 2 timeout -k 1 10 "$flatstream" write -o s.fls --append --index <lines

# What an earlier one of ours has left is taken: nothing written yet, zeros of a loss of power, the
# whole text.
for left in '' '\0\0\0\0' 'pid 4711, flatstream, host h, since 2026-01-01T00:00:00Z\nboot x\n'; do
    renew
    # shellcheck disable=SC2059 # escapes are meant
    printf "$left" >s.fls.lock
    expect 0 "$flatstream" write -o s.fls --append <lines
    [ ! -e s.fls.lock ] || fail "the lock of an earlier one stays"
done

for left in '' 'FLSI' '\0\0\0\0'; do
    renew
    cp good.fls s.fls
    # shellcheck disable=SC2059 # escapes are meant
    printf "$left" >s.fls.idx
    expect 0 "$flatstream" write -o s.fls --append --index <lines
    expect 0 "$flatstream" index --check s.fls
    # shellcheck disable=SC2059 # escapes are meant
    printf "$left" >s.fls.idx
    expect 0 "$flatstream" index s.fls
done

# Nothing beside a stream is more readable than the stream.
renew
umask 000
cp good.fls s.fls
printf 'torn' >>s.fls
for mode in 600 640 604; do
    chmod $mode s.fls
    rm -f s.fls.idx s.fls.damaged-*
    expect 1 "$flatstream" index s.fls
    [ "$(stat -c %a s.fls.idx)" = $mode ] || fail "the index of a stream of mode $mode: $(stat -c %a s.fls.idx)"
done
torn s.fls
rm s.fls.idx
expect 0 "$flatstream" write -o s.fls --append --repair --checksum xxh3 --index <lines
[ "$(stat -c %a s.fls.damaged-000001 s.fls.idx | sort -u)" = 604 ] ||
    fail "beside a stream of mode 604: $(stat -c '%n %a' s.fls*)"
mkfifo hold
"$flatstream" write -o s.fls --append <hold &
writer=$!
exec 9>hold
printf 'a\n' >&9
for _ in $(seq 1000); do [ -s s.fls.lock ] && break || sleep 0.01; done
[ "$(stat -c %a s.fls.lock)" = 604 ] || fail "the lock of a stream of mode 604: $(stat -c %a s.fls.lock)"
exec 9>&-
wait "$writer"

# What stands there may change at any moment: between the look and the opening, the opening and the
# removal. The worst that comes of it is a refusal.
renew
cp good.fls s.fls
printf 'a file of ours, beside\n' >victim
chmod 644 victim
before=$(state victim)
printf 'pid 4711, flatstream, host h, since 2026-01-01T00:00:00Z\nboot x\n' >a.lock
"$flatstream" index s.fls >/dev/null
mv s.fls.idx an.index
(
    while [ ! -e enough ]; do
        cp a.lock s.new && mv -f s.new s.fls.lock
        cp an.index s.new && mv -f s.new s.fls.idx
        ln -s victim s.new && mv -f s.new s.fls.lock
        ln -s victim s.new && mv -f s.new s.fls.idx
        ln victim s.new && mv -f s.new s.fls.lock
        ln victim s.new && mv -f s.new s.fls.idx && rm -f s.fls.lock s.fls.idx
    done
) 2>/dev/null &
swapping=$!
for _ in $(seq 30); do
    "$flatstream" write -o s.fls --append <lines >/dev/null 2>&1
    "$flatstream" index s.fls >/dev/null 2>&1
    "$flatstream" write -o s.fls --append --index <lines >/dev/null 2>&1
done
: >enough
wait "$swapping"
rm -f s.fls.lock s.fls.idx s.new
[ "$(state victim)" = "$before" ] || fail "a file of ours was touched while names changed"
rm -f enough a.lock an.index
expect 0 "$flatstream" verify s.fls

# Another user's, though it looks like ours; the owner of the stream is trusted with both.
if [ "$(id -u)" = 0 ]; then
    umask 022
    renew
    cp good.fls s.fls
    "$flatstream" index s.fls >/dev/null
    chown 1234 s.fls.idx
    untouched 2 s.fls.idx "$flatstream" index s.fls
    untouched 0 s.fls.idx "$flatstream" slice s.fls --from 1 -o -
    says err "another user's.*reading without it"
    chown 1234 s.fls
    expect 0 "$flatstream" slice s.fls --from 1 -o -
    quiet err
    printf 'pid 4711, flatstream, host h, since 2026-01-01T00:00:00Z\nboot x\n' >s.fls.lock
    chown 4321 s.fls.lock
    untouched 2 s.fls.lock "$flatstream" write -o s.fls --append
    says err "another user's"
    chown 1234 s.fls.lock
    expect 0 "$flatstream" write -o s.fls --append <lines
fi

finish
