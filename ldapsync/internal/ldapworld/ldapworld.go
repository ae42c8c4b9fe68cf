// Package ldapworld is a targettest.World over LDAP: the directory as an administrator sees it, by go-ldap alone, for
// tests of drivers that do not use it to read and write.
package ldapworld

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// A World is a directory through a connection of an administrator. Set the fields before first use.
type World struct {
	Conn *ldap.Conn
	Kind ldapdir.Kind
	Base ldapsync.DN // of a plain LDAP server: where objects are looked for by identity

	mu sync.Mutex
}

// Wipe removes dn and everything below it, as far as it can.
func (w *World) Wipe(dn ldapsync.DN) {
	r, err := w.Search(dn.String(), ldap.ScopeWholeSubtree, "(objectClass=*)", "1.1")
	if err != nil {
		return
	}
	for i := len(r.Entries) - 1; i >= 0; i-- {
		_ = w.Conn.Del(ldap.NewDelRequest(r.Entries[i].DN, nil))
	}
	_ = w.Conn.Del(ldap.NewDelRequest(dn.String(), nil))
}

// IDAttr is the attribute that holds the identity.
func (w *World) IDAttr() string {
	if w.Kind == ldapdir.PlainLDAP {
		return "entryUUID"
	}
	return "objectGUID"
}

// Search returns all entries, page by page.
func (w *World) Search(base string, scope int, filter string, attrs ...string) (*ldap.SearchResult, error) {
	return w.Conn.SearchWithPaging(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil), 500)
}

// Object makes an object of an entry with its identity and objectClass.
func (w *World) Object(e *ldap.Entry) (ldapsync.Object, error) {
	var id ldapsync.GUID
	var err error
	if w.Kind == ldapdir.PlainLDAP {
		id, err = ldapsync.ParseGUID(e.GetAttributeValue("entryUUID"))
	} else {
		id, err = ldapsync.GUIDFromBytes(e.GetRawAttributeValue("objectGUID"))
	}
	if err != nil {
		return ldapsync.Object{}, err
	}
	dn, err := ldapsync.ParseDN(e.DN)
	if err != nil {
		return ldapsync.Object{}, err
	}
	var attrs []ldapsync.Attr
	class := ldapsync.Class(0)
	for _, a := range e.Attributes {
		name, _, _ := strings.Cut(a.Name, ";")
		attrs = append(attrs, ldapsync.Values(name, a.Values...))
		if strings.EqualFold(name, "objectClass") {
			for _, v := range a.Values {
				switch strings.ToLower(v) {
				case "computer", "device":
					class = ldapsync.Device
				case "user", "inetorgperson":
					class = max(class, ldapsync.User)
				}
			}
		}
	}
	return ldapsync.NewObject(id, dn, class, attrs...), nil
}

func (w *World) find(id ldapsync.GUID, attrs ...string) (ldapsync.Object, error) {
	base, scope, filter := "<GUID="+id.String()+">", ldap.ScopeBaseObject, "(objectClass=*)"
	if w.Kind == ldapdir.PlainLDAP {
		base, scope, filter = w.Base.String(), ldap.ScopeWholeSubtree, "(entryUUID="+id.String()+")"
	}
	r, err := w.Search(base, scope, filter, append([]string{w.IDAttr(), "objectClass"}, attrs...)...)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) || err == nil && len(r.Entries) == 0 {
		return ldapsync.Object{}, fmt.Errorf("%s: %w", id, ldapsync.ErrNotFound)
	}
	if err != nil {
		return ldapsync.Object{}, err
	}
	return w.Object(r.Entries[0])
}

// AddOU creates an organisational unit directly below parent.
func (w *World) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	req := ldap.NewAddRequest(parent.Child("OU", name).String(), nil)
	req.Attribute("objectClass", []string{"top", "organizationalUnit"})
	req.Attribute("ou", []string{name})
	if err := w.Conn.Add(req); err != nil {
		return ldapsync.Container{}, err
	}
	r, err := w.Search(req.DN, ldap.ScopeBaseObject, "(objectClass=*)", w.IDAttr())
	if err != nil {
		return ldapsync.Container{}, err
	}
	o, err := w.Object(r.Entries[0])
	return ldapsync.Container{ID: o.ID, DN: o.DN}, err
}

var accountNumber atomic.Int64

// Add creates an object with an account name of its own, where it needs one and has none.
func (w *World) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := ldapdir.DefaultClass(w.Kind, o.Class)
	typ, name := o.DN.RDN()
	req := ldap.NewAddRequest(o.DN.String(), nil)
	req.Attribute("objectClass", class.ObjectClasses)
	req.Attribute(typ, []string{name})
	if w.Kind == ldapdir.ActiveDirectory && o.Presence("sAMAccountName") == ldapsync.Absent {
		req.Attribute("sAMAccountName", []string{fmt.Sprintf("t%d-%d", os.Getpid(), accountNumber.Add(1))})
	}
	for a := range o.Attrs() {
		if !strings.EqualFold(a.Name, typ) {
			req.Attribute(a.Name, a.Values)
		}
	}
	if err := w.Conn.Add(req); err != nil {
		return ldapsync.GUID{}, err
	}
	r, err := w.Search(req.DN, ldap.ScopeBaseObject, "(objectClass=*)", w.IDAttr())
	if err != nil {
		return ldapsync.GUID{}, err
	}
	made, err := w.Object(r.Entries[0])
	return made.ID, err
}

// Set replaces all values of an attribute.
func (w *World) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	req := ldap.NewModifyRequest(o.DN.String(), nil)
	req.Replace(attr, values)
	return w.Conn.Modify(req)
}

// Move puts an object below another one.
func (w *World) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	typ, name := o.DN.RDN()
	return w.Conn.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), typ+"="+ldap.EscapeDN(name), true, parent.String()))
}

// Rename changes the value of the RDN.
func (w *World) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	typ, _ := o.DN.RDN()
	return w.Conn.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), typ+"="+ldap.EscapeDN(name), true, ""))
}

// Delete removes an object.
func (w *World) Delete(_ context.Context, id ldapsync.GUID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	return w.Conn.Del(ldap.NewDelRequest(o.DN.String(), nil))
}

// Get returns an object with all attributes and all their values.
func (w *World) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id, "*")
	for err == nil {
		short := ""
		for a := range o.Attrs() {
			if len(a.Values) > 0 && len(a.Values)%1500 == 0 { // MaxValRange: there may be more
				short = a.Name
			}
		}
		if short == "" {
			break
		}
		have := o.All(short)
		more, ferr := w.find(id, fmt.Sprintf("%s;range=%d-*", short, len(have)))
		if ferr != nil || len(more.All(short)) == 0 {
			break
		}
		o = o.With(short, append(have[:len(have):len(have)], more.All(short)...)...)
	}
	return o, err
}

// List returns the objects directly below parent.
func (w *World) List(_ context.Context, parent ldapsync.DN) ([]ldapsync.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, err := w.Search(parent.String(), ldap.ScopeSingleLevel, "(!(objectClass=organizationalUnit))", w.IDAttr(), "objectClass")
	if err != nil {
		return nil, err
	}
	var out []ldapsync.Object
	for _, e := range r.Entries {
		o, oerr := w.Object(e)
		err = errors.Join(err, oerr)
		out = append(out, o)
	}
	return out, err
}

// SchemaID returns the schemaIDGUID of an attribute.
func (w *World) SchemaID(attr string) (ldapsync.GUID, error) {
	r, err := w.Search("CN=Schema,CN=Configuration,"+w.Base.String(), ldap.ScopeSingleLevel, "(lDAPDisplayName="+attr+")", "schemaIDGUID")
	if err != nil {
		return ldapsync.GUID{}, err
	}
	if len(r.Entries) != 1 {
		return ldapsync.GUID{}, fmt.Errorf("the schema has %d attributes %s", len(r.Entries), attr)
	}
	return ldapsync.GUIDFromBytes(r.Entries[0].GetRawAttributeValue("schemaIDGUID"))
}

// PutACEs puts entries in front of the DACL of an object of Active Directory. over puts the old descriptor back.
func (w *World) PutACEs(id ldapsync.GUID, front ...adsec.ACE) (over func() error, err error) {
	base := "<GUID=" + id.String() + ">"
	flags := ldap.NewControlMicrosoftSDFlags()
	flags.ControlValue = 4
	r, err := w.Conn.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"nTSecurityDescriptor"}, []ldap.Control{flags}))
	if err != nil {
		return nil, err
	}
	old := r.Entries[0].GetRawAttributeValue("nTSecurityDescriptor")
	write := func(raw []byte) error {
		req := ldap.NewModifyRequest(base, []ldap.Control{flags})
		req.Replace("nTSecurityDescriptor", []string{string(raw)})
		return w.Conn.Modify(req)
	}
	sd, err := adsec.Parse(old)
	if err != nil {
		return nil, err
	}
	sd.DACL.ACEs = append(front, sd.DACL.ACEs...)
	raw, err := sd.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return func() error { return write(old) }, write(raw)
}
