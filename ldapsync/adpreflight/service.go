package adpreflight

import (
	"fmt"
	"net/netip"
	"slices"
)

// A Service is the other end: the forest that is trusted, its hosts, the ports they use and the tenant. It is
// data, so that an installation that is not the guide's own can be described in a file.
type Service struct {
	TrustPartner  string     `json:"trustPartner"`  // DNS name of the trusted domain
	TrustFlatName string     `json:"trustFlatName"` // its NetBIOS name
	Account       string     `json:"account"`       // that reads, as DOMAIN\name
	TenantID      string     `json:"tenantId"`
	TenantName    string     `json:"tenantName"` // the domain that device registration asks for
	Hosts         []Host     `json:"hosts"`
	Ports         []PortRule `json:"ports"`
	VPN           VPN        `json:"vpn"`
}

// A Host is a machine of the service.
type Host struct {
	Address string `json:"address"`        // IP address
	Name    string `json:"name,omitempty"` // DNS name, if the organisation must be able to resolve it
	// DomainController says that it answers on every port of the firewall table. A host that does not is only known
	// to open connections: silence from it proves nothing.
	DomainController bool `json:"domainController,omitempty"`
}

// A PortRule is a row of the firewall table: ports that are open in both directions between the hosts and the edge
// domain controller.
type PortRule struct {
	ID      string   `json:"id"`      // in check IDs: "ldap"
	Service string   `json:"service"` // as the table names it
	TCP     []uint16 `json:"tcp,omitempty"`
	UDP     []uint16 `json:"udp,omitempty"`     // only DNS (53) can be tried
	Dynamic []uint16 `json:"dynamic,omitempty"` // first and last port of a range from which RPC assigns one
	Hosts   []string `json:"hosts"`             // addresses
}

// OperationsGuide returns the values the operations guide gives for its own service: sections 7.3 (table 2), 7.4
// (table 3), 7.5.1.2 (table 4), 7.6, 7.7 (table 5) and 7.9. They are a preset: nothing in this package depends on
// them.
func OperationsGuide() Service {
	controllers := []string{"192.168.88.132", "192.168.90.132"}
	all := []string{"192.168.88.132", "192.168.90.132", "192.168.88.133", "192.168.90.133"}
	return Service{
		TrustPartner: "infraservices.net", TrustFlatName: "INFRASERVICES", Account: `INFRASERVICES\svc-sync-eng`,
		TenantID: "37c354b2-85b0-47f5-b222-07b48d774ee3", TenantName: "NHS.net",
		Hosts: []Host{
			{Address: "192.168.88.132", Name: "ems-infra-ad01.infraservices.net", DomainController: true},
			{Address: "192.168.90.132", DomainController: true},
			{Address: "192.168.88.133", Name: "ems-infra-se01.infraservices.net"},
			{Address: "192.168.90.133"},
		},
		Ports: []PortRule{
			{ID: "ldap", Service: "LDAP", TCP: []uint16{389, 636}, Hosts: all},
			{ID: "dns", Service: "DNS", TCP: []uint16{53}, UDP: []uint16{53}, Hosts: controllers},
			{ID: "gc", Service: "LDAP/GC", TCP: []uint16{3268, 3269}, Hosts: all},
			{ID: "kerberos", Service: "Kerberos", TCP: []uint16{88}, Hosts: controllers},
			{ID: "rpc", Service: "RPC endpoint mapper", TCP: []uint16{135}, Hosts: controllers},
			{ID: "smb", Service: "SMB", TCP: []uint16{445}, Hosts: controllers},
			{ID: "rpc-dynamic", Service: "high RPC ports", Dynamic: []uint16{49152, 65535}, Hosts: controllers},
		},
		VPN: VPN{
			IKE: "IKEv2", Gateway: "20.117.129.167", OnPremisesRange: "192.168.0.0/16", RangeBits: 29, Encryption: "AES256", Hash: "SHA256",
			DHGroup: "14", Lifetime: 27000, PFS: "none", KeyLength: 32, BGP: new(bool), Route: "192.168.88.0/24",
		},
	}
}

// host returns what is known of an address.
func (s Service) host(address string) Host {
	for _, h := range s.Hosts {
		if h.Address == address {
			return h
		}
	}
	return Host{Address: address}
}

// dnsServers are the hosts that answer DNS questions.
func (s Service) dnsServers() []string {
	for _, p := range s.Ports {
		if slices.Contains(p.UDP, 53) || slices.Contains(p.TCP, 53) {
			return p.Hosts
		}
	}
	return nil
}

func (s Service) check() error {
	for i, h := range s.Hosts {
		if _, err := netip.ParseAddr(h.Address); err != nil {
			return &ConfigError{fmt.Sprintf("Service.Hosts[%d].Address", i), fmt.Sprintf("%.60q is not an IP address", h.Address)}
		}
	}
	seen := map[string]bool{}
	for i, p := range s.Ports {
		field := fmt.Sprintf("Service.Ports[%d]", i)
		if p.ID == "" || seen[p.ID] {
			return &ConfigError{field + ".ID", "must be there, and different in every rule"}
		}
		seen[p.ID] = true
		if len(p.Dynamic) != 0 && (len(p.Dynamic) != 2 || p.Dynamic[0] > p.Dynamic[1]) {
			return &ConfigError{field + ".Dynamic", "is the first and the last port of a range"}
		}
		for _, a := range p.Hosts {
			if _, err := netip.ParseAddr(a); err != nil {
				return &ConfigError{field + ".Hosts", fmt.Sprintf("%.60q is not an IP address", a)}
			}
		}
	}
	for field, v := range map[string]string{"OnPremisesRange": s.VPN.OnPremisesRange, "Route": s.VPN.Route} {
		if _, err := netip.ParsePrefix(v); v != "" && err != nil {
			return &ConfigError{"Service.VPN." + field, fmt.Sprintf("%.60q is not an address range such as 192.168.92.40/29", v)}
		}
	}
	return nil
}
