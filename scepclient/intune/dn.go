package intune

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Name is a distinguished name as RDNs of attributes, in the order written.
type Name [][]Attribute

// An Attribute is a type as written (CN, E, OU, …) and its value, without quotes.
type Attribute struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// attributeTypes are the types Windows' CertStrToName knows and Intune's page shows, by upper-case name.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "SN": {2, 5, 4, 4}, "SERIALNUMBER": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "S": {2, 5, 4, 8}, "ST": {2, 5, 4, 8},
	"STREET": {2, 5, 4, 9}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "T": {2, 5, 4, 12}, "TITLE": {2, 5, 4, 12}, "G": {2, 5, 4, 42}, "GN": {2, 5, 4, 42},
	"GIVENNAME": {2, 5, 4, 42}, "I": {2, 5, 4, 43}, "INITIALS": {2, 5, 4, 43}, "DC": {0, 9, 2342, 19200300, 100, 1, 25},
	"E": {1, 2, 840, 113549, 1, 9, 1}, "EMAIL": {1, 2, 840, 113549, 1, 9, 1}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
}

// A nameIssue is something a template's text does that Intune does not like.
type nameIssue struct{ id, text string }

// ParseName reads a subject in the grammar of CertStrToName: attributes separated by comma or semicolon, + inside a
// multi-valued RDN, values in quotes with doubled quotes inside. Variables in double braces are text to it.
func ParseName(s string) (Name, error) {
	n, _, err := parseName(s)
	return n, err
}

func parseName(s string) (n Name, issues []nameIssue, err error) {
	if !utf8.ValidString(s) {
		return nil, nil, fmt.Errorf("intune: subject is not UTF-8")
	}
	plus := false
	for p := 0; ; {
		eq := strings.IndexByte(s[p:], '=')
		if eq < 0 {
			return nil, issues, fmt.Errorf("intune: subject, offset %d: no = in %q", p, s[p:])
		}
		typ := strings.TrimSpace(s[p : p+eq])
		if typ == "" || strings.ContainsAny(typ, `,;+"{}`) {
			return nil, issues, fmt.Errorf("intune: subject, offset %d: %q is not an attribute type", p, typ)
		}
		if _, known := attributeTypes[strings.ToUpper(typ)]; !known && !isOID(typ) {
			return nil, issues, fmt.Errorf("intune: subject, offset %d: unknown attribute type %q", p, typ)
		}
		value, sep, next, more, verr := nameValue(s, p+eq+1)
		issues = append(issues, more...)
		if verr != nil {
			return nil, issues, verr
		}
		a := Attribute{typ, value}
		if plus {
			n[len(n)-1] = append(n[len(n)-1], a)
		} else {
			n = append(n, []Attribute{a})
		}
		if sep == 0 {
			return n, issues, nil
		}
		plus = sep == '+'
		p = next
	}
}

func isOID(s string) bool {
	s = strings.TrimPrefix(strings.ToUpper(s), "OID.")
	return strings.Contains(s, ".") && strings.Trim(s, "0123456789.") == ""
}

// nameValue reads a value from p and the separator after it (0 at the end).
func nameValue(s string, p int) (value string, sep byte, next int, issues []nameIssue, err error) {
	for p < len(s) && s[p] == ' ' {
		p++
	}
	var b strings.Builder
	if p < len(s) && s[p] == '"' {
		start := p
		for p++; ; p++ {
			if p >= len(s) {
				return "", 0, 0, issues, fmt.Errorf("intune: subject, offset %d: quote is not closed", start)
			}
			if s[p] != '"' {
				b.WriteByte(s[p])
				continue
			}
			if p+1 < len(s) && s[p+1] == '"' {
				b.WriteByte('"')
				p++
				continue
			}
			break
		}
		for p++; p < len(s) && s[p] == ' '; p++ {
		}
		if p >= len(s) {
			return b.String(), 0, p, issues, nil
		}
		if !strings.ContainsRune(",;+", rune(s[p])) {
			return "", 0, 0, issues, fmt.Errorf("intune: subject, offset %d: %q after a quoted value", p, s[p:])
		}
		return b.String(), s[p], p + 1, issues, nil
	}
	for ; p < len(s); p++ {
		switch c := s[p]; {
		case c == '\\' && p+1 < len(s):
			p++
			issues = append(issues, nameIssue{"subject-escape", fmt.Sprintf(`%q is escaped with a backslash`, s[p])})
			b.WriteByte(s[p])
		case c == ',' || c == ';' || c == '+':
			return strings.TrimSpace(b.String()), c, p + 1, issues, nil
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String()), 0, p, issues, nil
}

// String writes n so that ParseName reads the same name: values with special characters in quotes.
func (n Name) String() string {
	var b strings.Builder
	for i, rdn := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, a := range rdn {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(a.Type)
			b.WriteByte('=')
			if strings.ContainsAny(a.Value, `,;+="\<>#`+"\n\r") || a.Value != strings.TrimSpace(a.Value) {
				b.WriteString(`"` + strings.ReplaceAll(a.Value, `"`, `""`) + `"`)
			} else {
				b.WriteString(a.Value)
			}
		}
	}
	return b.String()
}

// DER returns the Name for scepclient.Template.RawSubject, RDNs in the order written.
func (n Name) DER() ([]byte, error) {
	var seq []asn1.RawValue
	for _, rdn := range n {
		var set [][]byte
		for _, a := range rdn {
			oid, ok := attributeTypes[strings.ToUpper(a.Type)]
			if !ok {
				var err error
				if oid, err = parseOID(a.Type); err != nil {
					return nil, err
				}
			}
			tag := "utf8"
			if t := strings.ToUpper(a.Type); t == "E" || t == "EMAIL" || t == "DC" {
				tag = "ia5"
			} else if t == "C" || t == "SERIALNUMBER" {
				tag = "printable"
			}
			typ, err := asn1.Marshal(oid)
			if err != nil {
				return nil, fmt.Errorf("intune: %s: %w", a.Type, err)
			}
			val, err := asn1.MarshalWithParams(a.Value, tag)
			if err != nil {
				return nil, fmt.Errorf("intune: %s: %w", a.Type, err)
			}
			one, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(typ, val...)})
			if err != nil {
				return nil, err
			}
			set = append(set, one)
		}
		slices.SortFunc(set, bytes.Compare) // SET OF in DER
		seq = append(seq, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(set, nil)})
	}
	return asn1.Marshal(seq)
}

func parseOID(s string) (oid asn1.ObjectIdentifier, err error) {
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.ToUpper(s), "OID."), ".") {
		n := 0
		for _, c := range part {
			if c < '0' || c > '9' || n > 1<<26 {
				return nil, fmt.Errorf("intune: %q is not an object identifier", s)
			}
			n = n*10 + int(c-'0')
		}
		oid = append(oid, n)
	}
	return oid, nil
}
