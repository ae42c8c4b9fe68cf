#!/usr/bin/env bash
# Packages registry/regfile, regpol, regquery and regconv on real files: decoded, compared with independent readers, encoded
# again to the same bytes; and regcheck on all of them.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

if [ -z "$SHARED" ] || [ ! -d "$SHARED/corpus/registry" ]; then
  skip "the sample corpus is not beside this checkout"
  finish
fi
corpus=$SHARED/corpus/registry
export HYBRIDKIT_CORPUS=$SHARED/corpus
for p in regfile regpol regquery regconv; do
  if out=$(go test -count=1 -v -run Corpus "./registry/$p" 2>&1); then
    ok "registry/$p on the corpus:$(printf '%s\n' "$out" | sed -n 's/^ *[a-z_]*_test\.go:[0-9]*: \([0-9]* .*\)/ \1/p' | tail -n 1)"
  else
    bad "registry/$p on the corpus"
    printf '%s\n' "$out" | grep -v '=== RUN\|--- PASS' | tail -n 40
  fi
done

go build -o "$CI_TMP/regcheck" ./examples/regcheck || { bad "build regcheck"; finish; }
rc=$CI_TMP/regcheck
# Every file a strict decoder accepts is dumped as JSON, read back and compared: no value may differ.
n=0 differ=0 refused=0
for f in "$corpus"/reg/*.reg "$corpus"/pol/*.pol "$corpus"/gpp/made-*.xml "$corpus"/gpo/*.inf "$corpus"/hive/*.hiv; do
  if ! "$rc" convert -to json -o "$CI_TMP/v.json" "$f" >/dev/null 2>"$CI_TMP/err"; then
    grep -q 'not written' "$CI_TMP/err" || refused=$((refused + 1))
    continue
  fi
  [ -s "$CI_TMP/v.json" ] || continue
  n=$((n + 1))
  "$rc" diff "$f" "$CI_TMP/v.json" >"$CI_TMP/diff" 2>&1 || { differ=$((differ + 1)); printf '        %s\n' "$(basename "$f")"; head -n 3 "$CI_TMP/diff"; }
done
if [ "$n" -ge 40 ] && [ "$differ" = 0 ]; then ok "$n real files to JSON and back without a difference ($refused refused by the strict decoders)"
else bad "$n real files to JSON and back, $differ differ, $refused refused"; fi

# The installer's defaults of NDES: three placeholders, HTTP.sys never touched.
"$rc" check -schema ndes -json "$corpus/reg/ndes-MSCEP.reg" >"$CI_TMP/ndes.json"
[ $? = 1 ] && [ "$(grep -o '"kind":"placeholder"' "$CI_TMP/ndes.json" | wc -l)" = 3 ] && [ "$(grep -o '"kind":"missing"' "$CI_TMP/ndes.json" | wc -l)" = 2 ] &&
  ok "the role installer's defaults: 3 placeholders, 2 missing limits" || bad "the role installer's defaults"
"$rc" check -schema ndes -param template=IntuneNDES "$corpus/pol/made-samba-ndes.pol" >"$CI_TMP/out" 2>&1
[ $? = 0 ] && ok "a policy with the wanted values has no drift" || { bad "a policy with the wanted values"; cat "$CI_TMP/out"; }
"$rc" check -schema guide-cdj "$corpus/hive/made-hivex-SOFTWARE-cdj-ndes.hiv" >"$CI_TMP/out" 2>&1
[ $? = 0 ] && ok "an offline hive with the guide's tenant has no drift" || { bad "an offline hive with the guide's tenant"; cat "$CI_TMP/out"; }
"$rc" check -schema http "$corpus/hive/made-hivex-SYSTEM-http-schannel.hiv" >"$CI_TMP/out" 2>&1
[ $? = 0 ] && ok "an offline SYSTEM hive is judged by its current control set" || { bad "an offline SYSTEM hive"; cat "$CI_TMP/out"; }
finish
