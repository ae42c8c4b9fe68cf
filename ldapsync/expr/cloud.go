package expr

import (
	"errors"
	"strings"
	"time"
)

const (
	vbCompare = "vbBinaryCompare|vbTextCompare"
	encodings = "Unicode|ASCII|UTF8"
)

// fn makes a table entry for a function of its arguments.
func fn(name, params string, result Type, eval func(m *machine, a []Value) Value) function {
	return function{Function: Function{Name: name, Params: sig(params), Result: result}, eval: eval}
}

func (f function) mapped() function          { f.each = true; return f }
func (f function) seesNull() function        { f.nulls = true; return f }
func (f function) random() function          { f.impure = true; return f }
func (f function) note(s string) function    { f.Note = s; return f }
func (f function) from(page string) function { f.Source = page; return f }
func (f function) top() function             { f.topLevel = true; return f }

// form makes a table entry for a function that is compiled in its own way.
func form(name, params string, result Type, compile func(*compiler, *Node) code) function {
	return function{Function: Function{Name: name, Params: sig(params), Result: result}, form: compile}
}

// text makes a function of a text that gives a text.
func text(f func(s string) string) func(*machine, []Value) Value {
	return func(_ *machine, a []Value) Value { return String(f(a[0].s)) }
}

// test makes a function that tells something of its argument.
func test(f func(v Value) bool) func(*machine, []Value) Value {
	return func(_ *machine, a []Value) Value { return Bool(f(a[0])) }
}

// commonFunctions mean the same in both dialects.
func commonFunctions() []function {
	return []function{
		fn("BitAnd", "value1:num, value2:num", TypeNumber, func(_ *machine, a []Value) Value { return Number(a[0].n & a[1].n) }),
		fn("CBool", "expression:any", TypeBool, func(m *machine, a []Value) Value {
			b, ok := truth(a[0])
			if !ok {
				return m.bad(ErrValue, "compare it with something", "a %s is neither true nor false", a[0].kind)
			}
			return Bool(b)
		}).seesNull().note("null gives False"),
		fn("ConvertFromBase64", "source:str, encoding:name="+encodings+"?", TypeString, fromBase64).mapped(),
		fn("ConvertToBase64", "source:any", TypeString, toBase64).mapped().note("binary values are encoded as they are, texts as UTF-16LE"),
		fn("ConvertToUTF8Hex", "source:str", TypeString, toUTF8Hex).mapped(),
		fn("Count", "attribute:mv", TypeNumber, func(_ *machine, a []Value) Value { return Number(int64(len(a[0].Values()))) }).seesNull(),
		fn("CRef", "value:str", TypeString, text(func(s string) string { return s })).mapped(),
		fn("CStr", "value:any", TypeString, func(_ *machine, a []Value) Value { return String(a[0].Text()) }).mapped(),
		fn("DateAdd", "interval:str, value:num, date:date", TypeDate, dateAdd),
		fn("DateFromNum", "value:num", TypeDate, func(m *machine, a []Value) Value {
			v, ok := Value{}, a[0].n >= 0 && a[0].n <= maxTicks-filetimeTicks
			if ok {
				v, ok = ticksDate(filetimeTicks + a[0].n)
			}
			if !ok {
				return m.bad(ErrValue, "check for 0 and 9223372036854775807, which mean never, first", "%d is no date", a[0].n)
			}
			return v
		}).mapped(),
		fn("DNComponent", "dn:str, componentNumber:num", TypeString, func(_ *machine, a []Value) Value {
			return dnComponent(dnComponents(a[0].s), a[1].n)
		}).mapped().note("the value keeps its escapes, as the rule IIF(InStr(DNComponent(CRef([dn]), 1), \"\\\\0ACNF:\") > 0, …) needs; a number out of range gives an empty text"),
		fn("Error", "message:str", TypeVoid, func(m *machine, a []Value) Value {
			return m.fail(m.at, &CustomError{a[0].s}, "", "Error: %s", m.clear(a[0].s))
		}).seesNull(),
		form("IIF", "condition:any, valueIfTrue:any, valueIfFalse:any", TypeAny, formIIF),
		fn("InStr", "value1:str, value2:str, start:num?, compareType:name="+vbCompare+"?", TypeNumber, func(m *machine, a []Value) Value {
			start := int64(1)
			if len(a) > 2 && a[2].kind != KindNull {
				if start = a[2].n; start < 1 {
					return m.bad(ErrValue, "positions begin with 1", "the start is %d", start)
				}
			}
			if !m.room(len(a[0].s)) {
				return Value{}
			}
			return Number(index(a[0].s, a[1].s, start, len(a) > 3 && a[3].s == "vbTextCompare"))
		}).mapped().note("compares with case unless vbTextCompare is given"),
		fn("IsNull", "expression:any", TypeBool, test(Value.IsNull)).seesNull(),
		fn("IsNullOrEmpty", "expression:any", TypeBool, test(isEmpty)).seesNull(),
		fn("IsPresent", "expression:any", TypeBool, test(func(v Value) bool { return !isEmpty(v) })).seesNull(),
		fn("IsString", "expression:any", TypeBool, test(func(v Value) bool {
			return v.kind == KindString || v.kind == KindNumber || v.kind == KindBool
		})).seesNull().note("true for texts, numbers and booleans: what CStr takes"),
		fn("Item", "attribute:mv, index:num", TypeAny, func(m *machine, a []Value) Value {
			list := a[0].Values()
			if a[1].n < 1 || a[1].n > int64(len(list)) {
				return m.bad(ErrValue, "check with Count or Contains first", "there is no value %d among %d", a[1].n, len(list))
			}
			return list[a[1].n-1]
		}).seesNull(),
		fn("Left", "string:str, numChars:num", TypeString, func(_ *machine, a []Value) Value {
			return String(left(a[0].s, a[1].n))
		}).mapped().seesNull(),
		fn("Now", "", TypeDate, func(m *machine, _ []Value) Value {
			t, ok := m.now()
			if !ok {
				return Value{}
			}
			return Date(t.Truncate(m.resolution()))
		}).random(),
		fn("RemoveDuplicates", "attribute:mv", TypeMulti, func(m *machine, a []Value) Value {
			var out []Value
			seen := make(map[string]bool)
			for _, v := range a[0].Values() {
				if !m.room(16 + len(v.s)) {
					return Value{}
				}
				if t := v.Text(); !seen[t] {
					seen[t] = true
					out = append(out, v)
				}
			}
			return Value{kind: KindMulti, list: out}
		}).note("values that differ in case are different"),
		fn("StringFromSid", "objectSID:bin", TypeString, stringFromSid).mapped(),
		fn("Trim", "value:str", TypeString, text(strings.TrimSpace)).mapped(),
		fn("Word", "string:str, wordNumber:num, delimiters:str", TypeString, func(m *machine, a []Value) Value {
			if !m.step(1 + len(a[0].s)*len(a[2].s)/256) {
				return Value{}
			}
			return String(word(a[0].s, a[1].n, a[2].s))
		}).mapped().seesNull().note("delimiters next to each other count as one; a text without any is its own first word"),
	}
}

// resolution of Now: Cloud Sync's is a text without fractions of seconds.
func (m *machine) resolution() time.Duration {
	if m.p.expr.Dialect == CloudSync {
		return time.Second
	}
	return 100
}

// clear shows the text of the function Error.
func (m *machine) clear(s string) string {
	if m.p.redacts {
		return "[Redact]"
	}
	return clip(s)
}

func isEmpty(v Value) bool {
	return v.IsNull() || v.kind == KindString && v.s == ""
}

// cloudFunctions are those of the two pages, and CRef and Contains, which the Cloud Sync page only uses.
func cloudFunctions() []function {
	lists := []function{
		fn("Append", "source:str, suffix:str", TypeString, func(m *machine, a []Value) Value {
			if !m.room(len(a[1].s)) {
				return Value{}
			}
			return String(a[0].s + a[1].s)
		}).mapped().note("a null source or suffix gives null"),
		fn("AppRoleAssignmentsComplex", "appRoleAssignments:mv", TypeMulti, func(_ *machine, a []Value) Value { return a[0] }).
			note("the roles are taken as the values of the attribute and returned as they are"),
		fn("CDate", "expression:str", TypeDate, func(m *machine, a []Value) Value {
			v, ok := parseDate(a[0].s)
			if !ok {
				return m.bad(ErrValue, "describe its form with FormatDateTime", "%s is not a date", m.quote(a[0].s))
			}
			return v
		}).mapped().note("without an offset the text is UTC"),
		form("Coalesce", "source:any, source:any*?", TypeAny, formCoalesce),
		containsFunction().from(pageCloudSync).note("only in an example of the page, under Item"),
		fn("DateDiff", "interval:str, date1:date, date2:date", TypeNumber, dateDiff).
			note("weeks are counted from Sunday to Sunday, as Visual Basic does and the example with -493 needs"),
		fn("FormatDateTime", "source:str, dateTimeStyles:str?, inputFormat:str?, outputFormat:str?", TypeString, formatDateTimeCloud).
			mapped().seesNull().note("four arguments on the provisioning page, three without dateTimeStyles on the Cloud Sync page: both are read"),
		fn("Guid", "", TypeString, guid).random(),
		fn("IgnoreFlowIfNullOrEmpty", "expression:any", TypeAny, func(_ *machine, a []Value) Value {
			if isEmpty(a[0]) {
				return Ignore()
			}
			return a[0]
		}).seesNull(),
		fn("Join", "separator:str, source:any*", TypeString, joinCloud).seesNull().
			note("null and empty sources are left out, as the example with \"\" needs"),
		fn("Mid", "source:str, start:num, length:num?", TypeString, func(m *machine, a []Value) Value {
			if a[1].n < 1 {
				return m.bad(ErrValue, "positions begin with 1", "the start is %d", a[1].n)
			}
			rest := a[0].s[unitOffset(a[0].s, a[1].n-1):]
			if len(a) < 3 || a[2].kind == KindNull {
				return String(rest)
			}
			if a[2].n < 0 {
				return m.bad(ErrValue, "", "the length is %d", a[2].n)
			}
			return String(rest[:unitOffset(rest, a[2].n)])
		}).mapped().note("the length is required but left out in an example of the Cloud Sync page, under Item: then the rest"),
		fn("NormalizeDiacritics", "source:str", TypeString, func(m *machine, a []Value) Value {
			if !m.room(len(a[0].s)) {
				return Value{}
			}
			return String(normalizeDiacritics(a[0].s))
		}).mapped(),
		fn("Not", "source:any", TypeBool, func(_ *machine, a []Value) Value {
			return Bool(!(a[0].kind == KindBool && a[0].n != 0 || a[0].kind == KindString && strings.EqualFold(a[0].s, "true")))
		}).seesNull(),
		fn("NumFromDate", "value:date", TypeNumber, numFromDate).mapped(),
		fn("PCase", "source:str, wordSeparators:str?", TypeString, func(m *machine, a []Value) Value {
			if !m.room(2 * len(a[0].s)) {
				return Value{}
			}
			if len(a) > 1 && a[1].kind != KindNull {
				return String(titleCase(a[0].s, a[1].s, true, true))
			}
			return String(titleCase(a[0].s, "", false, true))
		}).mapped().note("without separators as .NET's ToTitleCase after lowering: an apostrophe does not end a word"),
		fn("RandomString", "length:num, minimumNumbers:num, minimumSpecialCharacters:num, minimumCapital:num, minimumLowerCase:num, charactersToAvoid:str?",
			TypeString, randomString).random().note("characters beyond the minima come from the classes that have a minimum"),
		fn("Redact", "value:any", TypeAny, func(_ *machine, a []Value) Value { return a[0] }).seesNull().
			note("the value stays what it is; String, messages and steps show [Redact]"),
		form("Replace", "source:any, oldValue:str?, regexPattern:str?, regexGroupName:str?, replacementValue:str?, replacementAttributeName:str?, template:str?",
			TypeString, formReplaceCloud).note("regular expressions are RE2's, translated from .NET's"),
		form("SelectUniqueValue", "uniqueValueRule:any, uniqueValueRule:any, uniqueValueRule:any*?", TypeString, formUnique).random().top(),
		fn("SingleAppRoleAssignment", "appRoleAssignments:mv", TypeString, func(m *machine, a []Value) Value {
			list := a[0].Values()
			if len(list) > 1 {
				return m.bad(ErrValue, "assign one role, or use AppRoleAssignmentsComplex", "there are %d roles", len(list))
			}
			if len(list) == 0 {
				return Value{}
			}
			return String(list[0].Text())
		}).note("several roles, whose result is \"not predictable\", are an error"),
		fn("Split", "source:str, delimiter:str", TypeMulti, func(m *machine, a []Value) Value {
			return m.split(a[0].s, a[1].s, -1, true)
		}).note("blanks around the parts are cut off, as the example needs; empty parts are left out"),
		fn("StripSpaces", "source:str", TypeString, text(func(s string) string { return strings.ReplaceAll(s, " ", "") })).mapped(),
		form("Switch", "source:any, defaultValue:any, key:any*, value:any*", TypeAny, formSwitchCloud),
		fn("ToLower", "source:str, culture:str?", TypeString, changeCase(lower)).mapped(),
		fn("ToUpper", "source:str, culture:str?", TypeString, changeCase(upper)).mapped(),
	}
	for _, f := range commonFunctions() {
		switch f.Name {
		case "ConvertFromBase64", "DNComponent", "Error", "StringFromSid", "Trim":
			f.Source = pageCloudSync
		case "CRef":
			f = f.from(pageCloudSync).note("only in an example of the page, under DNComponent")
		}
		lists = append(lists, f)
	}
	return lists
}

func containsFunction() function {
	return fn("Contains", "attribute:mv, search:str, casetype:name=CaseSensitive|CaseInsensitive?", TypeNumber, func(m *machine, a []Value) Value {
		fold := len(a) > 2 && a[2].s == "CaseInsensitive"
		for i, v := range a[0].Values() {
			t := v.Text()
			if !m.step(1 + len(t)/64) {
				return Value{}
			}
			if index(t, a[1].s, 1, fold) > 0 {
				return Number(int64(i + 1))
			}
		}
		return Number(0)
	}).seesNull()
}

func joinCloud(m *machine, a []Value) Value {
	size, count := 0, 0
	for _, v := range a[1:] {
		if v.kind == KindString && v.s != "" {
			size += len(v.s) + len(a[0].s)
			count++
			continue
		}
		for _, x := range v.Values() {
			if t := x.Text(); t != "" {
				size += len(t) + len(a[0].s)
				count++
			}
		}
	}
	if count == 0 {
		return Value{}
	}
	if !m.room(size) {
		return Value{}
	}
	var b strings.Builder
	b.Grow(size)
	add := func(t string) {
		if t == "" {
			return
		}
		if count--; b.Len() > 0 {
			b.WriteString(a[0].s)
		}
		b.WriteString(t)
	}
	for _, v := range a[1:] {
		if v.kind == KindString {
			add(v.s)
			continue
		}
		for _, x := range v.Values() {
			add(x.Text())
		}
	}
	return String(b.String())
}

// split divides a text, into at most limit parts if that is positive.
func (m *machine) split(s, sep string, limit int, trim bool) Value {
	if sep == "" {
		return m.bad(ErrValue, "", "the delimiter is empty")
	}
	n := strings.Count(s, sep) + 1
	if !m.step(n) || !m.room(n*16) {
		return Value{}
	}
	parts := strings.SplitN(s, sep, limit)
	out := make([]Value, 0, len(parts))
	for _, p := range parts {
		if trim {
			p = strings.TrimSpace(p)
		}
		if p != "" {
			out = append(out, String(p))
		}
	}
	return Value{kind: KindMulti, list: out}
}

func changeCase(f func(s, culture string) string) func(m *machine, a []Value) Value {
	return func(m *machine, a []Value) Value {
		culture := ""
		if len(a) > 1 {
			culture = a[1].s
		}
		if culture != "" && !knownCulture(culture) {
			return m.bad(ErrValue, "write a culture such as tr-TR", "unknown culture %s", m.quote(culture))
		}
		return String(f(a[0].s, culture))
	}
}

func numFromDate(m *machine, a []Value) Value {
	if a[0].n < filetimeTicks {
		return m.bad(ErrValue, "", "the date lies before 1601")
	}
	return Number(a[0].n - filetimeTicks)
}

func formatDateTimeCloud(m *machine, a []Value) Value {
	var styles string
	rest := a[1:]
	switch len(a) {
	case 4:
		styles, rest = a[1].s, a[2:]
	case 3:
	default:
		return m.bad(ErrType, "write FormatDateTime(source, dateTimeStyles, inputFormat, outputFormat)", "there are %d arguments", len(a))
	}
	if a[0].kind == KindNull || a[0].s == "" {
		return Value{}
	}
	parsed, err := parseStyles(styles)
	if err != nil {
		return m.bad(ErrValue, "", "%v", err)
	}
	v, err := parseDateFormat(a[0].s, rest[0].s, parsed, func() (time.Time, bool) {
		m.noClock = true
		return m.env.Now.UTC(), !m.env.Now.IsZero()
	})
	if errors.Is(err, ErrNoClock) {
		return m.bad(ErrNoClock, "", "the input has no year: %v", err)
	}
	if err != nil {
		return m.bad(ErrValue, "", "%s: %v", m.quote(a[0].s), err)
	}
	return m.formatted(v, rest[1].s)
}

func (m *machine) formatted(v Value, format string) Value {
	s, err := formatDate(v.n, format)
	if err != nil {
		return m.bad(ErrValue, "", "%v", err)
	}
	return String(s)
}
