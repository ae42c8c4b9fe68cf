# The hazard suite and change detection on a Samba domain controller: rights that are really lost, organisational
# units really renamed, DirSync, change numbers and notifications as a real server gives them.
. "$ROOT/.ci/lib.sh"
. "$ROOT/.ci/samba.sh"

cd "$ROOT" || exit 1
addr=127.0.0.65 dc=$CI_TMP/dc
[ "$(id -u)" = 0 ] || { skip "a Samba domain controller can only be provisioned by root"; finish; }
need_packages $SAMBA_PACKAGES || finish
trap 'samba_stop "$dc"' EXIT
check "provision a Samba domain" samba_provision "$dc" $addr HAZARD.EXAMPLE HAZARD
check "start it" samba_start "$dc" $addr
check "make an ordinary account" env KRB5_CONFIG="$dc/private/krb5.conf" samba-tool user create svc-reader 'Passw0rd-Read1' -s "$dc/etc/smb.conf" -H "$dc/private/sam.ldb"
[ "$bad_n" = 0 ] || finish

export HYBRIDKIT_SAMBA_URL=ldaps://$addr HYBRIDKIT_SAMBA_CA=$dc/private/tls/ca.pem HYBRIDKIT_SAMBA_BASE=DC=hazard,DC=example \
  HYBRIDKIT_SAMBA_USER='HAZARD\Administrator' HYBRIDKIT_SAMBA_PASSWORD=$SAMBA_PASSWORD \
  HYBRIDKIT_SAMBA_READER=svc-reader@hazard.example HYBRIDKIT_SAMBA_READER_PASSWORD=Passw0rd-Read1

go test -count=1 -v -run '^TestSamba' ./ldapsync/changes >"$CI_TMP/changes" 2>&1 &&
  ok "changes: $(grep -c -- '--- PASS: TestSamba/' "$CI_TMP/changes") methods find what changed; $(sed -n 's/.*: \(slowest of ten.*\)/\1/p' "$CI_TMP/changes")" ||
  { bad "changes on Samba"; grep -A12 -- '--- FAIL\|Error' "$CI_TMP/changes" | head -n 60 | sed 's/^/        /'; }

go test -count=1 -v -run '^TestSamba$' ./ldapsync/hazardtest >"$CI_TMP/hazards" 2>&1
rc=$?
for way in everything_read DirSync; do
  n=$(grep -c -- "--- PASS: TestSamba/$way/" "$CI_TMP/hazards")
  bad_ones=$(sed -n "s/ *--- FAIL: TestSamba\/$way\/\([^ ]*\).*/\1/p" "$CI_TMP/hazards" | tr '\n' ' ')
  if [ -z "$bad_ones" ] && [ "$n" -gt 30 ]; then ok "hazards, $way: $n cases, no wrong write"; else bad "hazards, $way: $n cases passed; failed: $bad_ones"; fi
done
[ $rc = 0 ] || grep -A6 -- '--- FAIL: TestSamba/.*/' "$CI_TMP/hazards" | head -n 80 | sed 's/^/        /'
finish
