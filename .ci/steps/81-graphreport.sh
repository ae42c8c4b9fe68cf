#!/usr/bin/env bash
# graphreport: the one tool with the whole Graph SDK. It is built and run here alone, behind its tag; every other build stays free of it.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

n=$(go list -deps -test ./examples/graphreport/... | grep -c '^github.com/microsoft')
if [ "$n" = 0 ]; then ok "without the tag, no package of the SDK is reached"; else bad "without the tag, $n packages of the SDK are reached"; fi
check "without the tag it builds" go build -o "$CI_TMP/untagged" ./examples/graphreport
"$CI_TMP/untagged" 2>"$CI_TMP/err"
rc=$?
if [ "$rc" = 2 ] && grep -q 'go run -tags graphreport' "$CI_TMP/err"; then ok "without the tag it says how to build it, exit 2"; else bad "without the tag: exit $rc"; fi

free=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
if [ "$free" -lt 6000 ]; then
  skip "the SDK's models need 5 GiB to compile; $free MiB are free"
  finish
fi
# One compiler at a time and an eager collector: the peak is one package, models.
TIMEFORMAT='%R s, %U + %S CPU-s'
took=$({ time GOGC=50 go build -p 1 -tags graphreport -o "$CI_TMP/graphreport" ./examples/graphreport >"$CI_TMP/build.log" 2>&1; } 2>&1)
if [ -x "$CI_TMP/graphreport" ]; then
  ok "with the tag it builds ($took; binary $(($(stat -c %s "$CI_TMP/graphreport") / 1000000)) MB)"
else
  bad "with the tag it builds ($took)"
  tail -n 20 "$CI_TMP/build.log" | sed 's/^/        /'
  finish
fi
check "its tests" env GOGC=50 go test -p 1 -count=1 -tags graphreport ./examples/graphreport/...

tool() { "$CI_TMP/graphreport" "$@" </dev/null; }
tool demo -json >"$CI_TMP/demo.json"
rc=$?
n=$(grep -c '"deviceId"' "$CI_TMP/demo.json")
if [ "$rc" = 1 ] && [ "$n" = 8 ]; then ok "demo: $n hybrid-joined devices as JSON, exit 1 for findings"; else bad "demo: $n devices, exit $rc"; fi
tool demo >"$CI_TMP/demo.txt"
if grep -q '^managed by: Configuration Manager 1, Intune 3, co-managed 2, none 2$' "$CI_TMP/demo.txt"; then ok "demo: the table counts the authorities"; else bad "demo: $(grep '^managed by' "$CI_TMP/demo.txt")"; fi
tool -h >"$CI_TMP/help" 2>&1
if [ $? = 0 ] && grep -q '^usage: graphreport' "$CI_TMP/help"; then ok "-h, exit 0"; else bad "-h"; fi
if tool version | grep -q '^graphreport, '; then ok "version says which build it is"; else bad "version: $(tool version 2>&1)"; fi
wrong=0
for args in "" "-x" "demo extra" "demo -stale 3" "demo -config x" "-config $CI_TMP/nosuch" "-config -" "-config $CI_TMP/graphreport"; do
  # shellcheck disable=SC2086 # the arguments are words
  tool $args >"$CI_TMP/out" 2>"$CI_TMP/err"
  rc=$?
  if [ "$rc" != 2 ] || [ -s "$CI_TMP/out" ] || ! [ -s "$CI_TMP/err" ]; then wrong=$((wrong + 1)); printf '        exit %s: graphreport %s\n' "$rc" "$args"; fi
done
if [ "$wrong" = 0 ]; then ok "8 wrong uses: exit 2, nothing on standard output"; else bad "$wrong of 8 wrong uses"; fi
finish
