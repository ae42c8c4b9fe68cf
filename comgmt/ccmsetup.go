package comgmt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A CcmsetupForm is the way a client installation is written down.
type CcmsetupForm uint8

const (
	FormArguments CcmsetupForm = iota // switches and properties alone
	FormExe                           // ccmsetup.exe with switches and properties
	FormMSI                           // ccmsetup.msi or msiexec with a CCMSETUPCMD property
	FormProperty                      // CCMSETUPCMD="…" alone, as pasted into an Intune line-of-business app
)

var ccmsetupFormNames = [...]string{"arguments", "exe", "msi", "property"}

// String returns "arguments", "exe", "msi" or "property"; these are also the values in JSON.
func (f CcmsetupForm) String() string { return nameOf(ccmsetupFormNames[:], int(f), "CcmsetupForm") }

// MarshalText returns the name; it fails off the table.
func (f CcmsetupForm) MarshalText() ([]byte, error) {
	return marshalName(ccmsetupFormNames[:], int(f), "CcmsetupForm")
}

// A CcmsetupArg is one switch ("/mp:HOST", "/NoCRLCheck") or property ("SMSSITECODE=ABC").
type CcmsetupArg struct {
	Name   string `json:"name"`   // as written, without "/" and without ":" or "="
	Value  string `json:"value"`  // without quotes; "" for a bare switch
	Switch bool   `json:"switch"` // "/" or "-" came before it
	Bare   bool   `json:"bare"`   // neither ":" nor "=" came after it
	Quoted bool   `json:"quoted"` // the value was in quotes
}

// A Ccmsetup is a client installation command line. Nothing is dropped: arguments stay in order, duplicates too.
type Ccmsetup struct {
	Form CcmsetupForm `json:"form"`
	// Program is what came before the arguments, such as "ccmsetup.exe" or "msiexec /i ccmsetup.msi /qn"; may be empty.
	Program string `json:"program"`
	// Args are the arguments that reach ccmsetup.exe.
	Args []CcmsetupArg `json:"args"`
	// MSIProperties are properties beside CCMSETUPCMD on the command line of the MSI. ccmsetup.exe never sees them.
	MSIProperties []CcmsetupArg `json:"msiProperties,omitempty"`
	// Findings are faults of the text itself: quotes and stray words. [Ccmsetup.Lint] includes them.
	Findings []Finding `json:"-"`
	// Length is the number of UTF-16 units of the arguments as given, the way Windows counts.
	Length int `json:"length"`

	hasProperty bool // CCMSETUPCMD was there, if empty
}

// maxCcmsetup is the longest property value that installs (Prepare internet-based devices; Troubleshoot
// co-management bootstrap).
const maxCcmsetup = 1024

// maxLine is the longest command line Windows takes; a longer text is none.
const maxLine = 32767

// ErrCcmsetup is wrapped by errors of [ParseCcmsetup].
var ErrCcmsetup = errors.New("comgmt: not a ccmsetup command line")

// ParseCcmsetup reads a client installation command line in any of its forms. Typographic and missing quotes are read
// as what was meant and become findings. It fails only for empty or oversized text and for a text that
// has neither a switch nor a property.
func ParseCcmsetup(line string) (*Ccmsetup, error) {
	t := strings.TrimSpace(line)
	switch {
	case t == "":
		return nil, fmt.Errorf("%w: empty", ErrCcmsetup)
	case len(t) > maxLine:
		return nil, fmt.Errorf("%w: longer than the %d characters Windows takes", ErrCcmsetup, maxLine)
	case !utf8.ValidString(t):
		return nil, fmt.Errorf("%w: not valid UTF-8", ErrCcmsetup)
	case strings.ContainsRune(t, 0):
		return nil, fmt.Errorf("%w: contains a NUL character", ErrCcmsetup)
	}
	c := &Ccmsetup{}
	plain := c.straighten(t)
	if at := propertyAt(plain); at >= 0 {
		before := strings.TrimSpace(plain[:at])
		rest := strings.TrimLeft(plain[at+len("CCMSETUPCMD"):], " \t")
		if v, ok := strings.CutPrefix(rest, "="); ok {
			if strings.HasPrefix(v, " ") {
				c.note(CheckCcmSpaces, StatusFailure, "CCMSETUPCMD", "A space follows CCMSETUPCMD=: the property is empty and the rest is lost.")
			}
			inner, after := c.unquoteProperty(strings.TrimLeft(v, " \t"))
			c.Form, c.hasProperty = FormMSI, true
			if before == "" {
				c.Form = FormProperty
			}
			c.Program = c.msiProgram(before)
			c.Length = utf16Len(inner)
			c.Args = c.split(inner)
			for _, a := range c.Args {
				if strings.HasSuffix(a.Value, `\`) || a.Bare && strings.HasSuffix(a.Name, `\`) {
					c.note(CheckCcmQuotes, StatusWarning, clip(a.Name), `A backslash at the end of a value, where the quote of CCMSETUPCMD follows, is easily read as an escaped quote.`)
				}
			}
			for _, a := range c.split(after) {
				if !a.Switch {
					c.MSIProperties = append(c.MSIProperties, a)
				}
			}
			return c, c.checkAny()
		}
		c.note(CheckCcmStray, StatusWarning, "CCMSETUPCMD", "No \"=\" follows CCMSETUPCMD.")
	}
	rest := plain
	if program, after, ok := cutProgram(plain); ok {
		c.Form, c.Program, rest = FormExe, program, after
		if strings.Contains(strings.ToLower(program), ".msi") {
			c.Form = FormMSI
		}
	}
	c.Length = utf16Len(strings.TrimSpace(rest))
	args := c.split(rest)
	if c.Form == FormMSI {
		c.MSIProperties = slices.DeleteFunc(args, func(a CcmsetupArg) bool { return a.Switch && a.Bare })
		return c, nil
	}
	c.Args = args
	return c, c.checkAny()
}

// propertyAt finds the word CCMSETUPCMD, -1 if there is none.
func propertyAt(t string) int {
	const name = "CCMSETUPCMD"
	for i := 0; i+len(name) <= len(t); i++ {
		if strings.EqualFold(t[i:i+len(name)], name) && (i == 0 || t[i-1] == ' ') {
			return i
		}
	}
	return -1
}

func (c *Ccmsetup) checkAny() error {
	if len(c.Args)+len(c.MSIProperties) == 0 && c.Program == "" && c.Form != FormProperty {
		return fmt.Errorf("%w: neither a switch nor a property", ErrCcmsetup)
	}
	return nil
}

func (c *Ccmsetup) note(id string, status Status, subject, message string, evidence ...string) {
	c.Findings = append(c.Findings, find(id, status, subject, message, evidence...))
}

// straighten replaces typographic quotes, no-break spaces and invisible marks, and notes what it replaced.
func (c *Ccmsetup) straighten(t string) string {
	var quotes, dashes, blanks int
	out := strings.Map(func(r rune) rune {
		switch r {
		case '“', '”', '„', '‟', '″', '«', '»':
			quotes++
			return '"'
		case '‘', '’', '‚', '‛':
			quotes++
			return '\''
		case '–', '—', '‑', '−':
			dashes++
			return '-'
		case '\u200b', '\u200e', '\u200f', '\u202a', '\u202b', '\u202c', '\ufeff', '\u2060':
			blanks++
			return -1
		case '\r', '\n', '\t':
			return ' '
		}
		if r != ' ' && unicode.IsSpace(r) {
			blanks++
			return ' '
		}
		return r
	}, t)
	if quotes > 0 {
		c.note(CheckCcmQuotes, StatusFailure, "quotes", fmt.Sprintf("%d typographic quotes: Windows Installer stops with error 1639.", quotes))
	}
	if dashes > 0 {
		c.note(CheckCcmCharacters, StatusWarning, "characters", fmt.Sprintf("%d typographic dashes, read as \"-\".", dashes))
	}
	if blanks > 0 {
		c.note(CheckCcmCharacters, StatusWarning, "characters", fmt.Sprintf("%d no-break spaces or invisible marks.", blanks))
	}
	return out
}

// unquoteProperty takes the value of CCMSETUPCMD off the front of v.
func (c *Ccmsetup) unquoteProperty(v string) (inner, after string) {
	quote, ok := strings.CutPrefix(v, `"`)
	if !ok {
		if rest, ok := strings.CutPrefix(v, `'`); ok {
			c.note(CheckCcmQuotes, StatusFailure, "quotes", "Single quotes around CCMSETUPCMD: Windows Installer takes double quotes only.")
			return strings.TrimSuffix(strings.TrimSpace(rest), `'`), ""
		}
		if strings.ContainsAny(strings.TrimSpace(v), " ") {
			c.note(CheckCcmQuotes, StatusFailure, "quotes", "CCMSETUPCMD is not in quotes: only what comes before the first space reaches ccmsetup.exe.")
		}
		return strings.TrimSpace(v), ""
	}
	// Windows Installer writes a quote inside a quoted value twice; many lines found in public write \" instead.
	var b strings.Builder
	for i := 0; i < len(quote); i++ {
		switch {
		case quote[i] == '"' && i+1 < len(quote) && quote[i+1] == '"':
			b.WriteByte('"')
			i++
		case quote[i] == '\\' && i+1 < len(quote) && quote[i+1] == '"':
			b.WriteByte('"')
			i++
		case quote[i] == '"':
			return b.String(), quote[i+1:]
		default:
			b.WriteByte(quote[i])
		}
	}
	c.note(CheckCcmQuotes, StatusFailure, "quotes", "The closing quote of CCMSETUPCMD is missing: Windows Installer stops with error 1639.")
	return b.String(), ""
}

// msiProgram keeps the command before CCMSETUPCMD and moves properties in it where they belong.
func (c *Ccmsetup) msiProgram(before string) string {
	var program []string
	for _, a := range fieldsQuoted(before) {
		if name, value, ok := strings.Cut(a.text, "="); ok && isPropertyName(name) {
			c.MSIProperties = append(c.MSIProperties, CcmsetupArg{Name: name, Value: value, Quoted: a.quoted})
			continue
		}
		program = append(program, a.raw)
	}
	return strings.Join(program, " ")
}

// cutProgram takes a leading program name off the line.
func cutProgram(t string) (program, rest string, ok bool) {
	fields := fieldsQuoted(t)
	if len(fields) == 0 {
		return "", t, false
	}
	first := strings.ToLower(fields[0].text)
	if name, _, ok := strings.Cut(first, "="); ok && isPropertyName(name) || strings.HasPrefix(first, "/") || strings.HasPrefix(first, "-") {
		return "", t, false // an argument, whose value may end like the program
	}
	base := first[strings.LastIndexAny(first, `\/`)+1:]
	switch base {
	case "ccmsetup", "ccmsetup.exe", "ccmsetup.msi":
		return fields[0].raw, t[fields[0].end:], true
	case "msiexec", "msiexec.exe":
		for _, f := range fields[1:] {
			if strings.HasSuffix(strings.ToLower(f.text), ".msi") {
				return t[:f.end], t[f.end:], true
			}
		}
	}
	return "", t, false
}

// split reads the arguments of ccmsetup.exe.
func (c *Ccmsetup) split(t string) []CcmsetupArg {
	var out []CcmsetupArg
	fields := fieldsQuoted(t)
	for i, f := range fields {
		text, shown := f.text, clip(f.text)
		if i > 0 && strings.Contains(strings.ToLower(fields[i-1].text), "regtoken") || strings.Contains(strings.ToLower(text), "regtoken") {
			shown = redactedText // it is a token, or may be one that a space or a quote has cut off
		}
		if f.open {
			c.note(CheckCcmQuotes, StatusFailure, "quotes", "A quote is opened and not closed.", shown)
		}
		switch {
		case strings.HasPrefix(text, "/") || strings.HasPrefix(text, "-"):
			name, value, found := strings.Cut(text[1:], ":")
			if !found {
				name, value, found = strings.Cut(text[1:], "=")
			}
			if !isPropertyName(name) && name != "?" {
				c.note(CheckCcmStray, StatusWarning, shown, "This is no name of a switch.")
			}
			out = append(out, CcmsetupArg{Name: name, Value: value, Switch: true, Bare: !found, Quoted: f.quoted})
		case strings.Contains(text, "="):
			name, value, _ := strings.Cut(text, "=")
			switch {
			case name == "":
				c.note(CheckCcmSpaces, StatusFailure, shown, "A space stands before \"=\": the property before it and this value are two words.")
			case !isPropertyName(name):
				c.note(CheckCcmStray, StatusWarning, shown, "This is no name of a property.")
			case strings.EqualFold(name, "CCMSETUPCMD"):
				c.note(CheckCcmStray, StatusWarning, "CCMSETUPCMD", "A property of ccmsetup.msi, found where Windows Installer does not see it: twice, inside another value, or with a quote in its name.")
			case value == "" && i+1 < len(fields) && isValueWord(fields[i+1].text):
				c.note(CheckCcmSpaces, StatusFailure, clip(name), "A space stands after \"=\": the property is empty and its value is a word of its own.", clip(fields[i+1].text))
			}
			out = append(out, CcmsetupArg{Name: name, Value: value, Quoted: f.quoted})
		default:
			c.note(CheckCcmStray, StatusWarning, shown, "This word is neither a switch nor a property; ccmsetup.exe ignores it or stops.")
			out = append(out, CcmsetupArg{Name: text, Bare: true, Quoted: f.quoted})
		}
	}
	return out
}

func isValueWord(s string) bool {
	return s != "" && !strings.ContainsAny(s, "=") && s[0] != '/' && s[0] != '-'
}

func isPropertyName(s string) bool {
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return s != ""
}

// A field is one word of a command line; quotes may begin anywhere in it.
type field struct {
	text, raw    string // without and with quotes
	end          int    // offset behind it
	quoted, open bool
}

func fieldsQuoted(t string) []field {
	var out []field
	for i := 0; i < len(t); {
		if t[i] == ' ' {
			i++
			continue
		}
		start, inside := i, false
		f := field{}
		var b strings.Builder
		for i < len(t) && (inside || t[i] != ' ') {
			switch {
			case t[i] == '"':
				inside = !inside
				f.quoted = true
			case t[i] == '<' && i > start && (t[i-1] == '=' || t[i-1] == ':'):
				// A placeholder such as <tenant ID> is one word, so that it is found for what it is.
				if end := strings.IndexAny(t[i+1:], `<>"`); end >= 0 && t[i+1+end] == '>' {
					b.WriteString(t[i : i+1+end])
					i += 1 + end
				}
				b.WriteByte(t[i])
			default:
				b.WriteByte(t[i])
			}
			i++
		}
		f.text, f.raw, f.end, f.open = b.String(), t[start:i], i, inside
		out = append(out, f)
	}
	return out
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// Property returns the value of the last property with the name, compared without case; ok is false if there is none.
func (c *Ccmsetup) Property(name string) (value string, ok bool) { return c.last(name, false) }

// Switch returns the value of the last switch with the name, compared without case; ok is false if there is none.
func (c *Ccmsetup) Switch(name string) (value string, ok bool) { return c.last(name, true) }

func (c *Ccmsetup) last(name string, isSwitch bool) (string, bool) {
	for _, a := range slices.Backward(c.Args) {
		if a.Switch == isSwitch && (isSwitch || !a.Bare) && strings.EqualFold(a.Name, name) {
			return a.Value, true
		}
	}
	return "", false
}
