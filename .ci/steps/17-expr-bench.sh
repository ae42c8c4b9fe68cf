#!/usr/bin/env bash
# An expression of the Entra languages against the same mapping written in Go, in one run on one core. The ratio and
# the allocations decide; nanoseconds depend on the machine and are only shown.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
out=$CI_TMP/bench.txt
if ! GOMAXPROCS=1 go test -run='^$' -bench='^Benchmark(Typical|Constant)' -benchtime=20000x -count=5 ./ldapsync/expr >"$out" 2>&1; then
  bad "benchmarks run"; tail -n 20 "$out"; finish
fi
# Of five runs the best of each side counts, so that a busy moment of the machine decides nothing.
best() { awk -v name="$1" '$1 ~ name { for (i = 2; i < NF; i++) if ($(i + 1) == "ns/op" && (!m || $i < m)) m = $i } END { print m + 0 }' "$out"; }
ours=$(best '^BenchmarkTypical/expr') peer=$(best '^BenchmarkTypical/go')
ratio=$(awk -v a="$ours" -v b="$peer" 'BEGIN { printf "%.2f", b ? a / b : 99 }')
line="typical expression $ours ns, by hand $peer ns: $ratio times as long"
if awk -v r="$ratio" 'BEGIN { exit !(r <= 5) }'; then ok "$line"; else bad "$line (want at most 5)"; fi
row "expr: a typical expression" "$ours ns" "$peer ns (the same in Go)" "$ratio" "≤ 5"
allocs=$(awk '$1 ~ /^BenchmarkConstant/ { for (i = 2; i < NF; i++) if ($(i + 1) == "allocs/op" && $i > m) m = $i } END { print m + 0 }' "$out")
if [ "$allocs" -eq 0 ]; then ok "a constant expression allocates nothing"; else bad "a constant expression allocates $allocs times"; fi
finish
