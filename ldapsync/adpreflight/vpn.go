package adpreflight

import (
	"net/netip"
	"strconv"
	"strings"
)

// VPN is the definition of the site-to-site connection: what the service demands, or what the organisation has
// answered. Empty fields are unanswered.
type VPN struct {
	IKE     string `json:"ike,omitempty"`     // "IKEv2"
	Gateway string `json:"gateway,omitempty"` // the service's public address
	// OnPremisesRange is the organisation's network of the edge domain controller. In a Service it is the range
	// from which it must come, and RangeBits the prefix length it must have.
	OnPremisesRange string `json:"onPremisesRange,omitempty"`
	RangeBits       int    `json:"rangeBits,omitempty"`
	Encryption      string `json:"encryption,omitempty"`      // phase 1: "AES256"
	Hash            string `json:"hash,omitempty"`            // phase 1: "SHA256"
	DHGroup         string `json:"dhGroup,omitempty"`         // "14"
	Lifetime        int    `json:"lifetimeSeconds,omitempty"` // of the security association
	PFS             string `json:"pfs,omitempty"`             // phase 2: "none"
	KeyLength       int    `json:"keyLength,omitempty"`       // characters of the pre-shared key; the key itself is never asked for
	BGP             *bool  `json:"bgp,omitempty"`
	Route           string `json:"route,omitempty"` // the service's network
}

func (v VPN) route() (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(v.Route)
	return p, err == nil
}

func mustAddr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s) // Config was checked; the zero Addr is in no range
	return a
}

const sourceVPN = "operations guide 7.4 (table 3)"

func vpnSpecs(cfg Config) []spec {
	want, have := cfg.Service.VPN, cfg.Answers.VPN
	text := func(id, title, want, have string, custom bool) spec {
		return spec{"vpn." + id, title, sourceVPN, false, func(*runner) verdict { return compare(want, have, custom) }}
	}
	flag := func(b *bool) string {
		if b == nil {
			return ""
		}
		return strconv.FormatBool(*b)
	}
	return []spec{
		text("ike", "the key exchange", want.IKE, have.IKE, false),
		text("gateway", "the gateway of the service", want.Gateway, have.Gateway, false),
		{"vpn.range", "the organisation's network behind the tunnel", "operations guide 7.3, 7.4 (table 3)", false, func(r *runner) verdict { return vpnRange(want, have, r.cfg.DCAddress) }},
		text("encryption", "phase 1 encryption", want.Encryption, have.Encryption, true),
		text("hash", "phase 1 hash", want.Hash, have.Hash, true),
		text("dh-group", "the Diffie-Hellman group", want.DHGroup, have.DHGroup, true),
		text("lifetime", "the lifetime of the security association in seconds", number(want.Lifetime), number(have.Lifetime), true),
		text("pfs", "phase 2 perfect forward secrecy", want.PFS, have.PFS, true),
		text("key-length", "the length of the pre-shared key in characters", number(want.KeyLength), number(have.KeyLength), false),
		text("bgp", "route exchange by BGP", flag(want.BGP), flag(have.BGP), false),
		text("route", "the route to the service", want.Route, have.Route, false),
	}
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// compare checks one answer. The table allows other values than its own in some rows ("or custom").
func compare(want, have string, custom bool) verdict {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	switch {
	case want == "":
		return notApplicable("the service does not say")
	case have == "":
		return notTried("no answer was given; expected is %s", want)
	case plain(want) == plain(have), strings.TrimPrefix(plain(have), "group") == plain(want), strings.TrimSuffix(plain(have), "bit") == plain(want):
		return pass("%s", have)
	case custom:
		return warn("agree the other value with the service in writing: both ends must be the same", "%s instead of %s", have, want)
	}
	return fail("change it to "+want, "%s instead of %s", have, want)
}

func vpnRange(want, have VPN, dc string) verdict {
	if want.OnPremisesRange == "" {
		return notApplicable("the service does not say")
	}
	if have.OnPremisesRange == "" {
		return notTried("no answer was given; expected is a /%d in %s", want.RangeBits, want.OnPremisesRange)
	}
	inside, err := netip.ParsePrefix(have.OnPremisesRange)
	if err != nil {
		return fail("write it as address and prefix length, such as 192.168.92.40/29", "%q is no address range", have.OnPremisesRange)
	}
	outer, err := netip.ParsePrefix(want.OnPremisesRange)
	if err != nil {
		return notTried("the service's range: %v", err)
	}
	route, routed := want.route()
	switch {
	case inside != inside.Masked():
		return fail("use "+inside.Masked().String(), "%s is an address in a network, not the network", inside)
	case inside.Bits() != want.RangeBits && want.RangeBits != 0:
		return fail("use a /"+strconv.Itoa(want.RangeBits), "%s is not a /%d", inside, want.RangeBits)
	case !outer.Overlaps(inside) || inside.Bits() < outer.Bits():
		return fail("use a network in "+outer.String(), "%s is not in %s", inside, outer)
	case routed && route.Overlaps(inside):
		return fail("use another network", "%s is part of the service's own network %s", inside, route)
	case dc != "" && !inside.Contains(mustAddr(dc)):
		return fail("put the domain controller into the network, or correct the answer", "the domain controller %s is not in %s", dc, inside)
	case dc == "":
		return pass("%s; the domain controller's address was not given", inside)
	}
	return pass("%s, with the domain controller %s", inside, dc)
}
