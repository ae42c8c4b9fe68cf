# Samba AD domain controllers on loopback addresses of their own, for the steps that need a real Active Directory.
# Source after lib.sh. Samba's ports are fixed, so each controller has its own address.

SAMBA_PACKAGES="samba samba-ad-dc winbind krb5-user ldap-utils python3-samba ldb-tools openssl"
SAMBA_PASSWORD=Passw0rd-Lab1

# samba_provision DIR ADDRESS REALM NETBIOS: make a domain in DIR, with a certificate for ADDRESS.
samba_provision() {
  local dir=$1 addr=$2 realm=$3 netbios=$4 name=dc1.${3,,}
  mkdir -p "$dir"
  samba-tool domain provision --targetdir="$dir" --realm="$realm" --domain="$netbios" --server-role=dc --host-name=dc1 \
    --host-ip="$addr" --dns-backend=NONE --adminpass="$SAMBA_PASSWORD" \
    --option="interfaces = $addr/8" --option="bind interfaces only = yes" >"$dir/provision.log" 2>&1 || { tail -n 20 "$dir/provision.log"; return 1; }
  mkdir -p "$dir/private/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name,IP:$addr" -keyout "$dir/private/tls/key.pem" -out "$dir/private/tls/cert.pem" 2>/dev/null
  cp "$dir/private/tls/cert.pem" "$dir/private/tls/ca.pem"
  chmod 600 "$dir/private/tls/key.pem"
}
# samba_start DIR ADDRESS: start it and wait for the first answer; the process is in DIR/pid.
samba_start() {
  local dir=$1 addr=$2
  KRB5_CONFIG=$dir/private/krb5.conf setsid samba -i -M single -s "$dir/etc/smb.conf" --option="server services = ldap,kdc" \
    --option="pid directory = $dir" --option="ncalrpc dir = $dir/ncalrpc" --option="log file = $dir/samba.log" \
    </dev/null >"$dir/samba.out" 2>&1 &
  echo $! >"$dir/pid"
  wait_for 30 ldapsearch -x -o nettimeout=1 -H "ldap://$addr" -b '' -s base defaultNamingContext || { tail -n 20 "$dir/samba.out"; return 1; }
}
samba_stop() { [ -f "$1/pid" ] && stop_pid "$(cat "$1/pid")"; rm -f "$1/pid"; }
# samba_load DIR LDIF: load records into a domain that is not running. objectGUIDs in the file are kept.
samba_load() {
  /usr/bin/python3 - "$1" "$2" <<'PY'
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
directory, ldif = sys.argv[1:3]
lp = LoadParm()
lp.load(directory + "/etc/smb.conf")
db = SamDB(url=directory + "/private/sam.ldb", session_info=system_session(), lp=lp, options=["batch_mode:1"])
db.transaction_start()
for _, record in db.parse_ldif(open(ldif).read()):
    db.add(record, controls=["relax:0"])
db.transaction_commit()
PY
}
# samba_acl DIR DN ACE: put an ACE (SDDL) at the head of an object's DACL. Works while the controller runs.
samba_acl() {
  /usr/bin/python3 - "$1" "$2" "$3" <<'PY'
import sys, ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
directory, dn, ace = sys.argv[1:4]
lp = LoadParm()
lp.load(directory + "/etc/smb.conf")
db = SamDB(url=directory + "/private/sam.ldb", session_info=system_session(), lp=lp)
sid = security.dom_sid(db.get_domain_sid())
res = db.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=["sd_flags:1:4"])
text = ndr_unpack(security.descriptor, res[0]["nTSecurityDescriptor"][0]).as_sddl(sid)
head, sep, rest = text.partition("(")
if ace.startswith("-"):
    text = text.replace(ace[1:], "")
else:
    text = head + ace + sep + rest
m = ldb.Message(ldb.Dn(db, dn))
m["sd"] = ldb.MessageElement(ndr_pack(security.descriptor.from_sddl(text, sid)), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
db.modify(m, controls=["sd_flags:1:4"])
PY
}
