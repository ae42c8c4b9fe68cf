package gpp

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

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
