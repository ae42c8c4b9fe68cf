package gpo

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpp"
)

// A Target is the account whose values are asked for. The zero values of everything but DN mean "not known".
type Target struct {
	DN   string // of the OU, or of the account in it
	Site string // DN or name of the Active Directory site; "" leaves GPOs of sites out, and says so
	User bool   // the user half of the GPOs is asked for, for a user whose account is in DN

	// Principals are the SIDs and names of the account and all its groups, spelled as in GPO.Security. That it is an
	// authenticated user is always known. With nil, other trustees are unknown; empty means there are no others.
	Principals         []string
	ComputerPrincipals []string             // for User: the same of the computer
	WMI                map[string]WMIResult // results of WMI filters by name or id, as in GPO.WMIFilter
	Facts              *gpp.Facts           // for item-level targeting; the OU and Site of the target are added where they are missing
	Local              *registry.Snapshot   // what the registry holds otherwise; nil is nothing
}

func (t Target) wmi(filter string) WMIResult {
	for name, r := range t.WMI {
		if foldID(name) == foldID(filter) {
			return r
		}
	}
	return WMIUnknown
}

// A Mechanism is how a setting reaches the registry. In one refresh the client applies greater ones later, so they
// win; see Estate.Mechanisms.
type Mechanism uint8

const (
	LocalValue       Mechanism = iota // it is in the registry already
	Policy                            // Registry.pol; the registry extension works first
	SecurityTemplate                  // GptTmpl.inf
	Preference                        // Registry.xml
)

var mechanisms = [...]string{LocalValue: "local", Policy: "policy", SecurityTemplate: "security-template", Preference: "preference"}

// String returns "local", "policy", "security-template", "preference" or "Mechanism(n)".
func (m Mechanism) String() string {
	if int(m) < len(mechanisms) {
		return mechanisms[m]
	}
	return "Mechanism(" + strconv.Itoa(int(m)) + ")"
}

// MarshalText returns m.String(); it fails for a number without a name.
func (m Mechanism) MarshalText() ([]byte, error) {
	if int(m) >= len(mechanisms) {
		return nil, fmt.Errorf("gpo: no mechanism %d", m)
	}
	return []byte(mechanisms[m]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (m *Mechanism) UnmarshalText(b []byte) error {
	for i, s := range mechanisms {
		if s == string(b) {
			*m = Mechanism(i)
			return nil
		}
	}
	return fmt.Errorf("gpo: no mechanism %.40q", b)
}

// A Candidate is one setting of one GPO, or a local value, that concerns a value.
type Candidate struct {
	Mechanism Mechanism
	Link      LinkedGPO      // zero for a local value
	Entry     registry.Entry // what it does, and where in its file
	Applies   gpp.Tri        // the GPO and the item
	Reason    Reason         // why it does not decide; "" for a winner
	Detail    string         // the same in words
	Tattoo    bool           // the effect stays when the GPO goes

	seq int
}

// String says in one line what the candidate does and where it comes from.
func (c Candidate) String() string {
	from := "local value"
	if c.Mechanism != LocalValue {
		from = c.Link.String() + ", " + c.Mechanism.String()
		if p := c.Entry.Pos.String(); p != "" {
			from += ", " + p
		}
	}
	what := c.Entry.Op.String()
	if c.Entry.Op == registry.Set || c.Entry.Op == registry.SetIfAbsent {
		what = c.Entry.Value.Type.String() + " " + c.Entry.Value.String()
	}
	s := what + " from " + from
	if c.Reason != "" {
		s += ": " + string(c.Reason)
	}
	if c.Detail != "" {
		s += " (" + c.Detail + ")"
	}
	return s
}

// An Effective is what becomes of one value.
type Effective struct {
	Path    registry.Path
	Name    string
	Present bool           // false: no source that surely applies sets it, or the winner deletes it
	Value   registry.Value // if Present
	Winner  *Candidate     // nil if nothing surely decides
	Losers  []Candidate    // the others, strongest first
	// Unknown lists settings that would decide if they applied, which is not known. If it is not empty, the value
	// is not certain.
	Unknown []Candidate
}

// A Result is the answer of Effective.
type Result struct {
	GPOs   []LinkedGPO // strongest first
	Values []Effective // sorted by path and name
	Notes  []string    // assumptions and limits that concern this result
	Errors []error     // what could not be read; the result lacks it
}

// Get returns the value with the given path and name.
func (r *Result) Get(p registry.Path, name string) (Effective, bool) {
	for _, v := range r.Values {
		if v.Path.Equal(p) && registry.EqualFold(v.Name, name) {
			return v, true
		}
	}
	return Effective{}, false
}

// Snapshot returns the values that are present, with the winner as Origin.
func (r *Result) Snapshot() (*registry.Snapshot, error) {
	s := new(registry.Snapshot)
	for _, v := range r.Values {
		if !v.Present {
			continue
		}
		o := registry.Origin{Source: "local value"}
		if v.Winner != nil && v.Winner.Mechanism != LocalValue {
			o = registry.Origin{Source: v.Winner.Link.String() + ", " + v.Winner.Mechanism.String(), Pos: v.Winner.Entry.Pos}
		}
		if err := s.Put(registry.Item{Path: v.Path, Name: v.Name, Value: v.Value, Origin: o}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ErrTarget is wrapped by the error of Effective for a target it cannot place.
var ErrTarget = errors.New("gpo: target cannot be placed")

// Effective computes the registry values the target gets, as one refresh from scratch would set them, with a reason
// for every setting that does not decide. It fails only if the target's DN is empty or none of its containers is
// known; everything else that goes wrong is in the Result.
func (e *Estate) Effective(t Target) (*Result, error) {
	if t.DN == "" {
		return nil, fmt.Errorf("%w: no DN", ErrTarget)
	}
	levels, missing := e.levels(t)
	if !slices.ContainsFunc(levels, func(c *Container) bool { return c.Kind == OU || c.Kind == Domain }) {
		return nil, fmt.Errorf("%w: no container of %q is known", ErrTarget, t.DN)
	}
	x := &run{target: t, result: &Result{GPOs: e.Order(t)}, values: map[valueKey]*history{}, keys: map[registry.Path][]*history{}}
	x.notes(missing)
	x.facts()
	order := e.Mechanisms
	if order == nil {
		order = []Mechanism{Policy, SecurityTemplate, Preference}
	}
	for _, mechanism := range order {
		for i := len(x.result.GPOs) - 1; i >= 0; i-- { // the strongest works last
			x.apply(mechanism, x.result.GPOs[i])
		}
	}
	x.finish()
	return x.result, nil
}
