package adtest

import (
	"maps"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// rootAttr is an attribute of the rootDSE.
type rootAttr struct {
	name   string
	values []string
}

// rootDSE appends the entry with the empty name (MS-ADTS 3.1.1.3.2), readable without a bind.
func (c *conn) rootDSE(b *ber.Builder, id int64, r *searchRequest) {
	s, d := c.s, c.s.dir
	d.mu.RLock()
	settings := ""
	if n := d.byGUID[s.settings]; n != nil { // a snapshot may be older than this domain controller
		settings = d.dn(n)
	}
	usn := d.seq + s.usnOffset
	d.mu.RUnlock()
	config := "CN=Configuration," + d.baseDN
	attrs := []rootAttr{
		{"configurationNamingContext", []string{config}},
		{"currentTime", []string{formatTime(d.now())}},
		{"defaultNamingContext", []string{d.baseDN}},
		{"dnsHostName", []string{s.DNSHostName()}},
		{"domainControllerFunctionality", []string{"7"}},
		{"domainFunctionality", []string{"7"}},
		{"dsServiceName", []string{settings}},
		{"forestFunctionality", []string{"7"}},
		{"highestCommittedUSN", []string{itoa(int(usn))}},
		{"isGlobalCatalogReady", []string{"TRUE"}},
		{"isSynchronized", []string{"TRUE"}},
		{"ldapServiceName", []string{d.domain + ":" + s.name + "$@" + strings.ToUpper(d.domain)}},
		{"namingContexts", []string{d.baseDN, config, "CN=Schema," + config}},
		{"rootDomainNamingContext", []string{d.baseDN}},
		{"schemaNamingContext", []string{"CN=Schema," + config}},
		{"serverName", []string{strings.TrimPrefix(settings, "CN=NTDS Settings,")}},
		{"subschemaSubentry", []string{"CN=Aggregate,CN=Schema," + config}},
		{"supportedCapabilities", []string{"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1935", "1.2.840.113556.1.4.2080", "1.2.840.113556.1.4.2237"}},
		{"supportedControl", supportedControls},
		{"supportedExtension", []string{oidStartTLS, oidWhoAmI}},
		{"supportedLDAPPolicies", []string{"MaxPageSize", "MaxValRange", "MaxNotificationPerConn"}},
		{"supportedLDAPVersion", []string{"3"}},
		{"supportedSASLMechanisms", []string{"EXTERNAL"}},
	}
	want := map[string]bool{}
	for _, a := range r.attributes {
		want[strings.ToLower(a)] = true
	}
	all := len(want) == 0 || want["*"]
	if who := c.who(); who != nil && want["tokengroups"] {
		// The token of the connection, only where it is asked for by name.
		d.mu.RLock()
		sids := []string{mustSID("S-1-1-0"), mustSID("S-1-5-2"), mustSID("S-1-5-11")}
		if n := d.byGUID[who.guid]; n != nil {
			sids = append(append(sids, n.rec.get(d.types["objectsid"]).first()), d.tokenSIDs(n)...)
		}
		d.mu.RUnlock()
		attrs = append(attrs, rootAttr{"tokenGroups", sids})
	}
	attrs = s.override(attrs)
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, id)
	e := b.Begin(tagSearchEntry)
	b.Str(ber.OctetString, "")
	list := b.Begin(ber.Sequence)
	for _, a := range attrs {
		if !all && !want[strings.ToLower(a.name)] || len(a.values) == 0 {
			continue
		}
		am := b.Begin(ber.Sequence)
		b.Str(ber.OctetString, a.name)
		set := b.Begin(ber.Set)
		if !r.typesOnly {
			b.Raw(pack(a.values...).raw)
		}
		b.End(set)
		b.End(am)
	}
	b.End(list)
	b.End(e)
	b.End(m)
}

// override applies SetRootDSE. Attributes of its own come last, by name.
func (s *Server) override(attrs []rootAttr) []rootAttr {
	s.rootDSEMu.Lock()
	defer s.rootDSEMu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.rootDSESet)) {
		set := s.rootDSESet[name]
		i := slices.IndexFunc(attrs, func(a rootAttr) bool { return fold(a.name) == name })
		if i < 0 {
			attrs = append(attrs, set)
		} else {
			attrs[i].values = set.values
		}
	}
	return attrs
}
