#!/bin/bash
# Conditions: bits, lengths, beginnings and parts of texts, and names that could mean two things. Run
# by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

cat >c.fbs <<'FBS'
namespace n;
enum Colour : ubyte (bit_flags) { Red, Green, Blue }
enum Wide : ulong (bit_flags) { Low, Top = 63 }
enum State : byte { Idle, Busy, Low = -1 }
table Inner { Busy:int; text:string; }
table C {
  n:int; c:Colour; w:Wide; state:State; list:[int]; names:[string]; s:string; u:ulong; i:byte; d:double;
  colours:[Colour]; inners:[Inner]; Red:int; Busy:State; length:int; contains:bool; up:bool; other:State;
  bytes:[ubyte];
}
root_type C;
FBS
cat >c.jsonl <<'JSON'
{"n":0}
{"n":1,"c":"Red","s":"","list":[],"names":[],"state":"Busy","Busy":"Busy","other":"Busy"}
{"n":2,"c":"Red Blue","s":"web-1","list":[1,2,3],"names":["web","db"],"u":18446744073709551615,"w":"Top","i":-1}
{"n":3,"c":7,"s":"a web","names":[""],"Red":1,"length":4,"contains":true,"i":-128,"w":"Low Top"}
{"n":4,"c":"Green","s":"wéb","colours":["Red","Green Blue"],"inners":[{"text":"x"},{"text":"webx"}],"d":4,"u":4,"bytes":[1,2]}
JSON
"$flatstream" write -o c.fls --from jsonl --schema c.fbs c.jsonl 2>err || {
    echo "cli_condition_test: no JSON in this build: nothing to test"
    exit 0
}

# chosen CONDITION NUMBER...: the messages that meet it
chosen() {
    local condition=$1 got
    shift
    expect 0 "$flatstream" select c.fls --schema c.fbs --where "$condition" --fields n --as csv
    checks=$((checks + 1))
    got=$(tail -n +2 out | tr '\n' ' ')
    [ "${got% }" = "$*" ] || fail "$condition: '$got', not '$*'"
}
chosen "c & 'Red'" 1 2 3
chosen 'c & Colour.Red' 1 2 3
chosen 'c & Green' 3 4
chosen '!(c & Green)' 0 1 2
chosen "c & 'Red Blue'" 1 2 3
chosen 'c & 0x4' 2 3
chosen 'c & 6 == 2' 4
chosen '4 < c & 5' 2 3
chosen "c == 'Red Blue'" 2
chosen "c == 'Blue Red'" 2
chosen "c == 'Red Green Blue'" 3
chosen 'c & Blue && c & Green' 3
chosen 'c & Blue || c & Green' 2 3 4
chosen 'w & Top' 2 3
chosen 'w & 0x8000000000000000' 2 3
chosen 'w == "Low Top"' 3
chosen 'u & 1' 2
chosen 'u & 4 == 4' 2 4
chosen 'i & 0x80' 2 3
chosen 'i & -128 == -128' 2 3
chosen 'colours[] & Blue' 4
chosen "colours[] == 'Green Blue'" 4
chosen 'startswith(s, "web")' 2
chosen "startswith( s , '' )" 1 2 3 4
chosen 'contains(s, "web")' 2 3
chosen 'contains(s, "é")' 4
chosen 'contains("a web-1 b", s)' 1 2 3
chosen 'contains(names[], "e")' 2
chosen 'startswith(names[], "d")' 2
chosen 'contains(inners[].text, "web") && !startswith(s, "w")' ''
chosen '!contains(s, "web")' 0 1 4
chosen 'length(s) == 0' 1
chosen 'length(s) == 4' 4
chosen '4 < length(s)' 2 3
chosen 'length(list) >= 0' 1 2
chosen 'length(list) == 3' 2
chosen 'length(names) == 1' 3
chosen 'length(names[]) == 0' 3
chosen 'length(names[]) > 2' 2
chosen 'length(inners) == 2' 4
chosen 'length(bytes) == length(colours)' 4
chosen 'length(list) == d' 1
chosen 'length == 4' 3
chosen 'contains' 3
chosen 'length (list) == 3' 2
# A word that is a field's name and an enum's value's.
chosen "state == 'Busy'" 1
chosen 'state == State.Busy' 1
chosen 'state == .Busy' 0 1 2 3 4
chosen 'state == other' 0 1 2 3 4
chosen 'Red == 1' 3
chosen '.Red == 1' 3
chosen 'has(.Red)' 3
chosen 'length(.list) == 3' 2
chosen 'state == Idle' 0 2 3 4

# wrong CONDITION COLUMN PATTERN
wrong() {
    expect 2 "$flatstream" select c.fls --schema c.fbs --where "$1" --fields n
    says err "$3"
    checks=$((checks + 1))
    line=$(sed -n 's/^\( *\)\^.*/\1/p' err)
    [ $((${#line} - 1)) = "$2" ] || fail "$1: the caret is in column $((${#line} - 1)), not $2"
}
wrong 'state == Busy' 10 "ambiguous.*'Busy' in quotes is the value, .Busy the field"
wrong 'Busy == state' 1 'ambiguous'
wrong 'c & Red' 5 'ambiguous.*n.Colour'
wrong 'c & Purple' 5 'no value of n.Colour'
wrong "c == 'Red Purple'" 6 'no value of n.Colour'
wrong "state == 'Idle Busy'" 10 'no value of n.State'
wrong 'up & up' 4 'did you mean &&'
wrong 'd & 1' 3 'did you mean &&'
wrong 's & 1' 3 'did you mean &&'
wrong '1 & c' 3 'did you mean &&'
wrong 'n & 1.5' 5 'a whole number'
wrong 'n & i' 5 'a whole number'
wrong 'n & "x"' 5 'a whole number'
wrong 'n & true' 5 'a whole number'
wrong 'n & x' 5 'no field "x"'
wrong 'n &' 4 'missing at the end'
wrong 'n & 1 & 2' 7 'an operator'
wrong 'length(n) == 1' 8 'only a text and a vector have a length'
wrong 'length(list[]) == 1' 8 'only a text and a vector have a length'
wrong 'length(nope) == 1' 8 'no field "nope"'
wrong 'length(list)' 1 'no condition'
wrong 'length(list) & 1' 14 'did you mean &&'
wrong 'length(list == 1' 13 '\) is missing here'
wrong 'length() == 1' 8 'a field is missing'
wrong 'startswith(s)' 13 ', and a text is missing'
wrong 'startswith(s, 1)' 15 'a text is wanted'
wrong 'startswith(n, "1")' 12 'a text is wanted'
wrong 'startswith(names, "x")' 12 'a vector'
wrong 'contains(names[], names[])' 19 'only one side'
wrong 'contains(s, "x"' 16 'missing at the end'
wrong 'contains(s, x)' 13 'no field "x"'
wrong 'contains(s, "x") == true' 18 'an operator'
wrong '.nope == 1' 2 'no field "nope"'
wrong 'state == .Idle' 11 'no field "Idle"'

expect 0 "$flatstream" select --help
for word in startswith contains length 'bits & Red' '\.Red'; do says out "$word"; done
finish
