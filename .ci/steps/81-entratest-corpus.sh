#!/usr/bin/env bash
# entratest's tables of users, devices, extensions and managed devices against the schema fragments of Graph's metadata documents.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
if [ -z "${SHARED:-}" ] || [ ! -d "$SHARED/corpus/graph" ]; then
  skip "no schema fragments beside this checkout"
  finish
fi
export HYBRIDKIT_CORPUS=$SHARED/corpus
for t in TestCorpusSchema TestCorpusReadOnly TestCorpusFilter TestCorpusPayloads; do
  check "entratest: $t" go test -count=1 -run "^$t\$" ./ldapsync/entra/entratest
done
# A check that cannot fail is none: without the fragments the tests skip, which is not passing.
go test -count=1 -v -run '^TestCorpus' ./ldapsync/entra/entratest >"$CI_TMP/corpus.log" 2>&1
if [ "$(grep -c '^--- PASS: TestCorpus' "$CI_TMP/corpus.log")" = 4 ]; then
  ok "all four comparisons ran, none skipped"
else
  bad "a comparison was skipped"
fi
finish
