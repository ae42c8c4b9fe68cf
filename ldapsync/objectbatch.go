package ldapsync

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// NewSortedObject is NewObject without its copy, for drivers that read many objects: attrs becomes part of the
// Object and must not be changed afterwards. Where attrs is not sorted by name without case, has a name twice or an
// attribute that is absent, NewSortedObject does what NewObject does.
func NewSortedObject(id GUID, dn DN, class Class, attrs []Attr) Object {
	for i := range attrs {
		a := &attrs[i]
		if i > 0 && compareFold(attrs[i-1].Name, a.Name) >= 0 || (len(a.Values) > 0) != (a.Presence == Present) || a.Presence > Unreadable || a.Presence == Absent {
			return NewObject(id, dn, class, attrs...)
		}
	}
	return Object{ID: id, DN: dn, Class: class, attrs: slices.Clip(attrs)}
}

// batchChunk is how many bytes of a large ObjectBatch lie together, firstChunk of a small one.
const batchChunk, firstChunk = 256 << 10, 4 << 10

// An ObjectBatch holds many objects in little memory: their values, one after another, and each attribute name and
// each parent's name once. An Object by itself needs about four times as much as its text. The zero ObjectBatch
// is empty and ready for use; a batch must not be copied after its first use. Any number of goroutines may read it
// at once while none adds. The objects it hands out share memory with it.
//
//	var users ldapsync.ObjectBatch
//	for o, err := range source.Read(ctx, query) {
//		if err != nil {
//			return err
//		}
//		users.Add(o)
//	}
//	for _, o := range users.All() {
//		…
//	}
type ObjectBatch struct {
	chunks []string
	places []batchPlace
	open   strings.Builder // the chunk that is being filled, the one after chunks
	buf    []byte

	names   []string
	nameNo  map[string]int
	parents []DN
	dnNo    map[string]int
}

// batchPlace says where an object begins.
type batchPlace struct{ chunk, offset int }

// Len returns the number of objects.
func (b *ObjectBatch) Len() int { return len(b.places) }

// Size returns about how many bytes of memory the batch takes.
func (b *ObjectBatch) Size() int {
	n := cap(b.places)*16 + b.open.Cap() + cap(b.buf)
	for _, c := range b.chunks {
		n += len(c)
	}
	for _, s := range b.names {
		n += len(s) + 64
	}
	for _, d := range b.parents {
		n += 3*len(d.text) + 64*(1+len(d.rdns))
	}
	return n
}

// Add appends an object.
func (b *ObjectBatch) Add(o Object) {
	if b.nameNo == nil {
		b.nameNo, b.dnNo = map[string]int{}, map[string]int{}
	}
	e := append(b.buf[:0], o.ID[:]...)
	e = append(e, byte(o.Class))
	e = b.appendName(e, o.DN)
	e = binary.AppendUvarint(e, uint64(len(o.attrs)))
	for i := range o.attrs {
		a := &o.attrs[i]
		no, ok := b.nameNo[a.Name]
		if !ok {
			no = len(b.names)
			name := strings.Clone(a.Name)
			b.names = append(b.names, name)
			b.nameNo[name] = no
		}
		e = binary.AppendUvarint(e, uint64(no))
		e = binary.AppendUvarint(e, uint64(len(a.Values))) // none: it is unreadable
		for _, v := range a.Values {
			e = appendText(e, v)
		}
	}
	b.buf = e
	if b.open.Cap()-b.open.Len() < len(e) {
		b.seal()
		b.open.Grow(max(min(firstChunk<<min(len(b.chunks), 8), batchChunk), len(e)))
	}
	b.places = append(b.places, batchPlace{len(b.chunks), b.open.Len()})
	b.open.Write(e)
	if cap(b.buf) > batchChunk {
		b.buf = nil
	}
}

func (b *ObjectBatch) seal() {
	if b.open.Len() > 0 {
		b.chunks = append(b.chunks, b.open.String())
	}
	b.open.Reset()
}

// appendName appends the DN: as the number of its parent and the length of its own part where the text is made of
// the two, as a text where not.
func (b *ObjectBatch) appendName(e []byte, d DN) []byte {
	head := 0
	if n := len(d.rdns); n > 1 {
		head = len(d.rdns[0].text)
		if !strings.HasPrefix(d.text, d.rdns[0].text) || len(d.text) <= head || d.text[head] != ',' {
			head = 0
		}
	}
	if head == 0 {
		return appendText(binary.AppendUvarint(e, 0), d.text)
	}
	tail := d.text[head+1:]
	no, ok := b.dnNo[tail]
	if !ok {
		parent, err := ParseDN(tail)
		if err != nil || len(parent.rdns) != len(d.rdns)-1 {
			return appendText(binary.AppendUvarint(e, 0), d.text)
		}
		no = len(b.parents)
		parent.text = strings.Clone(tail)
		b.parents = append(b.parents, parent)
		b.dnNo[parent.text] = no
	}
	e = binary.AppendUvarint(e, uint64(no)+1)
	return appendText(e, d.text)
}

// At returns the object that was added as number i, from 0. It panics if there is none.
func (b *ObjectBatch) At(i int) Object {
	var names DNParser
	return b.decode(b.places[i], &names, 0)
}

// All iterates over the objects in the order they were added.
func (b *ObjectBatch) All() iter.Seq2[int, Object] {
	return func(yield func(int, Object) bool) {
		var names DNParser
		for i, p := range b.places {
			if !yield(i, b.decode(p, &names, sharedRDNs)) {
				return
			}
		}
	}
}

func (b *ObjectBatch) decode(p batchPlace, names *DNParser, ahead int) Object {
	chunk := ""
	if p.chunk < len(b.chunks) {
		chunk = b.chunks[p.chunk]
	} else {
		chunk = b.open.String()
	}
	r := reader{s: chunk, i: p.offset}
	o := Object{ID: r.fixed(), Class: Class(r.byte())}
	o.DN = b.decodeName(&r, names, ahead)
	o.attrs = make([]Attr, r.number())
	values := make([]string, 0, len(o.attrs)+4) // most attributes have one value
	for i := range o.attrs {
		a := &o.attrs[i]
		a.Name, a.Presence = b.names[r.number()], Unreadable
		n := r.number()
		if n == 0 {
			continue
		}
		if cap(values)-len(values) < n {
			values = make([]string, 0, n+len(o.attrs)-i)
		}
		from := len(values)
		for range n {
			values = append(values, r.text())
		}
		a.Values, a.Presence = values[from:len(values):len(values)], Present
	}
	return o
}

func (b *ObjectBatch) decodeName(r *reader, names *DNParser, ahead int) DN {
	no, text := r.number(), r.text()
	if no == 0 {
		d, _ := ParseDN(text) // it was one when it was added
		return d
	}
	parent := b.parents[no-1]
	head := text[:len(text)-len(parent.text)-1]
	first, ok := names.plain(head, ahead)
	if !ok {
		d, err := ParseDN(head)
		if err != nil || len(d.rdns) != 1 {
			d, _ = ParseDN(text)
			return d
		}
		first = d.rdns[0]
	}
	return names.join(text, first, parent, ahead)
}
