#!/usr/bin/env bash
# A long stream in flat memory: SOAK_GIB (10) GiB through `flatstream write | flatstream verify`,
# beside 1 GiB. Fails when either process needs more for the long one. Then SOAK_MESSAGES (10^8)
# messages through the asynchronous writer, for each policy with two and four producers. Then salvage
# of bytes made to cost much: what takes more than 10 times as long for 64 MiB as for 8 fails. Last,
# the tests with their large counts (FLS_CHECK, and the property tests' own numbers).
set -eu
cd "$(dirname "$0")/.."
command=${FLATSTREAM:-build/flatstream}
gib=${SOAK_GIB:-10}
slack_kib=1024 # library pages, mapped more or less by chance; 16 bytes a message would be 13 MiB

measure() {
    bash scripts/measure-memory.sh "$command" $(($1 * 1024))
}
printf '%8s %16s %17s %9s\n' stream 'write, peak KiB' 'verify, peak KiB' seconds
read -r write_one verify_one seconds <<<"$(measure 1)"
printf '%6s G %16s %17s %9s\n' 1 "$write_one" "$verify_one" "$seconds"
read -r write_all verify_all seconds <<<"$(measure "$gib")"
printf '%6s G %16s %17s %9s\n' "$gib" "$write_all" "$verify_all" "$seconds"
if [ "$write_all" -gt $((write_one + slack_kib)) ] ||
    [ "$verify_all" -gt $((verify_one + slack_kib)) ]; then
    echo "soak: memory grows with the stream" >&2
    exit 1
fi
echo "soak: memory is flat"

"$(dirname "$command")/tests/async_stress_test" "${SOAK_MESSAGES:-100000000}"
echo "soak: no message was lost or doubled"

python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3
"$python" -B tests/salvage_hostile.py "$command"
"$python" -B tests/salvage_hostile.py --auto "$command" short_words noise damaged_payloads holes nested
echo "soak: salvage takes time in proportion"

FLS_CHECK=1 FLS_PROPERTY_MESSAGES=100000 FLS_AGREEMENT_MESSAGES=1000000 \
    bash scripts/test.sh "$(dirname "$command")"
echo "soak: all tests pass with large counts"
