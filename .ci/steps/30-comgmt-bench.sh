#!/usr/bin/env bash
# The log reader against a reader of one regular expression, in one run on one core. The ratio decides: figures of MB/s
# depend on the machine and are only shown.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
out=$CI_TMP/bench.txt
if ! GOMAXPROCS=1 go test -run='^$' -bench='^Benchmark(Read|PeerRegexp)$/^records=40000$' -benchtime=3x -count=3 ./comgmt/cmlog >"$out" 2>&1; then
  bad "benchmarks run"; tail -n 20 "$out"; finish
fi
# Of three runs the best of each side counts, so that a busy moment of the machine decides nothing.
best() { awk -v name="$1" '$1 ~ name { for (i = 2; i < NF; i++) if ($(i + 1) == "MB/s" && $i > m) m = $i } END { print m + 0 }' "$out"; }
ours=$(best '^BenchmarkRead') peer=$(best '^BenchmarkPeerRegexp')
ratio=$(awk -v a="$ours" -v b="$peer" 'BEGIN { printf "%.0f", b ? a / b : 0 }')
row "comgmt/cmlog: reading logs" "$ours MB/s" "$peer MB/s (one regular expression)" "$(awk -v a="$ours" -v b="$peer" 'BEGIN { printf "%.3f", b / a }')" "≤ 0.05"
line="log reader $ours MB/s, one regular expression $peer MB/s: $ratio times as fast"
if [ "$ratio" -ge 20 ]; then ok "$line"; else bad "$line (want 20)"; fi
finish
