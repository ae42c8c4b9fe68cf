package cmlog

import "time"

// dateCache keeps the last date: neighbouring records share it.
type dateCache struct {
	text             string
	year, month, day int
	unixDay          int64
	ok               bool
}

// stamp sets the times of r from "11-28-2014" and "19:33:19.766-330".
func (c *dateCache) stamp(r *Record, date, clock string) {
	if date == "" && clock == "" {
		return
	}
	if date != c.text || c.text == "" {
		c.parse(date)
	}
	if !c.ok {
		r.Problem = "no such date"
		return
	}
	hour, minute, second, nano, bias, hasBias, ok := parseClock(clock)
	if !ok {
		r.Problem = "no such time"
		return
	}
	r.Wall = Wall{c.year, c.month, c.day, hour, minute, second, nano}
	if !hasBias {
		return
	}
	r.Bias, r.HasBias = bias, true
	r.Time = time.Unix(c.unixDay*86400+int64(hour)*3600+int64(minute)*60+int64(second)+int64(bias)*60, int64(nano)).UTC()
}

// parse reads M-D-YYYY; digits need not be padded.
func (c *dateCache) parse(s string) {
	*c = dateCache{text: s}
	month, s, ok1 := number(s, 2, '-')
	day, s, ok2 := number(s, 2, '-')
	year, s, ok3 := number(s, 4, 0)
	if !ok1 || !ok2 || !ok3 || s != "" || year < 1601 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return
	}
	c.year, c.month, c.day, c.ok = year, month, day, true
	c.unixDay = unixDay(year, month, day)
}

// number reads up to most digits and the byte behind them; end 0 means nothing behind them is taken.
func number(s string, most int, end byte) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i == 0 {
		return 0, s, false
	}
	if end == 0 {
		return n, s[i:], true
	}
	if i >= len(s) || s[i] != end {
		return 0, s, false
	}
	return n, s[i+1:], true
}

// parseClock reads HH:MM:SS, a fraction of any length, and a bias of one to three digits with a sign.
func parseClock(s string) (hour, minute, second, nano, bias int, hasBias, ok bool) {
	hour, s, ok1 := number(s, 2, ':')
	minute, s, ok2 := number(s, 2, ':')
	second, s, ok3 := number(s, 2, 0)
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return
	}
	if s != "" && s[0] == '.' {
		i, unit := 1, 100_000_000
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			nano += int(s[i]-'0') * unit
			unit /= 10
			i++
		}
		if i == 1 {
			return
		}
		s = s[i:]
	}
	if s == "" {
		return hour, minute, second, nano, 0, false, true
	}
	negative := s[0] == '-'
	if !negative && s[0] != '+' {
		return
	}
	bias, s, ok = number(s[1:], 3, 0)
	if !ok || s != "" {
		return 0, 0, 0, 0, 0, false, false
	}
	if negative {
		bias = -bias
	}
	return hour, minute, second, nano, bias, true, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// unixDay returns the days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that a leap day is the last.
func unixDay(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 1 - 719468
}
