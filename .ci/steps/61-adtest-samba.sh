#!/usr/bin/env bash
# The same operations on a Samba domain controller and on ldapsync/adtest, compared.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 2
[ "$(id -u)" = 0 ] || { skip "a Samba domain controller needs root"; finish; }
need_packages samba samba-ad-dc winbind krb5-user ldap-utils openssl || finish

ip=127.0.0.71 d=$CI_TMP/dc
trap 'stop_pid "${samba_pid:-}"' EXIT
provision() {
  KRB5_CONFIG=$d/private/krb5.conf samba-tool domain provision --targetdir="$d" --realm=VALE.EXAMPLE --domain=VALE --host-name=dc1 \
    --host-ip=$ip --server-role=dc --dns-backend=NONE --adminpass='Passw0rd-Vale1' --option="interfaces = $ip/8" --option="bind interfaces only = yes" -q &&
    mkdir -p "$d/private/tls" &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=dc1.vale.example" -addext "subjectAltName=IP:$ip" \
      -keyout "$d/private/tls/key.pem" -out "$d/private/tls/cert.pem" &&
    cp "$d/private/tls/cert.pem" "$d/private/tls/ca.pem" && chmod 600 "$d/private/tls/key.pem"
}
check "provision a Samba domain" provision || finish
[ "$bad_n" = 0 ] || finish
if ldapsearch -x -LLL -o nettimeout=1 -H "ldap://$ip" -b '' -s base 1.1 >/dev/null 2>&1; then bad "$ip is in use by another server"; finish; fi
setsid samba -i -M single -s "$d/etc/smb.conf" --option="server services = ldap" --option="pid directory = $d" \
  --option="ncalrpc dir = $d/ncalrpc" --option="log file = $d/samba.log" </dev/null >"$d/samba.out" 2>&1 &
samba_pid=$!
check "Samba answers" wait_for 30 ldapsearch -x -LLL -o nettimeout=1 -H "ldap://$ip" -b '' -s base defaultNamingContext

HYBRIDKIT_SAMBA=ldaps://$ip go test -count=1 -v -run '^TestAgainstSamba$' ./ldapsync/adtest >"$CI_TMP/out" 2>&1
rc=$?
sed -n 's/^ *samba_test.go:[0-9]*: \(differs: .*\)/  note  \1/p' "$CI_TMP/out" | cut -c1-300
if [ $rc = 0 ]; then ok "adtest and Samba: $(sed -n 's/.*: \([0-9]* steps alike\)/\1/p' "$CI_TMP/out")"
else bad "adtest and Samba differ"; grep -E 'Error:|samba_test.go' "$CI_TMP/out" | cut -c1-400 | head -n 60 | sed 's/^/        /'; fi
finish
