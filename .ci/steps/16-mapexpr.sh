#!/usr/bin/env bash
# mapexpr as its users run it: right and wrong use, exit status.
. "$ROOT/.ci/lib.sh"

cd "$ROOT" || exit 1
tool=$CI_TMP/mapexpr
data=$ROOT/examples/syncengine/testdata
ldif=$ROOT/examples/syncengine/demo/ashdown.ldif
check "mapexpr builds" go build -o "$tool" ./examples/mapexpr
check "mapexpr builds for Windows" env GOOS=windows go build -o "$CI_TMP/mapexpr.exe" ./examples/mapexpr

# expect STATUS NAME COMMAND…: the command's exit status, and an explanation on standard error for status 2.
expect() {
  local want=$1 name=$2 got; shift 2
  timeout 60 "$@" >"$CI_TMP/out" 2>"$CI_TMP/errors" </dev/null; got=$?
  if [ "$got" != "$want" ]; then bad "$name: exit $got, want $want"; return; fi
  if [ "$want" = 2 ] && ! [ -s "$CI_TMP/errors" ]; then bad "$name: no explanation"; return; fi
  ok "$name: exit $want"
}
# says TEXT: the last command printed it.
says() { grep -qF -- "$1" "$CI_TMP/out" && ok "says $1" || bad "does not say $1"; }

expect 0 "help" "$tool" -h
expect 0 "an expression over an export" "$tool" eval 'Join(" ", [givenName], [sn])' "$ldif"; says '"Ann Oakley"'
expect 0 "step by step" "$tool" explain -dialect connect 'IIF(IsPresent([title]),UCase([title]),NULL)' "$ldif"; says 'UCase([title])  = "NURSE"'
expect 1 "a Cloud Sync schema with a group mapping" "$tool" import -out "$CI_TMP/cloud.json" "$data/cloudsync-schema.json"
expect 1 "an Entra Connect export with a group rule" "$tool" import -outbound '{b891884f-051e-4a83-95af-2544101c9083}' -out "$CI_TMP/connect.json" "$data/connect"
expect 0 "the imported file has no faults" "$tool" lint "$CI_TMP/cloud.json"
expect 0 "a table" "$tool" describe "$CI_TMP/connect.json"; says '| userPrincipalName |'
expect 0 "the two imports agree" "$tool" diff -fqdn ashdown.example -netbios ASHDOWN "$CI_TMP/cloud.json" "$CI_TMP/connect.json" "$ldif"; says '0 of 260 users would change'
sed 's/ashdown.example/other.example/' "$CI_TMP/cloud.json" >"$CI_TMP/other.json"
expect 1 "two mappings that differ" "$tool" diff "$CI_TMP/cloud.json" "$CI_TMP/other.json" "$ldif"; says '260 of 260 users would change'
printf ':explain Left("abc", 2)\n' | "$tool" repl >"$CI_TMP/out" 2>&1 && says '= "ab"' || bad "repl in a pipe"
expect 2 "an unknown flag" "$tool" eval -nonsense
expect 2 "an unknown function" "$tool" eval 'Trimm([x])'
expect 2 "a missing file" "$tool" lint "$CI_TMP/none"
: >"$CI_TMP/empty"; expect 2 "an empty file" "$tool" import "$CI_TMP/empty"
printf '\211PNG\r\n\032\n\000' >"$CI_TMP/a.png"; expect 2 "a PNG image" "$tool" import "$CI_TMP/a.png"
head -c 900 "$data/cloudsync-schema.json" >"$CI_TMP/cut"; expect 2 "a truncated schema" "$tool" import "$CI_TMP/cut"
finish
