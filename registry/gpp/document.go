package gpp

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

// The class ids of [MS-GPPREF] 2.2.1.17; the one of collections is the one GPMC writes.
const (
	rootCLSID       = "{A3CCFC41-DFDB-43a5-8D26-0FE8B954DA51}"
	itemCLSID       = "{9CD4B2F4-923D-47f5-A062-E897DD1DAD50}"
	collectionCLSID = "{53B533F5-224C-47e3-B01B-CA3B3F3FF4BF}"
)

// A Kind says what a Node is.
type Kind uint8

const (
	Registry   Kind = iota + 1 // an item <Registry>
	Collection                 // a group <Collection> of other nodes
	Other                      // an item of another preference type, such as <Drive>
)

// String returns "Registry", "Collection", "Other" or "Kind(n)".
func (k Kind) String() string {
	switch k {
	case Registry:
		return "Registry"
	case Collection:
		return "Collection"
	case Other:
		return "Other"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// An Action is what a preference item does, a letter as in the file.
type Action string

const (
	Create  Action = "C" // only if it does not exist
	Replace Action = "R" // delete, then create
	Update  Action = "U" // create or change
	Delete  Action = "D"
)

// A Node is one item or collection. To add one to a Document make a Node with at least Kind and, for a registry
// item, Properties; everything else has a default. Attributes this package does not know are in Extra and stay.
type Node struct {
	Kind         Kind
	Element      string // element name; "" is the one of Kind
	Name         string // what GPMC shows; "" is the value name or the last part of the key
	Status       string // "" is Name
	Image        string // number of the icon; "" is the one GPMC uses for action and type
	Changed      string // "2026-01-31 08:00:00", UTC
	UID          string // "{…}" in upper case; "" is derived from path and name, so that it stays the same
	Desc         string // the comment of the item
	BypassErrors bool   // go on with the next item after an error
	UserContext  bool   // run in the logged-on user's security context
	RemovePolicy bool   // undo when out of scope; only with Replace
	Disabled     bool   // not processed, with everything inside
	Properties   Properties
	Filters      []Filter // item-level targeting; none: always
	Extra        []Attr   // other attributes of the element, but clsid
	Children     []*Node  // of a collection

	Pos registry.Pos // where the node was read

	src  *element
	was  *Node  // what was read, to find out what was changed
	lead []byte // bytes between the end of the node before and this one
}

// Properties are the <Properties> of a registry item, as the file has them. Value returns what they mean.
type Properties struct {
	Action         Action // "" is Update ([MS-GPPREF] 2.2.1.17)
	DisplayDecimal bool   // shown in decimal; changes nothing
	Default        bool   // the key's default value
	Hive           string // "HKEY_LOCAL_MACHINE"
	Key            string // without root and without leading backslash
	Name           string // of the value; "" and not Default: the item is about the key itself
	Type           string // "REG_SZ", …
	Data           string // attribute value: eight or sixteen hexadecimal digits, bytes, or text
	Values         []string
	Bitfield       string    // attribute bitfield as written
	Bits           []SubProp // masked bits of a REG_DWORD
	Extra          []Attr
}

// A SubProp sets the bits of a mask in a number.
type SubProp struct{ ID, Value, Mask string }

// A Document is one preference file. Bytes returns exactly what was parsed as long as nothing was changed, and
// what was changed in a file that is otherwise the same. A Document must not be used by several goroutines
// while one changes it.
type Document struct {
	Root     string // name of the root element: "RegistrySettings", or "Drives" and so on
	Disabled bool   // the whole file is switched off
	Nodes    []*Node

	before, after []byte
	root          *element
	wasDisabled   bool
	tail          []byte // between the last node and the root's end tag
	cmdlet        bool   // laid out as Set-GPPrefRegistryValue does
}

// New returns an empty registry preferences file in the layout of the GPMC editor.
func New() *Document {
	return &Document{Root: "RegistrySettings", before: []byte("<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"),
		root: newElement("RegistrySettings", Attr{"clsid", rootCLSID}), tail: []byte("\r\n"), after: []byte("\r\n")}
}

// roots lists the root elements of the preference files ([MS-GPPREF] 2.2.1).
var roots = []string{"RegistrySettings", "Applications", "DataSources", "Devices", "Drives", "EnvironmentVariables", "Files",
	"FolderOptions", "Folders", "Groups", "IniFiles", "InternetSettings", "NetworkOptions", "NetworkShareSettings", "NTServices",
	"PowerOptions", "Printers", "RegionalOptions", "ScheduledTasks", "Shortcuts", "StartMenuTaskbar", "ComputerControlPanel", "UserControlPanel"}

// Sniff reports whether data begins like a preference file.
func Sniff(data []byte) bool {
	data = bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 4096)], bom))
	for bytes.HasPrefix(data, []byte("<?")) || bytes.HasPrefix(data, []byte("<!--")) {
		_, rest, ok := bytes.Cut(data, []byte(">"))
		if !ok {
			return false
		}
		data = bytes.TrimSpace(rest)
	}
	for _, r := range roots {
		if rest, ok := bytes.CutPrefix(data, []byte("<"+r)); ok && len(rest) > 0 && strings.IndexByte(" \t\r\n/>", rest[0]) >= 0 {
			return true
		}
	}
	return false
}

// Parse reads a preference file of any type; items that are no registry items become nodes of Kind Other. Errors
// are *registry.SyntaxError with line and offset and wrap ErrNotPreferences. Wrong content of items is not an
// error here; see Properties.Value and Decoder.
func Parse(data []byte) (*Document, error) {
	data = bytes.Clone(data)
	before, root, after, err := parseXML(data)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(roots, root.name) {
		return nil, &registry.SyntaxError{Format: "gpp", Pos: root.pos, Field: "root element",
			Msg: fmt.Sprintf("<%.40s>", root.name), Err: ErrNotPreferences}
	}
	d := &Document{Root: root.name, before: before, root: root, after: after, cmdlet: bytes.HasPrefix(data, bom),
		Disabled: root.get("disabled") == "1"}
	d.wasDisabled = d.Disabled
	d.Nodes, d.tail = nodes(root)
	return d, nil
}

// nodes turns the children of e into nodes and returns the bytes behind the last of them.
func nodes(e *element) (list []*Node, tail []byte) {
	for _, c := range e.kids {
		switch {
		case c.el == nil:
			tail = append(tail, c.raw...)
		case e.name == "Collection" && c.el.name == "Filters":
			// Conditions of the collection itself, see Node.Filters.
		default:
			n := newNode(c.el)
			n.lead, tail = tail, nil
			list = append(list, n)
		}
	}
	return list, tail
}

// flags are the attributes of a node that hold 0 or 1, texts those that hold text.
func (n *Node) flags() map[string]*bool {
	return map[string]*bool{"bypassErrors": &n.BypassErrors, "userContext": &n.UserContext, "removePolicy": &n.RemovePolicy, "disabled": &n.Disabled}
}

func (n *Node) texts() map[string]*string {
	return map[string]*string{"name": &n.Name, "status": &n.Status, "image": &n.Image, "changed": &n.Changed, "uid": &n.UID, "desc": &n.Desc}
}

func (p *Properties) flags() map[string]*bool {
	return map[string]*bool{"displayDecimal": &p.DisplayDecimal, "default": &p.Default}
}

func (p *Properties) texts() map[string]*string {
	return map[string]*string{"action": (*string)(&p.Action), "hive": &p.Hive, "key": &p.Key, "name": &p.Name, "type": &p.Type, "value": &p.Data, "bitfield": &p.Bitfield}
}

// load distributes the attributes of e and returns the rest.
func load(e *element, flags map[string]*bool, texts map[string]*string) (extra []Attr) {
	for _, a := range e.attrs {
		if p := flags[a.Name]; p != nil {
			*p = a.Value == "1"
		} else if p := texts[a.Name]; p != nil {
			*p = a.Value
		} else if a.Name != "clsid" {
			extra = append(extra, a)
		}
	}
	return extra
}

func newNode(e *element) *Node {
	n := &Node{Kind: Other, Element: e.name, Pos: e.pos, src: e}
	n.Extra = load(e, n.flags(), n.texts())
	switch e.name {
	case "Registry":
		n.Kind = Registry
		for _, p := range e.elements("Properties") {
			n.Properties = properties(p)
		}
	case "Collection":
		n.Kind = Collection
		n.Children, _ = nodes(e)
	}
	for _, f := range e.elements("Filters") {
		n.Filters = append(n.Filters, filters(f)...)
	}
	n.was = n.frozen()
	return n
}

func properties(e *element) (p Properties) {
	p.Extra = load(e, p.flags(), p.texts())
	for _, vs := range e.elements("Values") {
		if p.Values == nil {
			p.Values = []string{} // an empty list is not the same as no list
		}
		for _, v := range vs.elements("Value") {
			p.Values = append(p.Values, v.text())
		}
	}
	for _, s := range e.elements("SubProp") {
		p.Bits = append(p.Bits, SubProp{s.get("id"), s.get("value"), s.get("mask")})
	}
	return p
}

// frozen copies what a caller can change, without what lies below.
func (n *Node) frozen() *Node {
	c := *n
	c.src, c.was, c.lead, c.Children = nil, nil, nil, nil
	c.Extra = slices.Clone(n.Extra)
	c.Filters = cloneFilters(n.Filters)
	c.Properties.Values = slices.Clone(n.Properties.Values)
	c.Properties.Bits = slices.Clone(n.Properties.Bits)
	c.Properties.Extra = slices.Clone(n.Properties.Extra)
	return &c
}

// All yields the nodes of d in order of processing, collections before their contents, with the collections a
// node is in, outermost first.
func (d *Document) All() iter.Seq2[*Node, []*Node] {
	return func(yield func(*Node, []*Node) bool) { walk(d.Nodes, nil, yield) }
}

func walk(list, in []*Node, yield func(*Node, []*Node) bool) bool {
	for _, n := range list {
		if !yield(n, in) || len(n.Children) > 0 && !walk(n.Children, append(in[:len(in):len(in)], n), yield) {
			return false
		}
	}
	return true
}

// WriteTo writes Bytes.
func (d *Document) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(d.Bytes())
	return int64(n), err
}

// Bytes returns the file.
func (d *Document) Bytes() []byte {
	root := *d.root
	if d.Disabled != d.wasDisabled {
		root.setFlag("disabled", d.Disabled)
	}
	root.kids = d.kids(d.Nodes, d.tail, 1)
	if len(root.kids) > 0 && root.end == nil {
		root.render()
	}
	b := slices.Clone(d.before)
	b = root.appendTo(b)
	return append(b, d.after...)
}
