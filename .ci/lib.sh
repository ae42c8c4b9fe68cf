# Shared by .ci/run and the steps under .ci/steps. Source it, do not run it.
#
# A step is a bash script in .ci/steps. It runs with these variables set:
#   ROOT     the repository
#   CI_TMP   an empty folder of its own, removed afterwards
#   SHARED   the folder with the sample corpus, or empty where there is none
# It calls ok/bad/skip once per assertion and ends with "finish".

set -uo pipefail
ok_n=0 bad_n=0 skip_n=0

# ok NAME: one assertion held.
ok() { ok_n=$((ok_n + 1)); printf '  ok    %s\n' "$*"; }
# bad NAME: one assertion failed. The step goes on and fails at "finish".
bad() { bad_n=$((bad_n + 1)); printf '  FAIL  %s\n' "$*"; }
# skip WHY: something could not be tried here.
skip() { skip_n=$((skip_n + 1)); printf '  skip  %s\n' "$*"; }
# check NAME COMMAND…: ok if the command succeeds; its output is shown only when it fails.
check() {
  local name=$1; shift
  local out
  if out=$("$@" 2>&1); then ok "$name"; else bad "$name"; printf '%s\n' "$out" | tail -n 40 | sed 's/^/        /'; fi
}
# least FILE COLUMN, middle FILE COLUMN: the smallest number of a column, and the median.
least() { sort -g -k "$2,$2" "$1" | awk -v k="$2" 'NR == 1 {print $k}'; }
middle() { sort -g -k "$2,$2" "$1" | awk -v k="$2" '{v[NR] = $k} END {print v[int((NR + 1) / 2)]}'; }
# row WHAT OURS PEER RATIO LIMIT: a line of the table that .ci/bench makes; nothing where nobody makes one.
row() { [ -z "${BENCH_ROWS:-}" ] || printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$BENCH_ROWS"; }
# finish: print the step's counts where .ci/run finds them and exit.
finish() {
  [ -z "${CI_COUNTS:-}" ] || printf '%d %d %d\n' "$ok_n" "$bad_n" "$skip_n" >>"$CI_COUNTS"
  [ "$bad_n" = 0 ] && exit 0
  exit 1
}
# need_packages PACKAGE…: install Debian packages that are missing; false (with a printed reason) where that can't be done.
need_packages() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    skip "needs packages that only root on Debian can install: ${missing[*]}"
    return 1
  fi
  local log=$CI_TMP/apt.log
  if ! { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" ||
    { apt-get -o DPkg::Lock::Timeout=300 update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"; }; } >"$log" 2>&1; then
    skip "could not install: ${missing[*]} ($(tail -n 1 "$log"))"
    return 1
  fi
}
# wait_for SECONDS COMMAND…: try the command until it succeeds.
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}
# stop_pid PID: end a process that this step started, and wait until it has gone.
stop_pid() {
  kill "$1" 2>/dev/null || return 0
  local i
  for i in $(seq 1 100); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null
}
