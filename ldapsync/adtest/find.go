package adtest

import (
	"encoding/hex"
	"strings"
)

// wellKnown are the containers that <WKGUID=…> and wellKnownObjects name (MS-ADTS 6.1.1.4), by
// the first component of their DN.
var wellKnown = map[string]string{
	"a9d1ca15768811d1aded00c04fd8d5cd": "CN=Users",
	"aa312825768811d1aded00c04fd8d5cd": "CN=Computers",
	"a361b2ffffd211d1aa4b00c04fd7d83a": "OU=Domain Controllers",
	"ab1d30f3768811d1aded00c04fd8d5cd": "CN=System",
	"2fbac1870ade11d297c400c04fd8d5cd": "CN=Infrastructure",
	"22b70c67d56e4efb91e9300fca3dc1aa": "CN=ForeignSecurityPrincipals",
	"ab8153b7768811d1aded00c04fd8d5cd": "CN=LostAndFound",
	deletedObjectsGUID:                 "CN=Deleted Objects",
}

const deletedObjectsGUID = "18e2ea80684f11d2b9aa00c04f79f805"

// findSpecial resolves the bracketed forms of MS-ADTS 3.1.1.3.1.2.4.
func (d *directory) findSpecial(dn string) (*node, *Error) {
	body, ok := strings.CutSuffix(strings.TrimPrefix(dn, "<"), ">")
	kind, value, eq := strings.Cut(body, "=")
	if !ok || !eq {
		return nil, invalidDN(quote(dn))
	}
	switch strings.ToUpper(kind) {
	case "GUID":
		g, err := ParseGUID(value)
		if err != nil {
			b, herr := hex.DecodeString(value)
			if herr != nil || len(b) != 16 {
				return nil, invalidDN(quote(dn))
			}
			g = GUID(b)
		}
		if n := d.byGUID[g]; n != nil {
			return n, nil
		}
		return nil, noSuchObject("")
	case "SID":
		raw, err := SID(value)
		if err != nil {
			b, herr := hex.DecodeString(value)
			if herr != nil {
				return nil, invalidDN(quote(dn))
			}
			raw = string(b)
		}
		t := d.types["objectsid"]
		if nodes := d.index[t].find(t.key(raw)); len(nodes) > 0 {
			return nodes[0], nil
		}
		return nil, noSuchObject("")
	case "WKGUID":
		wk, base, ok := strings.Cut(value, ",")
		if !ok {
			return nil, invalidDN(quote(dn))
		}
		container, err := d.find(base)
		if err != nil {
			return nil, err
		}
		name := wellKnown[strings.ToLower(wk)]
		if name == "" {
			return nil, noSuchObject(d.dn(container))
		}
		if r, err := parseDN(name); err == nil {
			if n := container.child(r[0].key()); n != nil {
				return n, nil
			}
		}
		return nil, noSuchObject(d.dn(container))
	}
	return nil, invalidDN(quote(dn))
}

// linkValue turns the DN of a link attribute into what is stored: a mark and the objectGUID of the
// target, so that a rename of the target needs no rewrite.
func (d *directory) linkValue(dn string) (string, *Error) {
	n, err := d.find(dn)
	if err != nil {
		return "", err
	}
	return linkTo(n.guid), nil
}

func linkTo(g GUID) string { return "\x00" + string(g[:]) }

// linkTarget is the inverse; false for a DN that was loaded without its target.
func linkTarget(v string) (GUID, bool) {
	if len(v) == 17 && v[0] == 0 {
		return GUID([]byte(v[1:])), true
	}
	return GUID{}, false
}

// linkText returns the DN that a stored link value stands for. The caller holds mu.
func (d *directory) linkText(v string) string {
	g, ok := linkTarget(v)
	if !ok {
		return v
	}
	n := d.byGUID[g]
	if n == nil {
		return ""
	}
	return d.dn(n)
}

// resolve returns the values of a link attribute as DNs. The caller holds mu.
func (d *directory) resolve(p packed) packed {
	out := make([]string, 0, p.n)
	for v := range p.all() {
		if s := d.linkText(v); s != "" {
			out = append(out, s)
		}
	}
	return pack(out...)
}

// backValues returns the DNs of the objects whose forward link points at n. The caller holds mu.
func (d *directory) backValues(n *node, back *attrType) packed {
	var out []string
	for _, b := range d.back[n.guid] {
		if b.typ.link == back {
			if from := d.byGUID[b.from]; from != nil && !from.rec.deleted {
				out = append(out, d.dn(from))
			}
		}
	}
	return pack(out...)
}
