package registry

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A Schema is a set of settings that belong together, as data: what the values are, what an organisation wants them to
// be, and what follows if they are otherwise. The functions CDJ, NDES and so on build the schemas this package
// knows; a Schema literal or ParseSchema makes others. A Schema is not changed by its methods and may be used
// concurrently.
type Schema struct {
	Name     string    // short and stable: "cdj"
	Title    string    // what it is about, one line
	Settings []Setting // in the order of reports
	Rules    []Rule    // what several values together must fulfil

	AfterChange  string // what must happen for changes to take effect, "" if nothing
	AfterRemoval string // what else off-boarding needs beside Remove
}

// A Setting is one value with its meaning. Path, Name and Type are required.
type Setting struct {
	Path  Path   // "*" as a component of the key stands for any one key; such settings are never written
	Name  string // "" is the default value
	Type  Type   // the type Windows expects
	Other []Type // types that are accepted as well

	Want     Value // what the organisation wants; the zero Value means no opinion
	Required bool  // absence is drift even without Want
	Absent   bool  // presence is drift
	Secret   bool  // reports give the length of the data, never the data
	ReadOnly bool  // state that Windows keeps: Desired and Remove leave it alone

	Content  Content  // what a string holds; decides how it is checked and compared
	Min, Max uint64   // allowed range of a number; Max 0 means any
	AtLeast  bool     // Want is the least that works: more, within the range, is only a Warning
	OneOf    []uint64 // the only numbers with a meaning; nil means any
	Default  Value    // what absence means to Windows; the zero Value means nothing or not known
	Dead     string   // why the value has no effect any more, "" for a value that has one

	Why         string // what the value is for
	Consequence string // what happens if it is wrong
	Remedy      string // how to mend it, if more is needed than setting it
	Source      string // document and section
	Basis       Basis  // how well the facts are founded
}

// A Content is what the text of a string value is.
type Content uint8

const (
	AnyText      Content = iota // compared exactly
	GUID                        // 36 characters without braces, compared without case
	DomainName                  // a DNS domain, compared without case
	TemplateName                // the name (CN) of a certificate template, compared without case
	Thumbprint                  // 40 hexadecimal digits without blanks, compared without case
	NameText                    // any text, compared without case
)

// A Basis says how well the facts of a Setting or Rule are founded.
type Basis uint8

const (
	Documented  Basis = iota // in Microsoft's documentation
	Observed                 // seen on Windows, in Microsoft's own scripts or in files Windows made
	Reported                 // from guides and field engineers, not from Microsoft's documentation
	Unconfirmed              // common knowledge that no source at hand confirms, or on which sources disagree
)

var bases = [...]string{"documented", "observed", "reported", "unconfirmed"}

// String returns "documented", "observed", "reported" or "unconfirmed", and "unconfirmed" for other numbers.
func (b Basis) String() string {
	if int(b) < len(bases) {
		return bases[b]
	}
	return bases[Unconfirmed]
}

// MarshalText returns b.String().
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (b *Basis) UnmarshalText(text []byte) error {
	i := slices.Index(bases[:], string(text))
	if i < 0 {
		return fmt.Errorf("registry: no basis %q", clip(string(text), 40))
	}
	*b = Basis(i)
	return nil
}

// A Rule checks what several values say together. Rules are data: Drift runs those of the schema it is given.
type Rule struct {
	ID     string // stable: "mdm-disabled-registration"
	Title  string
	Source string
	Basis  Basis
	Reads  []Path // keys that Check looks at beside those of the settings; "*" as in Setting.Path
	Check  func(s *Snapshot, report func(Drift))
}

// policyRoots are the trees that Windows cleans when a Group Policy goes out of scope ([MS-GPREG] and Microsoft's ADMX
// documentation call values in them true policies).
var policyRoots = [...]string{`SOFTWARE\Policies`, `SOFTWARE\Microsoft\Windows\CurrentVersion\Policies`}

// Tattoos reports whether a value below p stays when the Group Policy that set it is removed. Only values below
// SOFTWARE\Policies and SOFTWARE\Microsoft\Windows\CurrentVersion\Policies are cleaned up.
func Tattoos(p Path) bool {
	p, _ = p.Logical()
	if p.Hive != LocalMachine && p.Hive != CurrentUser {
		return true
	}
	for _, root := range policyRoots {
		if p.Under(Path{p.Hive, root}) {
			return false
		}
	}
	return true
}

func (v Value) isZero() bool { return v.Type == TypeNone && len(v.Data) == 0 }

// wildcard reports whether s stands for values in several keys.
func (s *Setting) wildcard() bool { return strings.Contains(s.Path.Key, "*") }

// managed reports whether Desired and Remove are about s.
func (s *Setting) managed() bool { return !s.ReadOnly && !s.wildcard() && s.Dead == "" }

// Desired returns the changes that give every setting its wanted value: a Set per setting with Want, a DeleteValue
// per setting with Absent. Applying it twice changes nothing more.
func (s Schema) Desired() Delta {
	var d Delta
	for i := range s.Settings {
		switch set := &s.Settings[i]; {
		case !set.managed():
		case set.Absent:
			d = append(d, Entry{Op: DeleteValue, Path: set.Path, Name: set.Name})
		case !set.Want.isZero():
			d = append(d, Entry{Op: Set, Path: set.Path, Name: set.Name, Value: set.Want})
		}
	}
	return d
}

// Remove returns the deletes that off-boarding needs: one for every setting that has Want or is Required.
// Removing a Group Policy does not do that for values which [Tattoos] reports. Keys are left, because others may
// use them; AfterRemoval says what else is to be done.
func (s Schema) Remove() Delta {
	var d Delta
	for i := range s.Settings {
		if set := &s.Settings[i]; set.managed() && (set.Required || !set.Want.isZero()) {
			d = append(d, Entry{Op: DeleteValue, Path: set.Path, Name: set.Name})
		}
	}
	return d
}

// Explain yields every value of snap that the schema knows, with its setting, in the order of the settings.
func (s Schema) Explain(snap *Snapshot) iter.Seq2[Setting, Item] {
	return func(yield func(Setting, Item) bool) {
		for i := range s.Settings {
			set := &s.Settings[i]
			for it := range set.find(snap) {
				if !yield(*set, it) {
					return
				}
			}
		}
	}
}

// Paths returns the keys that a reader must read so that Drift sees everything it needs, without duplicates.
// Wildcards are cut: the key above the first one is to be read with everything below it. Keys that would pull in a
// large part of the registry, such as Services, are left out though a value may have been put there by mistake.
func (s Schema) Paths() []Path {
	var paths []Path
	seen := map[Path]bool{}
	add := func(p Path) {
		if i := strings.Index(p.Key, "*"); i >= 0 {
			p.Key = strings.TrimSuffix(p.Key[:i], `\`)
		}
		if f := p.Fold(); !seen[f] {
			seen[f] = true
			paths = append(paths, p)
		}
	}
	for i := range s.Settings {
		set := &s.Settings[i]
		add(set.Path)
		if set.managed() {
			for _, w := range set.wrongPlaces() {
				if strings.Count(w.path.Key, `\`) >= 3 {
					add(w.path)
				}
			}
		}
	}
	for _, r := range s.Rules {
		for _, p := range r.Reads {
			add(p)
		}
	}
	return paths
}

// Merge returns one schema with the settings and rules of all given. The first schema to mention a value wins, and the
// first with a rule of one ID.
func Merge(name, title string, schemas ...Schema) Schema {
	m := Schema{Name: name, Title: title}
	type place struct {
		path Path
		name string
	}
	seen := map[place]bool{}
	var after, removal []string
	for _, s := range schemas {
		for _, set := range s.Settings {
			if k := (place{set.Path.Fold(), Fold(set.Name)}); !seen[k] {
				seen[k] = true
				m.Settings = append(m.Settings, set)
			}
		}
		for _, r := range s.Rules {
			if !slices.ContainsFunc(m.Rules, func(have Rule) bool { return have.ID == r.ID }) {
				m.Rules = append(m.Rules, r)
			}
		}
		after = appendNew(after, s.AfterChange)
		removal = appendNew(removal, s.AfterRemoval)
	}
	m.AfterChange, m.AfterRemoval = strings.Join(after, " "), strings.Join(removal, " ")
	return m
}

func appendNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
