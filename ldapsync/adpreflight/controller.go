package adpreflight

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

func controllerSpecs() []spec {
	return []spec{
		{"dc.answers", "the domain controller answers over LDAP", "operations guide 5.2.2", false, (*runner).answers},
		{"dc.name", "it is the agreed domain controller", "operations guide 5.2.2, 7.5", false, withRoot((*runner).agreedName)},
		{"dc.affiliation", "its database is the one that was looked at before", "[MS-ADTS] 3.1.1.1.9 (invocationId)", false, withRoot((*runner).affiliation)},
		{"dc.global-catalog", "it is a Global Catalog and ready", "operations guide 5.2.2, 7.5; [MS-ADTS] 3.1.1.3.2 (rootDSE)", false, withRoot((*runner).globalCatalog)},
		{"dc.synchronized", "it has finished its initial replication", "operations guide 7.5; [MS-ADTS] 3.1.1.3.2 (rootDSE)", false, withRoot((*runner).synchronized)},
		{"dc.clock", "its clock is right", "Kerberos (RFC 4120 section 1.6): clocks within five minutes", false, withRoot((*runner).clock)},
		{"dc.dedicated", "there are other domain controllers for the rest of the organisation", "operations guide 5.2.2, 7.5", false, withRoot((*runner).dedicated)},
		{"dc.replication", "it replicates with an internal domain controller", "operations guide 7.5", false, withRoot((*runner).replication)},
	}
}

func (r *runner) answers() verdict {
	root, err := r.rootDSE()
	switch {
	case errors.Is(err, errNoDirectory):
		return notTried("%s", err)
	case r.ctx.Err() != nil:
		return notTried("the time was over before it answered")
	case errors.Is(err, ldapsync.ErrCredentials):
		return fail("correct the name or the password; do not try again with the same, which could lock the account out", "%v", err)
	case err != nil:
		return fail("check the address, that LDAPS (636) or StartTLS (389) is open from here, and the certificate", "%v", err)
	}
	return pass("%s, domain %s, functional level %s", one(root.attrs, "dnsHostName"), one(root.attrs, "defaultNamingContext"), one(root.attrs, "domainFunctionality"))
}

func (r *runner) agreedName(root entry) verdict {
	have := one(root.attrs, "dnsHostName")
	switch {
	case r.cfg.DCName == "":
		return notApplicable("no name was agreed; %s answered", have)
	case sameName(have, r.cfg.DCName):
		return pass("%s answered", have)
	}
	return fail("connect to "+r.cfg.DCName+" itself, not to a name that stands for several domain controllers",
		"%s answered where %s was agreed", have, r.cfg.DCName)
}

// affiliation notices a domain controller that was restored from a backup or made anew under the old name: what was
// remembered of its change numbers is then worth nothing.
func (r *runner) affiliation(root entry) verdict {
	f := r.get(one(root.attrs, "dsServiceName"), "invocationId")
	if f.err != nil {
		return unread("the NTDS Settings of the domain controller", f.err)
	}
	id, err := ldapsync.GUIDFromBytes([]byte(one(f.attrs, "invocationId")))
	switch {
	case err != nil:
		return notTried("invocationId: %v", err)
	case r.cfg.Invocation.IsZero():
		return notApplicable("nothing is known of earlier; invocationId is %s", id)
	case id != r.cfg.Invocation:
		return warn("let the next synchronisation read everything; find out who restored or replaced the domain controller",
			"invocationId is %s, and was %s: the database was restored or replaced", id, r.cfg.Invocation)
	}
	return pass("invocationId is still %s", id)
}

func (r *runner) globalCatalog(root entry) verdict {
	if v := one(root.attrs, "isGlobalCatalogReady"); v != "TRUE" {
		return fail("tick Global Catalog in the NTDS Settings of the domain controller (Active Directory Sites and Services) and wait for event 1119",
			"isGlobalCatalogReady is %s", orAbsent(v))
	}
	return pass("isGlobalCatalogReady is TRUE")
}

func (r *runner) synchronized(root entry) verdict {
	if v := one(root.attrs, "isSynchronized"); v != "TRUE" {
		return fail("repair replication before anything is synchronised from here: repadmin /showrepl, dcdiag /test:replications",
			"isSynchronized is %s: what this domain controller holds may be old or incomplete", orAbsent(v))
	}
	return pass("isSynchronized is TRUE")
}

func orAbsent(v string) string {
	if v == "" {
		return "absent"
	}
	return v
}

func (r *runner) clock(root entry) verdict {
	v := one(root.attrs, "currentTime")
	if v == "" {
		return notTried("the domain controller does not say its time (currentTime)")
	}
	theirs, err := ldapsync.ParseGeneralizedTime(v)
	if err != nil {
		return notTried("currentTime: %v", err)
	}
	skew := theirs.Sub(r.cfg.Now()).Round(time.Second)
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	if skew.Abs() > r.cfg.MaxSkew {
		return fail("correct the time source: w32tm /query /status on the domain controller and on the PDC emulator; and the clock here",
			"the domain controller is %v %s the clock here; Kerberos refuses more than %v", skew.Abs(), word, r.cfg.MaxSkew)
	}
	return pass("%v %s the clock here", skew.Abs(), word)
}

// A controller is an nTDSDSA object: one domain controller.
type controller struct {
	settings string // DN of the NTDS Settings object
	host     string // dNSHostName of the server object above it
	gc       bool   // options bit 0, NTDSDSA_OPT_IS_GC ([MS-ADTS] 6.1.1.2.2.1.2.1.1)
	computer string // serverReference of the server object
	sources  []string
}

func (c controller) name() string {
	if c.host != "" {
		return c.host
	}
	return c.settings
}

// topologyData is what the configuration naming context says of domains and domain controllers.
type topologyData struct {
	controllers []controller
	domains     []string // DNS names of the forest's domains
	err         error
}

func (r *runner) topologyOf(root entry) *topologyData {
	if r.topology != nil {
		return r.topology
	}
	t := &topologyData{}
	r.topology = t
	config := one(root.attrs, "configurationNamingContext")
	all, err := r.search("CN=Sites,"+config, 2, "(|(objectClass=nTDSDSA)(objectClass=server)(objectClass=nTDSConnection))",
		"objectClass", "options", "dNSHostName", "serverReference", "fromServer")
	if err != nil {
		t.err = err
		return t
	}
	parent := func(dn string) string {
		d, err := ldapsync.ParseDN(dn)
		if err != nil {
			return ""
		}
		return d.Parent().Key()
	}
	key := func(dn string) string {
		d, err := ldapsync.ParseDN(dn)
		if err != nil {
			return strings.ToLower(dn)
		}
		return d.Key()
	}
	servers := map[string]entry{}
	sources := map[string][]string{}
	for _, e := range all {
		switch {
		case slices.Contains(e.attrs["objectclass"], "server"):
			servers[key(e.dn)] = e
		case slices.Contains(e.attrs["objectclass"], "nTDSConnection"):
			sources[parent(e.dn)] = append(sources[parent(e.dn)], one(e.attrs, "fromServer"))
		}
	}
	for _, e := range all {
		if !slices.Contains(e.attrs["objectclass"], "nTDSDSA") {
			continue
		}
		options, _ := strconv.ParseInt(one(e.attrs, "options"), 10, 64)
		server := servers[parent(e.dn)]
		t.controllers = append(t.controllers, controller{settings: e.dn, host: one(server.attrs, "dNSHostName"), gc: options&1 != 0,
			computer: one(server.attrs, "serverReference"), sources: sources[key(e.dn)]})
	}
	slices.SortFunc(t.controllers, func(a, b controller) int { return strings.Compare(a.name(), b.name()) })
	refs, err := r.search("CN=Partitions,"+config, 1, "(&(objectClass=crossRef)(nETBIOSName=*))", "dnsRoot")
	if err != nil {
		t.err = err
		return t
	}
	for _, e := range refs {
		t.domains = append(t.domains, one(e.attrs, "dnsRoot"))
	}
	slices.Sort(t.domains)
	return t
}

// controllerAt returns the domain controller with these NTDS Settings.
func (t *topologyData) controllerAt(settings string) (controller, bool) {
	for _, c := range t.controllers {
		if sameDN(c.settings, settings) {
			return c, true
		}
	}
	return controller{}, false
}

func (r *runner) dedicated(root entry) verdict {
	t := r.topologyOf(root)
	switch {
	case t.err != nil:
		return unread("CN=Sites", t.err)
	case len(t.controllers) == 0:
		return notTried("no domain controller is visible below CN=Sites")
	case len(t.controllers) == 1:
		return warn("promote a domain controller in the isolated VLAN that serves nothing else",
			"%s is the only domain controller of the forest: it is not dedicated", t.controllers[0].name())
	}
	return pass("the forest has %d domain controllers; whether this one serves nothing else is not visible over LDAP", len(t.controllers)).with(names(t.controllers)...)
}

func names(cs []controller) []string {
	var out []string
	for _, c := range cs {
		kind := ""
		if c.gc {
			kind = ", Global Catalog"
		}
		out = append(out, c.name()+kind)
	}
	return out
}

func (r *runner) replication(root entry) verdict {
	t := r.topologyOf(root)
	if t.err != nil {
		return unread("CN=Sites", t.err)
	}
	own, ok := t.controllerAt(one(root.attrs, "dsServiceName"))
	switch {
	case !ok:
		return notTried("the NTDS Settings of this domain controller are not visible")
	case len(t.controllers) == 1:
		return notApplicable("there is only one domain controller")
	case len(own.sources) == 0:
		return warn("check the site link of the isolated VLAN's site and that the knowledge consistency checker makes connections: repadmin /kcc, repadmin /showrepl",
			"%s has no inbound replication connection (nTDSConnection)", own.name())
	}
	var from []string
	for _, s := range own.sources {
		if c, ok := t.controllerAt(s); ok {
			s = c.name()
		}
		from = append(from, "from "+s)
	}
	slices.Sort(from)
	return pass("%s; when it last succeeded is not visible to an ordinary account", plural(len(from), "inbound replication connection")).with(from...)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
