#!/usr/bin/env bash
# Entra ID as a target. That it stays out of the light packages (what a consumer of those downloads is step 05), what
# building it costs, and how fast batches are beside plain net/http in the same run.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

# The light packages need nothing of Microsoft's, tests included.
for pkg in ./dsreg ./ldapsync ./comgmt ./registry; do
  heavy=$(go list -deps -test "$pkg" | grep -E '^github.com/(microsoft|microsoftgraph|Azure|AzureAD)/' | grep -v '^github.com/Azure/go-ntlmssp' | head -n 3)
  if [ -z "$heavy" ]; then ok "$pkg and its tests need nothing of Microsoft's"; else bad "$pkg reaches $heavy"; fi
done

# The driver itself: without the models of the SDK, and without azidentity, which is entraauth's.
deps=$(go list -deps -test ./ldapsync/entra/... ./examples/syncengine)
if printf '%s\n' "$deps" | grep -qE '^github.com/microsoftgraph/msgraph-sdk-go(/models|/users|/devices)?$'; then
  bad "the driver or its tests import the root or the models of msgraph-sdk-go"
else
  ok "the driver, its tests and syncengine import neither the root nor the models of msgraph-sdk-go"
fi
if go list -deps ./ldapsync/entra ./ldapsync/entra/bulk | grep -q azidentity; then bad "the driver imports azidentity"; else ok "azidentity is imported by entraauth alone"; fi
if go list -deps ./ldapsync/entra/entratest | grep -qE '^github.com/'; then bad "entratest imports modules"; else ok "entratest imports the standard library only"; fi

# Cost of a first build of the driver, with an empty build cache.
if [ -x /usr/bin/time ] || need_packages time; then
  go mod download >/dev/null 2>&1
  GOCACHE=$CI_TMP/gocache /usr/bin/time -f '%e s, %U+%S CPU-s, %M KB in the largest process' -o "$CI_TMP/cost" go build ./ldapsync/entra/... &&
    ok "a first build of ldapsync/entra/...: $(tail -n 1 "$CI_TMP/cost")" || bad "ldapsync/entra/... builds"
  largest=$(sed -n 's/.* CPU-s, \([0-9]*\) KB.*/\1/p' "$CI_TMP/cost")
  if [ "${largest:-0}" -gt 0 ] && [ "$largest" -lt 1500000 ]; then ok "no process of the build is larger than 1.5 GB"; else bad "the largest process of the build has ${largest:-?} KB"; fi
fi

# Batches beside net/http, in turns. The best round of each counts, or the median of the ratios where that is smaller;
# where other work on the machine hides it, more rounds may.
out=$CI_TMP/bench.txt
go test -c -o "$CI_TMP/entra.test" ./ldapsync/entra || { bad "the benchmark builds"; finish; }
# one NAME: one round; its processor time per user and its users a second.
one() {
  (cd ldapsync/entra && GOMAXPROCS=2 "$CI_TMP/entra.test" -test.run='^$' -test.bench="^BenchmarkBatchPatch\$/$1\$" -test.benchtime=400ms) 2>&1 | tee "$CI_TMP/round.txt" |
    awk '{ for (i = 2; i < NF; i++) v[$(i + 1)] = $i } END { if (!v["users/s"]) exit 1; print v["cpu-us/user"], v["users/s"] }'
}
within() { awk -v r="$ratio" -v n="$rate" 'BEGIN { exit !(n >= 80000 || r <= 1.3) }'; }
for _ in 1 2 3 4; do
  for _ in $(seq 10); do
    q=$(one queue) && n=$(one net-http) || { bad "the benchmark runs"; tail -n 20 "$CI_TMP/round.txt"; finish; }
    echo "$q $n" | awk '{ printf "%s %s %.2f %s\n", $1, $3, $1 / $3, -$2 }' >>"$out" # the rate negative: the most is the least
  done
  ours=$(least "$out" 1) peer=$(least "$out" 2) rate=$(least "$out" 4) rate=${rate#-}
  best=$(awk -v a="$ours" -v b="$peer" 'BEGIN { printf "%.2f", a / b }')
  ratio=$(printf '%s\n' "$best" "$(middle "$out" 3)" | sort -g | head -n 1)
  within && break
done
row "ldapsync/entra: batches of PATCH over TLS, client and server" "$ours µs CPU a user, $rate users/s" "$peer µs (net/http)" "$best" "≤ 1.3 or 80,000/s"
line="batches of PATCH over TLS, client and server: $ours us of CPU for a user, plain net/http $peer: $ratio times; $rate users/s"
if within; then ok "$line"; else bad "$line (want 80,000 users/s or 1.3 times)"; fi

# 10,000 writes with refusals, in virtual time.
if go test -count=1 -run='^TestBudgetPace$' -v ./ldapsync/entra >"$CI_TMP/pace" 2>&1; then
  ok "pace: $(sed -n 's/.*queue_test.go:[0-9]*: //p' "$CI_TMP/pace")"
else
  bad "the pace of 10,000 writes"; tail -n 20 "$CI_TMP/pace"
fi
finish
