package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// placeholderTemplate is what the NDES role installer writes into all three template values.
const placeholderTemplate = "IPSECIntermediateOffline"

// fix is the change that gives s its wanted value.
func (s *Setting) fix() Entry { return Entry{Op: Set, Path: s.Path, Name: s.Name, Value: s.Want} }

// drift fills in what all drifts of s share.
func (s *Setting) drift(k Kind, it Item, why string) Drift {
	d := Drift{
		Kind: k, Severity: Failure, Path: it.Path, Name: s.Name, Why: why, Remedy: s.Remedy,
		Source: s.Source, Basis: s.Basis, Origin: it.Origin,
	}
	if it.Path.IsZero() {
		d.Path = s.Path
	} else {
		d.Got = s.show(it.Value)
		if !s.Secret {
			d.GotValue = it.Value
		}
	}
	if s.Absent {
		d.Want = "no value"
		d.Fix = Delta{{Op: DeleteValue, Path: it.Path, Name: s.Name}}
	} else if !s.Want.isZero() {
		d.Want = s.show(s.Want)
		if !s.Secret {
			d.WantValue = s.Want
		}
		if !s.ReadOnly && !s.wildcard() {
			d.Fix = Delta{s.fix()}
		}
	}
	if s.Consequence != "" {
		if d.Why != "" {
			d.Why += ". "
		}
		d.Why += s.Consequence
	}
	return d
}

// show prints a value with its type where the type is not plain from the text.
func show(v Value) string {
	switch v.Type {
	case TypeSZ, TypeDWord:
		return v.String()
	}
	return v.Type.String() + " " + v.String()
}

func (s *Setting) show(v Value) string {
	if s.Secret {
		return fmt.Sprintf("%v of %d bytes", v.Type, len(v.Data))
	}
	return show(v)
}

// check reports every drift of s.
func (s *Setting) check(snap *Snapshot, report func(Drift)) {
	present := false
	for it := range s.find(snap) {
		present = true
		s.checkItem(it, report)
	}
	if s.managed() {
		s.misplaced(snap, present, report)
	}
	if present || s.wildcard() || s.Absent || s.ReadOnly {
		return
	}
	if s.Want.isZero() && s.Required {
		report(s.drift(Missing, Item{}, "the value is not there: "+s.Why))
	} else if !s.Want.isZero() && (s.Default.isZero() || s.judge(s.Default) != verdictRight) {
		why := "the value is not there"
		if !s.Default.isZero() {
			why += ", which means " + show(s.Default)
		}
		report(s.drift(Missing, Item{}, why))
	}
}

func (s *Setting) checkItem(it Item, report func(Drift)) {
	switch {
	case s.Dead != "":
		d := s.drift(NoEffect, it, s.Dead)
		d.Severity = Warning
		d.Want, d.WantValue = "", Value{}
		d.Fix = nil
		if d.Remedy == "" {
			d.Remedy = "remove the value; whoever relies on it relies on nothing"
		}
		report(d)
		return
	case s.Absent:
		report(s.drift(WrongValue, it, "the value should not exist"))
		return
	}
	if it.Value.Type != s.Type && !slices.Contains(s.Other, it.Value.Type) {
		why := fmt.Sprintf("the type is %v instead of %v", it.Value.Type, s.Type)
		if text, err := it.Value.Text(); err == nil && s.numeric() {
			if _, err := strconv.ParseUint(text, 0, 64); err == nil {
				why += ": the number was stored as text"
			}
		}
		report(s.drift(WrongType, it, why))
		return
	}
	switch it.Value.Type {
	case TypeDWord, TypeDWordBigEndian, TypeQWord:
		n, err := it.Value.Uint()
		if err != nil {
			report(s.drift(WrongType, it, trimPrefix(err)))
			return
		}
		s.checkNumber(it, n, report)
	case TypeSZ, TypeExpandSZ:
		text, err := it.Value.Text()
		if err != nil {
			report(s.drift(WrongType, it, trimPrefix(err)))
			return
		}
		s.checkText(it, text, report)
	default:
		if s.judge(it.Value) == verdictWrong {
			report(s.drift(WrongValue, it, ""))
		}
	}
}

func trimPrefix(err error) string { return strings.TrimPrefix(err.Error(), "registry: ") }

func (s *Setting) numeric() bool {
	return s.Type == TypeDWord || s.Type == TypeQWord || s.Type == TypeDWordBigEndian
}

type verdict uint8

const (
	verdictNone  verdict = iota // s wants nothing
	verdictRight                // v is what s wants
	verdictWrong
)

// judge compares v with what s wants by meaning: numbers by number, names without case.
func (s *Setting) judge(v Value) verdict {
	right := v.Equal(s.Want)
	switch {
	case s.Want.isZero():
		return verdictNone
	case s.Content != AnyText:
		a, err1 := v.Text()
		b, err2 := s.Want.Text()
		right = err1 == nil && err2 == nil && EqualFold(a, b)
	case s.numeric():
		a, err1 := v.Uint()
		b, err2 := s.Want.Uint()
		right = err1 == nil && err2 == nil && a == b
	}
	if right {
		return verdictRight
	}
	return verdictWrong
}

func (s *Setting) checkNumber(it Item, n uint64, report func(Drift)) {
	j := s.judge(it.Value)
	if j == verdictRight {
		return
	}
	if j == verdictWrong {
		if want, err := s.Want.Uint(); err == nil {
			if why := slip(n, want); why != "" {
				report(s.drift(HexDecimalSlip, it, why))
				return
			}
		}
	}
	if s.Max > 0 && (n < s.Min || n > s.Max) {
		// Where no number is wanted, one whose hexadecimal digits are in range as decimal ones was meant so. With a
		// wanted number this guess would take 65536 (0x10000) for a slip.
		if meant, err := strconv.ParseUint(strconv.FormatUint(n, 16), 10, 64); j == verdictNone && err == nil && meant >= s.Min && meant <= s.Max && n > s.Max {
			report(s.drift(HexDecimalSlip, it, slip(n, meant)))
			return
		}
		report(s.drift(OutOfRange, it, fmt.Sprintf("%d is outside of the range %d to %d", n, s.Min, s.Max)))
		return
	}
	if len(s.OneOf) > 0 && !slices.Contains(s.OneOf, n) {
		report(s.drift(OutOfRange, it, fmt.Sprintf("%d has no meaning; the value is one of %s", n, numbers(s.OneOf))))
		return
	}
	if j == verdictWrong {
		d := s.drift(WrongValue, it, "")
		if want, err := s.Want.Uint(); err == nil && s.AtLeast && n > want {
			d.Severity = Warning
			d.Why = "more than wanted: nothing breaks by it, but whoever checks for the wanted number finds another"
		}
		report(d)
	}
}

// slip says how n came to be typed instead of want, "" if not by mixing up hexadecimal and decimal.
func slip(n, want uint64) string {
	if n == want {
		return ""
	}
	if strconv.FormatUint(n, 16) == strconv.FormatUint(want, 10) {
		return fmt.Sprintf("%d was typed with the editor set to hexadecimal: 0x%x is %d", want, n, n)
	}
	if strconv.FormatUint(n, 10) == strconv.FormatUint(want, 16) {
		return fmt.Sprintf("0x%x was typed with the editor set to decimal, which gave %d", want, n)
	}
	return ""
}

func numbers(list []uint64) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(n, 10))
	}
	return b.String()
}

func (s *Setting) checkText(it Item, text string, report func(Drift)) {
	if s.judge(it.Value) == verdictRight {
		return
	}
	switch {
	case s.Content == TemplateName && EqualFold(strings.TrimSpace(text), placeholderTemplate):
		report(s.drift(Placeholder, it, "this is what the role installer writes; the template was never set"))
		return
	case s.Content == TemplateName && displayName(text, s.Want):
		report(s.drift(DisplayName, it, "a template name has no blanks; this looks like the display name"))
		return
	}
	if why := s.Content.fault(text); why != "" {
		report(s.drift(WrongValue, it, why))
		return
	}
	if !s.Want.isZero() {
		report(s.drift(WrongValue, it, ""))
	}
}

// displayName reports whether text is likely the display name of a template: it has blanks inside, of the kind
// that the template console drops to make the name.
func displayName(text string, want Value) bool {
	trimmed := strings.TrimSpace(text)
	if !strings.Contains(trimmed, " ") {
		return false
	}
	if trimmed == text {
		return true
	}
	name, err := want.Text()
	return err == nil && EqualFold(strings.ReplaceAll(trimmed, " ", ""), name)
}

// fault says what is wrong with the form of text, "" if nothing.
func (c Content) fault(text string) string {
	if c == AnyText || c == NameText {
		return ""
	}
	switch {
	case text == "":
		return "the value is empty"
	case strings.TrimSpace(text) != text:
		return "there are blanks before or behind the text, as copying from a page leaves them"
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return "there is a control character in the text"
	}
	switch c {
	case GUID:
		return guidFault(text)
	case DomainName:
		switch {
		case guidFault(text) == "":
			return "this is an identifier where a domain name belongs; the two values may be swapped"
		case strings.Contains(text, "://") || strings.Contains(text, "/"):
			return "this is an address; only the domain name belongs here"
		case strings.Contains(text, "@"):
			return "this is a user name; only the part behind the @ belongs here"
		case strings.ContainsAny(text, " \\_,;") || !strings.Contains(strings.Trim(text, "."), "."):
			return "this is no DNS domain name"
		}
	case TemplateName:
		switch {
		case isOID(text):
			return "this is the object identifier of the template; NDES wants its name"
		case len([]rune(text)) > 64:
			return "a template name has at most 64 characters"
		}
	case Thumbprint:
		if len(text) != 40 || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
			return "a thumbprint is 40 hexadecimal digits without blanks"
		}
	}
	return ""
}

func isOID(s string) bool { return strings.Count(s, ".") >= 3 && strings.Trim(s, "0123456789.") == "" }

// guidFault says what is wrong with an identifier of the form 8-4-4-4-12, "" if nothing.
func guidFault(s string) string {
	if inner := strings.Trim(s, "{}"); inner != s && guidFault(inner) == "" {
		return "the braces around the identifier do not belong there"
	}
	if len(s) == 32 && strings.Trim(s, "0123456789abcdefABCDEF") == "" {
		return "the identifier lacks its hyphens"
	}
	if len(s) != 36 {
		return fmt.Sprintf("an identifier has 36 characters, this has %d", len(s))
	}
	for i, c := range []byte(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (c == '-') || !hyphen && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return fmt.Sprintf("character %d of the identifier is wrong", i+1)
		}
	}
	if strings.Trim(s, "0-") == "" {
		return "the identifier is all zeros"
	}
	return ""
}
