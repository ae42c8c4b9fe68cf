package dsreg

import (
	"strings"
	"time"
)

// A Time is a UTC time row. No other zone is ever printed.
type Time struct {
	Cell
	Time time.Time // zero unless State is Set
}

func (t *Time) decode() (ok bool) {
	t.Time, ok = parseTime(t.Raw)
	return ok
}

// A TimeRange is a "[ start -- end ]" row.
type TimeRange struct {
	Cell
	Start, End time.Time // zero unless State is Set
}

func (t *TimeRange) decode() bool {
	s, ok := strings.CutPrefix(t.Raw, "[")
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, "]"); !ok {
		return false
	}
	a, b, ok := strings.Cut(s, "--")
	if !ok {
		return false
	}
	start, ok1 := parseTime(strings.TrimSpace(a))
	end, ok2 := parseTime(strings.TrimSpace(b))
	if !ok1 || !ok2 {
		return false
	}
	t.Start, t.End = start, end
	return true
}

// parseTime reads "2006-01-02 15:04:05.000 UTC"; the fraction may be missing
// or have up to nine digits.
func parseTime(s string) (time.Time, bool) {
	const shape = "dddd-dd-dd dd:dd:dd"
	if len(s) < len(shape)+4 {
		return time.Time{}, false
	}
	for i := range len(shape) {
		if shape[i] == 'd' {
			if s[i] < '0' || s[i] > '9' {
				return time.Time{}, false
			}
		} else if s[i] != shape[i] {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year := two(0)*100 + two(2)
	month, day, hour, minute, sec := two(5), two(8), two(11), two(14), two(17)
	rest := s[len(shape):]
	nanos := 0
	if rest[0] == '.' {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nanos += int(rest[i]-'0') * scale
			scale /= 10
		}
		if i == 1 || i > 10 {
			return time.Time{}, false
		}
		rest = rest[i:]
	}
	if rest != " UTC" || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nanos, time.UTC)
	if t.Day() != day { // 31 February
		return time.Time{}, false
	}
	return t, true
}
