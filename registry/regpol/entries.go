package regpol

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/registry"
)

// The special value names, in lower case; Windows compares them without case.
const (
	delValue     = "**del."
	delValues    = "**deletevalues"
	clearValues  = "**delvals" // with or without a full stop
	deleteKeys   = "**deletekeys"
	secureKey    = "**securekey"
	setIfAbsent  = "**soft."
	instructions = "**"
)

// ignoredData is what the Group Policy editor stores with an instruction that needs no data: a blank.
var ignoredData = registry.Value{Type: registry.TypeSZ, Data: []byte{' ', 0, 0, 0}}

// Decode reads a file with the zero Decoder. See [Decoder.Decode].
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode reads r to its end and yields what its records do, in order. An error of r ends the sequence as it is.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		data, err := d.read(r)
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		d.DecodeBytes(data)(yield)
	}
}

// DecodeBytes is Decode for a file in memory. data is not copied: Entry.Value.Data points into it.
//
// The instructions of the format become operations:
//
//	**del.Name        DeleteValue
//	**DeleteValues    DeleteValue for each name in the data
//	**DelVals.        ClearValues
//	**DeleteKeys      DeleteKey for each sub key in the data
//	**SecureKey       SecureKey
//	**soft.Name       SetIfAbsent
//	no name, REG_NONE without data   CreateKey
//	any other name starting with **  Note, with the name in Entry.Note and the data in Entry.Value
//
// Superfluous backslashes in keys, which Windows ignores too, are removed. Where an instruction is spelled differently from what the Group Policy editor writes, Entry.Note has its name and
// Entry.Value its data, so that Encode gives the same bytes back.
func (d Decoder) DecodeBytes(data []byte) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		for rec, err := range d.Records(data) {
			if err != nil && rec.Pos.Record == 0 {
				if !yield(registry.Entry{}, err) {
					return
				}
				continue
			}
			if !rec.effects(d.Hive, err, yield) {
				return
			}
		}
	}
}

// Effects yields what r does to the registry, one Entry per effect.
func (r Record) Effects(h registry.Hive) iter.Seq[registry.Entry] {
	return func(yield func(registry.Entry) bool) {
		r.effects(h, nil, func(e registry.Entry, _ error) bool { return yield(e) })
	}
}

func (r Record) effects(h registry.Hive, err error, yield func(registry.Entry, error) bool) bool {
	if h == 0 {
		h = registry.LocalMachine
	}
	e := registry.Entry{Op: registry.Set, Path: registry.Path{Hive: h}.Join(r.Key), Name: r.Name, Value: registry.Value{Type: r.Type, Data: r.Data}, Pos: r.Pos}
	if !strings.HasPrefix(r.Name, instructions) {
		if r.Name == "" && r.Type == registry.TypeNone && len(r.Data) == 0 {
			e.Op, e.Value = registry.CreateKey, registry.Value{}
		}
		return yield(e, err)
	}
	lower := strings.ToLower(r.Name)
	e.Note = r.Name
	switch {
	case strings.HasPrefix(lower, delValue):
		e.Op, e.Name = registry.DeleteValue, r.Name[len(delValue):]
		return yield(canonical(e, delValue+e.Name), err)
	case strings.TrimSuffix(lower, ".") == clearValues:
		e.Op, e.Name = registry.ClearValues, ""
		return yield(canonical(e, clearValues+"."), err)
	case strings.HasPrefix(lower, setIfAbsent):
		e.Op, e.Name = registry.SetIfAbsent, r.Name[len(setIfAbsent):]
		if r.Name[:len(setIfAbsent)] == setIfAbsent {
			e.Note = ""
		}
		return yield(e, err)
	case lower == secureKey:
		e.Op, e.Name = registry.SecureKey, ""
		if r.Name == "**SecureKey" {
			e.Note = ""
		}
		return yield(e, err)
	case lower == delValues, lower == deleteKeys:
		list, listErr := e.Value.Text()
		if listErr != nil {
			break
		}
		path := e.Path
		e.Value = registry.Value{}
		for name := range strings.SplitSeq(list, ";") {
			if lower == delValues {
				e.Op, e.Name = registry.DeleteValue, name
			} else {
				e.Op, e.Path, e.Name = registry.DeleteKey, path.Join(name), ""
				if e.Path == path {
					continue // an empty name must not delete the key itself
				}
			}
			if !yield(e, err) {
				return false
			}
			err = nil
		}
		return true
	}
	e.Op = registry.Note
	return yield(e, err)
}

// canonical drops from e what Encode will write by itself.
func canonical(e registry.Entry, name string) registry.Entry {
	if e.Value.Equal(ignoredData) {
		e.Value = registry.Value{}
	}
	if e.Note == name {
		e.Note = ""
	}
	return e
}

// An Encoder writes Registry.pol. The zero Encoder writes the file of the Machine folder.
type Encoder struct {
	// Hive is the root the file stands for: registry.LocalMachine, which is also the meaning of zero, or
	// registry.CurrentUser. Entries of other roots cannot be written.
	Hive registry.Hive
}

// Encode writes entries with the zero Encoder. See [Encoder.Encode].
func Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	return Encoder{}.Encode(w, entries)
}

// Encode writes a file that does what entries say, in their order, spelled as the Group Policy editor spells it. What the
// format cannot say is left out and returned as *registry.LossError: other roots, comments, value names that start with ** and
// deletion of a key directly below the root. An error of w ends the writing and is returned alone.
func (c Encoder) Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	p := printer{hive: c.Hive, w: w, out: AppendHeader(nil)}
	if p.hive == 0 {
		p.hive = registry.LocalMachine
	}
	for e := range entries {
		p.entry(e)
		if len(p.out) > flushAt && !p.flush() {
			return p.err
		}
	}
	p.endList()
	if !p.flush() {
		return p.err
	}
	return p.losses.Err()
}

const flushAt = 64 << 10

type printer struct {
	hive   registry.Hive
	w      io.Writer
	out    []byte
	err    error
	losses registry.Losses
	list   []registry.Entry // effects of one record with a list
}

func (p *printer) flush() bool {
	if p.err == nil && len(p.out) > 0 {
		_, p.err = p.w.Write(p.out)
		p.out = p.out[:0]
	}
	return p.err == nil
}

func (p *printer) write(e registry.Entry, key, name string, v registry.Value) {
	out, err := AppendRecord(p.out, Record{Key: key, Name: name, Type: v.Type, Data: v.Data})
	if err != nil {
		p.losses.Add(format, e, err.Error())
		return
	}
	p.out = out
}

func (p *printer) entry(e registry.Entry) {
	if isList(e) {
		if len(p.list) > 0 && !sameList(p.list[0], e) {
			p.endList()
		}
		p.list = append(p.list, e)
		return
	}
	p.endList()
	if e.Path.Hive != p.hive {
		why := "the file is about " + p.hive.String() + " only"
		if e.Op == registry.Note {
			why = "it has no comments"
		}
		p.losses.Add(format, e, why)
		return
	}
	key := e.Path.Key
	switch e.Op {
	case registry.Set:
		switch {
		case strings.HasPrefix(e.Name, instructions):
			p.losses.Add(format, e, "a value name starting with ** would be an instruction")
		case e.Name == "" && e.Value.Type == registry.TypeNone && len(e.Value.Data) == 0:
			p.losses.Add(format, e, "an empty default value without type means: create the key")
		default:
			p.write(e, key, e.Name, e.Value)
		}
	case registry.SetIfAbsent:
		p.write(e, key, spelled(e, setIfAbsent)+e.Name, e.Value)
	case registry.DeleteValue:
		p.write(e, key, spelled(e, delValue)+e.Name, data(e))
	case registry.ClearValues:
		name := clearValues + "."
		if strings.EqualFold(e.Note, name) || strings.EqualFold(e.Note, clearValues) {
			name = e.Note
		}
		p.write(e, key, name, data(e))
	case registry.CreateKey:
		p.write(e, key, "", registry.Value{})
	case registry.DeleteKey:
		p.deleteKeys(e, "**DeleteKeys", []registry.Entry{e})
	case registry.SecureKey:
		name := "**SecureKey"
		if strings.EqualFold(e.Note, name) {
			name = e.Note
		}
		p.write(e, key, name, e.Value)
	case registry.Note:
		if strings.HasPrefix(e.Note, instructions) {
			p.write(e, key, e.Note, e.Value)
		} else {
			p.losses.Add(format, e, "it has no comments")
		}
	default:
		p.losses.Add(format, e, "unknown operation")
	}
}

// spelled returns the prefix of an instruction as the file it came from had it, or as the editor writes it.
func spelled(e registry.Entry, prefix string) string {
	if n := len(prefix); len(e.Note) >= n && strings.EqualFold(e.Note[:n], prefix) && e.Note[n:] == e.Name {
		return e.Note[:n]
	}
	return prefix
}

func data(e registry.Entry) registry.Value {
	if e.Value.Type == 0 && len(e.Value.Data) == 0 {
		return ignoredData
	}
	return e.Value
}

// isList reports whether e came from a record that names several values or keys.
func isList(e registry.Entry) bool {
	return e.Pos.Record > 0 && (e.Op == registry.DeleteValue && strings.EqualFold(e.Note, delValues) && !strings.Contains(e.Name, ";") ||
		e.Op == registry.DeleteKey && strings.EqualFold(e.Note, deleteKeys) && !strings.Contains(e.Path.Key, ";"))
}

func sameList(a, b registry.Entry) bool {
	if a.Op != b.Op || a.Note != b.Note || a.Pos != b.Pos || a.Path.Hive != b.Path.Hive {
		return false
	}
	if a.Op == registry.DeleteValue {
		return a.Path == b.Path
	}
	return a.Path.Parent() == b.Path.Parent()
}

// endList writes the effects of one record as one record again.
func (p *printer) endList() {
	if len(p.list) == 0 {
		return
	}
	list := p.list
	p.list = p.list[:0]
	first := list[0]
	switch {
	case first.Path.Hive != p.hive:
		for _, e := range list {
			p.losses.Add(format, e, "the file is about "+p.hive.String()+" only")
		}
	case first.Op == registry.DeleteKey:
		p.deleteKeys(first, first.Note, list)
	default:
		var names bytes.Buffer
		for i, e := range list {
			if i > 0 {
				names.WriteByte(';')
			}
			names.WriteString(e.Name)
		}
		p.write(first, first.Path.Key, first.Note, registry.String(names.String()))
	}
}

func (p *printer) deleteKeys(first registry.Entry, name string, list []registry.Entry) {
	parent := first.Path.Parent()
	if parent.Key == "" {
		p.losses.Add(format, first, "it cannot delete a key directly below the root")
		return
	}
	var names bytes.Buffer
	for _, e := range list {
		base := e.Path.Base()
		if strings.Contains(base, ";") {
			p.losses.Add(format, e, fmt.Sprintf("the key name %q contains the separator of the list", base))
			continue
		}
		if names.Len() > 0 {
			names.WriteByte(';')
		}
		names.WriteString(base)
	}
	if names.Len() > 0 {
		p.write(first, parent.Key, name, registry.String(names.String()))
	}
}
