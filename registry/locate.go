package registry

import (
	"fmt"
	"iter"
	"strings"
)

// locate returns where snap keeps p. Beside Resolve it takes the only numbered control set of a snapshot that has
// neither CurrentControlSet nor Select, such as an export of ControlSet001, for the current one.
func locate(snap *Snapshot, p Path) Path {
	at := snap.Resolve(p)
	rel, ok := p.Rel(HKLM(`SYSTEM\CurrentControlSet`))
	if !ok || at != p || snap.HasKey(HKLM(`SYSTEM\CurrentControlSet`)) {
		return at
	}
	only := ""
	for sub := range snap.Subkeys(HKLM(`SYSTEM`)) {
		if _, n := HKLM(`SYSTEM\` + sub).ControlSet(); n > 0 {
			if only != "" {
				return p
			}
			only = sub
		}
	}
	if only == "" {
		return p
	}
	return HKLM(`SYSTEM\` + only).Join(rel)
}

// find yields the values of snap that s is about: at most one without a wildcard.
func (s *Setting) find(snap *Snapshot) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		if !s.wildcard() {
			if it, ok := snap.Get(locate(snap, s.Path), s.Name); ok {
				yield(it)
			}
			return
		}
		for p := range matches(snap, s.Path) {
			if it, ok := snap.Get(p, s.Name); ok && !yield(it) {
				return
			}
		}
	}
}

// matches yields the keys of snap that pattern stands for; a component "*" stands for any one key.
func matches(snap *Snapshot, pattern Path) iter.Seq[Path] {
	return func(yield func(Path) bool) {
		var walk func(at Path, rest string) bool
		walk = func(at Path, rest string) bool {
			if rest == "" {
				return !snap.HasKey(at) || yield(at)
			}
			part, rest, _ := strings.Cut(rest, `\`)
			if part != "*" {
				return walk(at.Join(part), rest)
			}
			for sub := range snap.Subkeys(at) {
				if !walk(at.Join(sub), rest) {
					return false
				}
			}
			return true
		}
		before, after, _ := strings.Cut(pattern.Key, "*")
		start := locate(snap, Path{pattern.Hive, strings.TrimSuffix(before, `\`)})
		walk(start, "*"+after)
	}
}

// A wrongPlace is a key where a value is sometimes put by mistake.
type wrongPlace struct {
	path Path
	why  string
}

// wrongPlaces returns where s is not looked for by Windows but is found in practice.
func (s *Setting) wrongPlaces() []wrongPlace {
	p := s.Path
	var list []wrongPlace
	add := func(path Path, why string) {
		if !path.Equal(p) {
			list = append(list, wrongPlace{path, why})
		}
	}
	if rel, ok := p.Rel(HKLM(`SOFTWARE`)); ok {
		add(HKLM(`SOFTWARE\WOW6432Node`).Join(rel), "a 32-bit process wrote it; Windows reads the 64-bit key only")
	}
	if p.Hive == LocalMachine {
		add(HKLM(`HKLM`).Join(p.Key), `the policy file has HKLM\ in front of the key, which Windows takes for a key name`)
		add(HKLM(`HKEY_LOCAL_MACHINE`).Join(p.Key), `the policy file has HKEY_LOCAL_MACHINE\ in front of the key, which Windows takes for a key name`)
		add(HKCU(p.Key), "it is set for a user; Windows reads it for the machine")
	}
	if rel, ok := p.Rel(HKLM(`SYSTEM\CurrentControlSet`)); ok {
		for n := 1; n <= 9; n++ {
			add(HKLM(fmt.Sprintf(`SYSTEM\ControlSet%03d`, n)).Join(rel), "it is in a control set that is not the current one")
		}
	}
	if s.Name != "" {
		if base := p.Base(); EqualFold(base, s.Name) {
			add(p.Parent(), "it belongs in the sub key "+base)
		} else {
			add(p.Parent(), "it belongs in the key "+base+" below")
			add(p.Join(s.Name), "it belongs in the key itself, not in a sub key of its name")
		}
	}
	return list
}

// misplaced reports copies of s in places where nobody looks. Control sets are only reported if the right one
// lacks the value, because Windows keeps an older control set on purpose.
func (s *Setting) misplaced(snap *Snapshot, present bool, report func(Drift)) {
	at := locate(snap, s.Path)
	for _, w := range s.wrongPlaces() {
		if _, n := w.path.ControlSet(); w.path.Equal(at) || n > 0 && present {
			continue
		}
		it, ok := snap.Get(w.path, s.Name)
		if !ok {
			continue
		}
		d := s.drift(Misplaced, it, w.why)
		d.Remedy = "set it below " + s.Path.Short() + " and delete it here"
		d.Fix = Delta{{Op: DeleteValue, Path: it.Path, Name: s.Name}}
		if present {
			d.Severity = Warning
			d.Remedy = "delete it here; the value in " + s.Path.Short() + " counts"
		} else if !s.Want.isZero() {
			d.Fix = append(Delta{s.fix()}, d.Fix...)
		}
		report(d)
	}
}
