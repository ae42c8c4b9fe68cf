#!/usr/bin/env bash
# The directory of ldapsync/adtest with the OpenLDAP command line tools as clients.
. "$ROOT/.ci/lib.sh"
need_packages ldap-utils || finish
cd "$ROOT" || exit 2

check "build adtestd" go build -o "$CI_TMP/adtestd" ./ldapsync/adtest/adtestd || finish
base=DC=ashdown,DC=example
people=OU=People,$base
{
  printf 'version: 1\n\ndn: %s\nobjectClass: organizationalUnit\n\n' "$people"
  for i in $(seq 1 1200); do
    printf 'dn: CN=user%04d,%s\nobjectClass: user\nsAMAccountName: user%04d\nmail: user%04d@ashdown.example\n\n' "$i" "$people" "$i" "$i"
  done
  printf 'dn: CN=All,%s\nobjectClass: group\n' "$base"
  for i in $(seq 1 1200); do printf 'member: CN=user%04d,%s\n' "$i" "$people"; done
} >"$CI_TMP/people.ldif"

"$CI_TMP/adtestd" -json -dump -ldif "$CI_TMP/people.ldif" -ca "$CI_TMP/ca.pem" >"$CI_TMP/out" 2>"$CI_TMP/err" &
pid=$!
trap 'stop_pid $pid' EXIT
wait_for 20 test -s "$CI_TMP/out" || { bad "adtestd starts: $(cat "$CI_TMP/err")"; finish; }
field() { sed -n "1s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$CI_TMP/out"; }
ldap=$(field url) ldaps=$(field tlsUrl)
export LDAPTLS_CACERT=$CI_TMP/ca.pem LDAPTLS_REQCERT=demand LDAPRC=/dev/null LDAPCONF=/dev/null

search() { ldapsearch -LLL -o ldif_wrap=no -x -H "$ldaps" -D reader@ashdown.example -w Passw0rd-reader "$@" 2>&1; }
as_writer() { "$1" -x -H "$ldaps" -D 'ASHDOWN\writer' -w Passw0rd-writer "${@:2}" 2>&1; }
# code NAME WANT COMMAND…: the command must end with this exit status, which is the LDAP result.
code() {
  local name=$1 want=$2 out rc; shift 2
  out=$("$@" 2>&1); rc=$?
  if [ "$rc" = "$want" ]; then ok "$name"; else bad "$name: status $rc, want $want: $out"; fi
}
# has NAME TEXT COMMAND…: the output must contain a line with this text.
has() {
  local name=$1 text=$2 out; shift 2
  out=$("$@" 2>&1)
  if grep -qF -- "$text" <<<"$out"; then ok "$name"; else bad "$name: no '$text' in: $(head -c 600 <<<"$out")"; fi
}
count() { grep -c '^dn:' <<<"$1"; }

has "rootDSE without a bind" "defaultNamingContext: $base" ldapsearch -LLL -x -H "$ldap" -b '' -s base defaultNamingContext
code "simple bind without TLS is refused" 8 ldapsearch -x -H "$ldap" -D reader@ashdown.example -w Passw0rd-reader -b "$base" -s base
code "StartTLS, then bind" 0 ldapsearch -ZZ -x -H "$ldap" -D reader@ashdown.example -w Passw0rd-reader -b "$base" -s base
code "wrong password" 49 ldapsearch -x -H "$ldaps" -D reader@ashdown.example -w wrong -b "$base" -s base
has "wrong password says data 52e" "data 52e" ldapsearch -x -H "$ldaps" -D reader@ashdown.example -w wrong -b "$base" -s base
has "whoami" 'u:ASHDOWN\reader' ldapwhoami -x -H "$ldaps" -D reader@ashdown.example -w Passw0rd-reader
code "a search without paging stops at 1,000" 4 search -b "$people" -s one '(objectClass=user)' 1.1
out=$(search -E pr=500/noprompt -b "$people" -s one '(objectClass=user)' 1.1)
if [ "$(count "$out")" = 1200 ]; then ok "paging reads all 1,200"; else bad "paging reads $(count "$out") of 1,200"; fi
has "filter with bits" "dn: CN=user0001,$people" search -b "$base" '(&(sAMAccountName=user0001)(userAccountControl:1.2.840.113556.1.4.803:=2))' 1.1
has "GUID base" "dn: CN=user0007,$people" search -s base -b "<GUID=$(search -b "$people" '(cn=user0007)' objectGUID | sed -n 's/^objectGUID:: //p' | base64 -d | od -An -tx1 -v | tr -d ' \n')>" 1.1
has "a range can be asked for" "member;range=1000-*: CN=user1001,$people" search -s base -b "CN=All,$base" '(objectClass=*)' 'member;range=1000-*'
code "an ordinary account cannot write" 50 ldapdelete -x -H "$ldaps" -D reader@ashdown.example -w Passw0rd-reader "CN=user0001,$people"

change() { printf '%s\n' "$@" | as_writer ldapmodify; }
code "replace" 0 change "dn: CN=user0001,$people" 'changetype: modify' 'replace: title' 'title: Matron'
code "compare and swap" 0 change "dn: CN=user0001,$people" 'changetype: modify' 'delete: title' 'title: Matron' '-' 'add: title' 'title: Nurse'
code "compare and swap with a stale value" 16 change "dn: CN=user0001,$people" 'changetype: modify' 'delete: title' 'title: Matron' '-' 'add: title' 'title: Sister'
code "a second value for a single-valued attribute" 20 change "dn: CN=user0001,$people" 'changetype: modify' 'add: title' 'title: Sister'
code "add" 0 change "dn: CN=new,$people" 'changetype: add' 'objectClass: user'
code "rename" 0 change "dn: CN=new,$people" 'changetype: modrdn' 'newrdn: CN=renamed' 'deleteoldrdn: 1'
code "move" 0 change "dn: CN=renamed,$people" 'changetype: moddn' 'newrdn: CN=moved' 'deleteoldrdn: 1' "newsuperior: CN=Users,$base"
has "the moved object" "dn: CN=moved,CN=Users,$base" search -b "$base" '(cn=moved)' 1.1
code "delete" 0 as_writer ldapdelete "CN=moved,CN=Users,$base"
code "tree delete" 0 as_writer ldapdelete -e '!1.2.840.113556.1.4.805' "$people"
code "it has gone" 32 search -s base -b "$people"
out=$(search -E '!1.2.840.113556.1.4.417' -b "<WKGUID=18e2ea80684f11d2b9aa00c04f79f805,$base>" -s one)
if [ $? = 0 ] && [ "$(count "$out")" = 0 ]; then ok "deleted objects: success with 0 entries for an ordinary account"; else bad "deleted objects: $(head -c 300 <<<"$out")"; fi
has "deleted objects for an administrator" 'lastKnownParent' ldapsearch -LLL -x -H "$ldaps" -D admin@ashdown.example -w Passw0rd-admin -E '!1.2.840.113556.1.4.417' -b "<WKGUID=18e2ea80684f11d2b9aa00c04f79f805,$base>" -s one '(cn=moved*)' lastKnownParent
code "an unknown critical control" 12 search -E '!1.2.3.4.5' -s base -b "$base"

stop_pid $pid
has "the dump on stopping is LDIF" "dn: CN=All,$base" cat "$CI_TMP/out"
finish
