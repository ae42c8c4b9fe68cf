#!/usr/bin/env bash
# dsregcheck as its users run it: right and wrong use, exit status, large and hostile input.
. "$ROOT/.ci/lib.sh"

cd "$ROOT" || exit 1
tool=$CI_TMP/dsregcheck
check "dsregcheck builds" go build -o "$tool" ./examples/dsregcheck
check "dsregcheck builds for Windows" env GOOS=windows go build -o "$CI_TMP/dsregcheck.exe" ./examples/dsregcheck
good=$ROOT/dsreg/testdata/labels/current.txt

# expect STATUS NAME COMMAND…: the command's exit status, and an explanation on standard error for status 2.
expect() {
  local want=$1 name=$2 got; shift 2
  timeout 60 "$@" >"$CI_TMP/out" 2>"$CI_TMP/errors"; got=$?
  if [ "$got" != "$want" ]; then bad "$name: exit $got, want $want"; return; fi
  if [ "$want" = 2 ] && ! [ -s "$CI_TMP/errors" ]; then bad "$name: no explanation"; return; fi
  ok "$name: exit $want"
}
expect 0 "a capture without errors" "$tool" "$ROOT/dsreg/testdata/labels/old.txt"
expect 1 "a capture with an error" "$tool" "$ROOT/dsreg/testdata/labels/prejoin.txt"
expect 0 "help" "$tool" -h
expect 2 "an unknown flag" "$tool" -nonsense
expect 2 "a missing file" "$tool" "$CI_TMP/none"
: >"$CI_TMP/empty"; expect 2 "an empty file" "$tool" "$CI_TMP/empty"
printf x >"$CI_TMP/one"; expect 2 "a file of one byte" "$tool" "$CI_TMP/one"
printf '\211PNG\r\n\032\n\000\000\000\rIHDR' >"$CI_TMP/a.png"; expect 2 "a PNG image" "$tool" "$CI_TMP/a.png"
head -c 700 "$good" >"$CI_TMP/cut"; expect 0 "a truncated capture" "$tool" "$CI_TMP/cut"
grep -q capture-truncated "$CI_TMP/out" && ok "says that it is truncated" || bad "does not say that it is truncated"
head -c 1000000 /dev/urandom >"$CI_TMP/noise"; expect 2 "a megabyte of noise" "$tool" "$CI_TMP/noise"

# Memory stays bounded: a fleet of twenty thousand captures, about 130 MB, in one stream.
for _ in $(seq 200); do cat "$good"; done >"$CI_TMP/200"
GOMEMLIMIT=off /bin/bash -c "ulimit -v 1500000; for i in \$(seq 100); do cat '$CI_TMP/200'; done | '$tool' -summary -json -" >"$CI_TMP/fleet.json" 2>"$CI_TMP/errors"
grep -q '"captures":20000' "$CI_TMP/fleet.json" && ok "20000 captures in bounded memory" || { bad "20000 captures in bounded memory"; head -c 300 "$CI_TMP/errors"; }

# Hostile input of 64 MB each ends; processor time is what counts on a shared machine.
log=$CI_TMP/hostile.log
go test -c -o "$CI_TMP/dsreg.test" ./dsreg || bad "the tests build"
(cd "$ROOT/dsreg" && ulimit -t 300 && HYBRIDKIT_HOSTILE_MB=64 timeout 900 "$CI_TMP/dsreg.test" -test.run '^TestHostile$' -test.v) >"$log" 2>&1
if [ $? = 0 ]; then ok "$(grep -c -- '--- PASS: TestHostile/' "$log") hostile inputs of 64 MB ended"; else bad "a hostile input of 64 MB"; tail -n 20 "$log"; fi
sed -n 's/^ *hostile_test.go:[0-9]*: \([0-9]* bytes.*\)/  note  \1/p' "$log"
finish
