#!/usr/bin/env bash
# comgmt against the collected samples: every row of the values, error codes, names and records, and every log.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
if [ -z "$SHARED" ]; then
  skip "no samples beside this checkout"
  finish
fi
corpus=$SHARED/corpus
export HYBRIDKIT_CORPUS=$corpus

for t in TestCorpusFlags TestCorpusErrors TestCorpusGraph TestCorpusCcmsetup TestCorpusCMG TestCorpusCNAMEs; do
  check "package: $t" go test -count=1 -run "^$t\$" ./comgmt
done
check "package: logs" go test -count=1 -run '^TestCorpus$' ./comgmt/cmlog

# The tool, on the same samples, as a user runs it.
go build -o "$CI_TMP/comgmt" ./examples/comgmt || { bad "the tool builds"; finish; }
tool() { "$CI_TMP/comgmt" "$@"; }
# Values of each column come out of the tool with the identifiers their row names.
declare -A id=([CA]=compliance [RA]=resource-access [DC]=device-configuration [WU]=windows-update [EP]=endpoint-protection [CApp]=client-apps [O365]=office-click-to-run)
wrong=0 rows=0
while IFS=, read -r set legacy newer forced _; do
  rows=$((rows + 1))
  want=
  for w in ${set//+/ }; do [ "$w" = - ] || want+="\"${id[$w]}\","; done
  got=$(tool flags -json "$legacy" "$newer" "$forced" | grep -o '"workloads":\[[^]]*\]' | sed 's/"workloads":\[//; s/\]$//')
  mapfile -t lines <<<"$got"
  [ "${lines[0]}" = "${want%,}" ] && [ "${lines[1]}" = "${want%,}" ] || wrong=$((wrong + 1))
  [[ ${lines[2]} == *resource-access* ]] || wrong=$((wrong + 1))
done < <(tail -n +2 "$corpus/comgmt/flags/arithmetic.csv")
if [ "$wrong" = 0 ] && [ "$rows" = 128 ]; then ok "tool: flags, all $rows rows in three eras"; else bad "tool: flags: $wrong of $rows rows wrong"; fi
check "tool: every log is read" sh -c "'$CI_TMP/comgmt' log -json '$corpus'/comgmt/logs/* >'$CI_TMP/logs.json'; [ \$? -le 1 ]"
check "tool: every Graph document is read" sh -c "'$CI_TMP/comgmt' graph '$corpus'/comgmt/graph/*.json"
if tool error $(tail -n +2 "$corpus/comgmt/errors/mdm-enrollment-errors.csv" | cut -d, -f1-3 | tr ',' ' ') >"$CI_TMP/errors.txt"; then
  ok "tool: every error code in three spellings"
else
  bad "tool: error codes"
fi
finish
