package ldapsync

import (
	"encoding/binary"
	"fmt"
)

// appendObject appends o to b in a form for a spool: the identity, the DN taken apart, so that reading it again
// parses nothing, and the attributes.
func appendObject(b []byte, o *Object) []byte {
	b = append(b, o.ID[:]...)
	b = append(b, byte(o.Class))
	b = appendDN(b, o.DN)
	b = binary.AppendUvarint(b, uint64(len(o.attrs)))
	for i := range o.attrs {
		a := &o.attrs[i]
		b = append(b, byte(a.Presence))
		b = appendText(b, a.Name)
		b = binary.AppendUvarint(b, uint64(len(a.Values)))
		for _, v := range a.Values {
			b = appendText(b, v)
		}
	}
	return b
}

func appendDN(b []byte, d DN) []byte {
	b = appendText(b, d.text)
	b = binary.AppendUvarint(b, uint64(len(d.rdns)))
	for i := range d.rdns {
		r := &d.rdns[i]
		b = appendText(b, r.text)
		b = appendText(b, r.fold)
		b = appendText(b, r.typ)
		b = appendText(b, r.val)
	}
	return b
}

func (r *reader) dn() (d DN) {
	d.text = r.text()
	if n := r.count(4); n > 0 {
		d.rdns = make([]rdn, n)
	}
	for i := range d.rdns {
		d.rdns[i] = rdn{text: r.text(), fold: r.text(), typ: r.text(), val: r.text()}
	}
	return d
}

// decodeObject reads what appendObject wrote.
func decodeObject(rec []byte) (*Object, error) {
	r := reader{s: string(rec)}
	o := &Object{ID: r.fixed(), Class: Class(r.byte())}
	o.DN = r.dn()
	n := r.count(3)
	o.attrs = make([]Attr, n)
	values := make([]string, 0, n) // most attributes have one value
	for i := range o.attrs {
		a := &o.attrs[i]
		a.Presence = Presence(r.byte())
		a.Name = r.text()
		k := r.count(1)
		if cap(values)-len(values) < k {
			values = make([]string, 0, max(k, n-i))
		}
		from := len(values)
		for range k {
			values = append(values, r.text())
		}
		if k > 0 {
			a.Values = values[from:len(values):len(values)]
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("ldapsync: temporary file: an object: %w", r.err)
	}
	return o, nil
}
