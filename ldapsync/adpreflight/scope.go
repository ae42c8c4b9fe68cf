package adpreflight

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

func scopeSpecs(s Scope) []spec {
	with := func(f func(*runner, *scopeData) verdict) func(*runner) verdict {
		return withRoot(func(r *runner, root entry) verdict { return f(r, r.scopeOf(root, s)) })
	}
	section := "7.10"
	if s.Class == ldapsync.Device {
		section = "7.9"
	}
	guide := "operations guide " + section
	kind := plural(0, s.Class.String())[2:]
	all := []spec{
		{"ou." + s.ID, "the organisational unit exists: " + s.OU, "operations guide 7.7, " + section, false, with((*runner).ouExists)},
		{"ou." + s.ID + ".children", "no " + kind + " in organisational units below it, which are not synchronised", guide, false, with((*runner).ouChildren)},
		{"delegation." + s.ID + ".list", "the account may list the organisational unit", "operations guide 7.7 (table 5)", false, with((*runner).mayList)},
		{"attributes." + s.ID, "the directory's schema has the attributes the mapping reads", "[MS-ADTS] 3.1.1.2.3", false, with((*runner).attributesKnown)},
		{"attributes." + s.ID + ".global-catalog", "no attribute is read where it is silently missing", "operations guide 5.2.2, 7.3 (ports 3268, 3269); [MS-ADTS] 3.1.1.2.3", false, with((*runner).partialSet)},
		{"delegation." + s.ID + ".read", "the account may read every mapped attribute of every " + s.Class.String(), "operations guide 7.7 (table 5)", false, with((*runner).mayRead)},
		{"ou." + s.ID + ".contents", "the organisational unit holds " + kind + " only", guide, false, with((*runner).ouContents)},
	}
	if s.Class == ldapsync.Device {
		return append(all, deviceSpecs(s, with)...)
	}
	return append(all, spec{s.ID + ".upn-suffixes", "every user name ends in a suffix the tenant knows", "Microsoft, \"Plan your Microsoft Entra hybrid join implementation\" (routable UPN)", false, with((*runner).suffixes)})
}

// scopeData is what was read of one scope.
type scopeData struct {
	Scope
	unit    found
	token   adsec.Token
	noToken error
	schema  map[string]schemaItem
	objects []entry // of the class, directly in the unit; without security descriptors
	others  []string
	capped  bool
	lists   adsec.Verdict // List Contents on the unit
	err     error         // of the schema, the unit's descriptor or the listing
	denied  map[string]*denial
	unsure  map[string]string // attribute to why its rights are not known
	judged  int
}

// denial says on how many objects an attribute may not be read.
type denial struct {
	objects int
	example string
	verdict adsec.Verdict
	right   adsec.Right
	alone   bool // the example does not inherit from the organisational unit
}

func (r *runner) scopeOf(root entry, s Scope) *scopeData {
	if d := r.scopes[s.ID]; d != nil {
		return d
	}
	d := &scopeData{Scope: s, denied: map[string]*denial{}, unsure: map[string]string{}}
	if r.scopes == nil {
		r.scopes = map[string]*scopeData{}
	}
	r.scopes[s.ID] = d
	d.err = r.readScope(root, d)
	return d
}

func (r *runner) readScope(root entry, d *scopeData) error {
	sids, err := r.subject(root)
	d.token, d.noToken = adsec.NewToken(sids...), err
	keys := []string{"c organizationalunit", "c user", "c computer"}
	for _, a := range d.Attrs {
		keys = append(keys, "a "+strings.ToLower(a))
	}
	if d.unit = r.get(d.OU, "objectClass", "nTSecurityDescriptor"); d.unit.err != nil {
		return d.unit.err
	}
	classes := d.unit.attrs["objectclass"]
	class := ""
	if len(classes) > 0 {
		class = "c " + strings.ToLower(classes[len(classes)-1])
		keys = append(keys, class)
	}
	if d.schema, err = r.schema(root, keys...); err != nil {
		return err
	}
	d.lists = adsec.Verdict{Index: -1}
	if sd, err := adsec.Parse([]byte(one(d.unit.attrs, "nTSecurityDescriptor"))); err == nil && d.noToken == nil {
		d.lists = sd.Check(d.token, adsec.Query{Right: adsec.ListContents, Class: d.schema[class].id})
	}
	attrs := []string{"objectClass", "objectGUID", "nTSecurityDescriptor", "userPrincipalName", "sAMAccountName"}
	if d.Class == ldapsync.Device {
		attrs = []string{"objectClass", "objectGUID", "nTSecurityDescriptor", "userCertificate", "userAccountControl", "operatingSystem", "operatingSystemVersion", "dNSHostName"}
	}
	seen := map[string]judgement{}
	n := 0
	err = r.cfg.Directory.Search(r.ctx, d.OU, 1, "(objectClass=user)", attrs, func(dn string, a map[string][]string) error {
		if n++; n > r.cfg.MaxObjects {
			d.capped = true
			return errEnough
		}
		e := entry{dn, a}
		if isComputer(e) != (d.Class == ldapsync.Device) {
			d.others = append(d.others, dn)
			return nil
		}
		d.judge(e, seen)
		delete(a, "ntsecuritydescriptor")
		d.objects = append(d.objects, e)
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// isComputer tells computers from users, which they are too.
func isComputer(e entry) bool {
	return slices.ContainsFunc(e.attrs["objectclass"], func(c string) bool { return strings.EqualFold(c, "computer") })
}

// A judgement is what one security descriptor says about the mapped attributes.
type judgement struct {
	verdicts map[string]adsec.Verdict
	alone    bool // it is protected from inheritance, as AdminSDHolder makes those of administrators ([MS-ADTS] 3.1.1.6.1)
}

// judge evaluates the rights on one object. Objects in one place mostly have one and the same descriptor.
func (d *scopeData) judge(e entry, seen map[string]judgement) {
	classes := e.attrs["objectclass"]
	if d.noToken != nil || len(classes) == 0 {
		return
	}
	raw := one(e.attrs, "nTSecurityDescriptor")
	class := "c " + strings.ToLower(classes[len(classes)-1])
	j, ok := seen[class+raw]
	if !ok {
		j.verdicts = map[string]adsec.Verdict{}
		sd, err := adsec.Parse([]byte(raw))
		j.alone = err == nil && sd.Control&adsec.DACLProtected != 0
		for _, a := range d.Attrs {
			item, known := d.schema["a "+strings.ToLower(a)]
			switch {
			case !known, item.systemFlags&flagConstructed != 0:
			case raw == "":
				d.unsure[a] = "the account may not read the security descriptor of " + e.dn
			case err != nil:
				d.unsure[a] = e.dn + ": " + err.Error()
			default:
				j.verdicts[a] = sd.Check(d.token, adsec.Query{Right: item.right(), Class: d.schema[class].id, PropertySet: item.set, Property: item.id})
			}
		}
		const differing = 1000 // descriptors that are kept
		if len(seen) < differing {
			seen[class+raw] = j
		}
	}
	d.judged++
	for a, v := range j.verdicts {
		switch v.Access {
		case adsec.Undetermined:
			d.unsure[a] = e.dn + ": " + v.String()
		case adsec.Denied:
			if d.denied[a] == nil {
				d.denied[a] = &denial{example: e.dn, verdict: v, right: d.schema["a "+strings.ToLower(a)].right(), alone: j.alone}
			}
			d.denied[a].objects++
		}
	}
}

// Flags of attributeSchema objects ([MS-ADTS] 2.2.9, 2.2.10).
const (
	flagConfidential = 0x80 // searchFlags: reading needs the control access right, too
	flagConstructed  = 0x4  // systemFlags: computed by the server
)

// schemaItem is what a schema object says that rights depend on.
type schemaItem struct {
	id, set                  ldapsync.GUID
	searchFlags, systemFlags int64
	partial                  bool // in the Global Catalog
}

func (i schemaItem) right() adsec.Right {
	if i.searchFlags&flagConfidential != 0 {
		return adsec.ReadProperty | adsec.ControlAccess
	}
	return adsec.ReadProperty
}

// schema looks up attributes ("a " and the name in lower case) and classes ("c ").
func (r *runner) schema(root entry, keys ...string) (map[string]schemaItem, error) {
	if r.schemas == nil {
		r.schemas, r.schemaSeen = map[string]schemaItem{}, map[string]bool{}
	}
	var missing []string
	for _, k := range keys {
		if !r.schemaSeen[k] && !strings.ContainsAny(k[2:], `()*\`+"\x00") {
			missing = append(missing, k)
			r.schemaSeen[k] = true
		}
	}
	const atOnce = 50
	for batch := range slices.Chunk(missing, atOnce) {
		filter := "(|"
		for _, k := range batch {
			filter += "(lDAPDisplayName=" + k[2:] + ")"
		}
		all, err := r.search(one(root.attrs, "schemaNamingContext"), 1, filter+")",
			"lDAPDisplayName", "objectClass", "schemaIDGUID", "attributeSecurityGUID", "searchFlags", "systemFlags", "isMemberOfPartialAttributeSet")
		if err != nil {
			r.schemas = nil
			return nil, err
		}
		for _, e := range all {
			kind := "a "
			if slices.Contains(e.attrs["objectclass"], "classSchema") {
				kind = "c "
			}
			var i schemaItem
			i.id, _ = ldapsync.GUIDFromBytes([]byte(one(e.attrs, "schemaIDGUID")))
			i.set, _ = ldapsync.GUIDFromBytes([]byte(one(e.attrs, "attributeSecurityGUID")))
			i.searchFlags, _ = strconv.ParseInt(one(e.attrs, "searchFlags"), 10, 64)
			i.systemFlags, _ = strconv.ParseInt(one(e.attrs, "systemFlags"), 10, 64)
			i.partial = one(e.attrs, "isMemberOfPartialAttributeSet") == "TRUE"
			r.schemas[kind+strings.ToLower(one(e.attrs, "lDAPDisplayName"))] = i
		}
	}
	return r.schemas, nil
}

func (r *runner) ouExists(d *scopeData) verdict {
	switch {
	case errors.Is(d.unit.err, ldapsync.ErrNotFound):
		return fail("create the organisational unit, or correct its name; tell the service its name before it reads", "%s is not there, or not visible to the account", d.OU)
	case d.unit.err != nil:
		return unread(d.OU, d.unit.err)
	}
	found := plural(len(d.objects), d.Class.String()) + " directly in it"
	if d.capped {
		found = "at least " + found
	}
	return pass("%s", found)
}

// some says how many objects evidence rests on.
func (d *scopeData) some() string {
	if d.capped {
		return fmt.Sprintf("the first %d %ss", len(d.objects), d.Class)
	}
	return plural(len(d.objects), d.Class.String())
}

// seen returns the verdict for a check that needs the objects, where there is nothing to look at.
func (d *scopeData) seen() (verdict, bool) {
	switch {
	case d.unit.err != nil:
		return notTried("the organisational unit could not be read"), false
	case d.err != nil:
		return unread(d.OU, d.err), false
	case len(d.objects) == 0 && d.lists.Access != adsec.Granted:
		return notTried("no object is visible, and the account is not known to be allowed to list the organisational unit"), false
	case len(d.objects) == 0:
		return notTried("the organisational unit holds no %s yet", d.Class), false
	}
	return verdict{}, true
}

func (r *runner) ouChildren(d *scopeData) verdict {
	if d.unit.err != nil {
		return notTried("the organisational unit could not be read")
	}
	children, err := r.search(d.OU, 1, "(|(objectClass=organizationalUnit)(objectCategory=container))", "objectClass")
	if err != nil {
		return unread("the units below "+d.OU, err)
	}
	filter := "(&(objectCategory=person)(objectClass=user))"
	if d.Class == ldapsync.Device {
		filter = "(objectCategory=computer)"
	}
	var findings []string
	total := 0
	for _, c := range children {
		inside, err := r.search(c.dn, 2, filter, "objectClass")
		if err != nil {
			return unread(c.dn, err)
		}
		if total += len(inside); len(inside) > 0 {
			findings = append(findings, fmt.Sprintf("%s: %s", c.dn, plural(len(inside), d.Class.String())))
		}
	}
	slices.Sort(findings)
	switch {
	case total > 0:
		return warn("move them into the organisational unit itself: units below it are not read, although the delegation of the guide covers them",
			"%s in %s below", plural(total, d.Class.String()), plural(len(findings), "unit")).with(findings...)
	case len(children) > 0:
		return pass("%s below, without a %s in it", plural(len(children), "unit"), d.Class)
	case d.lists.Access != adsec.Granted:
		return notTried("no unit is visible below, and the account is not known to be allowed to list the organisational unit")
	}
	return pass("there is no unit below")
}

func (r *runner) ouContents(d *scopeData) verdict {
	if d.unit.err != nil {
		return notTried("the organisational unit could not be read")
	}
	if len(d.others) > 0 {
		slices.Sort(d.others)
		return warn("move them elsewhere: users and devices have an organisational unit each", "%s of the other kind", plural(len(d.others), "object")).with(d.others...)
	}
	if v, ok := d.seen(); !ok {
		return v
	}
	return pass("%s and nothing else that signs in", d.some())
}
