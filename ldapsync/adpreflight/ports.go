package adpreflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const sourcePorts = "operations guide 7.3 (table 2)"

func portSpecs(cfg Config) []spec {
	var out []spec
	for _, p := range cfg.Service.Ports {
		title := p.Service + " (" + p.ports() + ")"
		out = append(out,
			spec{"ports." + p.ID + ".out", title + " is open from the domain controller to the service", sourcePorts, true, func(r *runner) verdict { return r.outward(p) }},
			spec{"ports." + p.ID + ".in", title + " is open from the service to the domain controller", sourcePorts, true, func(r *runner) verdict { return r.inward(p) }})
	}
	return append(out, spec{"lint.routes", "every host of the firewall table is reached by the VPN's route", "operations guide 7.3 (table 2) against 7.4 (table 3) and 7.5.1.2 (table 4)", false, (*runner).lintRoutes})
}

// ports writes what a rule opens: "TCP 389, 636".
func (p PortRule) ports() string {
	var out []string
	list := func(protocol string, ports []uint16, sep string) {
		if len(ports) == 0 {
			return
		}
		var text []string
		for _, n := range ports {
			text = append(text, strconv.Itoa(int(n)))
		}
		out = append(out, protocol+" "+strings.Join(text, sep))
	}
	list("TCP", p.TCP, ", ")
	list("TCP", p.Dynamic, "-")
	list("UDP", p.UDP, ", ")
	return strings.Join(out, " and ")
}

// An attempt is one connection or question and what came of it.
type attempt struct {
	text    string
	outcome outcome
}

type outcome uint8

const (
	open    outcome = iota
	refused         // the host answered that nothing listens
	silent          // nothing answered
	skipped         // it cannot be tried
)

// attempts tries all ports of a rule at one address, at the same time.
func (r *runner) attempts(p PortRule, addresses []string) []attempt {
	var out []attempt
	var wg sync.WaitGroup
	n := 0
	for range addresses {
		n += len(p.TCP) + len(p.UDP)
	}
	out = make([]attempt, n)
	n = 0
	for _, a := range addresses {
		for _, port := range p.TCP {
			i := n
			n++
			wg.Go(func() { out[i] = r.tryTCP(a, port) })
		}
		for _, port := range p.UDP {
			i := n
			n++
			wg.Go(func() { out[i] = r.tryUDP(a, port) })
		}
	}
	wg.Wait()
	return out
}

func (r *runner) tryTCP(host string, port uint16) attempt {
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	text := address + " TCP: "
	switch err := r.connect(address); {
	case err == nil:
		return attempt{text + "open", open}
	case errors.Is(err, ErrRefused):
		return attempt{text + "refused", refused}
	default:
		return attempt{text + r.silence(err), silent}
	}
}

// nobody is an address that no machine has: it is for documentation only (RFC 5737). Where it accepts connections as
// well, something on the way does so for everyone, such as a transparent proxy, and an open port proves nothing.
const nobody = "198.51.100.253"

// beyond tries the ports of a rule at addresses on the other side of the VPN. The verdict is for the case that nobody's
// address accepts connections, too. Where it refuses them, refusals do not show that a host was reached.
func (r *runner) beyond(p PortRule, addresses []string) (tries []attempt, rejects bool, v verdict, ok bool) {
	all := r.attempts(p, append(slices.Clone(addresses), nobody))
	tried := len(addresses) * (len(p.TCP) + len(p.UDP))
	for _, a := range all[tried:] {
		if a.outcome == open {
			v := notTried("something on the way answers for everyone, so that an open port proves nothing: %s, an address that no machine has (RFC 5737)", a.text)
			v.remedy = "run it where no proxy intercepts connections"
			return nil, false, v, false
		}
		rejects = rejects || a.outcome == refused
	}
	return all[:tried], rejects, verdict{}, true
}

// silence says how nothing answered.
func (r *runner) silence(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("no answer in %v", r.cfg.NetworkTimeout)
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err // without the port of this side, which differs every time
	}
	return "no answer: " + err.Error()
}

// tryUDP can only try DNS, because nothing else answers a stranger's datagram. Any answer is an open port.
func (r *runner) tryUDP(host string, port uint16) attempt {
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	text := address + " UDP: "
	if port != 53 {
		return attempt{text + "cannot be tried without speaking the service's protocol", skipped}
	}
	name := orText(r.cfg.Service.TrustPartner, "localhost")
	switch _, err := r.lookup("udp", address, name); {
	case err == nil, errors.Is(err, ErrNoSuchName):
		return attempt{text + "answers DNS questions", open}
	case errors.Is(err, ErrRefused):
		return attempt{text + "refused", refused}
	default:
		return attempt{text + r.silence(err), silent}
	}
}

func (r *runner) unable(p PortRule) (verdict, bool) {
	switch {
	case len(p.Dynamic) > 0:
		v := notTried("RPC assigns a port of the range when it is asked; a closed one is silent behind the Windows firewall, so that trying single ports proves nothing")
		v.remedy = "portqry -n HOST -e 135 lists the assigned ports; then try one of them"
		return v, false
	case len(p.Hosts) == 0:
		return notApplicable("the table names no host"), false
	case r.cfg.Network == nil:
		return notTried("no connection is tried"), false
	}
	return verdict{}, true
}

const openFirewall = "open the port in the organisation's firewall and in the Windows firewall, in both directions; check the VPN's route and that the tunnel is up"

func (r *runner) outward(p PortRule) verdict {
	if v, ok := r.unable(p); !ok {
		return v
	}
	if r.cfg.Vantage != FromOrganisation {
		v := notTried("it can be tried from the domain controller or its VLAN only, and this runs %s", r.where())
		v.remedy = "on the domain controller: Test-NetConnection " + p.Hosts[0] + " -Port PORT"
		return v
	}
	tried, rejects, v, ok := r.beyond(p, p.Hosts)
	if !ok {
		return v
	}
	var details []string
	bad, answered, unsure := 0, 0, 0
	per := len(p.TCP) + len(p.UDP)
	for i, a := range tried {
		controller := r.cfg.Service.host(p.Hosts[i/per]).DomainController
		switch {
		case a.outcome == open:
			answered++
		case a.outcome == refused && !controller && rejects:
			unsure++
			a.text += ", which proves nothing: something on the way refuses for everyone"
		case a.outcome == refused && !controller:
			answered++
			a.text += ": the host was reached"
		case a.outcome == skipped, a.outcome == silent && !controller:
			unsure++
			if a.outcome == silent {
				a.text += ", which proves nothing: nothing is known to listen there"
			}
		default:
			bad++
		}
		details = append(details, a.text)
	}
	switch {
	case bad > 0:
		return fail(openFirewall, "%s of %d failed", plural(bad, "attempt"), len(tried)).with(details...)
	case answered == 0:
		return notTried("nothing that is known to listen could be tried").with(details...)
	case unsure > 0:
		return pass("%s of %d answered, the others prove nothing", plural(answered, "attempt"), len(tried)).with(details...)
	}
	return pass("%s answered", plural(answered, "attempt")).with(details...)
}

func (r *runner) where() string {
	switch r.cfg.Vantage {
	case FromOrganisation:
		return "in the organisation"
	case FromService:
		return "at the service"
	}
	return "elsewhere"
}

// inward tries the domain controller's own ports. From inside the organisation that shows whether it listens, and
// leaves the firewall open.
func (r *runner) inward(p PortRule) verdict {
	if v, ok := r.unable(p); !ok {
		return v
	}
	switch {
	case r.cfg.DCAddress == "":
		return notTried("the address of the domain controller was not given")
	case r.cfg.Vantage == Elsewhere:
		return notTried("it can be tried from a host of the service only, and this runs elsewhere")
	}
	var tried []attempt
	if r.cfg.Vantage == FromService {
		var v verdict
		var ok bool
		if tried, _, v, ok = r.beyond(p, []string{r.cfg.DCAddress}); !ok {
			return v
		}
	} else {
		tried = r.attempts(p, []string{r.cfg.DCAddress})
	}
	var details []string
	bad := 0
	for _, a := range tried {
		details = append(details, a.text)
		if a.outcome == refused || a.outcome == silent {
			bad++
		}
	}
	switch {
	case bad > 0 && r.cfg.Vantage == FromService:
		return fail(openFirewall, "%s of %d failed", plural(bad, "attempt"), len(tried)).with(details...)
	case bad > 0:
		return fail("start the service on the domain controller (LDAPS needs a certificate, 3268 and 3269 a Global Catalog), and open its Windows firewall",
			"the domain controller does not answer even from inside the organisation").with(details...)
	case r.cfg.Vantage == FromService:
		return pass("%s answered", plural(len(tried), "attempt")).with(details...)
	}
	v := notTried("the domain controller listens; whether the firewall lets the service in can be tried from there only").with(details...)
	v.remedy = fmt.Sprintf("from %s: Test-NetConnection %s -Port PORT", strings.Join(p.Hosts, ", "), r.cfg.DCAddress)
	return v
}

// lintRoutes finds hosts that the firewall table names and the other tables leave out.
func (r *runner) lintRoutes() verdict {
	s := r.cfg.Service
	route, ok := s.VPN.route()
	if !ok || len(s.Ports) == 0 {
		return notApplicable("the service has no VPN route or no firewall table")
	}
	var outside []string
	seen := map[string]bool{}
	for _, p := range s.Ports {
		for _, h := range p.Hosts {
			if a := mustAddr(h); !seen[h] && !route.Contains(a) {
				outside = append(outside, h+": opened in the firewall, not in the route "+route.String()+", no DNS name: "+strconv.FormatBool(s.host(h).Name == ""))
			}
			seen[h] = true
		}
	}
	if len(outside) > 0 {
		return warn("ask the service whether these hosts are in use; if they are, the VPN needs a route to them as well",
			"the firewall table names %s that the VPN does not route", plural(len(outside), "host")).with(outside...)
	}
	return pass("%s", plural(len(seen), "host"))
}
