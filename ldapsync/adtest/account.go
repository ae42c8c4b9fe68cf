package adtest

import (
	"crypto/subtle"
	"strings"
	"unicode/utf16"
)

// An Account is somebody who may bind. Every account reads everything that is not deleted, unless
// a Denial takes that away; anonymous connections read the rootDSE only.
type Account struct {
	Name     string // sAMAccountName; also binds as Name@domain, NETBIOS\Name, userPrincipalName or DN
	Password string // for simple binds; a test fixture, so it is not hidden from %v
	DN       string // "" is CN=Name,CN=Users; the object is created if it does not exist

	Admin     bool // reads deleted objects, writes everything, may use DirSync without OBJECT_SECURITY
	Write     bool // adds, modifies, moves and deletes everywhere; sees no deleted objects
	Replicate bool // DS-Replication-Get-Changes: DirSync without OBJECT_SECURITY
}

// DefaultAccounts returns the accounts of a Config that names none: "admin" (Admin), "writer"
// (Write) and "reader". The passwords are "Passw0rd-" and the name.
func DefaultAccounts() []Account {
	return []Account{
		{Name: "admin", Password: "Passw0rd-admin", Admin: true},
		{Name: "writer", Password: "Passw0rd-writer", Write: true},
		{Name: "reader", Password: "Passw0rd-reader"},
	}
}

// account is an Account joined with its object.
type account struct {
	Account
	guid GUID
	bad  int // wrong passwords since the last right one
}

// system is who this package's own API acts as.
var system = account{Account: Account{Name: "system", Admin: true}}

func (a *account) writes() bool { return a != nil && (a.Admin || a.Write) }

// Data codes of a failed bind, in the text after "data" (win32 error codes in hexadecimal).
const (
	dataNoUser       = "525"
	dataBadPassword  = "52e"
	dataDisabled     = "533"
	dataExpired      = "701"
	dataMustChange   = "773"
	dataLocked       = "775"
	accountDisabled  = 0x2
	accountExpiresAt = "accountexpires"
)

func badCredentials(data string) *Error {
	return refuse(ResultInvalidCredentials, "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data %s, v4563", data)
}

// accountFor finds who a bind name means: DN, user principal name, or NETBIOS\name.
// The caller holds mu.
func (d *directory) accountFor(name string) *account {
	if net, sam, ok := strings.Cut(name, `\`); ok && !strings.Contains(name, "=") {
		if !strings.EqualFold(net, d.netBIOS) && !strings.EqualFold(net, d.domain) {
			return nil
		}
		return d.accounts[fold(sam)]
	}
	if strings.Contains(name, "=") {
		if n, err := d.find(name); err == nil {
			return d.accountOf(n)
		}
		return nil
	}
	if strings.Contains(name, "@") {
		upn := d.types["userprincipalname"]
		for _, n := range d.index[upn].find(upn.key(name)) {
			if a := d.accountOf(n); a != nil {
				return a
			}
		}
		if sam, domain, _ := strings.Cut(name, "@"); strings.EqualFold(domain, d.domain) {
			return d.accounts[fold(sam)]
		}
	}
	return nil
}

// accountOf returns the account of an object; nil if it never had a password.
func (d *directory) accountOf(n *node) *account {
	if n.rec.deleted {
		return nil
	}
	a := d.accounts[fold(n.rec.get(d.types["samaccountname"]).first())]
	if a != nil && a.guid == n.guid {
		return a
	}
	for _, a := range d.accounts { // renamed since
		if a.guid == n.guid {
			return a
		}
	}
	return nil
}

// authenticate checks a simple bind. The caller holds mu for writing.
func (d *directory) authenticate(name, password string) (*account, *Error) {
	a := d.accountFor(name)
	if a == nil {
		data := dataBadPassword // Active Directory answers 52e for a name it cannot parse
		if strings.ContainsAny(name, `@\=`) {
			data = dataNoUser
		}
		return nil, badCredentials(data)
	}
	if d.lockout > 0 && a.bad >= d.lockout {
		return nil, badCredentials(dataLocked)
	}
	if subtle.ConstantTimeCompare([]byte(a.Password), []byte(password)) != 1 {
		a.bad++
		return nil, badCredentials(dataBadPassword)
	}
	a.bad = 0
	return a, d.mayLogOn(a)
}

// mayLogOn checks the state of the account's object.
func (d *directory) mayLogOn(a *account) *Error {
	n := d.byGUID[a.guid]
	if n == nil || n.rec.deleted {
		return badCredentials(dataNoUser)
	}
	num := func(name string) int64 { return parseInt(n.rec.get(d.types[name]).first()) }
	if num("useraccountcontrol")&accountDisabled != 0 {
		return badCredentials(dataDisabled)
	}
	if at := num(accountExpiresAt); at > 0 && at != 1<<63-1 && at < fileTime(d.now()) {
		return badCredentials(dataExpired)
	}
	return nil
}

// setPassword gives the object of n a password; from then on it may bind.
func (d *directory) setPassword(n *node, password string) {
	a := d.accountOf(n)
	if a == nil {
		sam := n.rec.get(d.types["samaccountname"]).first()
		a = &account{Account: Account{Name: sam}, guid: n.guid}
		d.accounts[fold(sam)] = a
	}
	a.Password, a.bad = password, 0
}

// join gives every configured account its object, creating missing ones.
func (d *directory) join(accounts []Account) *Error {
	for _, cfg := range accounts {
		if cfg.Name == "" {
			return refuse(ResultOther, "Config.Accounts: an account without Name")
		}
		n, err := d.objectFor(cfg)
		if err != nil {
			return err
		}
		d.accounts[fold(cfg.Name)] = &account{Account: cfg, guid: n.guid}
		if !cfg.Admin {
			continue
		}
		group, err := d.find("CN=Domain Admins,CN=Users," + d.baseDN)
		if err == nil {
			err = d.modify(&system, group, []Change{{AddValues, "member", []string{d.dn(n)}}}, writeOptions{direct: true, permissive: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) objectFor(cfg Account) (*node, *Error) {
	sam := d.types["samaccountname"]
	if cfg.DN == "" {
		if nodes := d.index[sam].find(sam.key(cfg.Name)); len(nodes) > 0 {
			return nodes[0], nil
		}
	}
	dn := cfg.DN
	if dn == "" {
		dn = rdn{"CN", cfg.Name}.String() + ",CN=Users," + d.baseDN
	} else if n, err := d.find(dn); err == nil {
		return n, nil
	}
	n, err := d.addObject(&system, dn, Attrs{
		"objectClass": {"user"}, "sAMAccountName": {cfg.Name}, "userAccountControl": {"66048"}, // NORMAL_ACCOUNT, DONT_EXPIRE_PASSWD
		"userPrincipalName": {cfg.Name + "@" + d.domain},
	}, writeOptions{direct: true})
	return n, err
}

func decodeUTF16(u []uint16) string { return string(utf16.Decode(u)) }
