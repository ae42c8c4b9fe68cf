#!/usr/bin/env bash
# A cycle for 100,000 users in a process of its own, unchanged and with one user in a hundred changed, and how large
# the process became. With SCALE=1000000 the same for that many users, which takes some minutes and about 5 GB of disk.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
if [ ! -r /proc/self/status ]; then
  skip "the size of a process is read from /proc, which is not here"
  finish
fi
go test -c -o "$CI_TMP/scale.test" ./ldapsync/boltstate || { bad "the test builds"; finish; }
mkdir "$CI_TMP/tmp"

# cycles USERS MEGABYTES: both cycles finish, and neither process was larger.
cycles() {
  local out=$CI_TMP/$1.txt line
  (cd ldapsync/boltstate && TMPDIR=$CI_TMP/tmp SCALE=$1 SCALE_RSS=$2 GOMAXPROCS=2 "$CI_TMP/scale.test" -test.run='^TestScale$' -test.timeout=2h) >"$out" 2>&1
  local rc=$? n=0
  while IFS= read -r line; do
    n=$((n + 1))
    printf '        %s\n' "$line"
  done < <(grep '^scale: ' "$out")
  if [ $rc = 0 ] && [ $n = 2 ]; then ok "unchanged and changed cycle of $1 users, each within $2 MB"; else
    bad "unchanged and changed cycle of $1 users, each within $2 MB"; tail -n 20 "$out" | sed 's/^/        /'
  fi
}
cycles 100000 130
case ${SCALE:-} in
'' | 100000) skip "1,000,000 users only where SCALE=1000000 is set" ;;
*[!0-9]*) bad "SCALE is a number of users, not $SCALE" ;;
*) cycles "$SCALE" 300 ;;
esac
finish
