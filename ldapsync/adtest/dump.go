package adtest

import (
	"bufio"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Dump writes base and the live objects below it as LDIF that Load reads again; "" is the domain.
// The result depends on the data only: parents come before children, siblings and attributes are
// sorted by name with objectClass first, values are sorted too. Attributes that follow from an
// object's place or from the time are left out, back links and deleted objects as well.
func (s *Server) Dump(w io.Writer, base string) error {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	nodes, err := s.dir.subtree(base)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	b.WriteString("version: 1\n")
	for _, n := range nodes {
		s.dir.dumpEntry(b, n)
	}
	return b.Flush()
}

func (d *directory) dumpEntry(w *bufio.Writer, n *node) {
	w.WriteByte('\n')
	ldifValue(w, "dn", d.dn(n))
	attrs := slices.Clone(n.rec.attrs)
	attrs = append(attrs, attr{typ: d.types["objectguid"], vals: pack(n.guid.Raw())})
	slices.SortFunc(attrs, func(a, b attr) int {
		ca, cb := a.typ.lower == "objectclass", b.typ.lower == "objectclass"
		if ca != cb {
			return boolInt(cb) - boolInt(ca)
		}
		return strings.Compare(a.typ.lower, b.typ.lower)
	})
	for _, a := range attrs {
		p := a.vals
		if a.typ.link != nil {
			p = d.resolve(p)
		}
		values := p.list()
		if a.typ.lower != "objectclass" { // its order says which class is the structural one
			slices.Sort(values)
		}
		for _, v := range values {
			ldifValue(w, a.typ.name, v)
		}
	}
}

// ldifValue writes one line, folded after 76 characters, in base64 where RFC 2849 demands it.
func ldifValue(w *bufio.Writer, name, value string) {
	line := name + ": " + value
	if !ldifSafe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	for first := true; line != ""; first = false {
		width := 76
		if !first {
			w.WriteByte(' ')
			width--
		}
		k := min(width, len(line))
		w.WriteString(line[:k])
		w.WriteByte('\n')
		line = line[k:]
	}
}

func ldifSafe(v string) bool {
	if v == "" {
		return true
	}
	if strings.IndexByte(" :<", v[0]) >= 0 || v[len(v)-1] == ' ' {
		return false
	}
	for i := range len(v) {
		if c := v[i]; c == 0 || c == '\n' || c == '\r' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
