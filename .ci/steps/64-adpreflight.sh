#!/usr/bin/env bash
# The prerequisites examined on a Samba domain controller, by an ordinary account: each seeded fault is found by the
# one check that is about it, in less than half a second with the connection.
. "$ROOT/.ci/lib.sh"
. "$ROOT/.ci/samba.sh"
cd "$ROOT" || exit 2
check "adpreflight: every fault on the directory in the test process" go test -count=1 -run '^TestSeededFaults$' ./ldapsync/adpreflight
[ "$(id -u)" = 0 ] || { skip "a Samba domain controller needs root"; finish; }
# shellcheck disable=SC2086
need_packages $SAMBA_PACKAGES || finish

ip=127.0.0.73 d=$CI_TMP/dc
trap 'samba_stop "$d"' EXIT
check "provision a Samba domain" samba_provision "$d" $ip ASHDOWN.EXAMPLE ASHDOWN
[ "$bad_n" = 0 ] || finish
samba-tool user create svc-reader Passw0rd-Svc1 -H "$d/private/sam.ldb" >"$d/user.log" 2>&1 || { bad "create the account: $(tail -n 1 "$d/user.log")"; finish; }
check "Samba answers" samba_start "$d" $ip
[ "$bad_n" = 0 ] || finish

socket=$d/private/ldap_priv/ldapi
HYBRIDKIT_SAMBA_URL=ldaps://$ip HYBRIDKIT_SAMBA_CA=$d/private/tls/ca.pem HYBRIDKIT_SAMBA_SYSTEM=ldapi://${socket//\//%2F} \
  HYBRIDKIT_SAMBA_READER=svc-reader@ashdown.example HYBRIDKIT_SAMBA_PASSWORD=Passw0rd-Svc1 \
  go test -count=1 -v -run '^TestSamba' ./ldapsync/adpreflight >"$CI_TMP/out" 2>&1
rc=$?
sed -n 's/^ *samba_test.go:[0-9]*: /  note  /p' "$CI_TMP/out"
if [ $rc = 0 ]; then ok "adpreflight: $(grep -c 'samba_test.go:.* found by ' "$CI_TMP/out") faults found on Samba, each by its own check"
else bad "adpreflight on Samba"; grep -E -A4 'Error:|Messages|healthy|--- FAIL' "$CI_TMP/out" | cut -c1-300 | head -n 60 | sed 's/^/        /'; fi
slowest=$(sed -n 's/.* in \([0-9]*\) ms$/\1/p' "$CI_TMP/out" | sort -n | tail -n 1)
if [ -n "$slowest" ] && [ "$slowest" -lt 500 ]; then ok "the slowest of these runs took $slowest ms, with its connection"
else bad "the slowest run took '$slowest' ms, where less than 500 is promised"; fi
finish
