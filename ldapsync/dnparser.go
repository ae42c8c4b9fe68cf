package ldapsync

import "strings"

// A DNParser parses the names of objects that are read one after another. Its Parse gives what ParseDN gives, but
// names with the same parent share memory, a few at a time, so that most of them cost no allocation. The zero
// DNParser is ready for use. It may not be used by several goroutines at once.
type DNParser struct {
	parent     DN
	parentText string
	rdns       []rdn
	fold       strings.Builder
}

const (
	// sharedRDNs and sharedText bound what a name can keep in memory beyond itself.
	sharedRDNs = 32
	sharedText = 1 << 10
)

// Parse is ParseDN. The DN keeps s.
func (p *DNParser) Parse(s string) (DN, error) {
	if comma := strings.IndexByte(s, ','); comma > 0 && s[comma+1:] == p.parentText && p.parentText != "" {
		if r, ok := p.plain(s[:comma], sharedText); ok {
			return p.join(s, r, p.parent, sharedRDNs), nil
		}
	}
	d, err := ParseDN(s)
	if err == nil {
		p.parent = d.Parent()
		p.parentText = p.parent.text
	}
	return d, err
}

// join makes a DN of a text, its first part and its parent; ahead is for how many parts memory is taken at once.
func (p *DNParser) join(s string, r rdn, parent DN, ahead int) DN {
	n := len(parent.rdns) + 1
	if cap(p.rdns)-len(p.rdns) < n {
		p.rdns = make([]rdn, 0, max(ahead, n))
	}
	from := len(p.rdns)
	p.rdns = append(append(p.rdns, r), parent.rdns...)
	return DN{text: s, rdns: p.rdns[from:len(p.rdns):len(p.rdns)]}
}

// plain takes a relative name apart that has one pair, and nothing in it that is escaped, folded away or compared
// in any other way than ASCII without case.
func (p *DNParser) plain(s string, ahead int) (r rdn, ok bool) {
	equal, upper := -1, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.':
		case c >= 'A' && c <= 'Z':
			upper = true
		case c == '=' && equal < 0:
			equal = i
		case equal < 0 || c < ' ' || c >= 0x7f || c == '=':
			return r, false
		case c == ' ' && (i == equal+1 || i == len(s)-1 || s[i-1] == ' '):
			return r, false
		case strings.IndexByte(`\+"<>;#,`, c) >= 0:
			return r, false
		}
	}
	if equal <= 0 {
		return r, false
	}
	r = rdn{text: s, fold: s, typ: s[:equal], val: s[equal+1:]}
	if upper {
		r.fold = p.lowered(s, ahead)
	}
	return r, true
}

func (p *DNParser) lowered(s string, ahead int) string {
	if p.fold.Cap()-p.fold.Len() < len(s) {
		p.fold.Reset()
		p.fold.Grow(max(ahead, len(s)))
	}
	from := p.fold.Len()
	for i := 0; i < len(s); i++ {
		p.fold.WriteByte(lower(s[i]))
	}
	return p.fold.String()[from:]
}
