package gpp

import (
	"slices"
	"strings"
)

// A Filter is one condition of item-level targeting ([MS-GPPREF] 2.2.1.22).
type Filter struct {
	Kind    string // element name: "FilterGroup", "FilterOrgUnit", "FilterCollection", …
	Or      bool   // joined to what stands before it with OR instead of AND; without meaning for the first
	Not     bool   // true if the condition does not hold
	Hidden  bool   // not shown in the editor
	Attrs   []Attr // everything else the filter says, in the order of the file
	Filters []Filter
}

// Get returns an attribute of f, "" if it is not there.
func (f Filter) Get(name string) string {
	for _, a := range f.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// String describes the condition, as in `not FilterGroup name="ASHDOWN\Staff"`.
func (f Filter) String() string {
	var b strings.Builder
	if f.Not {
		b.WriteString("not ")
	}
	if f.Kind == "FilterCollection" || f.Kind == group {
		return b.String() + "(" + Describe(f.Filters) + ")"
	}
	b.WriteString(f.Kind)
	for _, a := range f.Attrs {
		if a.Value != "" && a.Name != "userContext" && a.Name != "directMember" && a.Name != "primaryGroup" && a.Name != "localGroup" || a.Value == "1" {
			b.WriteString(" " + a.Name + `="` + a.Value + `"`)
		}
	}
	return b.String()
}

// Describe joins conditions as the file does, with AND and OR.
func Describe(list []Filter) string {
	var b strings.Builder
	for i, f := range list {
		switch {
		case i > 0 && f.Or:
			b.WriteString(" OR ")
		case i > 0:
			b.WriteString(" AND ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

func filters(e *element) (list []Filter) {
	for _, k := range e.elements("") {
		f := Filter{Kind: k.name}
		for _, a := range k.attrs {
			switch a.Name {
			case "bool":
				f.Or = strings.EqualFold(a.Value, "OR")
			case "not":
				f.Not = a.Value == "1"
			case "hidden":
				f.Hidden = a.Value == "1"
			default:
				f.Attrs = append(f.Attrs, a)
			}
		}
		f.Filters = filters(k)
		list = append(list, f)
	}
	return list
}

func cloneFilters(list []Filter) []Filter {
	list = slices.Clone(list)
	for i := range list {
		list[i].Attrs = slices.Clone(list[i].Attrs)
		list[i].Filters = cloneFilters(list[i].Filters)
	}
	return list
}

func filtersElement(list []Filter) *element {
	if len(list) == 0 {
		return nil
	}
	e := newElement("Filters")
	addFilters(e, list)
	return e
}

func addFilters(e *element, list []Filter) {
	for _, f := range list {
		op := "AND"
		if f.Or {
			op = "OR"
		}
		attrs := []Attr{{"bool", op}, {"not", flag(f.Not)}}
		if f.Hidden {
			attrs = slices.Insert(attrs, 0, Attr{"hidden", "1"})
		}
		k := newElement(f.Kind, append(attrs, f.Attrs...)...)
		if len(f.Filters) > 0 {
			addFilters(k, f.Filters)
		}
		e.kids = append(e.kids, child{el: k})
	}
	e.render()
}
