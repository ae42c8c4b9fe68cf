package expr

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

const maxPattern = 1000 // bytes of a regular expression

// pattern is a .NET regular expression that was made one of Go's (RE2), which run in time linear in the text.
type pattern struct {
	re      *regexp.Regexp
	size    int            // instructions: the work for one byte of text
	numbers []int          // Go's group of .NET's group number, which counts named groups last
	names   map[string]int // Go's group by name
	differs []string       // where Go's meaning may not be .NET's
	empty   bool           // it matches the empty text
}

// compilePattern translates and compiles. The error says what cannot be translated.
func compilePattern(s string) (*pattern, error) {
	if len(s) > maxPattern {
		return nil, fmt.Errorf("it has more than %d bytes", maxPattern)
	}
	translated, differs, err := translate(s)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, err
	}
	p := &pattern{re: re, size: len(prog.Inst), numbers: []int{0}, names: map[string]int{}, differs: differs, empty: re.MatchString("")}
	var named []int
	for i, name := range re.SubexpNames() {
		switch {
		case i == 0:
		case name == "":
			p.numbers = append(p.numbers, i)
		default:
			named = append(named, i)
			p.names[name] = i
		}
	}
	p.numbers = append(p.numbers, named...)
	return p, nil
}

// unsupported are .NET's constructs that RE2 has not, by their beginning.
var unsupported = [...][2]string{
	{"(?=", "lookahead"}, {"(?!", "negative lookahead"}, {"(?<=", "lookbehind"}, {"(?<!", "negative lookbehind"},
	{"(?>", "an atomic group"}, {"(?(", "a conditional"}, {"(?#", "a comment"},
}

// translate rewrites what has another form or meaning: in .NET \d, \w and \s are Unicode classes, a group may be
// written (?'name'…), and \Z exists.
func translate(s string) (out string, differs []string, err error) {
	var b strings.Builder
	note := func(what string) {
		for _, d := range differs {
			if d == what {
				return
			}
		}
		differs = append(differs, what)
	}
	class := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			switch e := s[i]; {
			case e == 'd':
				b.WriteString(`\p{Nd}`)
			case e == 'D':
				b.WriteString(`\P{Nd}`)
			case e == 'w' && class > 0:
				b.WriteString(`\p{L}\p{Mn}\p{Nd}\p{Pc}`)
			case e == 'w':
				b.WriteString(`[\p{L}\p{Mn}\p{Nd}\p{Pc}]`)
			case e == 's' && class > 0:
				b.WriteString(`\s\v\x{85}\p{Z}`)
			case e == 's':
				b.WriteString(`[\s\v\x{85}\p{Z}]`)
			case (e == 'W' || e == 'S') && class > 0:
				return "", nil, fmt.Errorf(`\%c within brackets cannot be run`, e)
			case e == 'W':
				b.WriteString(`[^\p{L}\p{Mn}\p{Nd}\p{Pc}]`)
			case e == 'S':
				b.WriteString(`[^\s\v\x{85}\p{Z}]`)
			case e == 'Z':
				note(`\Z also matches before a last line feed in .NET`)
				b.WriteString(`\z`)
			case e == 'e':
				b.WriteString(`\x1b`)
			case e == 'u' && i+4 < len(s):
				b.WriteString(`\x{` + s[i+1:i+5] + `}`)
				i += 4
			case e >= '1' && e <= '9':
				return "", nil, fmt.Errorf(`the back reference \%c cannot be run`, e)
			case e == 'k' || e == 'G':
				return "", nil, fmt.Errorf(`\%c cannot be run`, e)
			case (e == 'p' || e == 'P') && strings.HasPrefix(s[i+1:], "{Is"):
				return "", nil, fmt.Errorf(`a Unicode block such as \p{IsGreek} cannot be run; write \p{Greek}`)
			case e == 'b' || e == 'B':
				note(`\b knows only ASCII letters, in .NET all`)
				b.WriteString(s[i-1 : i+1])
			default:
				b.WriteString(s[i-1 : i+1])
			}
		case c == '[' && class == 0:
			class = 1
			b.WriteByte(c)
			if i+1 < len(s) && s[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
			if i+1 < len(s) && s[i+1] == ']' {
				i++
				b.WriteString(`\]`)
			}
		case c == '[':
			if b.String()[b.Len()-1] == '-' {
				return "", nil, fmt.Errorf("class subtraction cannot be run")
			}
			b.WriteString(`\[`)
		case c == ']' && class > 0:
			class = 0
			b.WriteByte(c)
		case c == '-' && class > 0 && i > 0 && i+1 < len(s) && s[i+1] != ']' && i >= 2 && s[i-2] == '\\' && strings.IndexByte("dws", s[i-1]) >= 0:
			b.WriteString(`\-`) // [()\s-x]: after a class the hyphen is itself
		case c == '(' && class == 0:
			for _, u := range unsupported {
				if strings.HasPrefix(s[i:], u[0]) {
					return "", nil, fmt.Errorf("%s %s…) cannot be run", u[1], u[0])
				}
			}
			if strings.HasPrefix(s[i:], "(?'") {
				end := strings.IndexByte(s[i+3:], '\'')
				if end < 0 {
					return "", nil, fmt.Errorf("a group's name has no end")
				}
				b.WriteString("(?<" + s[i+3:i+3+end] + ">")
				i += 3 + end
				continue
			}
			b.WriteByte(c)
		case c == '$' && class == 0:
			note("$ also matches before a last line feed in .NET")
			b.WriteByte(c)
		case c == '+' && class == 0 && i > 0 && (s[i-1] == '+' || s[i-1] == '*' || s[i-1] == '?') && (i < 2 || s[i-2] != '\\'):
			return "", nil, fmt.Errorf("nested quantifiers such as %s cannot be run", s[i-1:i+1])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), differs, nil
}

// find returns the matches of a text of bounded work, each with its groups.
func (p *pattern) find(m *machine, s string, most int) [][]int {
	if !m.step(1 + len(s)*p.size/64) {
		return nil
	}
	all := p.re.FindAllStringSubmatchIndex(s, most)
	if !m.step(len(all)) || !m.room(len(all)*16*len(p.numbers)) {
		return nil
	}
	return all
}

// expand appends the replacement with .NET's substitutions: $1, ${name}, $$, $&, $`, $', $_ and $+. What names
// no group stays as it is ("Substitutions in Regular Expressions").
func (p *pattern) expand(b []byte, with, s string, match []int) []byte {
	group := func(i int) {
		if 2*i+1 < len(match) && match[2*i] >= 0 {
			b = append(b, s[match[2*i]:match[2*i+1]]...)
		}
	}
	for i := 0; i < len(with); i++ {
		if with[i] != '$' || i+1 == len(with) {
			b = append(b, with[i])
			continue
		}
		switch c := with[i+1]; {
		case c == '$':
			b = append(b, '$')
		case c == '&':
			group(0)
		case c == '`':
			b = append(b, s[:match[0]]...)
		case c == '\'':
			b = append(b, s[match[1]:]...)
		case c == '_':
			b = append(b, s...)
		case c == '+':
			group(p.numbers[len(p.numbers)-1])
		case c >= '0' && c <= '9':
			n, end := 0, i+1
			for end < len(with) && with[end] >= '0' && with[end] <= '9' && n < 1000 {
				n = n*10 + int(with[end]-'0')
				end++
			}
			for n >= len(p.numbers) && end > i+2 { // the longest number that is a group
				n /= 10
				end--
			}
			if n >= len(p.numbers) {
				b = append(b, '$')
				continue
			}
			group(p.numbers[n])
			i = end - 2
		case c == '{':
			end := strings.IndexByte(with[i:], '}')
			g, ok := -1, false
			if end > 0 {
				g, ok = p.group(with[i+2 : i+end])
			}
			if !ok {
				b = append(b, '$')
				continue
			}
			group(g)
			i += end - 1
		default:
			b = append(b, '$')
			continue
		}
		i++
	}
	return b
}

// group returns Go's number of a group by .NET's name or number.
func (p *pattern) group(name string) (int, bool) {
	if g, ok := p.names[name]; ok {
		return g, true
	}
	if n, ok := parseNumber(name); ok && n >= 0 && n < int64(len(p.numbers)) {
		return p.numbers[n], true
	}
	return 0, false
}

// replaceAll replaces the matches, or what the group matched in them.
func (p *pattern) replaceAll(m *machine, s, with string, group int, literal bool) string {
	all := p.find(m, s, -1)
	if m.err != nil || len(all) == 0 {
		return s
	}
	var b []byte
	last := 0
	for _, match := range all {
		from, to := match[2*group], match[2*group+1]
		if from < last {
			continue // the group took no part, or lies before what was replaced
		}
		b = append(b, s[last:from]...)
		before := len(b)
		if literal {
			b = append(b, with...)
		} else {
			b = p.expand(b, with, s, match)
		}
		if !m.room(len(b) - before) {
			return ""
		}
		last = to
	}
	return string(append(b, s[last:]...))
}
