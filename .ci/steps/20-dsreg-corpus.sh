#!/usr/bin/env bash
# Published captures of dsregcmd: all are read, and join state and findings agree with what is known of each.
. "$ROOT/.ci/lib.sh"

if [ -z "${SHARED:-}" ] || [ ! -d "$SHARED/corpus/dsreg" ]; then
  skip "no sample corpus on this machine"
  finish
fi
cd "$ROOT" || exit 1
log=$CI_TMP/corpus.log
if HYBRIDKIT_CORPUS=$SHARED/corpus go test -count=1 -run '^TestCorpus$' -v ./dsreg >"$log" 2>&1; then rc=0; else rc=1; fi
# One line per capture: what was read and found.
while IFS= read -r line; do ok "$line"; done < <(sed -n 's/^ *corpus_test.go:[0-9]*: \(.*findings.*\)/\1/p' "$log")
files=$(find "$SHARED/corpus/dsreg" -name '*.txt' | wc -l)
passed=$(grep -c '^ *--- PASS: TestCorpus/' "$log")
if [ "$rc" = 0 ] && [ "$passed" = "$files" ]; then
  ok "$passed of $files captures agree with their facts"
else
  bad "$passed of $files captures agree with their facts"
  grep -vE '^ *(---|===)|findings \[' "$log" | tail -n 60 | sed 's/^/        /'
fi

# The tool on the same files: one document per capture, every one with the members that consumers rely on.
check "dsregcheck builds" go build -o "$CI_TMP/dsregcheck" ./examples/dsregcheck
"$CI_TMP/dsregcheck" -json "$SHARED/corpus/dsreg" >"$CI_TMP/all.json" 2>"$CI_TMP/err"
lines=$(wc -l <"$CI_TMP/all.json")
want=0
for key in file index kind joinState deviceId tenantId tenantName domainName deviceName prt workAccounts clientTime findings rows; do
  n=$(grep -c "\"$key\":" "$CI_TMP/all.json")
  [ "$n" = "$lines" ] || { bad "$key is in $n of $lines documents"; want=1; }
done
[ "$want" = 0 ] && [ "$lines" -ge "$files" ] && ok "dsregcheck -json wrote $lines complete documents"
finish
