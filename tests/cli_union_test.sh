#!/bin/bash
# Messages that no builder makes and Google's verifiers take: read alike by every verb, and refused
# by verify --strict. Run by ctest with FLATSTREAM (the command's path) and SOURCE_DIR.
. "$(dirname "$0")/cli_support.sh"

cat >m.fbs <<'EOF'
table A { x:int; }
struct P { d:int; }
union U { A, P }
table M { n:int; u:U; us:[U]; names:[string]; as:[A]; gone:string (deprecated); }
root_type M;
EOF

echo '{"n":7}' | "$flatstream" write -o json.fls --from jsonl --schema m.fbs 2>err || {
    echo "cli_union_test: no JSON in this build: nothing to test"
    exit 0
}

# message NAME BYTES: in hex, with a table whose first field, n, is 7.
message() {
    printf "$(echo "$2" | sed 's/ //g; s/../\\x&/g')" >"$1.bin"
    expect 0 "$flatstream" write --from files -o "$1.fls" "$1.bin"
}

# The vtable from byte 4 (its length, the table's, the places of n, u_type, u, us_type, us, names,
# as, gone), the table behind it.
message type_alone '10000000 0a000c000400080000000000 0c000000 07000000 01000000'
message later_type '10000000 0a000c000400080000000000 0c000000 07000000 c8000000'
message value_alone '10000000 0a000c000400000008000000 0c000000 07000000 03000000'
message value_none '14000000 0a00100004000c000800000000000000 10000000 07000000 07000000 00000000'
message null_text \
    '18000000 10000c00040000000000000000000800 00000000 14000000 07000000 04000000 01000000 00000000 00000000'
message null_table \
    '18000000 12000c000400000000000000000000000800 0000 14000000 07000000 04000000 01000000 00000000 00000000'
message bad_deprecated \
    '18000000 14000c000400000000000000000000000000ff7f 14000000 07000000 00000000'
message struct_alone '10000000 0a000c000400080000000000 0c000000 07000000 02000000'

# taken NAME JSON: what each verb makes of it.
taken() {
    local file=$1.fls
    expect 0 "$flatstream" cat --as json --schema m.fbs "$file"
    says out "^$2\$"
    expect 0 "$flatstream" select --schema m.fbs --fields 'n,names[]' --as json "$file"
    says out '"n":7'
    for condition in 'n == 7' '!has(u.A.x)' '!has(u.P.d)' '!has(us[0].A.x)' '!has(as[0].x)'; do
        expect 0 "$flatstream" select --schema m.fbs --where "$condition" --fields n "$file"
        says out 7
    done
    expect 0 "$flatstream" info --schema m.fbs "$file"
    expect 0 "$flatstream" verify --schema m.fbs "$file"
    expect 1 "$flatstream" verify --schema m.fbs --strict "$file"
    says err "$3"
}
taken type_alone '\{"n":7,"u_type":"A"\}' 'type 1 but no value'
taken later_type '\{"n":7,"u_type":200\}' 'type 200 but no value'
taken value_alone '\{"n":7\}' 'a value but no type'
taken value_none '\{"n":7,"u_type":"NONE"\}' 'a value but the type NONE'
taken null_text '\{"n":7,"names":\[""\]\}' 'names\[0\]: offset at byte .* is null'
taken null_table '\{"n":7,"as":\[\{\}\]\}' 'as\[0\]: offset at byte .* is null'
taken bad_deprecated '\{"n":7\}' 'gone: field at byte .* leaves the message'

# A struct that is not there cannot be read.
expect 1 "$flatstream" verify --schema m.fbs struct_alone.fls
says err 'type 2 but no value'
expect 1 "$flatstream" cat --as json --schema m.fbs struct_alone.fls

expect 2 "$flatstream" verify --strict type_alone.fls
says err '--strict needs --schema'
finish
