package registry

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// An Origin says where a value of a Snapshot comes from: a file name or other label, and the place in it.
type Origin struct {
	Source string
	Pos    Pos
}

// String returns "export.reg: line 7", or the part there is.
func (o Origin) String() string {
	if p := o.Pos.String(); p != "" && o.Source != "" {
		return o.Source + ": " + p
	}
	return o.Source + o.Pos.String()
}

// An Item is a value in a Snapshot: where it is, what it holds and where that came from.
type Item struct {
	Path   Path
	Name   string // "" is the default value
	Value  Value
	Origin Origin
}

// A Snapshot is a registry in memory. The zero Snapshot is empty and ready for use. Names compare without case
// and keep the spelling of their first creation; keys and values keep the order of their creation.
//
// A Snapshot does not imitate the links of a running Windows: HKEY_CLASSES_ROOT, HKEY_CURRENT_CONFIG and
// CurrentControlSet are keys like any other (but see Resolve), and nothing is redirected to WOW6432Node.
//
// Reading may happen concurrently; changes need exclusive use. Do not change a Snapshot while ranging over it.
type Snapshot struct {
	roots ordered[node]
}

type node struct {
	name   string
	stated bool // named by an entry itself, not only as an ancestor of one
	subs   ordered[node]
	values ordered[Item] // Item.Path is not set: it is the node's
}

// MaxDepth is the number of key levels below a root that Windows allows ("Registry element size limits").
const MaxDepth = 512

// Errors of changes to a Snapshot.
var (
	ErrDepth = errors.New("registry: more than 512 levels of keys")
	ErrRoot  = errors.New("registry: a root key cannot be deleted")
)

// Collect applies the entries of a decoder to an empty Snapshot. source becomes the Origin of its values.
// The Snapshot is never nil and holds everything that could be read; the error joins what the decoder
// reported, the first 100 errors in full and the rest as a count.
func Collect(source string, entries iter.Seq2[Entry, error]) (*Snapshot, error) {
	s := new(Snapshot)
	err := s.ApplyAll(source, entries)
	return s, err
}

// ApplyAll applies the entries of a decoder in order, as Collect does, to what s already holds.
func (s *Snapshot) ApplyAll(source string, entries iter.Seq2[Entry, error]) error {
	const limit = 100
	var errs []error
	more := 0
	add := func(err error) {
		if err == nil {
			return
		}
		if len(errs) < limit {
			errs = append(errs, err)
		} else {
			more++
		}
	}
	for e, err := range entries {
		add(err)
		if e.Op != 0 {
			add(s.Apply(e, source))
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d more errors", more))
	}
	return errors.Join(errs...)
}

// Apply changes s as e says. source and e.Pos become the Origin of the values set. Deleting what is not there
// is no error. Apply shares the bytes of e.Value.
func (s *Snapshot) Apply(e Entry, source string) error {
	switch e.Op {
	case Set, SetIfAbsent:
		n, err := s.create(e.Path)
		if err != nil {
			return err
		}
		n.stated = true
		fold := Fold(e.Name)
		if it := n.values.get(fold); it == nil {
			n.values.put(fold, &Item{Name: e.Name, Value: e.Value, Origin: Origin{source, e.Pos}})
		} else if e.Op == Set {
			it.Value, it.Origin = e.Value, Origin{source, e.Pos}
		}
	case CreateKey:
		n, err := s.create(e.Path)
		if err != nil {
			return err
		}
		n.stated = true
	case DeleteValue:
		if n := s.node(e.Path); n != nil {
			n.values.remove(Fold(e.Name))
		}
	case ClearValues:
		if n := s.node(e.Path); n != nil {
			n.values = ordered[Item]{}
		}
	case DeleteKey:
		if e.Path.Key == "" {
			return fmt.Errorf("%w: %v", ErrRoot, e.Path)
		}
		if n := s.node(e.Path.Parent()); n != nil {
			n.subs.remove(Fold(e.Path.Base()))
		}
	case SecureKey, Note:
	default:
		return fmt.Errorf("registry: cannot apply %v", e.Op)
	}
	return nil
}

// Put stores it, creating the key. It is Apply of a Set with a free choice of Origin.
func (s *Snapshot) Put(it Item) error {
	return s.Apply(Entry{Op: Set, Path: it.Path, Name: it.Name, Value: it.Value, Pos: it.Origin.Pos}, it.Origin.Source)
}

func (s *Snapshot) node(p Path) *node {
	n := s.roots.get(string(rune(p.Hive)))
	if n == nil || p.Key == "" {
		return n
	}
	for part := range strings.SplitSeq(p.Key, `\`) {
		if n = n.subs.get(Fold(part)); n == nil {
			return nil
		}
	}
	return n
}

func (s *Snapshot) create(p Path) (*node, error) {
	if strings.Count(p.Key, `\`) >= MaxDepth {
		return nil, fmt.Errorf("%w: %s", ErrDepth, clip(p.String(), 80))
	}
	root := string(rune(p.Hive))
	n := s.roots.get(root)
	if n == nil {
		n = &node{name: root}
		s.roots.put(root, n)
	}
	if p.Key == "" {
		return n, nil
	}
	for part := range strings.SplitSeq(p.Key, `\`) {
		fold := Fold(part)
		sub := n.subs.get(fold)
		if sub == nil {
			sub = &node{name: part}
			n.subs.put(fold, sub)
		}
		n = sub
	}
	return n, nil
}

// Get returns the named value of p; name "" is the default value. The Item has the spelling of the Snapshot.
func (s *Snapshot) Get(p Path, name string) (Item, bool) {
	n := s.node(p)
	if n == nil {
		return Item{}, false
	}
	it := n.values.get(Fold(name))
	if it == nil {
		return Item{}, false
	}
	found := *it
	found.Path = p
	return found, true
}

// HasKey reports whether p exists, be it only as the ancestor of a key.
func (s *Snapshot) HasKey(p Path) bool { return s.node(p) != nil }

// Subkeys yields the names of the keys directly below p.
func (s *Snapshot) Subkeys(p Path) iter.Seq[string] {
	return func(yield func(string) bool) {
		if n := s.node(p); n != nil {
			for _, sub := range n.subs.all() {
				if !yield(sub.name) {
					return
				}
			}
		}
	}
}

// Values yields the values of the key p itself.
func (s *Snapshot) Values(p Path) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		if n := s.node(p); n != nil {
			n.yieldValues(p, yield)
		}
	}
}

func (n *node) yieldValues(p Path, yield func(Item) bool) bool {
	for _, it := range n.values.all() {
		found := *it
		found.Path = p
		if !yield(found) {
			return false
		}
	}
	return true
}

// All yields all values, each key's own before those of its sub keys.
func (s *Snapshot) All() iter.Seq[Item] { return s.Below(Path{}) }

// Below yields the values of p and of all keys below it. The zero Path stands for the whole registry.
func (s *Snapshot) Below(p Path) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		s.walk(p, func(at Path, n *node) bool { return n.yieldValues(at, yield) })
	}
}

// Keys yields p and all keys below it, ancestors first. The zero Path stands for the whole registry; then roots
// themselves are yielded too.
func (s *Snapshot) Keys(p Path) iter.Seq[Path] {
	return func(yield func(Path) bool) {
		s.walk(p, func(at Path, _ *node) bool { return yield(at) })
	}
}

// walk calls visit for p and everything below it until visit returns false.
func (s *Snapshot) walk(p Path, visit func(Path, *node) bool) {
	if !p.IsZero() {
		if n := s.node(p); n != nil {
			n.walk(p, visit)
		}
		return
	}
	for _, n := range s.roots.all() {
		if !n.walk(Path{Hive: n.hive()}, visit) {
			return
		}
	}
}

// hive is meaningful for the nodes in Snapshot.roots only.
func (n *node) hive() Hive {
	for _, r := range n.name {
		return Hive(r)
	}
	return 0
}

func (n *node) walk(p Path, visit func(Path, *node) bool) bool {
	if !visit(p, n) {
		return false
	}
	for _, sub := range n.subs.all() {
		at := Path{p.Hive, sub.name}
		if p.Key != "" {
			at.Key = p.Key + `\` + sub.name
		}
		if !sub.walk(at, visit) {
			return false
		}
	}
	return true
}

// Entries yields what creates s in an empty registry: for every key that was named by an entry a CreateKey,
// followed by a Set per value. Keys that exist only as ancestors are not mentioned.
func (s *Snapshot) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		s.walk(Path{}, func(p Path, n *node) bool { return n.yieldEntries(p, yield) })
	}
}

func (n *node) yieldEntries(p Path, yield func(Entry) bool) bool {
	if n.stated && !yield(Entry{Op: CreateKey, Path: p}) {
		return false
	}
	for _, it := range n.values.all() {
		if !yield(Entry{Op: Set, Path: p, Name: it.Name, Value: it.Value, Pos: it.Origin.Pos}) {
			return false
		}
	}
	return true
}

// Clone returns a copy that can be changed independently. The bytes of values are shared.
func (s *Snapshot) Clone() *Snapshot {
	c := new(Snapshot)
	for fold, n := range s.roots.all() {
		c.roots.put(fold, n.clone())
	}
	return c
}

func (n *node) clone() *node {
	c := &node{name: n.name, stated: n.stated}
	for fold, it := range n.values.all() {
		v := *it
		c.values.put(fold, &v)
	}
	for fold, sub := range n.subs.all() {
		c.subs.put(fold, sub.clone())
	}
	return c
}

// Resolve returns where s really keeps p. A path below HKLM\SYSTEM\CurrentControlSet that s does not have is
// looked up in ControlSet00n, n being the REG_DWORD HKLM\SYSTEM\Select\Current, which is what the running
// Windows does with its link. Without that value, and for all other paths, Resolve returns p.
func (s *Snapshot) Resolve(p Path) Path {
	current := HKLM(`SYSTEM\CurrentControlSet`)
	rel, ok := p.Rel(current)
	if !ok || s.HasKey(current) {
		return p
	}
	it, ok := s.Get(HKLM(`SYSTEM\Select`), "Current")
	if !ok {
		return p
	}
	n, err := it.Value.Uint()
	if err != nil || n == 0 || n > 999 {
		return p
	}
	return HKLM(fmt.Sprintf(`SYSTEM\ControlSet%03d`, n)).Join(rel)
}
