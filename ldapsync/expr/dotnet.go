package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// generalDate is how dates are written where a text is wanted (Reference for writing expressions, CDate, Now).
const generalDate = "M/d/yyyy h:mm:ss tt"

// standardFormats are .NET's one-letter formats under the invariant culture (".NET standard date and time
// format strings").
var standardFormats = map[byte]string{
	'd': "MM/dd/yyyy", 'D': "dddd, dd MMMM yyyy", 'f': "dddd, dd MMMM yyyy HH:mm", 'F': "dddd, dd MMMM yyyy HH:mm:ss",
	'g': "MM/dd/yyyy HH:mm", 'G': "MM/dd/yyyy HH:mm:ss", 'M': "MMMM dd", 'm': "MMMM dd",
	'O': "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK", 'o': "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
	'R': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'", 'r': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
	's': "yyyy'-'MM'-'dd'T'HH':'mm':'ss", 't': "HH:mm", 'T': "HH:mm:ss", 'u': "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
	'U': "dddd, dd MMMM yyyy HH:mm:ss", 'Y': "yyyy MMMM", 'y': "yyyy MMMM",
}

// formatToken is a specifier such as yyyy, or a literal if n is 0.
type formatToken struct {
	c    byte
	n    int
	text string
}

// formatTokens splits a .NET custom format (".NET custom date and time format strings").
func formatTokens(format string) ([]formatToken, error) {
	if len(format) == 1 {
		std, ok := standardFormats[format[0]]
		if !ok {
			return nil, fmt.Errorf("%q is no standard date format", format)
		}
		format = std
	}
	if format == "" {
		format = standardFormats['G']
	}
	if len(format) > 200 {
		return nil, fmt.Errorf("the date format has more than 200 bytes")
	}
	var out []formatToken
	literal := func(s string) {
		if n := len(out); n > 0 && out[n-1].n == 0 {
			out[n-1].text += s
		} else {
			out = append(out, formatToken{text: s})
		}
	}
	for i := 0; i < len(format); {
		switch c := format[i]; {
		case strings.IndexByte("dfFghHKmMstyz", c) >= 0:
			n := 1
			for i+n < len(format) && format[i+n] == c {
				n++
			}
			i += n
			if (c == 'f' || c == 'F') && n > 7 || c == 'K' && n > 1 {
				return nil, fmt.Errorf("the date format repeats %q %d times", c, n)
			}
			out = append(out, formatToken{c: c, n: n})
		case c == '\'' || c == '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				return nil, fmt.Errorf("a quotation mark of the date format has no end")
			}
			literal(format[i+1 : i+1+end])
			i += end + 2
		case c == '\\':
			if i+1 == len(format) {
				return nil, fmt.Errorf("the date format ends with a backslash")
			}
			literal(format[i+1 : i+2])
			i += 2
		case c == '%':
			if i+1 == len(format) || format[i+1] == '%' {
				return nil, fmt.Errorf("a percent sign of the date format has nothing after it")
			}
			i++
		default:
			literal(format[i : i+1])
			i++
		}
	}
	return out, nil
}

// formatDate writes a date in UTC with a .NET format and the invariant culture.
func formatDate(ticks int64, format string) (string, error) {
	tokens, err := formatTokens(format)
	if err != nil {
		return "", err
	}
	t := ticksTime(ticks)
	frac := fmt.Sprintf("%07d", ticks%ticksPerSecond)
	b := make([]byte, 0, len(format)+16)
	pad := func(n, width int) {
		for w, limit := 1, 10; w < width; w, limit = w+1, limit*10 {
			if n < limit {
				b = append(b, '0')
			}
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	for i, k := range tokens {
		switch k.c {
		case 0:
			b = append(b, k.text...)
		case 'y':
			if k.n <= 2 {
				pad(t.Year()%100, k.n)
			} else {
				pad(t.Year(), min(k.n, 9))
			}
		case 'M':
			switch {
			case k.n >= 4:
				b = append(b, t.Month().String()...)
			case k.n == 3:
				b = append(b, t.Month().String()[:3]...)
			default:
				pad(int(t.Month()), k.n)
			}
		case 'd':
			switch {
			case k.n >= 4:
				b = append(b, t.Weekday().String()...)
			case k.n == 3:
				b = append(b, t.Weekday().String()[:3]...)
			default:
				pad(t.Day(), k.n)
			}
		case 'H':
			pad(t.Hour(), min(k.n, 2))
		case 'h':
			h := t.Hour() % 12
			if h == 0 {
				h = 12
			}
			pad(h, min(k.n, 2))
		case 'm':
			pad(t.Minute(), min(k.n, 2))
		case 's':
			pad(t.Second(), min(k.n, 2))
		case 'f':
			b = append(b, frac[:k.n]...)
		case 'F':
			digits := strings.TrimRight(frac[:k.n], "0")
			if digits == "" && len(b) > 0 && b[len(b)-1] == '.' && i > 0 {
				b = b[:len(b)-1] // .NET drops the point before a fraction of zero
			}
			b = append(b, digits...)
		case 't':
			half := "AM"
			if t.Hour() >= 12 {
				half = "PM"
			}
			b = append(b, half[:min(k.n, 2)]...)
		case 'z':
			b = append(b, [...]string{"+0", "+00", "+00:00"}[min(k.n, 3)-1]...)
		case 'K':
			b = append(b, 'Z')
		case 'g':
			b = append(b, "A.D."...)
		}
	}
	return string(b), nil
}

func formatTicks(ticks int64, format string) string {
	s, _ := formatDate(ticks, format)
	return s
}

// dateStyles are the parts of .NET's DateTimeStyles that change a result here, where all times are UTC.
type dateStyles struct{ leading, trailing, inner, noToday bool }

func parseStyles(s string) (dateStyles, error) {
	if strings.TrimSpace(s) == "" {
		// RoundtripKind, AllowLeadingWhite, AllowTrailingWhite (Reference for writing expressions, FormatDateTime)
		return dateStyles{leading: true, trailing: true}, nil
	}
	var out dateStyles
	for part := range strings.SplitSeq(s, ",") {
		switch part = strings.TrimPrefix(strings.TrimSpace(part), "DateTimeStyles."); part {
		case "None", "AdjustToUniversal", "AssumeLocal", "AssumeUniversal", "RoundtripKind":
		case "AllowLeadingWhite":
			out.leading = true
		case "AllowTrailingWhite":
			out.trailing = true
		case "AllowInnerWhite":
			out.inner = true
		case "AllowWhiteSpaces":
			out.leading, out.trailing, out.inner = true, true, true
		case "NoCurrentDateDefault":
			out.noToday = true
		default:
			return out, fmt.Errorf("%q is no DateTimeStyles", clip(part))
		}
	}
	return out, nil
}

// parseDateFormat reads a date as .NET's DateTime.ParseExact does and gives it in UTC. A text without a year,
// month and day gets those of today, which the caller gives.
func parseDateFormat(s, format string, styles dateStyles, today func() (time.Time, bool)) (Value, error) {
	tokens, err := formatTokens(format)
	if err != nil {
		return Value{}, err
	}
	if len(s) > 400 {
		return Value{}, fmt.Errorf("the date has more than 400 bytes")
	}
	if styles.leading {
		s = strings.TrimLeft(s, " \t\r\n")
	}
	if styles.trailing {
		s = strings.TrimRight(s, " \t\r\n")
	}
	p := dateParser{s: s}
	y, mo, d := int64(-1), int64(-1), int64(-1)
	var h, mi, sec, frac, offset int64
	half := -1
	ok := true
	for i, k := range tokens {
		if styles.inner {
			p.blanks()
		}
		n := 0
		switch k.c {
		case 0:
			text := k.text
			if styles.inner {
				text = strings.TrimSpace(text)
			}
			if strings.HasSuffix(text, ".") && i+1 < len(tokens) && tokens[i+1].c == 'F' && strings.HasPrefix(p.s[p.i:], text[:len(text)-1]) && !strings.HasPrefix(p.s[p.i:], text) {
				text = text[:len(text)-1]
			}
			if ok = strings.HasPrefix(p.s[p.i:], text); ok {
				p.i += len(text)
			}
		case 'y':
			want := max(k.n, 1)
			y, n = p.digits(min(max(want, 2), 9))
			ok = n > 0 && (n == want || k.n == 1 || k.n > 4)
			if ok && k.n <= 2 {
				if y += 2000; y > 2049 { // the invariant calendar's two-digit years end with 2049
					y -= 100
				}
			}
		case 'M':
			if k.n >= 3 {
				mo = p.month()
				ok = mo > 0
			} else {
				mo, n = p.digits(2)
				ok = n >= k.n
			}
		case 'd':
			if k.n >= 3 {
				ok = p.weekday()
			} else {
				d, n = p.digits(2)
				ok = n >= k.n
			}
		case 'H', 'h':
			h, n = p.digits(2)
			ok = n >= min(k.n, 2) && (k.c == 'H' || h >= 1 && h <= 12)
			if k.c == 'h' && half < 0 {
				half = 2 // 12 means 0 unless tt says otherwise
			}
		case 'm':
			mi, n = p.digits(2)
			ok = n >= min(k.n, 2)
		case 's':
			sec, n = p.digits(2)
			ok = n >= min(k.n, 2)
		case 'f', 'F':
			frac, n = p.digits(k.n)
			ok = n == k.n || k.c == 'F'
			for ; n < 7; n++ {
				frac *= 10
			}
		case 't':
			rest := strings.ToUpper(p.s[p.i:min(len(p.s), p.i+min(k.n, 2))])
			ok = rest == "AM"[:min(k.n, 2)] || rest == "PM"[:min(k.n, 2)]
			half = 0
			if ok && rest[0] == 'P' {
				half = 1
			}
			p.i += len(rest)
		case 'z':
			ok = p.i < len(p.s) && p.s[p.i] != 'Z' && p.s[p.i] != 'G' && p.offset(&offset)
		case 'K':
			p.offset(&offset)
		case 'g':
			if ok = strings.HasPrefix(p.s[p.i:], "A.D."); ok {
				p.i += 4
			}
		}
		if !ok {
			return Value{}, fmt.Errorf("it does not match the format %q at character %d", clip(format), p.i+1)
		}
	}
	if p.i != len(p.s) {
		return Value{}, fmt.Errorf("there is text after what the format %q describes", clip(format))
	}
	switch half {
	case 1:
		if h < 12 {
			h += 12
		}
	case 0, 2:
		if h == 12 {
			h = 0
		}
	}
	switch {
	case y < 0 && mo < 0 && d < 0 && styles.noToday:
		y, mo, d = 1, 1, 1
	case y < 0:
		t, have := today()
		if !have {
			return Value{}, ErrNoClock
		}
		y = int64(t.Year())
		if mo < 0 && d < 0 {
			mo, d = int64(t.Month()), int64(t.Day())
		}
	}
	if mo < 0 {
		mo = 1
	}
	if d < 0 {
		d = 1
	}
	day, valid := civil(y, mo, d)
	if !valid || h > 23 || mi > 59 || sec > 59 {
		return Value{}, fmt.Errorf("there is no such date or time")
	}
	v, valid := ticksDate(day + ((h*60+mi-offset)*60+sec)*ticksPerSecond + frac)
	if !valid {
		return Value{}, fmt.Errorf("the date leaves the years 1 to 9999")
	}
	return v, nil
}

func (p *dateParser) weekday() bool {
	rest := p.s[p.i:]
	for d := time.Sunday; d <= time.Saturday; d++ {
		for _, name := range [...]string{d.String(), d.String()[:3]} {
			if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) && (len(rest) == len(name) || !isLetter(rest[len(name)])) {
				p.i += len(name)
				return true
			}
		}
	}
	return false
}
