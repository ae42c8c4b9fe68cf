#!/usr/bin/env bash
# A thousand cycles of syncengine with faults at random, under the race detector, and processes killed at random.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
cycles=${SOAK:-1000}
# Both at once: each keeps one processor busy.
HYBRIDKIT_SOAK=$cycles go test -race -count=1 -timeout=30m -v -run='^TestSoak$' ./ldapsync/entra >"$CI_TMP/entra" 2>&1 &
entra=$!
HYBRIDKIT_SOAK=$cycles go test -race -count=1 -timeout=30m -v -run='^TestSoak' ./examples/syncengine >"$CI_TMP/soak" 2>&1
rc=$?
line=$(sed -n 's/.*soak_test.go:[0-9]*: //p' "$CI_TMP/soak" | head -n 1)
if [ $rc = 0 ]; then ok "$line"; ok "$(grep -c -- '--- PASS: TestSoakKilled' "$CI_TMP/soak") run of processes that were killed at random"; else bad "soak"; grep -A15 -- 'soak_test.go' "$CI_TMP/soak" | head -n 40 | sed 's/^/        /'; fi

wait $entra &&
  ok "Entra ID: $(sed -n 's/.*soak_test.go:[0-9]*: //p' "$CI_TMP/entra")" || { bad "soak on Entra ID"; grep -A15 -- 'soak_test.go' "$CI_TMP/entra" | head -n 40 | sed 's/^/        /'; }

# A state on a disk that is full: nothing is written that could not be remembered, and room again is enough.
small=$CI_TMP/small
mkdir -p "$small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=256k tmpfs "$small" 2>/dev/null; then
  TMPDIR_SMALL=$small go test -count=1 -v -run='^TestFullDisk$' ./examples/syncengine >"$CI_TMP/full" 2>&1 && ok "a full disk under the state" || { bad "a full disk under the state"; tail -n 20 "$CI_TMP/full"; }
  umount "$small"
else
  skip "a full disk: no small file system can be mounted here"
fi
finish
