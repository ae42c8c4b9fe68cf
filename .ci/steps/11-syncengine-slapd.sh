#!/usr/bin/env bash
# The engine from an LDIF export into OpenLDAP: a directory without objectGUIDs, GUID bases and security descriptors.
. "$ROOT/.ci/lib.sh"
need_packages slapd ldap-utils || finish
D=$CI_TMP/slapd URL=ldap://127.0.0.66:3890
trap '[ -f "$D/pid" ] && stop_pid "$(cat "$D/pid")"' EXIT
cd "$CI_TMP" || exit 1
(cd "$ROOT" && go build -o "$CI_TMP/syncengine" ./examples/syncengine && go run ./.ci/seed -dir "$CI_TMP" -users 500 -devices 50) || { bad "build"; finish; }
schema=$(dirname "$(dpkg -L slapd | grep '/core.schema$')") modules=$(dirname "$(dpkg -L slapd | grep '/back_mdb.so$')")
mkdir -p "$D/db"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=ldap.prov.example" \
  -addext "subjectAltName=IP:127.0.0.66" -keyout "$D/key.pem" -out "$D/cert.pem" 2>/dev/null
{
  for s in core cosine inetorgperson nis msuser; do echo "include $schema/$s.schema"; done
  printf '%s\n' "modulepath $modules" "moduleload back_mdb" "pidfile $D/pid" "TLSCertificateFile $D/cert.pem" "TLSCertificateKeyFile $D/key.pem" \
    "sizelimit unlimited" "database mdb" 'suffix "DC=prov,DC=example"' 'rootdn "CN=admin,DC=prov,DC=example"' "rootpw Passw0rd-slapd" \
    "directory $D/db" "maxsize 268435456" "index objectClass,entryUUID,mail,employeeNumber eq"
} >"$D/slapd.conf"
# The people another product provisioned, as inetOrgPerson; the engine's anchor travels in employeeNumber.
{
  printf 'dn: DC=prov,DC=example\nobjectClass: domain\nDC: prov\n\ndn: OU=People,DC=prov,DC=example\nobjectClass: organizationalUnit\nOU: People\n\n'
  for i in $(seq 0 499); do
    n=$(printf '%05d' "$i")
    printf 'dn: CN=user%s,OU=People,DC=prov,DC=example\nobjectClass: inetOrgPerson\ncn: user%s\nsn: Oakley\nmail: user%s@mail.example\n\n' "$n" "$n" "$n"
  done
} >people.ldif
slapadd -q -f "$D/slapd.conf" -l people.ldif >slapadd.log 2>&1 || { bad "load: $(tail -n 1 slapadd.log)"; finish; }
slapd -f "$D/slapd.conf" -h "$URL" 2>slapd.log || { bad "start slapd"; finish; }
wait_for 10 ldapsearch -x -H $URL -b '' -s base || { bad "slapd does not answer"; finish; }

# The export has one more thing the seed lacks: an identity for every object, as a domain controller gives it.
python3 - source.ldif export.ldf <<'PY'
import base64, hashlib, sys
out = open(sys.argv[2], "w")
for record in open(sys.argv[1]).read().strip().split("\n\n"):
    if "objectGUID::" not in record:
        dn = record.split("\n", 1)[0]
        record += "\nobjectGUID:: " + base64.b64encode(hashlib.sha256(dn.encode()).digest()[:16]).decode()
    out.write(record + "\n\n")
PY
printf 'Passw0rd-slapd' >password; chmod 600 password
cat >sync.json <<JSON
{"organisations": [{
  "name": "plain", "domain": {"fqdn": "ashdown.example", "netbios": "ASHDOWN"}, "state": "engine.state",
  "source": {"kind": "ldif", "file": "export.ldf"},
  "target": {"kind": "ldap", "url": "$URL", "user": "CN=admin,DC=prov,DC=example", "passwordFile": "password", "caFile": "slapd/cert.pem", "serverName": "127.0.0.66"},
  "users": {"ous": [{"dn": "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"}], "targetOU": {"dn": "OU=People,DC=prov,DC=example"},
            "mapping": ["copy:title", "copy:displayName", "copy:department>departmentNumber"],
            "anchor": "employeeNumber", "anchorForm": "base64", "keys": [{"source": "mail", "target": "mail"}]}
}]}
JSON
sync() { ./syncengine "$@" >out.txt 2>err.txt; rc=$?; }
person() { ldapsearch -x -LLL -o ldif-wrap=no -H $URL -D CN=admin,DC=prov,DC=example -w Passw0rd-slapd -b "CN=user$1,OU=People,DC=prov,DC=example" -s base "$2" 2>/dev/null | sed -n "s/^$2:*: //p"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: want '$3', have '$2'"; tail -n 5 err.txt out.txt | cut -c1-300; fi; }
sync apply -config sync.json
is "an LDIF export is synchronised into slapd over StartTLS" "$rc/$(person 00042 departmentNumber)" "0/Ward 2"
is "text that is not ASCII arrives" "$(person 00042 displayName | base64 -d)" "Größe Oakley 42"
is "the anchor is the immutableId" "$(person 00042 employeeNumber)" "$(awk '/^dn: CN=user00042,/{f=1} f&&/^objectGUID/{print $2; exit}' export.ldf)"
sync apply -config sync.json
is "a second apply writes nothing" "$(grep -c ': 0 written' out.txt)" 1
python3 - export.ldf <<'PY'
import sys
text = open(sys.argv[1]).read()
records = text.split("\n\n")
records = [r.replace("CN=user00007,OU=TANSyncUsers,OU=TANSync,", "CN=user00007,OU=TANSync,") for r in records]
records = ["\n".join(l for l in r.split("\n") if not (r.startswith("dn: CN=user00008,") and l.startswith("title"))) for r in records]
open(sys.argv[1], "w").write("\n\n".join(records))
PY
sync apply -config sync.json
is "a leaver is reverted to null" "$(person 00007 title)$(person 00007 departmentNumber)" ""
is "a cleared attribute is cleared" "$(person 00008 title)" ""
is "the others stay" "$(person 00009 title)" Nurse
head -c 20000 export.ldf >cut && mv cut export.ldf
sync apply -config sync.json
is "an export that was cut off is refused" "$rc/$(grep -c 'line' err.txt)" 2/1
is "and nothing is written" "$(person 00009 title)" Nurse
finish
