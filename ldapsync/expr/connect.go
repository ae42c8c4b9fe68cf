package expr

import (
	"strings"
	"unicode"
)

// connectFunctions are those of the functions reference and ImportedValue.
func connectFunctions() []function {
	isSpace := unicode.IsSpace
	lists := []function{
		fn("BitOr", "value1:num, value2:num", TypeNumber, func(_ *machine, a []Value) Value { return Number(a[0].n | a[1].n) }),
		fn("CDate", "value:str", TypeDate, func(m *machine, a []Value) Value {
			v, ok := parseDate(a[0].s)
			if !ok {
				return m.bad(ErrValue, "check with IsDate first", "%s is not a date", m.quote(a[0].s))
			}
			return v
		}).mapped().note("without an offset the text is UTC"),
		fn("CGuid", "guid:str", TypeBinary, func(m *machine, a []Value) Value {
			g, ok := guidText(a[0].s)
			if !ok {
				return m.bad(ErrValue, "check with IsGuid first", "%s is not a GUID", m.quote(a[0].s))
			}
			return Binary(g.Raw())
		}).mapped(),
		fn("CNum", "value:str", TypeNumber, func(m *machine, a []Value) Value {
			n, ok := parseNumber(a[0].s)
			if !ok {
				return m.bad(ErrValue, "check with IsNumeric first", "%s is not a number", m.quote(a[0].s))
			}
			return Number(n)
		}).mapped(),
		containsFunction(),
		fn("ConvertFromUTF8Hex", "source:str", TypeString, fromUTF8Hex).mapped(),
		fn("DNComponentRev", "dn:str, componentNumber:num, options:name=DC?", TypeString, dnComponentRev).mapped(),
		fn("EscapeDNComponent", "value:str", TypeString, escapeDNComponent).mapped().note("what stands before the first = is the attribute type, as in the example"),
		fn("FormatDateTime", "value:date, format:str", TypeString, func(m *machine, a []Value) Value { return m.formatted(a[0], a[1].s) }).mapped().
			note("the page refers to DAX formats; its examples are .NET's, which are read here"),
		fn("Guid", "", TypeString, guid).random(),
		fn("GUID", "", TypeString, guid).random().note("the page lists GUID and describes Guid: both are read"),
		form("ImportedValue", "attribute:str", TypeAny, formImportedValue).from(pageDeclarative),
		fn("InStrRev", "stringcheck:str, stringmatch:str, start:num?, compare:name="+vbCompare+"?", TypeNumber, func(m *machine, a []Value) Value {
			start := int64(-1)
			if len(a) > 2 && a[2].kind != KindNull {
				start = max(a[2].n, 0)
			}
			if !m.room(len(a[0].s)) {
				return Value{}
			}
			return Number(lastIndex(a[0].s, a[1].s, start, len(a) > 3 && a[3].s == "vbTextCompare"))
		}).mapped().note("start is where the search backward begins, as in Visual Basic"),
		fn("IsBitSet", "value:num, flag:num", TypeBool, func(_ *machine, a []Value) Value { return Bool(a[0].n&a[1].n != 0) }).seesNull().
			note("null has no bits set"),
		fn("IsDate", "expression:any", TypeBool, test(func(v Value) bool {
			_, ok := dateOperand(v)
			return ok
		})).seesNull(),
		fn("IsEmpty", "expression:any", TypeBool, test(func(v Value) bool { return v.kind == KindString && v.s == "" })).seesNull(),
		fn("IsGuid", "guid:any", TypeBool, test(func(v Value) bool {
			_, ok := guidText(v.s)
			return ok && v.kind == KindString
		})).seesNull(),
		fn("IsNumeric", "expression:any", TypeBool, test(func(v Value) bool {
			_, ok := parseNumber(v.s)
			return v.kind == KindNumber || v.kind == KindString && ok
		})).seesNull(),
		fn("ItemOrNull", "attribute:mv, index:num", TypeAny, func(_ *machine, a []Value) Value {
			list := a[0].Values()
			if a[1].n < 1 || a[1].n > int64(len(list)) {
				return Value{}
			}
			return list[a[1].n-1]
		}).seesNull(),
		fn("Join", "attribute:mv, delimiter:str?", TypeString, joinConnect),
		fn("LCase", "value:str", TypeString, text(func(s string) string { return lower(s, "") })).mapped(),
		fn("Len", "value:str", TypeNumber, func(_ *machine, a []Value) Value { return Number(int64(units(a[0].s))) }).mapped(),
		fn("LTrim", "value:str", TypeString, text(func(s string) string { return strings.TrimLeftFunc(s, isSpace) })).mapped(),
		fn("Mid", "string:str, start:num, numChars:num?", TypeString, midConnect).mapped().seesNull().
			note("numChars is required but left out in the example under Item: then the rest"),
		fn("NumFromDate", "value:date", TypeNumber, numFromDate).mapped(),
		fn("PadLeft", "string:str, length:num, padCharacter:str", TypeString, pad(true)).mapped().seesNull(),
		fn("PadRight", "string:str, length:num, padCharacter:str", TypeString, pad(false)).mapped().seesNull(),
		fn("PCase", "string:str", TypeString, func(m *machine, a []Value) Value {
			if !m.room(2 * len(a[0].s)) {
				return Value{}
			}
			return String(titleCase(a[0].s, " ", true, false))
		}).mapped().note("words all in capitals stay, as the remark says"),
		fn("RandomNum", "start:num, end:num", TypeNumber, randomNum).random().note("both ends are included; the example calls it Random"),
		fn("Replace", "string:str, oldValue:str, newValue:str", TypeString, replaceConnect).mapped().note(`\n, \r and \t stand for line feed, carriage return and tab`),
		fn("ReplaceChars", "string:str, replacePattern:str", TypeString, replaceChars).mapped().note("the last entry of the example, ö,o, has a comma for a colon: read as ö:o"),
		fn("Right", "string:str, numChars:num", TypeString, func(_ *machine, a []Value) Value { return String(right(a[0].s, a[1].n)) }).mapped().seesNull(),
		fn("RTrim", "value:str", TypeString, text(func(s string) string { return strings.TrimRightFunc(s, isSpace) })).mapped(),
		form("Select", "item:var, attribute:any, function:any", TypeMulti, formItems(false)),
		fn("Split", "value:str, delimiter:str, limit:num?", TypeMulti, func(m *machine, a []Value) Value {
			limit := -1
			if len(a) > 2 && a[2].kind != KindNull {
				if a[2].n < 1 {
					return m.bad(ErrValue, "", "the limit is %d", a[2].n)
				}
				limit = int(min(a[2].n, 1<<30))
			}
			return m.split(a[0].s, a[1].s, limit, false)
		}).note("with a limit the last part is the rest; empty parts are left out"),
		fn("StringFromGuid", "guid:bin", TypeString, stringFromGUID).mapped(),
		form("Switch", "expr:any*, value:any*", TypeAny, formSwitchConnect),
		fn("UCase", "string:str", TypeString, text(func(s string) string { return upper(s, "") })).mapped(),
		form("Where", "item:var, attribute:any, condition:any", TypeMulti, formItems(true)),
		form("With", "variable:var, subExpression:any, complexExpression:any", TypeAny, formWith),
	}
	lists = append(lists, commonFunctions()...)
	return append(lists, certFunctions()...)
}

func joinConnect(m *machine, a []Value) Value {
	sep := " "
	if len(a) > 1 && a[1].kind != KindNull {
		sep = a[1].s
	}
	texts := a[0].Texts()
	size := 0
	for _, t := range texts {
		size += len(t) + len(sep)
	}
	if !m.step(len(texts)) || !m.room(size) {
		return Value{}
	}
	return String(strings.Join(texts, sep))
}

// midConnect returns the whole string where the page says so: a start beyond it, or a start or length below what
// makes sense.
func midConnect(_ *machine, a []Value) Value {
	s, start := a[0].s, a[1].n
	if start <= 0 || start > int64(units(s)) {
		return String(s)
	}
	rest := s[unitOffset(s, start-1):]
	if len(a) < 3 || a[2].kind == KindNull {
		return String(rest)
	}
	if a[2].n < 0 {
		return String(s)
	}
	return String(rest[:unitOffset(rest, a[2].n)])
}

func pad(atLeft bool) func(*machine, []Value) Value {
	return func(m *machine, a []Value) Value {
		if a[0].kind == KindNull {
			return String("")
		}
		if units(a[2].s) != 1 {
			return m.bad(ErrValue, "", "the pad character is %s", m.quote(a[2].s))
		}
		missing := a[1].n - int64(units(a[0].s))
		if missing <= 0 {
			return a[0]
		}
		if missing > int64(m.bytes) || !m.room(int(missing)*len(a[2].s)) {
			m.room(m.bytes + 1)
			return Value{}
		}
		fill := strings.Repeat(a[2].s, int(missing))
		if atLeft {
			return String(fill + a[0].s)
		}
		return String(a[0].s + fill)
	}
}
