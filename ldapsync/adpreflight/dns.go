package adpreflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

func dnsSpecs(cfg Config) []spec {
	return []spec{
		{"dns.forwarder", "questions for " + orText(cfg.Service.TrustPartner, "the trusted domain") + " are forwarded, and the forwarder is stored in the directory", "operations guide 7.5.1.2", false, withRoot((*runner).forwarder)},
		{"dns.names", "the domain controller resolves the names of the service", "operations guide 7.5.1.2 (table 4)", true, (*runner).resolves},
	}
}

// forwarder looks for the zone where directory-integrated DNS stores zones ([MS-DNSP] 2.3): in the application
// partitions that the domain controller holds, and in the System container.
func (r *runner) forwarder(root entry) verdict {
	s := r.cfg.Service
	if s.TrustPartner == "" {
		return notApplicable("no trusted domain is named")
	}
	places := []string{"CN=MicrosoftDNS,CN=System," + one(root.attrs, "defaultNamingContext")}
	for _, nc := range root.attrs["namingcontexts"] {
		d, err := ldapsync.ParseDN(nc)
		if typ, _ := d.RDN(); err == nil && strings.EqualFold(typ, "DC") && !sameDN(nc, one(root.attrs, "defaultNamingContext")) {
			places = append(places, "CN=MicrosoftDNS,"+nc)
		}
	}
	looked := 0
	for _, p := range places {
		zones, err := r.search(p, 1, "(&(objectClass=dnsZone)(name="+escapeFilter(s.TrustPartner)+"))", "dNSProperty")
		switch {
		case errors.Is(err, ldapsync.ErrNotFound):
			continue
		case err != nil:
			return unread(p, err)
		}
		looked++
		if len(zones) > 0 {
			return r.zone(zones[0])
		}
	}
	if looked == 0 {
		return notTried("this domain controller holds no DNS zones that the account can see")
	}
	return fail("Add-DnsServerConditionalForwarderZone -Name "+s.TrustPartner+" -MasterServers "+strings.Join(s.dnsServers(), ",")+" -ReplicationScope Forest",
		"no zone %s is stored in the directory, in %s where this domain controller has zones", s.TrustPartner, plural(looked, "place"))
}

func (r *runner) zone(e entry) verdict {
	s := r.cfg.Service
	if len(e.attrs["dnsproperty"]) == 0 {
		return notTried("%s is there, but its properties cannot be read", e.dn)
	}
	z, err := ParseZone(e.attrs["dnsproperty"])
	if err != nil {
		return notTried("%s: %v", e.dn, err)
	}
	remedy := "Set-DnsServerConditionalForwarderZone -Name " + s.TrustPartner + " -MasterServers " + strings.Join(s.dnsServers(), ",")
	if z.Type != ZoneForwarder {
		return fail("remove the zone and make a conditional forwarder: "+remedy, "%s is a %s", e.dn, z.Type)
	}
	var wrong, all []string
	for _, m := range z.Masters {
		all = append(all, m.String())
		if !slices.Contains(s.dnsServers(), m.String()) {
			wrong = append(wrong, m.String())
		}
	}
	switch {
	case len(all) == 0:
		return fail(remedy, "%s names no server", e.dn)
	case len(s.dnsServers()) == 0:
		return pass("%s forwards to %s; the servers it should name were not given", e.dn, strings.Join(all, ", "))
	case len(wrong) > 0:
		return fail(remedy, "%s forwards to %s; expected are %s", e.dn, strings.Join(all, ", "), strings.Join(s.dnsServers(), ", "))
	}
	return pass("%s forwards to %s", e.dn, strings.Join(all, ", "))
}

// escapeFilter escapes a value for a filter (RFC 4515 section 3).
func escapeFilter(v string) string {
	return strings.NewReplacer(`\`, `\5c`, "*", `\2a`, "(", `\28`, ")", `\29`, "\x00", `\00`).Replace(v)
}

// resolves asks the domain controller itself, so that its forwarder answers and no other server's.
func (r *runner) resolves() verdict {
	named := slices.DeleteFunc(slices.Clone(r.cfg.Service.Hosts), func(h Host) bool { return h.Name == "" })
	switch {
	case len(named) == 0:
		return notApplicable("no names are given")
	case r.cfg.Network == nil:
		return notTried("no connection is tried")
	case r.cfg.DCAddress == "":
		return notTried("the address of the domain controller was not given")
	}
	server := net.JoinHostPort(r.cfg.DCAddress, "53")
	var details []string
	wrong, silent := 0, 0
	for _, h := range named {
		got, err := r.lookup("udp", server, h.Name)
		want, _ := netip.ParseAddr(h.Address)
		switch {
		case err == nil && slices.Contains(got, want):
			details = append(details, h.Name+": "+h.Address)
		case err == nil:
			wrong++
			details = append(details, fmt.Sprintf("%s: %v, not %s", h.Name, got, h.Address))
		case errors.Is(err, ErrNoSuchName):
			wrong++
			details = append(details, h.Name+": no such name")
		case errors.Is(err, ErrRefused):
			silent++
			details = append(details, h.Name+": refused")
		default:
			silent++
			details = append(details, h.Name+": "+r.silence(err))
		}
	}
	const remedy = "see dns.forwarder; on the domain controller: Resolve-DnsName NAME -Server localhost"
	switch {
	case silent == len(named) && r.cfg.Vantage != FromOrganisation:
		return notTried("the domain controller's DNS server does not answer from here, and this runs %s", r.where()).with(details...)
	case wrong+silent > 0:
		return fail(remedy, "%s of %d not resolved by %s", plural(wrong+silent, "name"), len(named), server).with(details...)
	}
	return pass("%s resolves %s", server, plural(len(named), "name")).with(details...)
}

func (r *runner) lookup(protocol, server, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.NetworkTimeout)
	defer cancel()
	return r.cfg.Network.Lookup(ctx, protocol, server, name)
}

func (r *runner) connect(address string) error {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.NetworkTimeout)
	defer cancel()
	return r.cfg.Network.Connect(ctx, address)
}
