#!/usr/bin/env bash
# readiness: its demonstration without a network, wrong use, and an organisation on a Samba domain controller.
. "$ROOT/.ci/lib.sh"
. "$ROOT/.ci/samba.sh"
cd "$ROOT" || exit 1
check "readiness builds" go build -o "$CI_TMP/readiness" ./examples/readiness
check "readiness builds for Windows" env GOOS=windows go build -o "$CI_TMP/readiness.exe" ./examples/readiness
[ "$bad_n" = 0 ] || finish

# expect STATUS NAME COMMAND…: the command's exit status, and an explanation on standard error for status 2.
expect() {
  local want=$1 name=$2 got; shift 2
  timeout 60 "$@" >"$CI_TMP/out" 2>"$CI_TMP/errors"; got=$?
  if [ "$got" != "$want" ]; then bad "$name: exit $got, want $want"; head -c 300 "$CI_TMP/errors"; return; fi
  if [ "$want" = 2 ] && ! [ -s "$CI_TMP/errors" ]; then bad "$name: no explanation"; return; fi
  ok "$name: exit $want"
}
says() { if grep -qE -- "$1" "$CI_TMP/out"; then ok "it says: $1"; else bad "it does not say: $1"; fi; }
if unshare -n true 2>/dev/null; then expect 1 "readiness demo without a network" unshare -n "$CI_TMP/readiness" demo; else expect 1 "readiness demo" "$CI_TMP/readiness" demo; fi
says "^next: ports.gc.out:"
expect 0 "readiness -h" "$CI_TMP/readiness" -h
expect 2 "readiness without arguments" "$CI_TMP/readiness"
expect 2 "readiness with an unknown flag" "$CI_TMP/readiness" -nonsense
printf '\211PNG\r\n\032\n\000\000\000\rIHDR' >"$CI_TMP/a.png"
expect 2 "readiness and an image" "$CI_TMP/readiness" "$CI_TMP/a.png"
head -c 400 examples/readiness/demo/request.json >"$CI_TMP/cut.json"
expect 2 "readiness and a request that was cut off" "$CI_TMP/readiness" "$CI_TMP/cut.json"
head -c 3000000 /dev/zero >"$CI_TMP/zeros.json"
expect 2 "readiness and zeros" "$CI_TMP/readiness" - <"$CI_TMP/zeros.json"

[ "$(id -u)" = 0 ] || { skip "a Samba domain controller needs root"; finish; }
# shellcheck disable=SC2086
need_packages $SAMBA_PACKAGES || finish
ip=127.0.0.74 d=$CI_TMP/dc
trap 'samba_stop "$d"' EXIT
check "provision a Samba domain" samba_provision "$d" $ip ASHDOWN.EXAMPLE ASHDOWN
[ "$bad_n" = 0 ] || finish
samba-tool user create svc-reader Passw0rd-Svc1 -H "$d/private/sam.ldb" >"$d/user.log" 2>&1 || { bad "create the account"; finish; }
cat >"$d/load.ldif" <<LDIF
dn: OU=HybridComputers,DC=ashdown,DC=example
objectClass: organizationalUnit
gPLink: [LDAP://cn={00000001-1111-4111-8111-111111111111},cn=policies,cn=system,DC=ashdown,DC=example;0]

dn: CN={00000001-1111-4111-8111-111111111111},CN=Policies,CN=System,DC=ashdown,DC=example
objectClass: groupPolicyContainer
displayName: Hybrid join
flags: 0

dn: CN=AV-001,OU=HybridComputers,DC=ashdown,DC=example
objectClass: computer
sAMAccountName: AV-001\$
userAccountControl: 4096
dNSHostName: av-001.ashdown.example
operatingSystem: Windows 11 Enterprise
operatingSystemVersion: 10.0 (22631)
LDIF
check "load the organisation" samba_load "$d" "$d/load.ldif"
check "Samba answers" samba_start "$d" $ip
[ "$bad_n" = 0 ] || finish
printf 'Passw0rd-Svc1\n' >"$d/password"; chmod 600 "$d/password"
cat >"$d/request.json" <<JSON
{"organisation": "Ashdown Vale",
 "service": {"trustPartner": "prov.example", "tenantId": "4d1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38", "tenantName": "ashdown.example"},
 "directory": {"url": "ldaps://$ip", "user": "svc-reader@ashdown.example", "passwordFile": "password", "caFile": "private/tls/ca.pem",
   "devices": {"ou": "OU=HybridComputers,DC=ashdown,DC=example"}},
 "policy": {"sysvol": "$ROOT/examples/readiness/demo/sysvol"}}
JSON
expect 1 "readiness on Samba" "$CI_TMP/readiness" -all "$d/request.json"
says "^PASS  *dc.answers "
says "^PASS  *delegation.devices.list "
says "^PASS  *cdj.HybridComputers "
says '"?Hybrid join'
says "^WARNING  *devices.certificates "
says "^next: trust.exists:"
finish
