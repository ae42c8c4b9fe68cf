#!/usr/bin/env bash
# The engine between two real Active Directory domains: 2,000 users and 200 devices, a delegated reader, and the
# life of an organisation. What the target holds is read with ldapsearch, not with our own code.
. "$ROOT/.ci/lib.sh"
. "$ROOT/.ci/samba.sh"
[ "$(id -u)" = 0 ] || { skip "Samba domains need root"; finish; }
# shellcheck disable=SC2086
need_packages $SAMBA_PACKAGES || finish
S=$CI_TMP/src T=$CI_TMP/dst SA=127.0.0.64 TA=127.0.0.65
trap 'samba_stop "$S"; samba_stop "$T"' EXIT
cd "$CI_TMP" || exit 1
(cd "$ROOT" && go build -o "$CI_TMP/syncengine" ./examples/syncengine && go run ./.ci/seed -dir "$CI_TMP") || { bad "build"; finish; }

samba_provision "$S" $SA ASHDOWN.EXAMPLE ASHDOWN && samba_load "$S" source.ldif || { bad "provision the source"; finish; }
samba_provision "$T" $TA PROV.EXAMPLE PROV && samba_load "$T" target.ldif || { bad "provision the target"; finish; }
for d in "$S svc-sync-eng" "$T svc-prov"; do
  set -- $d
  samba-tool user setpassword "$2" --newpassword=Passw0rd-Svc1 -H "$1/private/sam.ldb" >/dev/null 2>&1
  samba-tool user enable "$2" -H "$1/private/sam.ldb" >/dev/null 2>&1
done
sid() { samba-tool user show "$2" -H "$1/private/sam.ldb" --attributes=objectSid 2>/dev/null | sed -n 's/^objectSid: //p'; }
reader=$(sid "$S" svc-sync-eng) writer=$(sid "$T" svc-prov)
users=OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example devices=OU=HybridComputers,DC=ashdown,DC=example
for ou in "$users" "$devices"; do samba_acl "$S" "$ou" "(A;CI;RPLCLORC;;;$reader)"; done
for ou in OU=People OU=Devices; do samba_acl "$T" "$ou,DC=prov,DC=example" "(A;CI;GA;;;$writer)"; done
samba_start "$S" $SA && samba_start "$T" $TA || { bad "start the domain controllers"; finish; }
ok "two Samba domains, 2,000 users, 200 devices, a reader and a writer that are not administrators"

export LDAPTLS_REQCERT=never
printf 'Passw0rd-Svc1\n' >password; chmod 600 password
cat >sync.json <<JSON
{"organisations": [{
  "name": "ashdown", "domain": {"fqdn": "ashdown.example", "netbios": "ASHDOWN"}, "state": "engine.state", "writesPerSecond": 300,
  "source": {"url": "ldaps://$SA", "user": "svc-sync-eng@ashdown.example", "passwordFile": "password", "caFile": "src/private/tls/ca.pem"},
  "target": {"url": "ldaps://$TA", "user": "svc-prov@prov.example", "passwordFile": "password", "caFile": "dst/private/tls/ca.pem"},
  "users": {"ous": [{"dn": "$users"}], "targetOU": {"dn": "OU=People,DC=prov,DC=example"}, "mapping": ["cloud-sso-users", "copy:title", "copy:department"]},
  "devices": {"ous": [{"dn": "$devices"}], "targetOU": {"dn": "OU=Devices,DC=prov,DC=example"}, "mapping": ["hybrid-join-devices"]}
}]}
JSON
sync() { ./syncengine "$@" >out.txt 2>err.txt; rc=$?; }
target() { ldapsearch -x -LLL -o ldif-wrap=no -E pr=1000/noprompt -H ldaps://$TA -D administrator@prov.example -w "$SAMBA_PASSWORD" "$@" 2>/dev/null; }
source_modify() { ldapmodify -x -H ldaps://$SA -D administrator@ashdown.example -w "$SAMBA_PASSWORD" >modify.log 2>&1 || { bad "change the source: $(tail -n 1 modify.log)"; }; }
count() { target -b "OU=$1,DC=prov,DC=example" "$2" 1.1 | grep -c '^dn:'; }
# person N ATTR: the attribute of the n-th person at the target.
person() { target -b "CN=user$1,OU=People,DC=prov,DC=example" -s base "$2" | sed -n "s/^$2: //p"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: want '$3', have '$2'"; tail -n 5 err.txt out.txt 2>/dev/null | cut -c1-300; fi; }

# Kill -9 in the middle of the first synchronisation, then continue.
sync plan -config sync.json -out plan.jsonl -quiet
is "the first plan has work" "$rc" 1
./syncengine apply -config sync.json -plan plan.jsonl >apply1.txt 2>&1 &
pid=$!
# Killed once a third of the writes are there.
for _ in $(seq 1 100); do [ "$(count People '(msDS-cloudExtensionAttribute4=*)')" -ge 600 ] && break; sleep 0.2; done
kill -9 $pid; wait $pid 2>/dev/null
part=$(count People '(msDS-cloudExtensionAttribute4=*)')
if [ "$part" -gt 0 ] && [ "$part" -lt 1999 ]; then ok "killed after $part of 1,999 users"; else bad "killed at a wrong moment: $part users"; fi
sync status -config sync.json
is "status says that a plan was interrupted" "$(grep -c interrupted out.txt)" 1
sync apply -config sync.json -plan plan.jsonl
is "the same plan is continued" "$rc" 0
is "every user in the OU is synchronised" "$(count People '(msDS-cloudExtensionAttribute4=*)')" 1999
is "every device has its copy" "$(count Devices '(objectClass=computer)')" 200
is "the sAMAccountName arrives" "$(person 00042 msDS-cloudExtensionAttribute4)" user00042
want=$(ldapsearch -x -LLL -o ldif-wrap=no -H ldaps://$SA -D administrator@ashdown.example -w "$SAMBA_PASSWORD" -b "CN=AVPC-00007,$devices" -s base objectGUID | sed -n 's/^objectGUID:: //p')
is "a copy carries the source's objectGUID" "$(target -b 'CN=AVPC-00007,OU=Devices,DC=prov,DC=example' mS-DS-ConsistencyGuid | sed -n 's/^mS-DS-ConsistencyGuid:: //p')" "$want"
sync apply -config sync.json
is "a second apply writes nothing" "$(grep -c ': 0 written' out.txt)" 1

source_modify <<LDIF
dn: CN=user01999,OU=Starters,DC=ashdown,DC=example
changetype: modrdn
newrdn: CN=user01999
deleteoldrdn: 1
newsuperior: $users
LDIF
sync apply -config sync.json
is "a joiner is synchronised" "$(person 01999 msDS-cloudExtensionAttribute4)" user01999

source_modify <<LDIF
dn: CN=user00005,$users
changetype: modrdn
newrdn: CN=Oakley\\, Ann \"A\" #5
deleteoldrdn: 1

dn: CN=Oakley\\, Ann \"A\" #5,$users
changetype: modify
replace: department
department: Theatre
LDIF
sync apply -config sync.json
is "a renamed mover is the same person" "$(person 00005 department)" Theatre

source_modify <<LDIF
dn: CN=user00006,$users
changetype: modrdn
newrdn: CN=user00006
deleteoldrdn: 1
newsuperior: OU=TANSync,DC=ashdown,DC=example
LDIF
sync apply -config sync.json
is "a leaver's attributes are null" "$(person 00006 msDS-cloudExtensionAttribute4)$(person 00006 title)" ""
is "a leaver's own attributes stay" "$(person 00006 mail)" user00006@mail.example

source_modify <<LDIF
dn: CN=user00007,$users
changetype: modify
delete: title
LDIF
sync apply -config sync.json
is "a cleared attribute is cleared" "$(person 00007 title)" ""

# title may not be read on one object: an ACE that names its schemaIDGUID.
samba_acl "$S" "CN=user00008,$users" "(OD;;RP;bf967a55-0de6-11d0-a285-00aa003049e2;;$reader)"
sync plan -config sync.json
is "an unreadable attribute is noticed" "$(grep -c 'title cannot be read on 1 objects' out.txt)" 1
sync apply -config sync.json
is "an unreadable attribute is not cleared" "$(person 00008 title)" Nurse

source_modify <<LDIF
dn: $users
changetype: modrdn
newrdn: OU=Renamed
deleteoldrdn: 1
LDIF
sync plan -config sync.json -quiet
is "a renamed OU changes nothing" "$rc" 0
is "a renamed OU is reported" "$(grep -c 'is now OU=Renamed' out.txt)" 1
users=OU=Renamed,OU=TANSync,DC=ashdown,DC=example

# The account loses the right to list the OU: success with no entries.
samba_acl "$S" "$users" "(D;;LC;;;$reader)"
sync apply -config sync.json
is "an OU that may not be listed blocks" "$rc" 1
is "and nothing is reverted" "$(count People '(msDS-cloudExtensionAttribute4=*)')" 1999
samba_acl "$S" "$users" "-(D;;LC;;;$reader)"

# An edit at the target between plan and apply is refused, the rest is done.
source_modify <<LDIF
dn: CN=user00010,$users
changetype: modify
replace: department
department: Emergency

dn: CN=user00011,$users
changetype: modify
replace: department
department: Emergency
LDIF
sync plan -config sync.json -out plan2.jsonl
ldapmodify -x -H ldaps://$TA -D administrator@prov.example -w "$SAMBA_PASSWORD" >/dev/null 2>&1 <<LDIF
dn: CN=user00010,OU=People,DC=prov,DC=example
changetype: modify
replace: department
department: by hand
LDIF
sync apply -config sync.json -plan plan2.jsonl
is "a concurrent edit is refused" "$rc/$(grep -c '^  refused' out.txt)" 1/1
is "it is not overwritten" "$(person 00010 department)" "by hand"
is "the other line is written" "$(person 00011 department)" Emergency
id=$(sed -n '$s/.*"id":"\([0-9a-f]*\)".*/\1/p' plan2.jsonl)
sync undo -config sync.json "$id"
is "undo restores" "$rc/$(person 00011 department)" "0/Ward 11"

# The database is not there.
samba_stop "$T"
sync apply -config sync.json
is "a dead server is a clear error" "$rc/$(grep -c "$TA" err.txt)" 2/1
finish
