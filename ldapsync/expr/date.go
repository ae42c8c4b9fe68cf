package expr

import (
	"strings"
	"time"
)

// Dates are counted as .NET's DateTime counts them: ticks of 100 ns since 0001-01-01, up to the end of 9999.
const (
	ticksPerSecond = 10_000_000
	ticksPerDay    = 24 * 3600 * ticksPerSecond
	maxTicks       = 3155378975999999999
	unixTicks      = 621355968000000000 // 1970-01-01
	filetimeTicks  = 504911232000000000 // 1601-01-01
)

func dateOf(t time.Time) (Value, bool) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return Value{}, false
	}
	return Value{kind: KindDate, n: unixTicks + t.Unix()*ticksPerSecond + int64(t.Nanosecond())/100}, true
}

// ticksDate makes a date of ticks, if they are within .NET's range.
func ticksDate(n int64) (Value, bool) {
	return Value{kind: KindDate, n: n}, n >= 0 && n <= maxTicks
}

func ticksTime(n int64) time.Time {
	n -= unixTicks
	s, rest := n/ticksPerSecond, n%ticksPerSecond
	return time.Unix(s, rest*100).UTC()
}

// dateParser reads the forms of dates that .NET's DateTime.Parse takes under the invariant culture and that
// occur in Microsoft's examples: year-month-day or month/day/year or a month's name, a time of day, AM or PM,
// an offset.
type dateParser struct {
	s string
	i int
}

// parseDate reads a date and time and gives it in UTC. Without an offset it is taken for UTC.
func parseDate(s string) (Value, bool) {
	if len(s) > 64 {
		return Value{}, false
	}
	p := dateParser{s: strings.TrimSpace(s)}
	y, mo, d, ok := p.date()
	if !ok {
		return Value{}, false
	}
	var h, mi, sec, frac, offset int64
	if !p.offset(&offset) {
		if p.i < len(p.s) && (p.s[p.i] == 'T' || p.s[p.i] == ' ' || p.s[p.i] == ',') {
			p.i++
			p.blanks()
			if !p.clock(&h, &mi, &sec, &frac) {
				return Value{}, false
			}
			p.blanks()
			p.offset(&offset)
		}
	}
	p.blanks()
	if p.i != len(p.s) || h > 23 || mi > 59 || sec > 59 {
		return Value{}, false
	}
	v, ok := civil(y, mo, d)
	if !ok {
		return Value{}, false
	}
	return ticksDate(v + ((h*60+mi-offset)*60+sec)*ticksPerSecond + frac)
}

// civil gives the ticks of a day of the Gregorian calendar.
func civil(y, mo, d int64) (int64, bool) {
	if y < 1 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) {
		return 0, false
	}
	t := time.Date(int(y), time.Month(mo), int(d), 0, 0, 0, 0, time.UTC)
	return unixTicks + t.Unix()*ticksPerSecond, true
}

func daysIn(y, mo int64) int64 {
	return int64(time.Date(int(y), time.Month(mo)+1, 0, 0, 0, 0, 0, time.UTC).Day())
}

func (p *dateParser) blanks() {
	for p.i < len(p.s) && p.s[p.i] == ' ' {
		p.i++
	}
}

// digits reads a number of at most most digits and says how many there were.
func (p *dateParser) digits(most int) (n int64, count int) {
	for count < most && p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		n = n*10 + int64(p.s[p.i]-'0')
		p.i++
		count++
	}
	return n, count
}

func (p *dateParser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *dateParser) date() (y, mo, d int64, ok bool) {
	if m := p.month(); m > 0 { // January 5, 2026
		p.blanks()
		d, n := p.digits(2)
		p.take(',')
		p.blanks()
		y, k := p.digits(4)
		return y, m, d, n > 0 && k == 4
	}
	a, n := p.digits(4)
	switch {
	case n == 4 && p.take('-'):
		mo, n1 := p.digits(2)
		if n1 == 0 || !p.take('-') {
			return 0, 0, 0, false
		}
		d, n2 := p.digits(2)
		return a, mo, d, n2 > 0
	case n == 4 && p.take('/'):
		mo, n1 := p.digits(2)
		if n1 == 0 || !p.take('/') {
			return 0, 0, 0, false
		}
		d, n2 := p.digits(2)
		return a, mo, d, n2 > 0
	case n > 0 && n <= 2 && (p.take('/') || p.take('-')):
		d, n1 := p.digits(2)
		if n1 == 0 || !p.take('/') && !p.take('-') {
			return 0, 0, 0, false
		}
		y, n2 := p.digits(4)
		return y, a, d, n2 == 4
	case n > 0 && n <= 2: // 5 January 2026
		p.blanks()
		m := p.month()
		p.blanks()
		y, n2 := p.digits(4)
		return y, m, a, m > 0 && n2 == 4
	}
	return 0, 0, 0, false
}

// month reads an English month, in full or its first three letters.
func (p *dateParser) month() int64 {
	rest := p.s[p.i:]
	for m := time.January; m <= time.December; m++ {
		for _, name := range [...]string{m.String(), m.String()[:3]} {
			if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) && (len(rest) == len(name) || !isLetter(rest[len(name)])) {
				p.i += len(name)
				return int64(m)
			}
		}
	}
	return 0
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func (p *dateParser) clock(h, mi, sec, frac *int64) bool {
	var n int
	if *h, n = p.digits(2); n == 0 {
		return false
	}
	if p.take(':') {
		if *mi, n = p.digits(2); n != 2 {
			return false
		}
		if p.take(':') {
			if *sec, n = p.digits(2); n != 2 {
				return false
			}
			if p.take('.') {
				if *frac, n = p.digits(7); n == 0 {
					return false
				}
				for ; n < 7; n++ {
					*frac *= 10
				}
				p.digits(9)
			}
		}
	} else if rest := strings.TrimSpace(p.s[p.i:]); !isHalf(rest) {
		return false // a lone number is no time of day
	}
	p.blanks()
	if rest := p.s[p.i:]; isHalf(rest) {
		p.i += 2
		if *h < 1 || *h > 12 {
			return false
		}
		*h %= 12
		if rest[0] == 'P' || rest[0] == 'p' {
			*h += 12
		}
	}
	return true
}

func isHalf(s string) bool {
	return len(s) >= 2 && (strings.EqualFold(s[:2], "am") || strings.EqualFold(s[:2], "pm")) && (len(s) == 2 || !isLetter(s[2]))
}

// offset reads Z, GMT, +08:00, -0800, -8 and gives minutes.
func (p *dateParser) offset(out *int64) bool {
	start := p.i
	if rest := p.s[p.i:]; len(rest) >= 3 && rest[:3] == "GMT" {
		p.i += 3
		return true
	}
	if p.take('Z') {
		return true
	}
	sign := int64(1)
	switch {
	case p.take('+'):
	case p.take('-'):
		sign = -1
	default:
		return false
	}
	h, n := p.digits(2)
	if n == 0 {
		p.i = start
		return false
	}
	var mi int64
	if p.take(':') || n == 2 && p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		if mi, n = p.digits(2); n != 2 {
			p.i = start
			return false
		}
	}
	if h > 14 || mi > 59 {
		p.i = start
		return false
	}
	*out = sign * (h*60 + mi)
	return true
}

// intervals of DateAdd and DateDiff. Entra Connect also has q, y and w.
func (m *machine) interval(name string) (string, bool) {
	switch name {
	case "yyyy", "m", "d", "ww", "h", "n", "s":
		return name, true
	case "q", "y", "w":
		if m.p.expr.Dialect == Connect {
			return name, true
		}
	}
	known := "yyyy, m, d, ww, h, n or s"
	if m.p.expr.Dialect == Connect {
		known = "yyyy, q, m, y, d, w, ww, h, n or s"
	}
	m.bad(ErrValue, "write "+known, "unknown interval %s", m.quote(name))
	return "", false
}

// addMonths adds months and, where the month is too short, takes its last day, as .NET's AddMonths does.
func addMonths(ticks, months int64) (Value, bool) {
	t := ticksTime(ticks)
	if months > 12*10000 || months < -12*10000 {
		return Value{}, false
	}
	n := int64(t.Year())*12 + int64(t.Month()) - 1 + months
	if n < 12 {
		return Value{}, false
	}
	y, mo := n/12, n%12+1
	day, ok := civil(y, mo, min(int64(t.Day()), daysIn(y, mo)))
	if !ok {
		return Value{}, false
	}
	return ticksDate(day + ticks%ticksPerDay)
}

func dateAdd(m *machine, a []Value) Value {
	unit, ok := m.interval(a[0].s)
	if !ok {
		return Value{}
	}
	n, ticks := a[1].n, a[2].n
	var size int64
	switch unit {
	case "yyyy", "q", "m":
		factor := map[string]int64{"yyyy": 12, "q": 3, "m": 1}[unit]
		var v Value
		if n > maxTicks/factor || n < -maxTicks/factor {
			ok = false
		} else {
			v, ok = addMonths(ticks, n*factor)
		}
		if !ok {
			return m.bad(ErrValue, "", "the date leaves the years 1 to 9999")
		}
		return v
	case "ww":
		size = 7 * ticksPerDay
	case "h":
		size = 3600 * ticksPerSecond
	case "n":
		size = 60 * ticksPerSecond
	case "s":
		size = ticksPerSecond
	default:
		size = ticksPerDay
	}
	if n > maxTicks/size || n < -maxTicks/size {
		return m.bad(ErrValue, "", "the date leaves the years 1 to 9999")
	}
	v, ok := ticksDate(ticks + n*size)
	if !ok {
		return m.bad(ErrValue, "", "the date leaves the years 1 to 9999")
	}
	return v
}

// dateDiff counts as Visual Basic's DateDiff does, which gives all of Microsoft's examples: whole days, hours,
// minutes and seconds cut off toward zero; months and years as differences of the calendar's numbers; weeks from
// Sunday to Sunday.
func dateDiff(m *machine, a []Value) Value {
	unit, ok := m.interval(a[0].s)
	if !ok {
		return Value{}
	}
	x, y := a[1].n, a[2].n
	s, t := ticksTime(x), ticksTime(y)
	switch unit {
	case "yyyy":
		return Number(int64(t.Year() - s.Year()))
	case "m":
		return Number(int64(t.Year()-s.Year())*12 + int64(t.Month()) - int64(s.Month()))
	case "ww":
		x -= int64(s.Weekday()) * ticksPerDay
		y -= int64(t.Weekday()) * ticksPerDay
		return Number((y - x) / ticksPerDay / 7)
	case "h":
		return Number((y - x) / (3600 * ticksPerSecond))
	case "n":
		return Number((y - x) / (60 * ticksPerSecond))
	case "s":
		return Number((y - x) / ticksPerSecond)
	}
	return Number((y - x) / ticksPerDay)
}
