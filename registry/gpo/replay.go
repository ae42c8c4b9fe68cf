package gpo

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpp"
	"go.internal/hybridkit/registry/regpol"
	"go.internal/hybridkit/registry/secinf"
)

type valueKey struct {
	path registry.Path
	name string
}

// A history is everything that happened to one value.
type history struct {
	path       registry.Path
	name       string
	candidates []*Candidate
	winner     *Candidate // the last that surely applied
}

// run is one computation.
type run struct {
	target Target
	result *Result
	values map[valueKey]*history
	keys   map[registry.Path][]*history
	seq    int
}

func (x *run) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(x.result.Notes, n) {
		x.result.Notes = append(x.result.Notes, n)
	}
}

func (x *run) notes(missing []string) {
	for _, m := range missing {
		x.note("nothing is known of %s: taken to have no links and not to block inheritance", m)
	}
	if x.target.Site == "" {
		x.note("no site is given: GPOs linked to sites are left out")
	}
	if x.target.User {
		x.note("loopback processing is not considered: it can replace or merge user settings")
	}
	for _, l := range x.result.GPOs {
		switch {
		case l.gpo == nil:
			x.note("%s: %s", l, l.Detail)
		case l.gpo.Security == nil && l.Kind != Local && l.Applies != gpp.No:
			x.note("security filtering of %s is not given: taken to be the default, Authenticated Users read and apply", cmp.Or(l.Name, l.ID))
		}
	}
}

// facts completes the facts for item-level targeting.
func (x *run) facts() {
	f := gpp.Facts{}
	if x.target.Facts != nil {
		f = *x.target.Facts
	}
	// The container is the nearest ancestor that is not the account itself.
	ou := x.target.DN
	if parts := splitDN(ou); len(parts) > 1 && strings.HasPrefix(strings.ToUpper(parts[0]), "CN=") {
		ou = strings.Join(parts[1:], ",")
	}
	if x.target.User {
		f.UserOU = cmp.Or(f.UserOU, ou)
		if f.UserGroups == nil {
			f.UserGroups = x.target.Principals
		}
		if f.Groups == nil {
			f.Groups = x.target.ComputerPrincipals
		}
	} else {
		f.OU = cmp.Or(f.OU, ou)
		if f.Groups == nil {
			f.Groups = x.target.Principals
		}
	}
	f.Site = cmp.Or(f.Site, siteName(x.target.Site))
	x.target.Facts = &f
}

// apply replays one mechanism of one GPO.
func (x *run) apply(m Mechanism, l LinkedGPO) {
	if l.gpo == nil {
		return
	}
	settings, hive, extensions := l.gpo.Computer, registry.LocalMachine, l.gpo.MachineExtensionNames
	if x.target.User {
		settings, hive, extensions = l.gpo.User, registry.CurrentUser, l.gpo.UserExtensionNames
	}
	cse := map[Mechanism]string{Policy: registryCSE, SecurityTemplate: securityCSE, Preference: preferencesCSE}[m]
	if l.Applies != gpp.No && extensions != "" && !strings.Contains(strings.ToUpper(extensions), "["+cse) {
		l.no(NoExtension, "the directory object does not name the extension "+cse)
	}
	add := func(e registry.Entry) *Candidate {
		return &Candidate{Mechanism: m, Link: l, Entry: e, Applies: l.Applies, Reason: l.Reason, Detail: l.Detail}
	}
	bad := func(file string, err error) {
		if l.Applies != gpp.No {
			x.result.Errors = append(x.result.Errors, fmt.Errorf("%s: %s: %w", l, file, err))
		}
	}
	each := func(file string, seq iter.Seq2[registry.Entry, error]) {
		for e, err := range seq {
			if err != nil {
				bad(file, err)
			}
			if e.Op != 0 && e.Op != registry.Note {
				x.replay(add(e))
			}
		}
	}
	switch m {
	case Policy:
		if settings.Policy != nil {
			each("Registry.pol", regpol.Decoder{Tolerant: true, Hive: hive}.DecodeBytes(settings.Policy))
			if settings.Version == 0 && settings.Folder != "" && l.Applies != gpp.No {
				x.note("GPT.INI of %s has version 0 for this half: Windows may take it for empty", cmp.Or(l.Name, l.ID))
			}
		}
		each("settings", func(yield func(registry.Entry, error) bool) {
			for _, e := range settings.Entries {
				if !yield(e, nil) {
					return
				}
			}
		})
	case SecurityTemplate:
		if settings.Security != nil {
			each("GptTmpl.inf", secinf.Decoder{Tolerant: true}.Decode(bytes.NewReader(settings.Security)))
		}
	case Preference:
		if settings.Preferences != nil {
			x.preferences(settings.Preferences, add, bad)
		}
	}
}

// preferences replays a Registry.xml, item by item with its own conditions.
func (x *run) preferences(file []byte, add func(registry.Entry) *Candidate, bad func(string, error)) {
	doc, err := gpp.Parse(file)
	if err != nil {
		bad("Registry.xml", err)
		return
	}
	type place struct {
		node *gpp.Node
		in   []*gpp.Node
	}
	var items []place
	for n, in := range doc.All() {
		if n.Kind != gpp.Collection {
			items = append(items, place{n, in})
		}
	}
	for e, err := range (gpp.Decoder{Tolerant: true}).Decode(bytes.NewReader(file)) {
		if err != nil {
			bad("Registry.xml", err)
			continue
		}
		item := items[e.Pos.Record-1]
		props := item.node.Properties
		if item.node.Kind != gpp.Registry || props.Action == gpp.Replace && e.Op == registry.DeleteValue {
			continue // the Set of the same item says it all
		}
		c := add(e)
		off := doc.Disabled || item.node.Disabled || slices.ContainsFunc(item.in, func(n *gpp.Node) bool { return n.Disabled })
		switch {
		case c.Applies == gpp.No:
		case off:
			c.Applies, c.Reason, c.Detail = gpp.No, ItemDisabled, e.Note
		default:
			switch v := item.node.Targeting(x.target.Facts, item.in); v.Applies {
			case gpp.No:
				c.Applies, c.Reason, c.Detail = gpp.No, Targeting, "does not hold: "+v.Because
			case gpp.Unknown:
				c.Link.unknown("item-level targeting needs " + strings.Join(v.Missing, ", "))
				c.Applies, c.Reason, c.Detail = gpp.Unknown, NotDetermined, c.Link.Detail
			}
			if e.Op == registry.Note && c.Applies != gpp.No { // single bits of a number
				c.Applies, c.Reason, c.Detail = gpp.Unknown, NotDetermined, e.Note
			}
		}
		if e.Op == registry.Note {
			if props.IsKey() {
				continue
			}
			if c.Entry.Op = registry.Set; props.Action == gpp.Delete {
				c.Entry.Op = registry.DeleteValue
			}
		}
		c.Tattoo = !item.node.RemovePolicy
		x.replay(c)
	}
}

// history returns what is known of a value, beginning with the local one.
func (x *run) history(p registry.Path, name string) *history {
	k := valueKey{p.Fold(), registry.Fold(name)}
	h := x.values[k]
	if h != nil {
		return h
	}
	h = &history{path: p, name: name}
	x.values[k] = h
	x.keys[k.path] = append(x.keys[k.path], h)
	if x.target.Local != nil {
		if it, ok := x.target.Local.Get(x.target.Local.Resolve(p), name); ok {
			h.winner = &Candidate{Mechanism: LocalValue, Applies: gpp.Yes, Tattoo: true,
				Entry: registry.Entry{Op: registry.Set, Path: it.Path, Name: it.Name, Value: it.Value, Pos: it.Origin.Pos}}
			h.candidates = append(h.candidates, h.winner)
		}
	}
	return h
}

// replay lets one setting happen.
func (x *run) replay(c *Candidate) {
	x.seq++
	c.seq = x.seq
	switch c.Mechanism {
	case Policy:
		c.Tattoo = !managed(c.Entry.Path)
	case SecurityTemplate:
		c.Tattoo = true
	}
	p := c.Entry.Path
	switch c.Entry.Op {
	case registry.Set, registry.SetIfAbsent, registry.DeleteValue:
		x.happen(x.history(p, c.Entry.Name), c)
	case registry.ClearValues, registry.DeleteKey:
		if c.Applies == gpp.No {
			return // it concerns no value in particular
		}
		whole := c.Entry.Op == registry.DeleteKey
		if l := x.target.Local; l != nil {
			values := l.Values(p)
			if whole {
				values = l.Below(p)
			}
			for it := range values {
				x.history(it.Path, it.Name)
			}
		}
		for at, list := range x.keys {
			if at == p.Fold() || whole && at.Under(p.Fold()) {
				for _, h := range list {
					one := *c // each value has its own copy: the reason may differ
					x.happen(h, &one)
				}
			}
		}
	}
}

func (x *run) happen(h *history, c *Candidate) {
	h.candidates = append(h.candidates, c)
	if c.Applies != gpp.Yes {
		return
	}
	exists := h.winner != nil && (h.winner.Entry.Op == registry.Set || h.winner.Entry.Op == registry.SetIfAbsent)
	if c.Entry.Op == registry.SetIfAbsent && exists {
		c.Reason, c.Detail = AlreadyExists, "it is only set where there is no value, and there is one from "+source(h.winner)
		return
	}
	h.winner = c
}

func source(c *Candidate) string {
	if c.Mechanism == LocalValue {
		return "the registry itself"
	}
	return c.Link.String()
}

// managed reports whether p lies in one of the trees that are cleaned when a policy goes ("policy keys").
func managed(p registry.Path) bool {
	for _, key := range []string{`SOFTWARE\Policies`, `SOFTWARE\Microsoft\Windows\CurrentVersion\Policies`} {
		if p.Under(registry.Path{Hive: p.Hive, Key: key}) {
			return p.Hive == registry.LocalMachine || p.Hive == registry.CurrentUser
		}
	}
	return false
}

// finish sorts the histories into winners, losers and unknowns.
func (x *run) finish() {
	for _, h := range x.values {
		v := Effective{Path: h.path, Name: h.name, Winner: h.winner}
		if w := h.winner; w != nil && (w.Entry.Op == registry.Set || w.Entry.Op == registry.SetIfAbsent) {
			v.Present, v.Value = true, w.Entry.Value
		}
		slices.SortStableFunc(h.candidates, func(a, b *Candidate) int { return b.seq - a.seq })
		for _, c := range h.candidates {
			switch {
			case c == h.winner:
			case c.Applies == gpp.Unknown && (h.winner == nil || c.seq > h.winner.seq || h.winner.Entry.Op == registry.SetIfAbsent):
				v.Unknown = append(v.Unknown, *c)
			default:
				if c.Applies != gpp.No && c.Reason != AlreadyExists {
					c.Reason, c.Detail = why(c, h.winner)
				}
				v.Losers = append(v.Losers, *c)
			}
		}
		x.result.Values = append(x.result.Values, v)
	}
	slices.SortFunc(x.result.Values, func(a, b Effective) int {
		return cmp.Or(cmp.Compare(a.Path.Hive, b.Path.Hive), cmp.Compare(registry.Fold(a.Path.Key), registry.Fold(b.Path.Key)),
			cmp.Compare(registry.Fold(a.Name), registry.Fold(b.Name)))
	})
}

// why says why c lost to w.
func why(c, w *Candidate) (Reason, string) {
	from := source(w)
	switch {
	case c.Mechanism == LocalValue:
		return Overwritten, "by " + from
	case c.Mechanism != w.Mechanism:
		return WeakerMechanism, w.Mechanism.String() + " of " + from + " is applied after " + c.Mechanism.String()
	case c.Link.level == w.Link.level && c.Link.Order == w.Link.Order:
		return EarlierInFile, "decided by " + cmp.Or(w.Entry.Pos.String(), "a later record")
	case w.Link.Enforced && (!c.Link.Enforced || w.Link.level < c.Link.level):
		return Enforced, from + " is enforced"
	case c.Link.level == w.Link.level:
		return LinkOrder, fmt.Sprintf("link %d is stronger than link %d", w.Link.Order, c.Link.Order)
	}
	return LowerPrecedence, from + " is nearer to the target"
}
