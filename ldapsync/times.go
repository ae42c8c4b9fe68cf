package ldapsync

import (
	"fmt"
	"strconv"
	"time"
)

// Seconds between 1601-01-01 and 1970-01-01, both UTC, and 100 ns ticks in a second.
const (
	filetimeEpoch = 11644473600
	filetimeTicks = 10_000_000
)

// neverExpires is the other value of accountExpires, beside 0, that means never ([MS-ADA1] accountExpires).
const neverExpires = 0x7FFFFFFFFFFFFFFF

// ParseFiletime reads an Integer8 time such as accountExpires or pwdLastSet: 100 ns since 1601-01-01 UTC, in
// decimal. 0 and 0x7FFFFFFFFFFFFFFF are no point in time: ok is false and err nil. What they mean depends on
// the attribute: never for accountExpires, "must change at next sign-in" for pwdLastSet 0.
func ParseFiletime(s string) (t time.Time, ok bool, err error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, false, fmt.Errorf("ldapsync: %q is not a FILETIME (a decimal count of 100 ns since 1601)", clip(s))
	}
	if n == 0 || n == neverExpires {
		return time.Time{}, false, nil
	}
	return time.Unix(n/filetimeTicks-filetimeEpoch, n%filetimeTicks*100).UTC(), true, nil
}

// FormatFiletime is the inverse of ParseFiletime for a point in time between 1601 and 30827. Fractions below
// 100 ns are cut off. Times before 1601 give "0", later ones 0x7FFFFFFFFFFFFFFF.
func FormatFiletime(t time.Time) string {
	s := t.Unix() + filetimeEpoch
	switch {
	case s < 0:
		return "0"
	case s >= neverExpires/filetimeTicks:
		return strconv.FormatInt(neverExpires, 10)
	}
	return strconv.FormatInt(s*filetimeTicks+int64(t.Nanosecond())/100, 10)
}

// ParseGeneralizedTime reads a GeneralizedTime value such as whenChanged (RFC 4517 section 3.3.13):
// 20261120214502.0Z, with or without minutes, seconds, fraction, and with Z or an offset such as +0100 or +01.
// The result is in UTC.
func ParseGeneralizedTime(s string) (time.Time, error) {
	bad := func(why string) (time.Time, error) {
		return time.Time{}, fmt.Errorf("ldapsync: %q is not a GeneralizedTime such as 20261120214502.0Z: %s", clip(s), why)
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	var layout string
	var unit time.Duration // what a fraction is a part of
	switch digits {
	case 10:
		layout, unit = "2006010215", time.Hour
	case 12:
		layout, unit = "200601021504", time.Minute
	case 14:
		layout, unit = "20060102150405", time.Second
	default:
		return bad("it must begin with 10, 12 or 14 digits")
	}
	t, err := time.ParseInLocation(layout, s[:digits], time.UTC)
	if err != nil {
		return bad("no such date")
	}
	rest := s[digits:]
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 1 {
			return bad("a fraction needs a digit")
		}
		scale := int64(unit)
		for _, c := range rest[1:n] {
			scale /= 10
			t = t.Add(time.Duration(int64(c-'0') * scale))
		}
		rest = rest[n:]
	}
	switch {
	case rest == "Z":
		return t, nil
	case (len(rest) == 3 || len(rest) == 5) && (rest[0] == '+' || rest[0] == '-'):
		h, herr := strconv.ParseUint(rest[1:3], 10, 8)
		m, merr := strconv.ParseUint("0"+rest[3:], 10, 8)
		if herr != nil || merr != nil || h > 23 || m > 59 {
			return bad("the offset is out of range")
		}
		d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
		if rest[0] == '+' {
			d = -d
		}
		return t.Add(d), nil
	}
	return bad("it must end in Z or an offset")
}

// FormatGeneralizedTime writes t as Active Directory does: UTC, whole seconds, ".0Z".
func FormatGeneralizedTime(t time.Time) string { return t.UTC().Format("20060102150405") + ".0Z" }
