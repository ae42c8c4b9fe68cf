package adpreflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

func (r *runner) mayList(d *scopeData) verdict {
	switch {
	case d.unit.err != nil:
		return notTried("the organisational unit could not be read")
	case d.noToken != nil:
		return notTried("%v", d.noToken)
	case len(d.unit.attrs["ntsecuritydescriptor"]) == 0:
		return notTried("the account may not read the security descriptor of the organisational unit")
	case d.lists.Access == adsec.Granted:
		return pass("List Contents is %s", d.lists)
	case d.lists.Access == adsec.Undetermined:
		return notTried("List Contents is %s", d.lists)
	}
	return fail(remedyFor(d.lists, adsec.Grant{DN: d.OU, Account: r.cfg.Account, Right: adsec.ListContents}),
		"List Contents is %s: the directory answers with success and no objects, as if the organisational unit were empty", d.lists)
}

// remedyFor grants what nobody granted, and otherwise names the entry that must go and where it is.
func remedyFor(v adsec.Verdict, g adsec.Grant) string {
	switch {
	case v.Index < 0:
		return g.Dsacls()
	case v.ACE.Flags&adsec.Inherited == 0:
		return fmt.Sprintf("remove the entry %s from %s: no grant comes before an entry that denies on the object itself", v.ACE, g.DN)
	}
	return fmt.Sprintf("remove the entry %s from the container where it was set, which the Security tab (advanced) of %s names", v.ACE, g.DN)
}

func (r *runner) mayRead(d *scopeData) verdict {
	if d.noToken != nil {
		return notTried("%v", d.noToken)
	}
	if v, ok := d.seen(); !ok {
		return v
	}
	var findings []string
	var missing []string // attributes that no entry grants
	remedy, right := "", adsec.Right(0)
	for _, a := range slices.Sorted(maps.Keys(d.denied)) {
		x := d.denied[a]
		findings = append(findings, fmt.Sprintf("%s: %s on %s, such as %s", a, x.verdict, plural(x.objects, d.Class.String()), x.example))
		if x.verdict.Index < 0 && x.alone {
			remedy = "tick inheritance in the Security tab (advanced) of " + x.example + ", or, where it belongs to an administrator, grant the right on CN=AdminSDHolder,CN=System: the object does not inherit from the organisational unit"
		} else if x.verdict.Index < 0 {
			missing, right = append(missing, a), right|x.right
		} else if remedy == "" {
			remedy = remedyFor(x.verdict, adsec.Grant{DN: x.example})
		}
	}
	if len(missing) > 0 {
		// One attribute is granted alone; several with all others, which is what the delegation of the guide does.
		grant := adsec.Grant{DN: d.OU, Account: r.cfg.Account, Right: right, Class: "user"}
		if d.Class == ldapsync.Device {
			grant.Class = "computer"
		}
		if len(missing) == 1 {
			grant.Property = missing[0]
		}
		remedy = strings.TrimPrefix(remedy+"; "+grant.Dsacls(), "; ")
	}
	if len(findings) > 0 {
		return fail(remedy, "%s cannot be read everywhere: a value that is withheld looks like one that was cleared", plural(len(findings), "mapped attribute")).with(findings...)
	}
	for _, a := range slices.Sorted(maps.Keys(d.unsure)) {
		findings = append(findings, a+": "+d.unsure[a])
	}
	if len(findings) > 0 {
		return notTried("the rights on %s could not be evaluated", plural(len(findings), "mapped attribute")).with(findings...)
	}
	if d.judged == 0 {
		return notTried("no object says of which class it is")
	}
	return pass("%s of %s evaluated, all readable", plural(len(d.Attrs), "attribute"), d.some())
}

func (r *runner) attributesKnown(d *scopeData) verdict {
	if d.schema == nil {
		return unread("the schema", d.err)
	}
	var unknown []string
	for _, a := range d.Attrs {
		if _, ok := d.schema["a "+strings.ToLower(a)]; !ok {
			unknown = append(unknown, a)
		}
	}
	if len(unknown) > 0 {
		return fail("correct the mapping, or extend the schema (Exchange adds extensionAttribute1 to 15, newer Windows msDS-KeyCredentialLink)",
			"%s not in the schema", plural(len(unknown), "mapped attribute")).with(unknown...)
	}
	return pass("%s", plural(len(d.Attrs), "attribute"))
}

func (r *runner) partialSet(d *scopeData) verdict {
	if d.schema == nil {
		return unread("the schema", d.err)
	}
	var outside []string
	for _, a := range d.Attrs {
		if i, ok := d.schema["a "+strings.ToLower(a)]; ok && !i.partial {
			outside = append(outside, a)
		}
	}
	switch {
	case r.cfg.PartialSet && len(outside) == 0:
		return pass("the Global Catalog holds all of them")
	case !r.cfg.PartialSet:
		return notApplicable("attributes are not read on a Global Catalog port; %d of them would be missing there", len(outside))
	}
	return fail("read on 389 or 636 of the domain controller; the Global Catalog ports that the guide opens serve for finding objects only",
		"the Global Catalog does not hold %s", plural(len(outside), "mapped attribute")).with(outside...)
}

func (r *runner) suffixes(d *scopeData) verdict {
	if v, ok := d.seen(); !ok {
		return v
	}
	counts := map[string]int{}
	for _, o := range d.objects {
		counts[suffix(one(o.attrs, "userPrincipalName"))]++
	}
	var all, wrong []string
	bad := 0
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		text := fmt.Sprintf("%s: %s", orText(s, "without a suffix"), plural(counts[s], "user"))
		all = append(all, text)
		if s == "" || !slices.ContainsFunc(r.cfg.Suffixes, func(v string) bool { return sameName(strings.TrimPrefix(v, "@"), s) }) {
			wrong = append(wrong, text)
			bad += counts[s]
		}
	}
	switch {
	case len(r.cfg.Suffixes) == 0:
		return notTried("the suffixes that are verified in the tenant were not given").with(all...)
	case len(wrong) > 0:
		return warn("add the suffix to the tenant as a verified domain, give the users one that is, or use an alternate sign-in name",
			"%s of %d with a suffix the tenant does not know", plural(bad, "user"), len(d.objects)).with(wrong...)
	}
	return pass("%s", strings.Join(all, "; "))
}

// suffix returns what follows the last @, in lower case; "" where nothing does.
func suffix(upn string) string {
	i := strings.LastIndexByte(upn, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(upn[i+1:]))
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
