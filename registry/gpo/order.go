package gpo

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/registry/gpp"
)

// A Reason says why a GPO, or one setting of it, does not decide a value.
type Reason string

// Why a whole GPO does not apply where it is linked.
const (
	LinkDisabled   Reason = "link-disabled"   // the link is switched off
	Blocked        Reason = "blocked"         // a container nearer to the target blocks inheritance, and the link is not enforced
	HalfDisabled   Reason = "half-disabled"   // the GPO's computer or user half is switched off
	SecurityFilter Reason = "security-filter" // the account may not read or not apply the GPO
	WMIFilter      Reason = "wmi-filter"      // the WMI filter is false, or could not be evaluated, which counts as false
	NoSuchGPO      Reason = "no-such-gpo"     // linked, but neither listed nor in SYSVOL
	NoExtension    Reason = "no-extension"    // the directory object does not name the extension that works with the file
)

// Why a setting of a GPO that applies does not decide a value.
const (
	LowerPrecedence Reason = "lower-precedence" // a GPO linked nearer to the target says something else
	LinkOrder       Reason = "link-order"       // a GPO linked to the same container with a lower link order number does
	Enforced        Reason = "enforced"         // an enforced link wins against everything below
	WeakerMechanism Reason = "weaker-mechanism" // a security template or a preference item is applied after policies
	EarlierInFile   Reason = "earlier-in-file"  // a later record of the same file
	AlreadyExists   Reason = "already-exists"   // it only applies where there is no value yet
	ItemDisabled    Reason = "item-disabled"    // the preference item or its collection is switched off
	Targeting       Reason = "targeting"        // item-level targeting does not hold
	Overwritten     Reason = "overwritten"      // a local value, and Group Policy sets or deletes it
	NotDetermined   Reason = "not-determined"   // it is not known whether it applies
)

// A WMIResult is what a WMI filter gives on the target.
type WMIResult uint8

const (
	WMIUnknown WMIResult = iota // nobody has asked
	WMITrue
	WMIFalse
	WMIFailed // cannot be evaluated, for example because the class does not exist; the GPO does not apply
)

// A LinkedGPO is one link of a container on the way to the target, and what became of it.
type LinkedGPO struct {
	ID, Name  string  // of the GPO
	Container string  // DN
	Kind      Kind    // of the container
	Order     int     // link order in its container, from 1
	Enforced  bool    // the link is enforced
	Applies   gpp.Tri // Unknown if a fact is missing
	Reason    Reason  // for No; NotDetermined for Unknown
	Detail    string  // the fact that decided or is missing, in words

	level int // distance from the top: local, site, domain, OUs downwards
	gpo   *GPO
}

// String names the GPO and the link.
func (l LinkedGPO) String() string {
	name := l.Name
	if name == "" {
		name = l.ID
	}
	s := fmt.Sprintf("%s (link %d of %s", name, l.Order, l.Container)
	if l.Enforced {
		s += ", enforced"
	}
	return s + ")"
}

// levels returns the containers of the target from the top down, and the DNs of which nothing is known.
func (e *Estate) levels(t Target) (list []*Container, missing []string) {
	find := func(kind Kind, dn string) *Container {
		for i := range e.Containers {
			c := &e.Containers[i]
			if (c.Kind == kind || kind == OU && c.Kind == Domain) && (foldDN(c.DN) == foldDN(dn) || kind == Site && siteName(c.DN) == siteName(dn)) {
				return c
			}
		}
		return nil
	}
	for i := range e.Containers {
		if e.Containers[i].Kind == Local {
			list = append(list, &e.Containers[i])
		}
	}
	if t.Site != "" {
		if c := find(Site, t.Site); c != nil {
			list = append(list, c)
		} else {
			missing = append(missing, t.Site)
		}
	}
	chain := ancestors(t.DN)
	for i := len(chain) - 1; i >= 0; i-- {
		if c := find(OU, chain[i]); c != nil {
			list = append(list, c)
		} else if k, _, _ := strings.Cut(chain[i], "="); !strings.EqualFold(strings.TrimSpace(k), "CN") {
			missing = append(missing, chain[i]) // CN= is the account itself or a plain container, which has no links
		}
	}
	return list, missing
}

// siteName returns the name of a site from its DN or its name.
func siteName(s string) string {
	rdn := splitDN(strings.ToLower(s))
	if len(rdn) == 0 {
		return ""
	}
	_, name, ok := strings.Cut(rdn[0], "=")
	if !ok {
		return rdn[0]
	}
	return strings.TrimSpace(name)
}

// Order returns every GPO that is linked on the way to the target, the strongest first: enforced links from the top
// down, because the higher container wins; then the other links from the target upwards; the local GPO last. Links
// that do not count are where they would stand. Security and WMI filters are evaluated, the settings are not.
func (e *Estate) Order(t Target) []LinkedGPO {
	levels, _ := e.levels(t)
	block := -1 // the lowest container that blocks inheritance
	for i, c := range levels {
		if c.BlockInheritance && c.Kind != Local {
			block = i
		}
	}
	var enforced, plain []LinkedGPO
	for i, c := range levels {
		var here []LinkedGPO
		for n, link := range e.links(c) {
			l := LinkedGPO{ID: link.GPO, Container: c.DN, Kind: c.Kind, Order: n + 1, Enforced: link.Enforced, level: i, gpo: e.gpo(link.GPO)}
			if c.Kind == Local && l.Container == "" {
				l.Container = "local computer"
			}
			if l.gpo != nil {
				l.ID, l.Name = l.gpo.ID, l.gpo.Name
			}
			l.Applies = gpp.Yes
			switch {
			case link.Disabled:
				l.no(LinkDisabled, "the link is disabled")
			case i < block && !link.Enforced && c.Kind != Local:
				l.no(Blocked, levels[block].DN+" blocks inheritance")
			default:
				l.filter(t)
			}
			if link.Enforced {
				enforced = append(enforced, l)
			} else {
				here = append(here, l)
			}
		}
		plain = append(here, plain...)
	}
	return append(enforced, plain...)
}

func (l *LinkedGPO) no(r Reason, detail string) { l.Applies, l.Reason, l.Detail = gpp.No, r, detail }

// unknown notes a missing fact unless something else already decided.
func (l *LinkedGPO) unknown(detail string) {
	if l.Applies == gpp.Unknown {
		detail = l.Detail + "; " + detail
	}
	l.Applies, l.Reason, l.Detail = gpp.Unknown, NotDetermined, detail
}

// filter decides whether the GPO applies to the target where it is linked.
func (l *LinkedGPO) filter(t Target) {
	g := l.gpo
	if g == nil {
		l.no(NoSuchGPO, "the GPO is neither listed nor in SYSVOL, or its name is not unique")
		return
	}
	if t.User && g.UserDisabled {
		l.no(HalfDisabled, "the user half is disabled")
		return
	}
	if !t.User && g.ComputerDisabled {
		l.no(HalfDisabled, "the computer half is disabled")
		return
	}
	if l.Kind == Local {
		return // a local GPO has no filters
	}
	if g.Security != nil {
		// Since MS16-072 it is the computer that reads GPOs, also for the user's settings.
		computer := t.Principals
		if t.User {
			computer = t.ComputerPrincipals
		}
		read, why := access(g.Security, computer, func(p Permission) bool { return p.Read })
		l.security(read, "read by the computer: "+why)
		if l.Applies == gpp.No {
			return
		}
		apply, why := access(g.Security, t.Principals, func(p Permission) bool { return p.Apply })
		l.security(apply, "apply: "+why)
		if l.Applies == gpp.No {
			return
		}
	}
	if g.WMIFilter == "" {
		return
	}
	switch t.wmi(g.WMIFilter) {
	case WMITrue:
	case WMIFalse:
		l.no(WMIFilter, "the filter "+g.WMIFilter+" is false")
	case WMIFailed:
		l.no(WMIFilter, "the filter "+g.WMIFilter+" cannot be evaluated")
	default:
		l.unknown("result of the WMI filter " + g.WMIFilter)
	}
}

func (l *LinkedGPO) security(t gpp.Tri, detail string) {
	switch t {
	case gpp.No:
		l.no(SecurityFilter, detail)
	case gpp.Unknown:
		l.unknown(detail)
	}
}
