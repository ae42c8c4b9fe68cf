package adtest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// newDirectory builds the objects every domain has.
func newDirectory(cfg Config) (*directory, error) {
	if cfg.NetBIOS == "" {
		label, _, _ := strings.Cut(cfg.Domain, ".")
		cfg.NetBIOS = strings.ToUpper(label[:min(len(label), 15)])
	}
	d := &directory{
		types: newSchema(cfg.Attributes), subs: map[*subscription]struct{}{}, accounts: map[string]*account{},
		domain: strings.ToLower(cfg.Domain), netBIOS: cfg.NetBIOS, now: cfg.Now, newGUID: cfg.NewGUID, strict: cfg.StrictSchema,
		guidOnAdd: cfg.GUIDOnAdd, stringGUIDs: cfg.GUIDStringFilter, lockout: cfg.LockoutThreshold, interned: map[string]string{},
	}
	if d.now == nil {
		d.now = time.Now
	}
	for label := range strings.SplitSeq(d.domain, ".") {
		if label == "" {
			return nil, fmt.Errorf("adtest: Config.Domain %s is no DNS name", quote(cfg.Domain))
		}
		d.base = append(d.base, rdn{"DC", label})
		d.baseKeys = append(d.baseKeys, rdn{"DC", label}.key())
	}
	d.baseDN = joinDN(d.base)
	d.state = state{byGUID: map[GUID]*node{}, index: map[*attrType]*index{}, back: map[GUID][]backlink{}, nextRID: 1103}
	for _, t := range d.types {
		if t.index {
			d.index[t] = &index{one: map[string]*node{}, more: map[string][]*node{}}
		}
	}
	// Three numbers derived from the name, so that two domains in one process differ and each repeats.
	g := guidFor("domain SID", d.domain)
	d.sid = mustSID(fmt.Sprintf("S-1-5-21-%d-%d-%d", binary.LittleEndian.Uint32(g[0:]), binary.LittleEndian.Uint32(g[4:]), binary.LittleEndian.Uint32(g[8:])))
	if err := d.plant(); err != nil {
		return nil, fmt.Errorf("adtest: building the domain: %w", err)
	}
	return d, nil
}

// populate adds the LDIF and the accounts of cfg.
func (d *directory) populate(cfg Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cfg.LDIF != nil {
		if err := d.load(cfg.LDIF); err != nil {
			return err
		}
	}
	if err := d.join(cfg.Accounts); err != nil {
		return fmt.Errorf("adtest: accounts: %w", err)
	}
	return nil
}

// plant creates the default tree.
func (d *directory) plant() error {
	root := &node{rdn: d.base[0], guid: d.newObjectGUID(GUID{}, rdn{"DC", d.domain}), rdnType: d.types["dc"]}
	root.nc = root
	rec := &record{}
	opt := writeOptions{direct: true}
	err := d.fill(root, rec, Attrs{
		"objectClass": {"domainDNS"}, "objectSid": {d.sid}, "maxPwdAge": {"-36288000000000"}, "minPwdAge": {"-864000000000"}, "minPwdLength": {"7"},
		"pwdHistoryLength": {"24"}, "pwdProperties": {"1"}, "lockoutThreshold": {itoa(d.lockout)}, "lockoutDuration": {"-18000000000"},
		"lockOutObservationWindow": {"-18000000000"}, "msDS-Behavior-Version": {"7"}, "nTMixedDomain": {"0"}, "isCriticalSystemObject": {"TRUE"},
		"objectCategory": {d.category("domainDNS")},
	}, opt)
	if err != nil {
		return err
	}
	var wk []string
	for _, g := range slices.Sorted(maps.Keys(wellKnown)) {
		wk = append(wk, "B:32:"+strings.ToUpper(g)+":"+wellKnown[g]+","+d.baseDN)
	}
	rec.attrs = append(rec.attrs, attr{typ: d.types["wellknownobjects"], vals: pack(wk...)})
	d.root = root
	d.dnt++
	root.dnt = d.dnt
	d.byGUID[root.guid] = root
	d.order.insert(root)
	root.created, root.born = d.seq+1, d.now().Unix()
	d.commit(root, rec, true)

	g := &gardener{d: d}
	container := Attrs{"objectClass": {"container"}}
	critical := Attrs{"objectClass": {"container"}, "isCriticalSystemObject": {"TRUE"}}
	g.grave("CN=Deleted Objects")
	g.add("CN=Users", critical)
	g.add("CN=Computers", critical)
	g.add("OU=Domain Controllers", Attrs{"objectClass": {"organizationalUnit"}, "isCriticalSystemObject": {"TRUE"}})
	g.add("CN=System", critical)
	g.add("CN=LostAndFound", Attrs{"objectClass": {"lostAndFound"}, "isCriticalSystemObject": {"TRUE"}})
	g.add("CN=ForeignSecurityPrincipals", critical)
	g.add("CN=Infrastructure", Attrs{"objectClass": {"infrastructureUpdate"}, "isCriticalSystemObject": {"TRUE"}})
	g.add("CN=RID Manager$,CN=System", Attrs{"objectClass": {"rIDManager"}, "isCriticalSystemObject": {"TRUE"}})
	g.add("CN=Builtin", Attrs{"objectClass": {"builtinDomain"}, "isCriticalSystemObject": {"TRUE"}})
	group := func(dn, sid string, kind string) {
		g.add(dn, Attrs{"objectClass": {"group"}, "objectSid": {sid}, "sAMAccountName": {strings.TrimPrefix(dn[:strings.Index(dn, ",")], "CN=")}, "groupType": {kind}, "isCriticalSystemObject": {"TRUE"}})
	}
	group("CN=Administrators,CN=Builtin", mustSID("S-1-5-32-544"), "-2147483643")
	group("CN=Users,CN=Builtin", mustSID("S-1-5-32-545"), "-2147483643")
	group("CN=Domain Admins,CN=Users", d.sidFor(512), "-2147483646")
	group("CN=Domain Users,CN=Users", d.sidFor(513), "-2147483646")
	group("CN=Domain Computers,CN=Users", d.sidFor(515), "-2147483646")
	group("CN=Domain Controllers,CN=Users", d.sidFor(516), "-2147483646")
	g.member("CN=Administrators,CN=Builtin", "CN=Domain Admins,CN=Users")
	g.member("CN=Users,CN=Builtin", "CN=Domain Users,CN=Users")

	g.add("CN=Configuration", Attrs{"objectClass": {"configuration"}, "isCriticalSystemObject": {"TRUE"}})
	g.grave("CN=Deleted Objects,CN=Configuration")
	g.add("CN=Sites,CN=Configuration", Attrs{"objectClass": {"sitesContainer"}})
	g.add("CN=Default-First-Site-Name,CN=Sites,CN=Configuration", Attrs{"objectClass": {"site"}})
	g.add("CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration", Attrs{"objectClass": {"serversContainer"}})
	g.add("CN=Services,CN=Configuration", container)
	g.add("CN=Windows NT,CN=Services,CN=Configuration", container)
	g.add("CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration", Attrs{"objectClass": {"nTDSService"}})
	g.add("CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration", container)
	g.add("CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration", Attrs{"objectClass": {"queryPolicy"}})
	g.add("CN=Partitions,CN=Configuration", Attrs{"objectClass": {"crossRefContainer"}, "msDS-Behavior-Version": {"7"}})
	g.add("CN="+d.netBIOS+",CN=Partitions,CN=Configuration", Attrs{"objectClass": {"crossRef"}, "nCName": {d.baseDN}, "nETBIOSName": {d.netBIOS}, "dnsRoot": {d.domain}, "systemFlags": {"3"}})
	g.add("CN=Schema,CN=Configuration", Attrs{"objectClass": {"dMD"}, "objectVersion": {"69"}, "isCriticalSystemObject": {"TRUE"}})
	g.context("CN=Configuration")
	g.context("CN=Schema,CN=Configuration")
	g.schema()
	if g.err != nil {
		return g.err
	}
	return nil
}

// gardener adds objects below the domain until the first error.
type gardener struct {
	d   *directory
	err *Error
}

func (g *gardener) add(name string, attrs Attrs) *node {
	if g.err != nil {
		return nil
	}
	if n, err := g.d.find(name + "," + g.d.baseDN); err == nil { // a further server that an LDIF file had already
		return n
	}
	n, err := g.d.addObject(&system, name+","+g.d.baseDN, attrs, writeOptions{direct: true})
	if err != nil {
		g.err = refuse(err.Code, "%s: %s", name, err.Message)
	}
	return n
}

func (g *gardener) grave(name string) {
	if n := g.add(name, Attrs{"objectClass": {"container"}, "isCriticalSystemObject": {"TRUE"}}); n != nil {
		n.graveyard = true
	}
}

func (g *gardener) member(group, member string) {
	if g.err != nil {
		return
	}
	n, err := g.d.find(group + "," + g.d.baseDN)
	if err == nil {
		err = g.d.modify(&system, n, []Change{{AddValues, "member", []string{member + "," + g.d.baseDN}}}, writeOptions{direct: true})
	}
	g.err = err
}

// context makes an object and what is below it a naming context of its own.
func (g *gardener) context(name string) {
	if g.err != nil {
		return
	}
	n, err := g.d.find(name + "," + g.d.baseDN)
	if err != nil {
		g.err = err
		return
	}
	for _, m := range g.d.order.nodes {
		if m != nil && m.isBelow(n) {
			m.nc = n
		}
	}
}

// schema adds an attributeSchema object for every attribute, the subschema, and a classSchema object
// for the classes of which the schemaIDGUID matters. It builds the attributes by hand, because they
// are most of what a small test pays for when it starts a server.
func (g *gardener) schema() {
	if g.err != nil {
		return
	}
	d := g.d
	container, err := d.find("CN=Schema,CN=Configuration," + d.baseDN)
	if err != nil {
		g.err = err
		return
	}
	class, category := pack("top", "attributeSchema"), pack(d.category("attributeSchema"))
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(d.types)) {
		t := d.types[name]
		oid := "1.3.6.1.4.1.99999." + itoa(len(lines)+1) // a private number: real OIDs are not modelled
		rec := &record{attrs: make([]attr, 0, 12)}
		put := func(name, value string) {
			rec.attrs = append(rec.attrs, attr{typ: d.types[name], vals: pack(value)})
		}
		rec.attrs = append(rec.attrs, attr{typ: d.types["objectclass"], vals: class})
		put("attributeid", oid)
		if t.propertySet != (GUID{}) {
			put("attributesecurityguid", t.propertySet.Raw())
		}
		put("attributesyntax", syntaxOIDs[t.syntax].attributeSyntax)
		put("ismemberofpartialattributeset", upperBool(t.gc))
		put("issinglevalued", upperBool(t.single))
		put("ldapdisplayname", t.name)
		if t.linkID != 0 {
			put("linkid", itoa(t.linkID))
		}
		rec.attrs = append(rec.attrs, attr{typ: d.types["objectcategory"], vals: category})
		put("omsyntax", syntaxOIDs[t.syntax].omSyntax)
		if t.max > 0 {
			put("rangeupper", itoa(t.max))
		}
		put("schemaidguid", t.schemaID.Raw())
		put("searchflags", itoa(boolInt(t.index)|boolInt(t.tombstone)<<3))
		if flags := boolInt(notReplicated[name]) | boolInt(t.constructed)<<2; flags != 0 {
			put("systemflags", itoa(flags))
		}
		d.insert(&node{rdn: rdn{"CN", t.name}, rdnType: d.types["cn"], nc: container, guid: d.newObjectGUID(container.guid, rdn{"CN", t.name})}, container, rec)
		single := ""
		if t.single {
			single = " SINGLE-VALUE"
		}
		lines = append(lines, "( "+oid+" NAME '"+t.name+"'"+single+" )")
	}
	g.add("CN=Aggregate,CN=Schema,CN=Configuration", Attrs{"objectClass": {"subSchema"}, "attributeTypes": lines})
	for i, name := range slices.Sorted(maps.Keys(classIDs)) {
		id, _ := ParseGUID(classIDs[name])
		g.add("CN="+name+",CN=Schema,CN=Configuration", Attrs{
			"objectClass": {"classSchema"}, "lDAPDisplayName": {name}, "schemaIDGUID": {id.Raw()}, "governsID": {"1.3.6.1.4.1.99999.0." + itoa(i+1)},
		})
	}
}

func upperBool(b bool) string {
	if b {
		return "TRUE"
	}
	return "FALSE"
}

// addServer creates the objects of one domain controller. The caller holds mu for writing.
func (d *directory) addServer(s *Server, firstUSN int64) error {
	if firstUSN <= 0 {
		firstUSN = defaultFirstUSN
	}
	s.usnOffset = firstUSN
	if len(d.servers) > 0 {
		s.usnOffset -= d.seq // a new domain controller counts from its own start
	}
	g := &gardener{d: d}
	name := rdn{"CN", s.name}.String()
	host := s.name + "." + d.domain
	server := name + ",CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration"
	computer := g.add(rdn{"CN", strings.ToUpper(s.name)}.String()+",OU=Domain Controllers", Attrs{"objectClass": {"computer"}, "sAMAccountName": {strings.ToUpper(s.name) + "$"},
		"userAccountControl": {"532480"}, "primaryGroupID": {"516"}, "dNSHostName": {host}, "operatingSystem": {"Windows Server 2022 Standard"},
		"operatingSystemVersion": {"10.0 (20348)"}, "servicePrincipalName": {"ldap/" + host}, "isCriticalSystemObject": {"TRUE"}})
	if g.err == nil {
		g.add(server, Attrs{"objectClass": {"server"}, "dNSHostName": {host}, "serverReference": {d.dn(computer)}})
	}
	settings := g.add("CN=NTDS Settings,"+server, Attrs{"objectClass": {"nTDSDSA"}, "options": {"1"}, "hasMasterNCs": {d.baseDN}, "msDS-HasDomainNCs": {d.baseDN}})
	if g.err != nil {
		return g.err
	}
	s.settings = settings.guid
	if err := d.setSystem(settings, "invocationId", guidFor("invocation", d.domain, s.name).Raw()); err != nil {
		return err
	}
	if len(d.servers) == 0 {
		for _, role := range []string{"", "CN=Infrastructure", "CN=RID Manager$,CN=System", "CN=Partitions,CN=Configuration", "CN=Schema,CN=Configuration"} {
			dn := strings.TrimPrefix(role+","+d.baseDN, ",")
			n, err := d.find(dn)
			if err == nil {
				err = d.setSystem(n, "fSMORoleOwner", d.dn(settings))
			}
			if err != nil {
				return err
			}
		}
		policy, err := d.find("CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration," + d.baseDN)
		if err == nil {
			err = d.setSystem(policy, "lDAPAdminLimits", "MaxPageSize="+itoa(s.maxPage), "MaxValRange="+itoa(s.maxRange), "MaxNotificationPerConn="+itoa(maxNotifications))
		}
		if err != nil {
			return err
		}
	}
	d.servers = append(d.servers, s)
	return nil
}

// setSystem replaces an attribute past all checks. The caller holds mu for writing.
func (d *directory) setSystem(n *node, name string, values ...string) *Error {
	if n == nil {
		return noSuchObject(d.baseDN)
	}
	t := d.types[strings.ToLower(name)]
	rec := &record{attrs: slices.Clone(n.rec.attrs), named: n.rec.named}
	p := pack(values...)
	if i := slices.IndexFunc(rec.attrs, func(a attr) bool { return a.typ == t }); i >= 0 {
		rec.attrs[i].vals = p
	} else {
		rec.attrs = append(rec.attrs, attr{typ: t, vals: p})
	}
	return d.commitIfChanged(n, rec)
}
