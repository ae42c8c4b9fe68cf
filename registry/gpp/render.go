package gpp

import (
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
)

func (e *element) setFlag(name string, on bool) {
	v := "0"
	if on {
		v = "1"
	}
	if _, ok := e.attr(name); ok || on {
		e.set(name, &v)
	}
}

func (d *Document) kids(list []*Node, tail []byte, depth int) (kids []child) {
	for i, n := range list {
		el, lead := d.element(n, depth), n.lead
		if n.src == nil {
			switch {
			case d.cmdlet:
				lead = []byte("\r\n" + strings.Repeat("  ", depth))
			case i > 0:
				lead = []byte("\r\n" + strings.Repeat("\t", depth))
			}
		}
		if len(lead) > 0 {
			kids = append(kids, child{raw: lead})
		}
		kids = append(kids, child{el: el})
	}
	if len(tail) > 0 {
		kids = append(kids, child{raw: tail})
	}
	return kids
}

// element returns n as XML: as it was read where it was not changed.
func (d *Document) element(n *Node, depth int) *element {
	if n.src == nil {
		return d.fresh(n, depth)
	}
	changed := !reflect.DeepEqual(n.frozen(), n.was)
	if !changed && n.Kind != Collection {
		return n.src
	}
	e := *n.src
	if changed {
		patch(&e, n.flags(), n.was.flags(), n.texts(), n.was.texts())
		patchExtra(&e, n.Extra, n.was.Extra)
		if n.Kind == Registry && !reflect.DeepEqual(n.Properties, n.was.Properties) {
			e.kids = slices.Clone(e.kids)
			replaceChild(&e, "Properties", patchedProperties(&e, n))
		}
		if !reflect.DeepEqual(n.Filters, n.was.Filters) {
			e.kids = slices.Clone(e.kids)
			replaceChild(&e, "Filters", filtersElement(n.Filters))
		}
	}
	if n.Kind == Collection {
		d.patchCollection(&e, n, depth)
	}
	return &e
}

// patchCollection puts the present children of n in place of those that were read, keeping Filters where it was.
func (d *Document) patchCollection(e *element, n *Node, depth int) {
	var filters []child
	atEnd := false
	for _, c := range e.kids {
		if c.el != nil && c.el.name == "Filters" {
			filters = append(filters, c)
			atEnd = true
		} else if c.el != nil {
			atEnd = false
		}
	}
	same := len(n.Children) == len(e.elements(""))-len(filters)
	if same {
		// Write child by child in place: white space and the position of Filters stay.
		kids := slices.Clone(e.kids)
		i := 0
		for k, c := range kids {
			if c.el == nil || c.el.name == "Filters" {
				continue
			}
			if n.Children[i].src != c.el {
				same = false
				break
			}
			kids[k].el = d.element(n.Children[i], depth+1)
			i++
		}
		if same {
			e.kids = kids
			return
		}
	}
	kids := d.kids(n.Children, nil, depth+1)
	if atEnd {
		kids = append(kids, filters...)
	} else {
		kids = append(filters, kids...)
	}
	e.kids = kids
	e.render()
}

func patch(e *element, flags, wasFlags map[string]*bool, texts, wasTexts map[string]*string) {
	for _, name := range slices.Sorted(mapKeys(flags)) {
		if *flags[name] != *wasFlags[name] {
			e.setFlag(name, *flags[name])
		}
	}
	for _, name := range slices.Sorted(mapKeys(texts)) {
		if *texts[name] != *wasTexts[name] {
			e.set(name, texts[name])
		}
	}
}

func mapKeys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func patchExtra(e *element, now, was []Attr) {
	for _, a := range was {
		if !slices.ContainsFunc(now, func(b Attr) bool { return b.Name == a.Name }) {
			e.set(a.Name, nil)
		}
	}
	for _, a := range now {
		e.set(a.Name, &a.Value)
	}
}

func replaceChild(e *element, name string, with *element) {
	for i, c := range e.kids {
		if c.el != nil && c.el.name == name {
			if with == nil {
				e.kids = slices.Delete(e.kids, i, i+1)
			} else {
				e.kids[i].el = with
			}
			return
		}
	}
	if with != nil {
		e.kids = append(e.kids, child{el: with})
		e.render()
	}
}

func patchedProperties(e *element, n *Node) *element {
	old := e.elements("Properties")
	if len(old) == 0 {
		return propertiesElement(&n.Properties, false)
	}
	p := *old[len(old)-1]
	patch(&p, n.Properties.flags(), n.was.Properties.flags(), n.Properties.texts(), n.was.Properties.texts())
	patchExtra(&p, n.Properties.Extra, n.was.Properties.Extra)
	if !reflect.DeepEqual(n.Properties.Values, n.was.Properties.Values) {
		p.kids = slices.Clone(p.kids)
		replaceChild(&p, "Values", valuesElement(n.Properties.Values))
	}
	if !reflect.DeepEqual(n.Properties.Bits, n.was.Properties.Bits) {
		p.kids = slices.DeleteFunc(slices.Clone(p.kids), func(c child) bool { return c.el != nil && c.el.name == "SubProp" })
		for _, s := range n.Properties.Bits {
			p.kids = append(p.kids, child{el: newElement("SubProp", Attr{"id", s.ID}, Attr{"value", s.Value}, Attr{"mask", s.Mask})})
		}
		p.render()
	}
	return &p
}

func valuesElement(list []string) *element {
	if list == nil {
		return nil
	}
	vs := newElement("Values")
	for _, s := range list {
		v := newElement("Value")
		v.kids = []child{{raw: appendEscaped(nil, s)}}
		v.render()
		vs.kids = append(vs.kids, child{el: v})
	}
	vs.render()
	return vs
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func propertiesElement(p *Properties, cmdlet bool) *element {
	action := p.Action
	if action == "" {
		action = Update
	}
	attrs := []Attr{{"action", string(action)}, {"displayDecimal", flag(p.DisplayDecimal)}, {"default", flag(p.Default)},
		{"hive", p.Hive}, {"key", p.Key}, {"name", p.Name}, {"type", p.Type}, {"value", p.Data}}
	if p.Bitfield != "" {
		attrs = append(attrs, Attr{"bitfield", p.Bitfield})
	}
	if cmdlet {
		attrs[1], attrs[2] = attrs[2], attrs[1]
	}
	e := newElement("Properties", append(attrs, p.Extra...)...)
	if vs := valuesElement(p.Values); vs != nil {
		e.kids = append(e.kids, child{el: vs})
	}
	for _, s := range p.Bits {
		e.kids = append(e.kids, child{el: newElement("SubProp", Attr{"id", s.ID}, Attr{"value", s.Value}, Attr{"mask", s.Mask})})
	}
	if cmdlet && len(e.kids) == 0 {
		e.start = []byte("<Properties />")
	}
	e.render()
	return e
}

// fresh renders a node that was in no file.
func (d *Document) fresh(n *Node, depth int) *element {
	name := n.Name
	if name == "" && n.Kind == Registry {
		if name = n.Properties.Name; name == "" && !n.Properties.Default {
			name = n.Properties.Key[strings.LastIndexByte(n.Properties.Key, '\\')+1:]
		}
	}
	status := n.Status
	if status == "" {
		status = name
	}
	image, uid, element, clsid := n.Image, n.UID, n.Element, itemCLSID
	if image == "" {
		image = defaultImage(n, d.cmdlet)
	}
	if uid == "" {
		uid = stableUID(n.Properties.Hive, n.Properties.Key, n.Properties.Name, string(n.Properties.Action), name)
	}
	if element == "" {
		element = "Registry"
	}
	if n.Kind == Collection {
		element, clsid = "Collection", collectionCLSID
	}
	attrs := []Attr{{"clsid", clsid}, {"name", name}, {"status", status}, {"image", image}}
	if d.cmdlet {
		attrs[2], attrs[3] = attrs[3], attrs[2]
	}
	if n.Changed != "" {
		attrs = append(attrs, Attr{"changed", n.Changed})
	}
	attrs = append(attrs, Attr{"uid", uid})
	for _, a := range []struct {
		name string
		on   bool
	}{{"disabled", n.Disabled}, {"removePolicy", n.RemovePolicy}, {"userContext", n.UserContext}, {"bypassErrors", n.BypassErrors}} {
		if a.on || d.cmdlet && a.name == "disabled" {
			attrs = append(attrs, Attr{a.name, flag(a.on)})
		}
	}
	if n.Desc != "" {
		attrs = append(attrs, Attr{"desc", n.Desc})
	}
	e := newElement(element, append(attrs, n.Extra...)...)
	indent := func(depth int) {
		if d.cmdlet {
			e.kids = append(e.kids, child{raw: []byte("\r\n" + strings.Repeat("  ", depth))})
		}
	}
	switch n.Kind {
	case Registry:
		indent(depth + 1)
		e.kids = append(e.kids, child{el: propertiesElement(&n.Properties, d.cmdlet)})
	case Collection:
		e.kids = d.kids(n.Children, nil, depth+1)
	}
	if f := filtersElement(n.Filters); f != nil {
		indent(depth + 1)
		e.kids = append(e.kids, child{el: f})
	}
	if len(e.kids) > 0 {
		indent(depth)
	}
	e.render()
	return e
}

// Stamp formats t for Node.Changed.
func Stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }
