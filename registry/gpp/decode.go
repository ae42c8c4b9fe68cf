package gpp

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/registry"
)

// MaxBytes is the longest file a Decoder reads if it does not say otherwise.
const MaxBytes = 64 << 20

// A Decoder turns the registry items of a preference file into entries. The zero Decoder is strict and evaluates
// no targeting.
type Decoder struct {
	// Facts decides item-level targeting. With nil, items with targeting are yielded like all others; in both
	// cases Entry.Note says under which condition an item applies. An item that Facts exclude becomes a Note.
	Facts    *Facts
	Tolerant bool  // go on after an item that cannot be understood
	MaxBytes int64 // longest input; 0 is the constant MaxBytes
}

// Decode reads a file with the zero Decoder.
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode reads a Registry.xml and yields what its items do, in the order of the file, in which the client works:
// Create is SetIfAbsent (or CreateKey), Update Set (or CreateKey), Replace DeleteValue and Set (or DeleteKey and
// CreateKey), Delete DeleteValue (or DeleteKey). Disabled items, items that set single bits (bitfield), and items
// of other preference types are Notes. Pos.Record counts the items.
//
// Errors are *registry.SyntaxError. A number that is not written as Windows writes it, eight or sixteen
// hexadecimal digits, is an error: whether "65534" means 65,534 or 415,028 cannot be known.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		limit := d.MaxBytes
		if limit <= 0 {
			limit = MaxBytes
		}
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = fmt.Errorf("more than %d bytes", limit)
		}
		if err != nil {
			yield(registry.Entry{}, &registry.SyntaxError{Format: "gpp", Msg: "reading", Err: err})
			return
		}
		doc, err := Parse(data)
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		record := 0
		outer := map[*Node]outcome{}
		for n, in := range doc.All() {
			if n.Kind == Collection {
				continue
			}
			record++
			for e, err := range d.item(doc, n, in, outer) {
				e.Pos = n.Pos
				e.Pos.Record = record
				if se, ok := errors.AsType[*registry.SyntaxError](err); ok {
					se.Pos = e.Pos
				}
				if !yield(e, err) || err != nil && !d.Tolerant {
					return
				}
			}
		}
	}
}

// item yields the effects of one item.
func (d Decoder) item(doc *Document, n *Node, in []*Node, outer map[*Node]outcome) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		note := func(format string, args ...any) {
			yield(registry.Entry{Op: registry.Note, Note: fmt.Sprintf(format, args...)}, nil)
		}
		if n.Kind == Other {
			note("<%s> %s is no registry item", n.Element, n.Name)
			return
		}
		p := n.Properties
		path, err := p.Path()
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		entry := registry.Entry{Path: path, Name: p.Name, Note: n.Desc}
		if p.Default {
			entry.Name = ""
		}
		off := func(why string) {
			entry.Op, entry.Note = registry.Note, why
			entry.Value, _ = p.Value()
			yield(entry, nil)
		}
		if doc.Disabled || n.Disabled {
			off("disabled")
			return
		}
		for _, c := range in {
			if c.Disabled {
				off(fmt.Sprintf("collection %q is disabled", c.Name))
				return
			}
		}
		verdict, condition := targeting(d.Facts, n, in, outer)
		if verdict.Applies == No {
			off("targeting does not apply: " + verdict.Because)
			return
		}
		if condition != "" {
			entry.Note = "only if " + condition
			if d.Facts != nil && verdict.Applies == Unknown {
				entry.Note += "; unknown: " + strings.Join(verdict.Missing, ", ")
			}
		}
		if n.UserContext {
			entry.Note = strings.TrimPrefix(entry.Note+"; in the user's security context", "; ")
		}
		if len(p.Bits) > 0 {
			off("sets single bits of the value, which depends on what is there")
			return
		}
		ops, err := p.ops()
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		for _, op := range ops {
			entry.Op = op
			entry.Value = registry.Value{}
			if op == registry.Set || op == registry.SetIfAbsent {
				if entry.Value, err = p.Value(); err != nil {
					entry.Op = registry.Note
					entry.Note = "value cannot be understood"
					yield(entry, err)
					return
				}
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// An outcome is the targeting of one node by itself.
type outcome struct {
	Verdict
	text string
}

// outcome evaluates the conditions of n alone. The text of very many conditions is cut: it is for people.
func (n *Node) outcome(facts *Facts) outcome {
	const most = 1000
	text := Describe(n.Filters)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return outcome{facts.Eval(n.Filters), text}
}

// targeting evaluates the conditions of n and of the collections it is in, which must all hold. outer remembers
// the collections.
func targeting(facts *Facts, n *Node, in []*Node, outer map[*Node]outcome) (Verdict, string) {
	result := Verdict{Applies: Yes}
	var conditions []string
	add := func(o outcome) {
		if o.text != "" {
			conditions = append(conditions, o.text)
		}
		switch {
		case result.Applies == No:
		case o.Applies == No:
			result = o.Verdict
		case o.Applies == Unknown:
			result.Applies = Unknown
			result.Missing = append(result.Missing[:len(result.Missing):len(result.Missing)], o.Missing...)
		}
	}
	for _, c := range in {
		o, ok := outer[c]
		if !ok {
			o = c.outcome(facts)
			if outer != nil {
				outer[c] = o
			}
		}
		add(o)
	}
	add(n.outcome(facts))
	return result, strings.Join(conditions, " AND ")
}

// Targeting evaluates the conditions of n and of the collections it is in, as Document.All gives them. All of
// them must hold.
func (n *Node) Targeting(facts *Facts, in []*Node) Verdict {
	v, _ := targeting(facts, n, in, nil)
	return v
}

func badField(field, format string, args ...any) error {
	return &registry.SyntaxError{Format: "gpp", Field: field, Msg: fmt.Sprintf(format, args...)}
}

// Path returns the key of the item. A leading backslash, which the editor never writes, is an error.
func (p Properties) Path() (registry.Path, error) {
	h, ok := registry.ParseHive(p.Hive)
	switch {
	case !ok:
		return registry.Path{}, badField("hive", "no root key %.40q", p.Hive)
	case strings.HasPrefix(p.Key, `\`):
		return registry.Path{}, badField("key", "%.80q starts with a backslash", p.Key)
	case p.Key == "":
		return registry.Path{}, badField("key", "empty")
	}
	return registry.Path{Hive: h}.Join(p.Key), nil
}

// IsKey reports whether the item is about the key itself, not about a value.
func (p Properties) IsKey() bool { return p.Name == "" && !p.Default }

func (p Properties) ops() ([]registry.Op, error) {
	switch key := p.IsKey(); p.Action {
	case Create:
		if key {
			return []registry.Op{registry.CreateKey}, nil
		}
		return []registry.Op{registry.SetIfAbsent}, nil
	case Update, "":
		if key {
			return []registry.Op{registry.CreateKey}, nil
		}
		return []registry.Op{registry.Set}, nil
	case Replace:
		if key {
			return []registry.Op{registry.DeleteKey, registry.CreateKey}, nil
		}
		return []registry.Op{registry.DeleteValue, registry.Set}, nil
	case Delete:
		if key {
			return []registry.Op{registry.DeleteKey}, nil
		}
		return []registry.Op{registry.DeleteValue}, nil
	}
	return nil, badField("action", "%.40q is none of C, R, U, D", string(p.Action))
}

// Value returns what the item sets. It is an error if the text does not have the form of the type.
func (p Properties) Value() (registry.Value, error) {
	number := func(digits int) (uint64, error) {
		if len(p.Data) != digits {
			return 0, badField("value", "%.40q is not %d hexadecimal digits, so it may be meant in decimal", p.Data, digits)
		}
		n, err := strconv.ParseUint(p.Data, 16, 64)
		if err != nil {
			return 0, badField("value", "%.40q is not hexadecimal", p.Data)
		}
		return n, nil
	}
	switch p.Type {
	case "REG_SZ":
		return registry.String(p.Data), nil
	case "REG_EXPAND_SZ":
		return registry.ExpandString(p.Data), nil
	case "REG_MULTI_SZ":
		if p.Values == nil && p.Data != "" {
			return registry.Strings(p.Data), nil
		}
		return registry.Strings(p.Values...), nil
	case "REG_DWORD":
		n, err := number(8)
		if err != nil {
			return registry.Value{}, err
		}
		return registry.DWord(uint32(n)), nil
	case "REG_QWORD":
		n, err := number(16)
		if err != nil {
			return registry.Value{}, err
		}
		return registry.QWord(n), nil
	case "REG_BINARY":
		b, err := hex.DecodeString(strings.ReplaceAll(p.Data, " ", ""))
		if err != nil {
			return registry.Value{}, badField("value", "%.40q are not hexadecimal bytes", p.Data)
		}
		return registry.Binary(b), nil
	}
	return registry.Value{}, badField("type", "%.40q", p.Type)
}

// SetValue makes p set v, in the form Windows writes. It returns false, and changes nothing, for types that
// preferences do not have and for data that does not fit its type.
func (p *Properties) SetValue(v registry.Value) bool {
	data, values := "", []string(nil)
	switch v.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		s, err := v.Text()
		if err != nil || !xmlText(s) {
			return false
		}
		data = s
	case registry.TypeMultiSZ:
		list, err := v.List()
		if err != nil || !xmlText(strings.Join(list, "")) {
			return false
		}
		data, values = strings.Join(list, " "), list
	case registry.TypeDWord, registry.TypeQWord:
		n, err := v.Uint()
		if err != nil {
			return false
		}
		data = fmt.Sprintf("%0*X", 2*len(v.Data), n)
	case registry.TypeBinary:
		data = fmt.Sprintf("% x", v.Data)
	default:
		return false
	}
	p.Type, p.Data, p.Values = v.Type.String(), data, values
	return true
}

// xmlText reports whether XML 1.0 can hold s.
func xmlText(s string) bool {
	for len(s) > 0 {
		r, n := registry.DecodeWTF8(s)
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0xD800 && r < 0xE000 || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD && n == 1 {
			return false
		}
		s = s[n:]
	}
	return true
}

// An Encoder writes entries as a Registry.xml in the layout of the GPMC editor. The zero Encoder is ready for use.
type Encoder struct {
	Changed time.Time // time stamp of the items; the zero Time leaves the attribute out
	Filters []Filter  // item-level targeting for every item
	Remove  bool      // items that set a value use Replace and go away with the policy (removePolicy), instead of tattooing
}

// Encode writes entries with the zero Encoder.
func Encode(w io.Writer, entries iter.Seq[registry.Entry]) error { return Encoder{}.Encode(w, entries) }

// Encode writes one item per entry: Set as Update, SetIfAbsent as Create, DeleteValue and DeleteKey as Delete,
// CreateKey as Update of the key unless a later entry sets a value of it anyway. What preferences cannot express
// is left out and reported as *registry.LossError: other operations, other types, data that does not fit its
// type, text that XML cannot hold, and paths without a root.
func (enc Encoder) Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	doc := New()
	var losses registry.Losses
	var all []registry.Entry
	valued := map[registry.Path]int{}
	for e := range entries {
		if e.Op == registry.Set || e.Op == registry.SetIfAbsent {
			valued[e.Path.Fold()] = len(all)
		}
		all = append(all, e)
	}
	for i, e := range all {
		if at, ok := valued[e.Path.Fold()]; e.Op == registry.CreateKey && (ok && at > i || e.Path.Key == "") {
			continue
		}
		n, why := enc.node(e)
		if why != "" {
			losses.Add("gpp", e, why)
			continue
		}
		doc.Nodes = append(doc.Nodes, n)
	}
	if _, err := doc.WriteTo(w); err != nil {
		return err
	}
	return losses.Err()
}

func (enc Encoder) node(e registry.Entry) (n *Node, why string) {
	p := Properties{Hive: e.Path.Hive.String(), Key: e.Path.Key, Name: e.Name, Default: e.Name == "", Type: "REG_SZ"}
	if _, ok := registry.ParseHive(p.Hive); !ok || p.Key == "" {
		return nil, "an item needs a root key and a key below it"
	}
	n = &Node{Kind: Registry, Filters: enc.Filters}
	if !enc.Changed.IsZero() {
		n.Changed = Stamp(enc.Changed)
	}
	switch e.Op {
	case registry.Set, registry.SetIfAbsent:
		if p.Action = Update; e.Op == registry.SetIfAbsent {
			p.Action = Create
		} else if enc.Remove {
			p.Action, n.RemovePolicy = Replace, true
		}
		if !p.SetValue(e.Value) {
			return nil, "no preference item holds such a type or data"
		}
	case registry.DeleteValue:
		p.Action = Delete
	case registry.CreateKey:
		p.Action, p.Name, p.Default = Update, "", false
	case registry.DeleteKey:
		p.Action, p.Name, p.Default = Delete, "", false
	case registry.ClearValues:
		return nil, "no item deletes all values of a key and leaves the key"
	default:
		return nil, "preferences have no such instruction"
	}
	if !xmlText(p.Key) || !xmlText(p.Name) {
		return nil, "XML cannot hold the name"
	}
	n.Properties = p
	return n, ""
}

// defaultImage returns the icon number GPMC gives an item: by kind of value and action; keys, and everything that
// Set-GPPrefRegistryValue writes, by action alone.
func defaultImage(n *Node, cmdlet bool) string {
	i := strings.Index("CRUD", string(n.Properties.Action))
	if i < 0 || n.Properties.Action == "" {
		i = strings.Index("CRUD", string(Update))
	}
	switch t := n.Properties.Type; {
	case n.Kind != Registry:
		i = 0
	case cmdlet || n.Properties.IsKey():
	case t == "REG_DWORD" || t == "REG_QWORD":
		i += 10
	case t == "REG_BINARY":
		i += 15
	default:
		i += 5
	}
	return strconv.Itoa(i)
}

// stableUID returns a version 5 UUID over parts, so that the same item has the same uid in every run: Windows keeps
// book of items by it.
func stableUID(parts ...string) string {
	h := sha1.New()
	for _, p := range parts {
		io.WriteString(h, strings.ToUpper(p)+"\x00")
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0F|0x50, b[8]&0x3F|0x80
	return fmt.Sprintf("{%X-%X-%X-%X-%X}", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
