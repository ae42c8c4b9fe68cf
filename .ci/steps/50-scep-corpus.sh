#!/usr/bin/env bash
# The SCEP client over the sample corpus: every message to its expected outcome.
. "$ROOT/.ci/lib.sh"
if [ -z "$SHARED" ] || [ ! -d "$SHARED/corpus/scep" ]; then
  skip "the sample corpus is not beside this checkout"
  finish
fi
cd "$ROOT" || exit 1
HYBRIDKIT_CORPUS=$SHARED/corpus go test -count=1 -run 'TestCorpus' -v ./scepclient/... >"$CI_TMP/log" 2>&1
rc=$?
while read -r line; do
  case $line in
  *"--- PASS: TestCorpus"*) ok "${line#*--- PASS: }" ;;
  *"--- FAIL: TestCorpus"*) bad "${line#*--- FAIL: }" ;;
  *"--- SKIP: TestCorpus"*) skip "${line#*--- SKIP: }" ;;
  esac
done <"$CI_TMP/log"
[ "$rc" = 0 ] || { bad "go test"; tail -n 30 "$CI_TMP/log"; }
[ "$ok_n" -gt 0 ] || bad "no corpus test ran"
finish
