package ldapdir

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

// An AttrAccess says whether the account may read an attribute of an object, or list a container, and why.
type AttrAccess struct {
	Object      ldapsync.DN // whose security descriptor was evaluated
	Attr        string      // "" for a listing
	PropertySet string      // the property set the attribute is in, which entries may name instead: "Public-Information"; "" if none

	Presence ldapsync.Presence // what is known after this: Present, Absent only if it may be read, else Unreadable
	Missing  adsec.Right       // what is not granted: ReadProperty, ControlAccess of a confidential attribute, or both; ListContents; 0 if nothing is or that is not known
	Verdict  adsec.Verdict     // of the security descriptor, where it could be evaluated
	Why      string            // one line for messages

	// Remedy is the dsacls command that grants what is missing, "" if nothing is, or if no grant would help. Where no
	// entry grants the right, that is a grant on the container for all objects of the class; where the object does not
	// inherit, or an inherited entry denies, one on the object itself, which comes before what is inherited.
	Remedy string

	// Remove says which entry denies, and where it is. An entry that denies on the object itself comes before every
	// grant and must go; for one that is inherited that is the alternative to Remedy.
	Remove string
}

// VerifyAbsent says for each attribute whether it has no value or cannot be read; see ldapsync.AbsenceVerifier.
//
// With Active Directory the object is read again, with its security descriptor, on the same connection whose
// SIDs are then checked: Absent means that this connection may read the attribute ([MS-ADTS] section
// 3.1.1.4.3) and got no value. Everything else is Unreadable: a missing right, a descriptor or token that
// cannot be read, a condition that cannot be evaluated, an attribute the schema does not know, a constructed
// attribute, anything on a Global Catalog port, and one that now has a value. Of an object that is gone the
// error wraps ErrNotFound.
//
// With TrustAbsence everything is Absent, otherwise on a plain LDAP server everything is Unreadable.
func (d *Dir) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	out := make([]ldapsync.Presence, len(attrs))
	if len(attrs) == 0 || d.cfg.TrustAbsence {
		return out, nil
	}
	if d.cfg.Kind != ActiveDirectory {
		for i := range out {
			out[i] = ldapsync.Unreadable
		}
		return out, nil
	}
	access, err := d.Access(ctx, id, attrs)
	if err != nil {
		return nil, err
	}
	for i, a := range access {
		if out[i] = a.Presence; a.Presence == ldapsync.Present {
			// The read that found nothing had other rights, or the value came since.
			out[i] = ldapsync.Unreadable
		}
		if out[i] != ldapsync.Absent {
			d.log.Warn("absence is not proved", "object", id.String(), "attribute", a.Attr, "why", a.Why, "remedy", a.Remedy, "remove", a.Remove)
		}
	}
	return out, nil
}

// Access says for each attribute of an object whether the account may read it, which entry of the security
// descriptor decides, and how to grant it. Active Directory only.
func (d *Dir) Access(ctx context.Context, id ldapsync.GUID, attrs []string) ([]AttrAccess, error) {
	if d.cfg.Kind != ActiveDirectory {
		return nil, &ConfigError{"Kind", "only Active Directory says what an account may read"}
	}
	var out []AttrAccess
	err := d.with(ctx, func(c *conn) error {
		s, err := d.secured(ctx, c, id, attrs)
		if err != nil {
			return err
		}
		keys := []string{classKey(s.class)}
		for _, a := range attrs {
			keys = append(keys, attrKey(a))
		}
		if err := d.lookUp(ctx, c, keys...); err != nil {
			return err
		}
		out = make([]AttrAccess, len(attrs))
		for i, a := range attrs {
			out[i] = d.attrAccess(c, s, a)
		}
		return nil
	})
	return out, err
}

// neverReturned are the attributes that hold secrets ([MS-ADTS] section 3.1.1.4.4).
var neverReturned = []string{"currentValue", "dBCSPwd", "initialAuthIncoming", "initialAuthOutgoing", "lmPwdHistory",
	"ntPwdHistory", "priorValue", "supplementalCredentials", "trustAuthIncoming", "trustAuthOutgoing", "unicodePwd"}

// securedObject is an object with what an access check needs.
type securedObject struct {
	ldapsync.Object
	class string // structural: the last value of objectClass
	sid   ldapsync.SID
	sd    *adsec.Descriptor // nil if it could not be had
	why   string            // why sd is nil
}

func (d *Dir) secured(ctx context.Context, c *conn, id ldapsync.GUID, attrs []string) (securedObject, error) {
	const sdAttr = "nTSecurityDescriptor"
	x := d.decoder(0, append([]string{"objectClass", "objectSid", "adminCount", sdAttr}, attrs...))
	e, err := d.entry(ctx, c, id, request{attrs: x.request(), sdFlags: true})
	if err != nil {
		return securedObject{}, err
	}
	o, _, err := x.object(e.lend())
	if err != nil {
		return securedObject{}, d.undecodable(id.String(), err)
	}
	s := securedObject{Object: o}
	if classes := o.All("objectClass"); len(classes) > 0 {
		s.class = classes[len(classes)-1]
	}
	if v, ok := o.Get("objectSid"); ok {
		s.sid, _ = ldapsync.SIDFromBytes([]byte(v))
	}
	raw, ok := o.Get(sdAttr)
	switch {
	case !ok:
		s.why = "the account may not read the security descriptor of the object"
	case d.needToken(ctx, c) != nil:
		s.why = "the server does not say which groups the account is in (tokenGroups of the rootDSE or of the account)"
	default:
		if s.sd, err = adsec.Parse([]byte(raw)); err != nil {
			s.why = err.Error()
		}
	}
	return s, nil
}

func (d *Dir) attrAccess(c *conn, s securedObject, attr string) AttrAccess {
	a := AttrAccess{Object: s.DN, Attr: attr, Presence: ldapsync.Unreadable, Verdict: adsec.Verdict{Index: -1}}
	item, known := d.schema.get(attrKey(attr))
	class, classKnown := d.schema.get(classKey(s.class))
	a.PropertySet = adsec.PropertySetName(item.set)
	switch {
	case s.Presence(attr) == ldapsync.Present:
		a.Presence, a.Why = ldapsync.Present, "it has a value"
		return a
	case !known:
		a.Why = "the schema has no attribute of this name that the account can see"
		return a
	case slices.ContainsFunc(neverReturned, func(n string) bool { return sameName(n, attr) }):
		a.Why = "a domain controller never returns it to anyone"
		return a
	case item.systemFlags&flagConstructed != 0:
		a.Why = "it is computed by the server: its absence says nothing"
		return a
	case d.ep.partial:
		a.Why = "the Global Catalog may not hold it"
		return a
	case s.sd == nil:
		a.Why = s.why
		return a
	case !classKnown:
		a.Why = "the class of the object is not in the schema"
		return a
	}
	right := adsec.ReadProperty
	if item.searchFlags&flagConfidential != 0 {
		right |= adsec.ControlAccess // [MS-ADTS] section 3.1.1.4.4
	}
	q := adsec.Query{Right: right, Class: class.id, PropertySet: item.set, Property: item.id, Self: s.sid}
	if a.judge(s, c.root.token, q); a.Missing == 0 && a.Verdict.Access == adsec.Granted {
		a.Presence = ldapsync.Absent
		return a
	}
	of := attr
	if a.PropertySet != "" {
		of += " (of " + a.PropertySet + ")"
	}
	a.Why = orRight(a.Missing, right).String() + " of " + of + " is " + a.Verdict.String()
	d.advise(c, &a, s, adsec.Grant{DN: s.DN.Parent().String(), Property: attr, Class: s.class})
	return a
}

// orRight returns missing, or what was asked for where it is not known what is missing.
func orRight(missing, asked adsec.Right) adsec.Right {
	if missing != 0 {
		return missing
	}
	return asked
}

// judge asks the security descriptor for each right, and keeps the verdict of the first that is not granted.
func (a *AttrAccess) judge(s securedObject, token adsec.Token, q adsec.Query) {
	a.Verdict, a.Missing = s.sd.Check(token, q), 0
	if a.Verdict.Access == adsec.Granted {
		return
	}
	for _, right := range []adsec.Right{adsec.ListContents, adsec.ReadProperty, adsec.ControlAccess} {
		if q.Right&right == 0 {
			continue
		}
		one := q
		one.Right = right
		v := s.sd.Check(token, one)
		if v.Access != adsec.Denied {
			continue
		}
		if a.Missing == 0 {
			a.Verdict = v
		}
		a.Missing |= right
	}
}

// advise fills in what to do about what is missing. The grant is the one that is right where no entry denies and the
// object inherits.
func (d *Dir) advise(c *conn, a *AttrAccess, s securedObject, g adsec.Grant) {
	if a.Missing == 0 {
		return // a condition decides: what it means cannot be said
	}
	g.Account, g.Right = d.account(), a.Missing
	onObject := g
	onObject.DN, onObject.Class = s.DN.String(), ""
	switch ace := a.Verdict.ACE; {
	case a.Verdict.Index >= 0 && ace.Flags&adsec.Inherited == 0:
		a.Remove = "remove the entry " + ace.String() + " from " + s.DN.String() + ": no grant comes before an entry that denies on the object itself"
		return
	case a.Verdict.Index >= 0:
		a.Remove = "or remove the entry " + ace.String() + " from the container above " + s.DN.String() + " where it was set"
		a.Remedy = onObject.Dsacls()
	case s.sd.Control&adsec.DACLProtected == 0 || g.Class == "":
		a.Remedy = g.Dsacls()
	default:
		a.Why += "; the object does not inherit from its container"
		a.Remedy = onObject.Dsacls()
		if v, _ := s.Get("adminCount"); v != "" && v != "0" {
			// What is granted on such an object itself is undone within the hour ([MS-ADTS] section 3.1.1.6.1).
			a.Why += ", because it is or was in an administrative group (adminCount): its entries are copied from AdminSDHolder"
			onObject.DN = "CN=AdminSDHolder,CN=System," + c.root.defaultNC
			a.Remedy = onObject.Dsacls()
		}
	}
}

// account names who needs a right, as dsacls takes it.
func (d *Dir) account() string {
	if s, ok := d.cfg.Bind.(Simple); ok && !strings.Contains(s.User, "=") {
		return s.User
	}
	return "ACCOUNT"
}

// VerifyListing says whether the account may list what is in c; see ldapsync.AbsenceVerifier. With Active
// Directory that is the right List Contents on c ([MS-ADTS] section 5.1.3.3.6), for the SIDs of every connection
// that is idle at the moment and of the one that asks: a read before may have used any of them.
func (d *Dir) VerifyListing(ctx context.Context, container ldapsync.Container) (ldapsync.Presence, error) {
	switch {
	case d.cfg.TrustAbsence:
		return ldapsync.Present, nil
	case d.cfg.Kind != ActiveDirectory:
		return ldapsync.Unreadable, nil
	}
	v, err := d.ListAccess(ctx, container)
	if err != nil {
		return ldapsync.Unreadable, err
	}
	if v.Presence != ldapsync.Present {
		d.log.Warn("a listing is not proved complete", "container", container.DN.String(), "why", v.Why, "remedy", v.Remedy, "remove", v.Remove)
	}
	return v.Presence, nil
}

// ListAccess says whether the account may list what is in a container, and why: Presence is Present if it may,
// Unreadable if not or if that cannot be found out; Attr is empty. Active Directory only.
func (d *Dir) ListAccess(ctx context.Context, container ldapsync.Container) (AttrAccess, error) {
	a := AttrAccess{Presence: ldapsync.Unreadable, Verdict: adsec.Verdict{Index: -1}}
	if d.cfg.Kind != ActiveDirectory {
		return a, &ConfigError{"Kind", "only Active Directory says what an account may list"}
	}
	if container.ID.IsZero() {
		var err error
		if container, err = d.Container(ctx, ldapsync.ContainerRef{DN: container.DN.String()}); err != nil {
			return a, err
		}
	}
	err := d.with(ctx, func(c *conn) error {
		s, err := d.secured(ctx, c, container.ID, nil)
		if err != nil {
			return err
		}
		a.Object = s.DN
		if s.sd == nil {
			a.Why = s.why
			return nil
		}
		if err := d.lookUp(ctx, c, classKey(s.class)); err != nil {
			return err
		}
		class, ok := d.schema.get(classKey(s.class))
		if !ok {
			a.Why = "the class of the container is not in the schema"
			return nil
		}
		for _, token := range d.tokens(c) {
			a.judge(s, token, adsec.Query{Right: adsec.ListContents, Class: class.id, Self: s.sid})
			a.Why = adsec.ListContents.String() + " is " + a.Verdict.String()
			if a.Verdict.Access != adsec.Granted {
				d.advise(c, &a, s, adsec.Grant{DN: s.DN.String()})
				return nil
			}
		}
		a.Presence = ldapsync.Present
		return nil
	})
	if errors.Is(err, ldapsync.ErrNotFound) {
		a.Why = "the container is not there or not visible"
	}
	return a, err
}

// tokens returns the different tokens of c and of the idle connections.
func (d *Dir) tokens(c *conn) []adsec.Token {
	out := []adsec.Token{c.root.token}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.idle {
		same := false
		for _, t := range out {
			same = same || t.Equal(o.root.token)
		}
		if !same {
			out = append(out, o.root.token)
		}
	}
	return out
}

// needToken fills in the token of a connection to a server whose rootDSE has no tokenGroups, from the object of
// the account. That finds accounts of this domain only.
func (d *Dir) needToken(ctx context.Context, c *conn) error {
	if c.root.token.Len() > 0 {
		return nil
	}
	simple, ok := d.cfg.Bind.(Simple)
	if !ok {
		return errors.New("not a named account")
	}
	r := request{base: c.root.defaultNC, scope: scopeSub, attrs: []string{"objectGUID"}}
	user := simple.User
	_, sam, hasDomain := strings.Cut(user, `\`)
	switch {
	case strings.Contains(user, "="):
		r.base, r.scope = user, scopeBase
	case hasDomain:
		r.filter = equals("sAMAccountName", sam)
	default:
		sam, _, _ = strings.Cut(user, "@")
		// A userPrincipalName, given or implied: sAMAccountName@domain ([MS-ADTS] section 5.1.1.1.1).
		r.filter = tlv(0xa1, equals("userPrincipalName", user), equals("sAMAccountName", sam))
	}
	found, err := d.one(ctx, c, r, user)
	if err != nil {
		return err
	}
	e, err := d.one(ctx, c, request{base: found.dn, attrs: []string{"objectSid", "tokenGroups"}}, user)
	if err != nil {
		return err
	}
	// Groups that every account that comes over the network and signs in is in.
	sids := []ldapsync.SID{adsec.Everyone(), adsec.AuthenticatedUsers(), adsec.Network()}
	err = e.each(func(name, set string) error {
		values, err := appendValues(nil, set)
		for _, v := range values {
			sid, serr := ldapsync.SIDFromBytes([]byte(v))
			if serr != nil {
				return serr
			}
			sids = append(sids, sid)
		}
		return err
	})
	if err == nil && len(sids) <= 4 {
		err = errors.New("the groups are not readable")
	}
	if err == nil {
		c.root.token = adsec.NewToken(sids...)
	}
	return err
}
