package ldif

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	goldif "github.com/go-ldap/ldif"

	"go.internal/hybridkit/ldapsync"
)

// Records reads the entries of r one after another, without keeping them. An *Error ends the sequence.
//
// Identity is objectGUID or entryUUID; the identity of an entry without is zero, or derived from its DN where
// Config says so. Options of attribute names such as ;binary are left out, and the values of all spellings of a
// name come together. An attribute of which the server gave a part only (";range=0-1499") is Unreadable, and so
// is one that a comment "# name: unreadable" within the entry says to be, as Write and memdir write it.
func Records(r io.Reader, cfg Config) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for e, err := range records(r, cfg.withDefaults()) {
			if !yield(e.obj, err) || err != nil {
				return
			}
		}
	}
}

// entry is an object with the number of the line where it begins.
type entry struct {
	obj  ldapsync.Object
	line int
}

func records(r io.Reader, cfg Config) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		g := newGuard(r, cfg)
		for e, err := range goldif.UnmarshalEntries(g, &goldif.LDIF{}) {
			switch {
			case err != nil && len(g.pending) > 0:
				err = blame(g.pending[0], err)
			case err != nil && g.err != nil && !errors.Is(g.err, io.EOF):
				err = g.err
			}
			if err != nil {
				yield(entry{}, err)
				return
			}
			rec := g.pending[0]
			g.pending = g.pending[1:]
			if e.Entry == nil {
				yield(entry{}, &Error{Line: rec.lines[0].no, DN: rec.dn(), Reason: "not an entry"})
				return
			}
			values := make(map[string][]string, len(e.Entry.Attributes))
			for _, a := range e.Entry.Attributes {
				values[a.Name] = append(values[a.Name], a.Values...)
			}
			o, reason := object(e.Entry.DN, values, rec.unreadable, cfg)
			if reason != nil {
				yield(entry{}, &Error{Line: rec.lines[0].no, DN: rec.dn(), Reason: reason.Error(), Err: reason})
				return
			}
			if !yield(entry{o, rec.lines[0].no}, nil) {
				return
			}
		}
		if g.err != nil && !errors.Is(g.err, io.EOF) {
			yield(entry{}, g.err)
		}
	}
}

// blame finds the line of an entry that the parser complains about, by giving it the lines one by one.
func blame(rec record, err error) error {
	reason := func(err error) string {
		if pe, ok := errors.AsType[*goldif.ParseError](err); ok {
			return clip(pe.Message)
		}
		return clip(err.Error())
	}
	for i, l := range rec.lines {
		text := "dn: cn=x\n" + l.text + "\n\n"
		if i == 0 {
			text = l.text + "\ncn: x\n\n"
		}
		if _, lineErr := goldif.Parse(text); lineErr != nil {
			name, _, _ := strings.Cut(l.text, ":")
			return &Error{Line: l.no, DN: rec.dn(), Reason: clip(name) + ": " + reason(lineErr), Err: err}
		}
	}
	return &Error{Line: rec.lines[0].no, DN: rec.dn(), Reason: reason(err), Err: err}
}

func object(dnText string, values map[string][]string, unreadable []string, cfg Config) (ldapsync.Object, error) {
	dn, err := ldapsync.ParseDN(dnText)
	if err != nil {
		return ldapsync.Object{}, err
	}
	if dn.IsRoot() {
		return ldapsync.Object{}, errors.New("the DN is empty")
	}
	merged := map[string]*ldapsync.Attr{}
	var attrs []*ldapsync.Attr
	for _, full := range slices.Sorted(maps.Keys(values)) {
		name, _, _ := strings.Cut(full, ";")
		a := merged[strings.ToLower(name)]
		if a == nil {
			a = &ldapsync.Attr{Name: name}
			merged[strings.ToLower(name)] = a
			attrs = append(attrs, a)
		}
		for _, v := range values[full] {
			if v != "" { // no directory that is read here holds an empty value; "attribute:" means none
				a.Values = append(a.Values, v)
			}
		}
	}
	for _, name := range unreadable {
		attrs = append(attrs, &ldapsync.Attr{Name: name, Presence: ldapsync.Unreadable})
	}
	list := make([]ldapsync.Attr, len(attrs))
	for i, a := range attrs {
		list[i] = *a
	}
	o := ldapsync.NewObject(ldapsync.GUID{}, dn, 0, list...)
	o.Class = ClassOf(o)
	if o.Presence("objectClass") == ldapsync.Absent {
		o.Class = cfg.Class
	}
	if o.ID, err = identity(o); err != nil {
		return o, err
	}
	// Attributes have the bytes of the wire, also where a tool such as ldbsearch prints text.
	if o.Presence("objectGUID") == ldapsync.Present {
		o = o.With("objectGUID", o.ID.Raw())
	}
	if v, ok := o.Get("objectSid"); ok {
		if sid, err := ldapsync.ParseSID(v); err == nil {
			o = o.With("objectSid", sid.Raw())
		}
	}
	if o.ID.IsZero() && cfg.DeriveIDs {
		o.ID = deriveID(dn)
	}
	return o, nil
}

// identity takes objectGUID, as bytes or as text, else entryUUID (RFC 4530), whose text form becomes the
// identity.
func identity(o ldapsync.Object) (ldapsync.GUID, error) {
	if v, ok := o.Get("objectGUID"); ok {
		if len(v) == 16 {
			return ldapsync.GUIDFromBytes([]byte(v))
		}
		id, err := ldapsync.ParseGUID(v)
		if err != nil {
			return id, fmt.Errorf("objectGUID has %d bytes and is not the text of a GUID; 16 bytes in base64 (objectGUID:: …) are expected", len(v))
		}
		return id, nil
	}
	if v, ok := o.Get("entryUUID"); ok {
		id, err := ldapsync.ParseGUID(v)
		if err != nil {
			return id, fmt.Errorf("entryUUID: %w", err)
		}
		return id, nil
	}
	return ldapsync.GUID{}, nil
}

// deriveID makes an identity of a DN: the same for names that are equal. It is marked as a hash of this package's
// own (RFC 9562 version 8).
func deriveID(dn ldapsync.DN) ldapsync.GUID {
	sum := sha256.Sum256([]byte("hybridkit ldif " + dn.Key()))
	g := ldapsync.GUID(sum[:16])
	g[7] = g[7]&0x0f | 0x80
	g[8] = g[8]&0x3f | 0x80
	return g
}

// ClassOf tells the class of an entry by objectCategory where it has that, as Active Directory's own tools do,
// else by objectClass: a computer is a Device, a user that is no computer a User. Group managed service
// accounts, which are computers by class only, are neither, and neither is a contact. For servers other than
// Active Directory inetOrgPerson is a User, and device a Device.
func ClassOf(o ldapsync.Object) ldapsync.Class {
	is := func(class string) bool {
		return slices.ContainsFunc(o.All("objectClass"), func(v string) bool { return strings.EqualFold(v, class) })
	}
	var category string
	if v, ok := o.Get("objectCategory"); ok {
		if dn, err := ldapsync.ParseDN(v); err == nil {
			_, category = dn.RDN()
		}
	}
	switch {
	case is("computer"):
		if category == "" && !is("msDS-GroupManagedServiceAccount") && !is("msDS-ManagedServiceAccount") || strings.EqualFold(category, "computer") {
			return ldapsync.Device
		}
	case is("user"), is("inetOrgPerson"):
		if category == "" || strings.EqualFold(category, "person") {
			return ldapsync.User
		}
	case is("device"):
		return ldapsync.Device
	}
	return 0
}
