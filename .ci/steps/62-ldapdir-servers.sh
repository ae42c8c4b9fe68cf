# ldapdir against real servers: a Samba domain controller and OpenLDAP, each on its own loopback address.
. "$ROOT/.ci/lib.sh"

cd "$ROOT" || exit 1
samba_ip=127.0.0.62 slapd_url=ldap://127.0.0.63:3962

samba_start() {
  local d=$CI_TMP/dc i
  KRB5_CONFIG=$d/private/krb5.conf samba-tool domain provision --targetdir="$d" --realm=VALE.EXAMPLE --domain=VALE \
    --host-name=dc1 --host-ip=$samba_ip --server-role=dc --dns-backend=NONE --adminpass='Passw0rd-Vale1' \
    --option="interfaces = $samba_ip/8" --option="bind interfaces only = yes" -q >"$CI_TMP/provision.log" 2>&1 || return 1
  mkdir -p "$d/private/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=dc1.vale.example" \
    -addext "subjectAltName=DNS:dc1.vale.example,IP:$samba_ip" \
    -keyout "$d/private/tls/key.pem" -out "$d/private/tls/cert.pem" 2>>"$CI_TMP/provision.log" || return 1
  cp "$d/private/tls/cert.pem" "$d/private/tls/ca.pem" && chmod 600 "$d/private/tls/key.pem"
  # Kerberos over LDAP needs a service name, and SASL without a security layer this setting.
  setsid samba -i -M single -s "$d/etc/smb.conf" --option="server services = ldap,kdc" --option="pid directory = $d" \
    --option="ncalrpc dir = $d/ncalrpc" --option="log file = $d/samba.log" \
    --option="ldap server require strong auth = allow_sasl_over_tls" </dev/null >"$d/samba.out" 2>&1 &
  samba_pid=$!
  wait_for 30 ldapsearch -x -LLL -o nettimeout=1 -H "ldap://$samba_ip" -b '' -s base defaultNamingContext || return 1
  KRB5_CONFIG=$d/private/krb5.conf samba-tool user create svc-reader 'Passw0rd-Read1' -s "$d/etc/smb.conf" -H "$d/private/sam.ldb" >>"$CI_TMP/provision.log" 2>&1 &&
    printf 'dn: CN=DC1,OU=Domain Controllers,DC=vale,DC=example\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: ldap/dc1.vale.example\n' |
    ldbmodify -H "$d/private/sam.ldb" >>"$CI_TMP/provision.log" 2>&1
}

slapd_start() {
  local d=$CI_TMP/slapd schema modules
  schema=$(dirname "$(dpkg -L slapd | grep '/core.schema$')")
  modules=$(dirname "$(dpkg -L slapd | grep '/back_mdb.so$')")
  mkdir -p "$d/db"
  cat >"$d/slapd.conf" <<CONF
include $schema/core.schema
include $schema/cosine.schema
include $schema/inetorgperson.schema
modulepath $modules
moduleload back_mdb
pidfile $d/slapd.pid
sizelimit unlimited
database mdb
suffix "dc=vale,dc=example"
rootdn "cn=admin,dc=vale,dc=example"
rootpw Passw0rd-Vale2
directory $d/db
maxsize 268435456
dbnosync
index objectClass,entryUUID,entryCSN eq
CONF
  printf 'dn: dc=vale,dc=example\nobjectClass: domain\ndc: vale\n' | slapadd -q -f "$d/slapd.conf" &&
    slapd -f "$d/slapd.conf" -h "$slapd_url/" &&
    wait_for 10 ldapsearch -x -LLL -H "$slapd_url" -b '' -s base supportedLDAPVersion
}

# suite NAME VARIABLE=VALUE…: the tests of ldapdir with a server, one line for each group that ran against it.
suite() {
  local name=$1; shift
  local out=$CI_TMP/$name.log
  env "$@" go test -count=1 -v -run "/$name\$|Samba|Kerberos|Kind|Unrelated" ./ldapsync/ldapdir/... >"$out" 2>&1
  local rc=$? n
  while read -r verdict test; do
    case $verdict in PASS) ok "$name: $test" ;; FAIL) bad "$name: $test" ;; esac
  done < <(sed -n "s/^ *--- \(PASS\|FAIL\): \(Test[A-Za-z]*\)\(\/$name\)\? (.*/\1 \2\3/p" "$out" | grep -E "/$name$|Samba|Kerberos|Kind|Unrelated|FAIL" | sort -u)
  n=$(grep -c "^ *--- PASS: .*/$name/" "$out")
  [ $rc = 0 ] && ok "$name: $n cases of the conformance suites" || { bad "$name"; grep -A8 -- '--- FAIL' "$out" | tail -n 60 | sed 's/^/        /'; }
}

trap 'stop_pid "${samba_pid:-}"; [ -f "$CI_TMP/slapd/slapd.pid" ] && stop_pid "$(cat "$CI_TMP/slapd/slapd.pid")"' EXIT

if need_packages slapd ldap-utils; then
  if slapd_start; then
    suite slapd HYBRIDKIT_SLAPD_URL=$slapd_url HYBRIDKIT_SLAPD_BASE=dc=vale,dc=example \
      HYBRIDKIT_SLAPD_USER=cn=admin,dc=vale,dc=example HYBRIDKIT_SLAPD_PASSWORD=Passw0rd-Vale2
  else
    bad "slapd starts"
  fi
fi

if [ "$(id -u)" != 0 ]; then
  skip "samba: a domain controller can only be provisioned by root"
elif need_packages samba samba-ad-dc winbind krb5-user ldap-utils python3-samba ldb-tools openssl; then
  if samba_start; then
    suite samba HYBRIDKIT_SAMBA_URL=ldaps://$samba_ip HYBRIDKIT_SAMBA_CA="$CI_TMP/dc/private/tls/ca.pem" \
      HYBRIDKIT_SAMBA_BASE=DC=vale,DC=example HYBRIDKIT_SAMBA_USER='VALE\Administrator' HYBRIDKIT_SAMBA_PASSWORD='Passw0rd-Vale1' \
      HYBRIDKIT_SAMBA_READER=svc-reader@vale.example HYBRIDKIT_SAMBA_READER_PASSWORD='Passw0rd-Read1' \
      HYBRIDKIT_SAMBA_SPN=ldap/dc1.vale.example
  else
    bad "samba starts"
    tail -n 20 "$CI_TMP/provision.log" | sed 's/^/        /'
  fi
fi
finish
