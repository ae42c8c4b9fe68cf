#!/usr/bin/env bash
# The tools that compose the packages: their demonstrations, wrong use, a large estate, and its page in Chromium.
. "$ROOT/.ci/lib.sh"

cd "$ROOT" || exit 1
for t in whynotjoined offboard estate; do
  check "$t builds" go build -o "$CI_TMP/$t" "./examples/$t"
  check "$t builds for Windows" env GOOS=windows go build -o "$CI_TMP/$t.exe" "./examples/$t"
done

# expect STATUS NAME COMMAND…: the command's exit status, and an explanation on standard error for status 2.
expect() {
  local want=$1 name=$2 got; shift 2
  timeout 60 "$@" >"$CI_TMP/out" 2>"$CI_TMP/errors"; got=$?
  if [ "$got" != "$want" ]; then bad "$name: exit $got, want $want"; return; fi
  if [ "$want" = 2 ] && ! [ -s "$CI_TMP/errors" ]; then bad "$name: no explanation"; return; fi
  ok "$name: exit $want"
}
says() { if grep -q -- "$1" "$CI_TMP/out"; then ok "it says: $1"; else bad "it does not say: $1"; fi; }
expect 1 "whynotjoined demo" "$CI_TMP/whynotjoined" demo; says losing-gpo
expect 0 "offboard demo" "$CI_TMP/offboard" demo; says "The device has left"
expect 1 "estate demo" "$CI_TMP/estate" demo; says "11 devices"
for t in whynotjoined offboard estate; do
  expect 0 "$t -h" "$CI_TMP/$t" -h
  expect 2 "$t without arguments" "$CI_TMP/$t"
  expect 2 "$t with an unknown flag" "$CI_TMP/$t" -nonsense
done
printf '\211PNG\r\n\032\n\000\000\000\rIHDR' >"$CI_TMP/a.png"
expect 2 "whynotjoined and an image" "$CI_TMP/whynotjoined" -dsreg "$CI_TMP/a.png"
expect 2 "offboard and an image" "$CI_TMP/offboard" plan "$CI_TMP/a.png"
mkdir "$CI_TMP/images" && cp "$CI_TMP/a.png" "$CI_TMP/images/"
expect 2 "estate and an image" "$CI_TMP/estate" "$CI_TMP/images"

# Twenty thousand captures of 5 kB in files: what is kept of them is bounded by their number, not their size.
mkdir "$CI_TMP/many"
text=$(cat "$ROOT/examples/estate/demo/AV-LT-0401/status.txt")
for i in $(seq 20000); do printf '%s\n' "$text" >"$CI_TMP/many/AV-$i.txt"; done
CGO_ENABLED=0 go build -o "$CI_TMP/estate-small" ./examples/estate # threads of C need address space
(ulimit -v 1500000; "$CI_TMP/estate-small" -json "$CI_TMP/many" >"$CI_TMP/many.json" 2>"$CI_TMP/errors")
if grep -q '"captures":20000' "$CI_TMP/many.json"; then ok "20000 captures in files"; else bad "20000 captures in files"; head -c 300 "$CI_TMP/errors"; fi

if [ -n "$SHARED" ] && [ -d "$SHARED/corpus/dsreg" ]; then
  "$CI_TMP/estate" -json "$SHARED/corpus/dsreg" >"$CI_TMP/corpus.json" 2>"$CI_TMP/errors"
  if grep -q '"captures":37' "$CI_TMP/corpus.json"; then ok "the captures of the corpus"; else bad "the captures of the corpus: $(head -c 300 "$CI_TMP/errors")"; fi
else
  skip "no corpus beside the repository"
fi

if need_packages chromium; then
  if ESTATE_CHROMIUM=$(command -v chromium) ESTATE_LIMIT_MS=3000 go test -count=1 -v -run '^TestBrowser$' ./examples/estate >"$CI_TMP/browser.log" 2>&1; then
    ok "$(grep -o 'the page of 100,000 devices was shown after [0-9]* ms' "$CI_TMP/browser.log")"
  else
    bad "the estate page in Chromium"; tail -n 30 "$CI_TMP/browser.log"
  fi
fi
finish
