#!/usr/bin/env bash
# Packages gpp, secinf and gpo on the sample corpus: files of Windows are rewritten byte for byte, and the recorded
# outcomes of Group Policy on real clients are computed, each loser with a reason.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

if [ -z "$SHARED" ] || [ ! -d "$SHARED/corpus/registry" ]; then
  skip "no sample corpus here"
  finish
fi
export HYBRIDKIT_CORPUS=$SHARED/corpus
for p in gpp secinf gpo; do
  out=$(go test -count=1 -v -run TestCorpus "./registry/$p" 2>&1)
  if printf "%s\n" "$out" | grep -q "^ok "; then
    while read -r line; do ok "$p: $line"; done < <(printf '%s\n' "$out" | awk '/^ *--- PASS: TestCorpus/ {print $3}')
  else
    bad "$p: TestCorpus"
    printf '%s\n' "$out" | tail -n 40 | sed 's/^/        /'
  fi
done
finish
