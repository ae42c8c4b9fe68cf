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
if go test -count=1 -v -run '^TestCorpusSchema$' ./ldapsync/entra/entratest 2>&1 | grep -q '^--- PASS: TestCorpusSchema'; then
  ok "the comparison ran, and did not skip"
else
  bad "the comparison did not run"
fi
finish
