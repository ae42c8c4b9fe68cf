package gpp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Tri is the answer to a question that may lack facts. The zero Tri is Unknown.
type Tri uint8

const (
	Unknown Tri = iota
	No
	Yes
)

// String returns "unknown", "no", "yes" or "Tri(n)".
func (t Tri) String() string {
	switch t {
	case Unknown:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "Tri(" + strconv.Itoa(int(t)) + ")"
}

func tri(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

func (t Tri) not() Tri {
	switch t {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

// Facts is what is known of a computer and its user when targeting is evaluated without either. Whatever is empty
// (nil for lists; an empty list that is not nil is "none") is unknown, and so is every filter that needs it.
type Facts struct {
	Computer, ComputerDNS string       // NetBIOS and full DNS name of the computer
	Domains               []string     // names (DNS, NetBIOS) of the computer's domain
	OU                    string       // DN of the container the computer's account is in
	Groups                []string     // groups of the computer, nested ones too: SID, "DOMAIN\name" or both
	User                  string       // "DOMAIN\name" or SID of the user
	UserDomains           []string     // names of the user's domain
	UserOU                string       // DN of the container the user's account is in
	UserGroups            []string     // groups of the user
	Site                  string       // Active Directory site of the computer
	Addresses             []netip.Addr // of the computer
	OS                    string       // version as FilterOs names it: "WINTHRESHOLD" (Windows 10 and 11), "WINTHRESHOLDSRV"

	// AndBeforeOr joins conditions with AND binding closer than OR, in case the client does not fold from left to right.
	AndBeforeOr bool

	// Ask decides conditions this package has no rule for (FilterWmi, FilterRegistry, FilterFile, FilterLdap,
	// FilterRunOnce, …) and is asked before the rules for all others. Unknown passes on. Not is applied afterwards.
	Ask func(Filter) Tri
}

// A Verdict is the result of targeting.
type Verdict struct {
	Applies Tri
	Missing []string // for Unknown: the facts that are needed, in order and once each
	Because string   // for No: the condition that did not hold
}

// Eval evaluates targeting. The conditions are folded from left to right, each joined to the result so far with its
// own AND or OR, without precedence between them; FilterCollection is a bracket. (That fold is how third parties
// describe the client; [MS-GPPREF] does not say, and Facts.AndBeforeOr switches it.) No conditions apply always. A nil *Facts knows nothing.
func (f *Facts) Eval(list []Filter) Verdict {
	e := evaluation{facts: f}
	if f == nil {
		e.facts = new(Facts)
	}
	v := Verdict{Applies: e.all(list)}
	switch v.Applies {
	case Unknown:
		v.Missing = e.missing
	case No:
		v.Because = e.because
		if v.Because == "" {
			v.Because = Describe(list)
		}
	}
	return v
}

type evaluation struct {
	facts   *Facts
	missing []string
	because string
}

func (e *evaluation) all(list []Filter) Tri {
	if e.facts.AndBeforeOr {
		// (a AND b) OR (c AND d): every run of ANDs becomes one condition.
		var groups []Filter
		for i, f := range list {
			if i == 0 || f.Or {
				groups = append(groups, Filter{Kind: group, Or: true})
			}
			f.Or = false
			last := &groups[len(groups)-1]
			last.Filters = append(last.Filters, f)
		}
		return e.fold(groups)
	}
	return e.fold(list)
}

// group is the Kind of a run of conditions joined with AND; no file has it.
const group = "AND"

func (e *evaluation) fold(list []Filter) Tri {
	r := Yes
	for i, f := range list {
		t := e.one(f)
		switch {
		case i == 0:
			r = t
		case f.Or && (r == Yes || t == Yes):
			r = Yes
		case f.Or && (r == Unknown || t == Unknown):
			r = Unknown
		case f.Or:
			r = No
		case r == No || t == No:
			r = No
		case r == Unknown || t == Unknown:
			r = Unknown
		}
		switch {
		case r != No:
			e.because = ""
		case t == No && e.because == "":
			e.because = f.String()
		}
	}
	return r
}

func (e *evaluation) one(f Filter) Tri {
	t := Unknown
	if f.Kind == group {
		return e.fold(f.Filters)
	}
	if f.Kind == "FilterCollection" {
		t = e.all(f.Filters)
	} else {
		if e.facts.Ask != nil {
			t = e.facts.Ask(f)
		}
		if t == Unknown {
			t = e.rule(f)
		}
	}
	if f.Not {
		return t.not()
	}
	return t
}

// need notes a missing fact.
func (e *evaluation) need(what string) Tri {
	if !slices.Contains(e.missing, what) {
		e.missing = append(e.missing, what)
	}
	return Unknown
}

func (e *evaluation) rule(f Filter) Tri {
	x, name, user := e.facts, f.Get("name"), f.Get("userContext") == "1"
	switch f.Kind {
	case "FilterComputer":
		have, what := x.Computer, "NetBIOS name of the computer"
		if f.Get("type") == "DNS" {
			have, what = x.ComputerDNS, "DNS name of the computer"
		}
		if have == "" {
			return e.need(what)
		}
		return tri(wildcard(strings.ToUpper(name), strings.ToUpper(have)))
	case "FilterDomain":
		if user {
			return e.member(x.UserDomains, "domain of the user", name)
		}
		return e.member(x.Domains, "domain of the computer", name)
	case "FilterSite":
		if x.Site == "" {
			return e.need("site of the computer")
		}
		return tri(strings.EqualFold(x.Site, name))
	case "FilterOrgUnit":
		have, what := x.OU, "OU of the computer"
		if user {
			have, what = x.UserOU, "OU of the user"
		}
		if have == "" {
			return e.need(what)
		}
		return tri(inOU(have, name, f.Get("directMember") == "1"))
	case "FilterGroup":
		have, what := x.Groups, "groups of the computer"
		if user {
			have, what = x.UserGroups, "groups of the user"
		}
		if f.Get("primaryGroup") == "1" {
			return e.need("primary group")
		}
		// An empty sid occurs in files of GPMC; then the name counts.
		return e.member(have, what, name, f.Get("sid"))
	case "FilterUser":
		if x.User == "" {
			return e.need("user")
		}
		return tri(strings.EqualFold(x.User, name) || f.Get("sid") != "" && strings.EqualFold(x.User, f.Get("sid")))
	case "FilterIpRange":
		return e.ipRange(f)
	case "FilterOs":
		for _, a := range []string{"type", "edition", "sp"} {
			if v := f.Get(a); v != "" && v != "NE" {
				return e.need("operating system " + a)
			}
		}
		switch v := f.Get("version"); {
		case v == "" || v == "NE":
			return Yes // NE is any, and every client is of class NT
		case x.OS == "":
			return e.need("operating system version")
		default:
			return tri(strings.EqualFold(v, x.OS))
		}
	}
	return e.need(strings.TrimPrefix(f.Kind, "Filter") + " (" + f.String() + ")")
}

// member reports whether one of names, as far as they are not empty, is in have.
func (e *evaluation) member(have []string, what string, names ...string) Tri {
	if have == nil {
		return e.need(what)
	}
	for _, n := range names {
		if n != "" && slices.ContainsFunc(have, func(s string) bool { return strings.EqualFold(s, n) }) {
			return Yes
		}
	}
	return No
}

func (e *evaluation) ipRange(f Filter) Tri {
	low, err1 := netip.ParseAddr(f.Get("min"))
	high, err2 := netip.ParseAddr(f.Get("max"))
	if err1 != nil || err2 != nil {
		return e.need("IP range that can be read (" + f.String() + ")")
	}
	if e.facts.Addresses == nil {
		return e.need("IP addresses of the computer")
	}
	for _, a := range e.facts.Addresses {
		if a = a.Unmap(); a.BitLen() == low.BitLen() && a.Compare(low) >= 0 && a.Compare(high) <= 0 {
			return Yes
		}
	}
	return No
}

// wildcard matches * and ?, which the editor offers for computer names.
func wildcard(pattern, s string) bool {
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*':
			rest := strings.TrimLeft(pattern[i:], "*")
			if rest == "" {
				return true
			}
			// Only the last star can need another try: earlier ones may take the first match.
			for j := 0; j <= len(s); j++ {
				if head, _, _ := strings.Cut(rest, "*"); len(head) <= len(s)-j && matchHead(head, s[j:]) && (strings.Contains(rest, "*") || len(head) == len(s)-j) {
					if !strings.Contains(rest, "*") {
						return true
					}
					return wildcard(rest[len(head):], s[j+len(head):])
				}
			}
			return false
		case s == "" || c != '?' && c != s[0]:
			return false
		}
		s = s[1:]
	}
	return s == ""
}

func matchHead(head, s string) bool {
	for i := range len(head) {
		if head[i] != '?' && head[i] != s[i] {
			return false
		}
	}
	return true
}

// inOU reports whether dn, a container, is ou or, unless direct, below it.
func inOU(dn, ou string, direct bool) bool {
	dn, ou = foldDN(dn), foldDN(ou)
	return dn == ou || !direct && strings.HasSuffix(dn, ","+ou)
}

// foldDN makes DNs comparable: lower case and no blanks around commas and equal signs. Escapes are left as they are.
func foldDN(dn string) string {
	parts := strings.Split(strings.ToLower(dn), ",")
	for i, p := range parts {
		k, v, _ := strings.Cut(p, "=")
		parts[i] = strings.TrimSpace(k) + "=" + strings.TrimSpace(v)
	}
	return strings.Join(parts, ",")
}
