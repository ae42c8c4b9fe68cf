package expr

import "strings"

// Arguments of Replace in the Cloud Sync dialect.
const (
	replaceSource = iota
	replaceOld
	replaceRegex
	replaceGroup
	replaceValue
	replaceAttribute
	replaceTemplate
)

// formReplaceCloud is Replace with its seven arguments. Which of them are written decides what it does; a
// written "" counts.
func formReplaceCloud(c *compiler, n *Node) code {
	var args [replaceTemplate + 1]code
	var given [replaceTemplate + 1]bool
	for i, a := range n.Args {
		args[i] = c.node(a)
		given[i] = a.Kind != NodeOmitted
	}
	mode := ""
	switch {
	case given[replaceOld] && given[replaceRegex]:
		c.fail(n.Pos, "leave out oldValue or regexPattern", "Replace has both an oldValue and a regexPattern")
		return failed
	case given[replaceOld] && given[replaceValue] && !given[replaceTemplate]:
		mode = "value"
	case given[replaceOld] && given[replaceTemplate] && !given[replaceValue]:
		mode = "template"
	case given[replaceRegex] && given[replaceGroup] && given[replaceValue] && !given[replaceAttribute]:
		mode = "group"
	case given[replaceRegex] && given[replaceGroup] && given[replaceAttribute] && !given[replaceValue]:
		mode = "attribute"
	case given[replaceRegex] && given[replaceValue] && !given[replaceGroup] && !given[replaceAttribute]:
		mode = "regex"
	default:
		c.fail(n.Pos, "give oldValue with replacementValue or template, or regexPattern with replacementValue, or both and regexGroupName, or regexPattern, regexGroupName and replacementAttributeName",
			"Replace does not know what to do with these arguments")
		return failed
	}
	var fixed *pattern // of a constant pattern
	if given[replaceRegex] && n.Args[replaceRegex].Kind == NodeString {
		var err error
		if fixed, err = compilePattern(n.Args[replaceRegex].Text); err != nil {
			c.patternError(n.Args[replaceRegex], err)
			return failed
		}
		if g := n.Args; given[replaceGroup] && g[replaceGroup].Kind == NodeString {
			if _, ok := fixed.group(g[replaceGroup].Text); !ok {
				c.fail(g[replaceGroup].Pos, "write (?<"+clip(g[replaceGroup].Text)+">…) in the pattern", "the regular expression has no group %s", clip(g[replaceGroup].Text))
				return failed
			}
		}
	}
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		var v [len(args)]Value
		for i, arg := range args {
			if arg == nil {
				continue
			}
			if v[i] = arg(m); m.err != nil {
				return Value{}
			}
			if i == replaceSource || v[i].kind == KindNull {
				continue
			}
			text, ok := m.convert(v[i], TypeString)
			if !ok {
				return m.fail(n.Args[i], ErrType, "pick one with Item, or join them with Join", "Replace: several values")
			}
			v[i] = text
		}
		m.at = n
		run := func(source Value) Value { return m.replace(mode, fixed, source, v[:]) }
		if src := v[replaceSource]; src.kind == KindMulti && len(src.list) != 1 {
			if !m.step(len(src.list)) || !m.room(len(src.list)*8) {
				return Value{}
			}
			out := make([]Value, len(src.list))
			for i, item := range src.list {
				if out[i] = run(item); m.err != nil {
					return Value{}
				}
			}
			return Value{kind: KindMulti, list: out}
		}
		return run(v[replaceSource])
	}
}

func (c *compiler) patternError(n *Node, err error) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, newError(c.e.Source, n.Pos, ErrRegexp, "Microsoft runs .NET regular expressions, this package RE2", "regular expression %q: %v", clip(n.Text), err))
	}
}

func (m *machine) replace(mode string, re *pattern, source Value, v []Value) Value {
	src := source.Text()
	if source.kind != KindString && !m.room(len(src)) {
		return Value{}
	}
	if mode == "value" || mode == "template" {
		if source.kind == KindNull {
			return Value{}
		}
		text, old, with := src, v[replaceOld].s, v[replaceValue].s
		if mode == "template" {
			text, with = v[replaceTemplate].s, src
		}
		return m.replaceText(text, old, with)
	}
	if re == nil {
		// A pattern that is computed is compiled each time; what it may hold is bounded.
		if !m.step(10*len(v[replaceRegex].s)) || !m.room(100*len(v[replaceRegex].s)) {
			return Value{}
		}
		var err error
		if re, err = compilePattern(v[replaceRegex].s); err != nil {
			return m.bad(ErrRegexp, "", "regular expression %s: %v", m.quote(v[replaceRegex].s), err)
		}
		if !m.step(re.size) {
			return Value{}
		}
	}
	group := 0
	if v[replaceGroup].kind != KindNull {
		var ok bool
		if group, ok = re.group(v[replaceGroup].s); !ok {
			return m.bad(ErrValue, "", "the regular expression has no group %s", m.quote(v[replaceGroup].s))
		}
	}
	if mode == "attribute" && !m.p.options.OlderReplace {
		if src != "" {
			return source
		}
		from := v[replaceAttribute].s
		for _, match := range re.find(m, from, 1) {
			if match[2*group] >= 0 {
				return String(from[match[2*group]:match[2*group+1]])
			}
		}
		return Value{}
	}
	if source.kind == KindNull {
		return Value{}
	}
	switch mode {
	case "attribute":
		return String(re.replaceAll(m, src, v[replaceAttribute].s, group, true))
	case "group":
		return String(re.replaceAll(m, src, v[replaceValue].s, group, true))
	}
	return String(re.replaceAll(m, src, v[replaceValue].s, 0, false))
}

// replaceText is strings.ReplaceAll within the budget. .NET refuses an empty text to replace.
func (m *machine) replaceText(s, old, with string) Value {
	if old == "" {
		return m.bad(ErrValue, "", "the text to replace is empty")
	}
	n := strings.Count(s, old)
	if n == 0 {
		return String(s)
	}
	if !m.step(1+n) || len(with) > 0 && n > m.bytes/len(with)+1 || !m.room(len(s)+n*max(len(with)-len(old), 0)) {
		m.room(m.bytes + 1)
		return Value{}
	}
	return String(strings.ReplaceAll(s, old, with))
}

var monikers = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t")

func replaceConnect(m *machine, a []Value) Value {
	return m.replaceText(a[0].s, monikers.Replace(a[1].s), monikers.Replace(a[2].s))
}

// replaceChars reads a dictionary such as "Å:A,Ä:Ae,’:". White space in it is ignored. The page's own example
// has a comma for a colon in its last entry: a pair of single characters is read as source and target.
func replaceChars(m *machine, a []Value) Value {
	table := make(map[rune]string)
	dict := strings.Join(strings.Fields(a[1].s), "")
	if !m.step(len(dict)/8 + 1) {
		return Value{}
	}
	pending := rune(0) // a source without a colon waits for its target
	for entry := range strings.SplitSeq(dict, ",") {
		from, to, colon := strings.Cut(entry, ":")
		r := []rune(from)
		switch {
		case !colon && pending != 0:
			table[pending], pending = from, 0
			continue
		case pending != 0 || len(r) != 1:
			return m.bad(ErrValue, "write {source}:{target},… with one character as source", "the pattern has an entry %s", m.quote(entry))
		case !colon:
			pending = r[0]
			continue
		}
		table[r[0]] = to
	}
	if pending != 0 {
		return m.bad(ErrValue, "write {source}:{target},… with one character as source", "the pattern has an entry %s", m.quote(string(pending)))
	}
	var b strings.Builder
	for _, r := range a[0].s {
		if to, ok := table[r]; ok {
			if !m.room(len(to)) {
				return Value{}
			}
			b.WriteString(to)
		} else {
			b.WriteRune(r)
		}
	}
	return String(b.String())
}
