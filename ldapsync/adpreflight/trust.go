package adpreflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

// Values of trustDirection, trustType and trustAttributes ([MS-ADTS] 6.1.6.7.9, 6.1.6.7.12, 6.1.6.7.15).
const (
	trustInbound, trustOutbound, trustBoth = 1, 2, 3

	trustUplevel = 2 // the other side is Active Directory

	trustQuarantined       = 0x4
	trustForestTransitive  = 0x8
	trustCrossOrganization = 0x10
	trustWithinForest      = 0x20
	trustTreatAsExternal   = 0x40
)

const sourceTrust = "operations guide 7.6; [MS-ADTS] 6.1.6.7"

func trustSpecs() []spec {
	return []spec{
		{"trust.exists", "the domain trusts the service's domain", sourceTrust, false, withRoot((*runner).trustExists)},
		{"trust.direction", "the trust is one-way and outgoing", sourceTrust, false, withTrust((*runner).trustDirection)},
		{"trust.external", "it is an external trust between Active Directory domains, not transitive", sourceTrust, false, withTrust((*runner).trustExternal)},
		{"trust.selective", "authentication over it is selective", sourceTrust, false, withTrust((*runner).trustSelective)},
		{"trust.sid-filtering", "SIDs of other domains are filtered out (quarantine)", sourceTrust, false, withTrust((*runner).trustFiltering)},
		{"trust.allowed-to-authenticate", "the account may authenticate to the domain controller", "operations guide 7.6 (selective authentication)", false, withTrust((*runner).allowedToAuthenticate)},
		{"trust.confirmed", "both sides of the trust work", "operations guide 7.6", false, withTrust((*runner).trustConfirmed)},
	}
}

// trustData is the trustedDomain object of the service, and the names of all trusts.
type trustData struct {
	entry
	all []string
	ok  bool
	err error
}

func (r *runner) trustOf(root entry) *trustData {
	if r.trusts != nil {
		return r.trusts
	}
	t := &trustData{}
	r.trusts = t
	all, err := r.search("CN=System,"+one(root.attrs, "defaultNamingContext"), 1, "(objectClass=trustedDomain)",
		"trustPartner", "flatName", "trustDirection", "trustType", "trustAttributes", "securityIdentifier")
	t.err = err
	for _, e := range all {
		partner := one(e.attrs, "trustPartner")
		t.all = append(t.all, partner)
		if sameName(partner, r.cfg.Service.TrustPartner) {
			t.entry, t.ok = e, true
		}
	}
	slices.Sort(t.all)
	return t
}

// withTrust runs a check that needs the trust.
func withTrust(f func(*runner, entry, *trustData) verdict) func(*runner) verdict {
	return withRoot(func(r *runner, root entry) verdict {
		if r.cfg.Service.TrustPartner == "" {
			return notApplicable("no trusted domain is named")
		}
		t := r.trustOf(root)
		switch {
		case t.err != nil:
			return unread("the trusts", t.err)
		case !t.ok:
			return notTried("there is no trust with %s to look at", r.cfg.Service.TrustPartner)
		}
		return f(r, root, t)
	})
}

func (r *runner) trustExists(root entry) verdict {
	s := r.cfg.Service
	if s.TrustPartner == "" {
		return notApplicable("no trusted domain is named")
	}
	t := r.trustOf(root)
	switch {
	case t.err != nil:
		return unread("the trusts", t.err)
	case !t.ok:
		return fail("create the trust in Active Directory Domains and Trusts: external, one-way outgoing, selective authentication, password from the onboarding manifest",
			"there is no trust with %s; trusts: %s", s.TrustPartner, orNone(t.all))
	}
	if flat := one(t.attrs, "flatName"); s.TrustFlatName != "" && !strings.EqualFold(flat, s.TrustFlatName) {
		return fail("remove the trust and create it again with the right domain", "the trust with %s has the NetBIOS name %s, not %s", s.TrustPartner, orAbsent(flat), s.TrustFlatName)
	}
	return pass("%s", t.dn)
}

// domainName is the DNS name of the domain that is examined.
func domainName(root entry) string {
	dn, err := ldapsync.ParseDN(one(root.attrs, "defaultNamingContext"))
	var labels []string
	for ; err == nil && !dn.IsRoot(); dn = dn.Parent() {
		_, label := dn.RDN()
		labels = append(labels, label)
	}
	return orText(strings.Join(labels, "."), "DOMAIN")
}

func orNone(v []string) string {
	if len(v) == 0 {
		return "none"
	}
	return strings.Join(v, ", ")
}

func (t *trustData) number(name string) (int64, error) {
	v := one(t.attrs, name)
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %s", name, orAbsent(v))
	}
	return n, nil
}

func (r *runner) trustDirection(_ entry, t *trustData) verdict {
	n, err := t.number("trustDirection")
	const again = "remove the trust and create it again as one-way: outgoing"
	switch {
	case err != nil:
		return notTried("%v", err)
	case n == trustOutbound:
		return pass("trustDirection is 2, outbound: this domain trusts %s", r.cfg.Service.TrustPartner)
	case n == trustInbound:
		return fail(again, "trustDirection is 1, inbound: %s trusts this domain, not the other way round", r.cfg.Service.TrustPartner)
	case n == trustBoth:
		return fail(again, "trustDirection is 3, both ways: accounts of this domain are trusted by %s too", r.cfg.Service.TrustPartner)
	}
	return fail(again, "trustDirection is %d: the trust is disabled", n)
}

func (r *runner) trustExternal(_ entry, t *trustData) verdict {
	kind, err := t.number("trustType")
	attrs, err2 := t.number("trustAttributes")
	const again = "remove the trust and create it again as an external trust; the guide says \"forest trust\" in places, but the settings it lists are those of an external one"
	switch {
	case err != nil:
		return notTried("%v", err)
	case err2 != nil:
		return notTried("%v", err2)
	case kind != trustUplevel:
		return fail(again, "trustType is %d, not 2 (Active Directory)", kind)
	case attrs&trustForestTransitive != 0:
		return fail(again, "trustAttributes %#x has FOREST_TRANSITIVE (0x8): it is a forest trust", attrs)
	case attrs&trustWithinForest != 0:
		return fail(again, "trustAttributes %#x has WITHIN_FOREST (0x20): it is a trust inside one forest", attrs)
	}
	return pass("trustType is 2, FOREST_TRANSITIVE and WITHIN_FOREST are clear")
}

func (r *runner) trustSelective(root entry, t *trustData) verdict {
	attrs, err := t.number("trustAttributes")
	if err != nil {
		return notTried("%v", err)
	}
	if attrs&trustCrossOrganization == 0 {
		return fail("netdom trust "+domainName(root)+" /domain:"+r.cfg.Service.TrustPartner+" /SelectiveAUTH:yes, or Authentication in the properties of the trust",
			"CROSS_ORGANIZATION (0x10) is clear: every account of %s may sign in to everything here", r.cfg.Service.TrustPartner)
	}
	return pass("CROSS_ORGANIZATION (0x10) is set")
}

func (r *runner) trustFiltering(root entry, t *trustData) verdict {
	attrs, err := t.number("trustAttributes")
	if err != nil {
		return notTried("%v", err)
	}
	why := ""
	switch {
	case attrs&trustQuarantined == 0:
		why = "QUARANTINED (0x4) is clear"
	case attrs&trustTreatAsExternal != 0:
		why = "TREAT_AS_EXTERNAL (0x40) relaxes the filter"
	default:
		return pass("QUARANTINED (0x4) is set")
	}
	return fail("netdom trust "+domainName(root)+" /domain:"+r.cfg.Service.TrustPartner+" /quarantine:yes",
		"%s: an administrator of %s can claim the SIDs of accounts of this domain", why, r.cfg.Service.TrustPartner)
}

// allowedToAuthenticate is the extended right Allowed-To-Authenticate, which selective authentication demands on
// the computer object of the server that is signed in to.
var allowedToAuthenticate = mustGUID("68b1d179-0d15-4d4f-ab71-46152e79a7bc")

func mustGUID(s string) ldapsync.GUID {
	g, err := ldapsync.ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return g
}

func (r *runner) allowedToAuthenticate(root entry, trust *trustData) verdict {
	sids, err := r.subject(root)
	if err != nil {
		return notTried("%v", err)
	}
	partner, err := ldapsync.SIDFromBytes([]byte(one(trust.attrs, "securityIdentifier")))
	if err != nil {
		return notTried("the SID of the trusted domain (securityIdentifier): %v", err)
	}
	// A token of the trusted domain may hold groups of this one, so that only its own domain tells.
	if !slices.ContainsFunc(sids, func(s ldapsync.SID) bool { return s.Domain() == partner }) {
		return notApplicable("the account is not of %s: selective authentication does not concern it", r.cfg.Service.TrustPartner)
	}
	t := r.topologyOf(root)
	if t.err != nil {
		return unread("CN=Sites", t.err)
	}
	c, ok := t.controllerAt(one(root.attrs, "dsServiceName"))
	if !ok || c.computer == "" {
		return notTried("the computer object of the domain controller is not known (serverReference)")
	}
	classes, err := r.schema(root, "c computer")
	if err != nil {
		return unread("the schema", err)
	}
	f := r.get(c.computer, "nTSecurityDescriptor")
	if f.err != nil {
		return unread(c.computer, f.err)
	}
	sd, err := adsec.Parse([]byte(one(f.attrs, "nTSecurityDescriptor")))
	if err != nil {
		return notTried("the security descriptor of %s: %v", c.computer, err)
	}
	v := sd.Check(adsec.NewToken(sids...), adsec.Query{Right: adsec.ControlAccess, Class: classes["c computer"].id, Property: allowedToAuthenticate})
	switch v.Access {
	case adsec.Granted:
		return pass("%s is %s", c.computer, v)
	case adsec.Undetermined:
		return notTried("%s is %s", c.computer, v)
	}
	return fail(adsec.Grant{DN: c.computer, Account: r.cfg.Account, Right: adsec.ControlAccess, Property: "Allowed to Authenticate"}.Dsacls(),
		"Allowed to Authenticate on %s is %s", c.computer, v)
}

// subject returns the SIDs of the account whose rights count.
func (r *runner) subject(root entry) ([]ldapsync.SID, error) {
	if len(r.cfg.Subject) > 0 {
		return r.cfg.Subject, nil
	}
	var out []ldapsync.SID
	for _, v := range root.attrs["tokengroups"] {
		sid, err := ldapsync.SIDFromBytes([]byte(v))
		if err != nil {
			return nil, fmt.Errorf("tokenGroups: %w", err)
		}
		out = append(out, sid)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the server does not say which groups the account is in (tokenGroups of the rootDSE)")
	}
	return out, nil
}

func (r *runner) trustConfirmed(root entry, _ *trustData) verdict {
	v := notTried("the other side's half and the shared password are not visible over LDAP")
	v.remedy = "when the other side exists: netdom trust " + domainName(root) + " /domain:" + r.cfg.Service.TrustPartner + " /verify, on the domain controller"
	return v
}
