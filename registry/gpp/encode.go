package gpp

import (
	"crypto/sha1"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/registry"
)

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
