package expr

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// .NET counts text in UTF-16 units. These functions do too, except that they never cut a character in two.

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// units is the length in UTF-16 units.
func units(s string) int {
	if isASCII(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// unitOffset is the byte offset after n UTF-16 units, at most the end. A character that n would cut is left out.
func unitOffset(s string, n int64) int {
	if n <= 0 {
		return 0
	}
	if n >= int64(len(s)) {
		n = int64(len(s))
	}
	if isASCII(s) {
		return int(n)
	}
	count := int64(0)
	for i, r := range s {
		w := int64(max(utf16.RuneLen(r), 1))
		if count+w > n {
			return i
		}
		count += w
	}
	return len(s)
}

func left(s string, n int64) string {
	if n < 0 {
		return s
	}
	return s[:unitOffset(s, n)]
}

func right(s string, n int64) string {
	if n < 0 {
		return s
	}
	return s[unitOffset(s, int64(units(s))-n):]
}

// index finds sub in s from the UTF-16 unit start, from 1, on; 0 if it is not there.
func index(s, sub string, start int64, text bool) int64 {
	if text {
		s, sub = foldText(s), foldText(sub)
	}
	from := unitOffset(s, start-1)
	if start > int64(units(s))+1 {
		return 0
	}
	at := strings.Index(s[from:], sub)
	if at < 0 {
		return 0
	}
	return int64(units(s[:from+at])) + 1
}

// lastIndex finds the last sub that ends at or before the unit start; start -1 means the end.
func lastIndex(s, sub string, start int64, text bool) int64 {
	if text {
		s, sub = foldText(s), foldText(sub)
	}
	if start >= 0 {
		s = s[:unitOffset(s, start)]
	}
	at := strings.LastIndex(s, sub)
	if at < 0 {
		return 0
	}
	return int64(units(s[:at])) + 1
}

// foldText makes texts that differ in case the same and keeps their length in units.
func foldText(s string) string { return lower(s, "") }

// lower and upper map characters one to one, as .NET does: ß stays. Under the invariant culture, "", the
// Turkish ı and İ stay as well; tr and az map them to I and i, and i and I to them.
func lower(s, culture string) string {
	if turkic(culture) {
		return strings.ToLowerSpecial(unicode.TurkishCase, s)
	}
	if culture == "" && strings.Contains(s, "İ") {
		return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(s, "İ", "\x00")), "\x00", "İ")
	}
	return strings.ToLower(s)
}

func upper(s, culture string) string {
	if turkic(culture) {
		return strings.ToUpperSpecial(unicode.TurkishCase, s)
	}
	if culture == "" && strings.Contains(s, "ı") {
		return strings.ReplaceAll(strings.ToUpper(strings.ReplaceAll(s, "ı", "\x00")), "\x00", "ı")
	}
	return strings.ToUpper(s)
}

func turkic(culture string) bool {
	language, _, _ := strings.Cut(culture, "-")
	return strings.EqualFold(language, "tr") || strings.EqualFold(language, "az")
}

// knownCulture says whether the text can name a culture: "", or a language of two or three letters and subtags
// (RFC 4646).
func knownCulture(s string) bool {
	if s == "" {
		return true
	}
	for i, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 || i == 0 && (len(part) < 2 || len(part) > 3) {
			return false
		}
		for j := range len(part) {
			if !isLetter(part[j]) && (i == 0 || part[j] < '0' || part[j] > '9') {
				return false
			}
		}
	}
	return true
}

// titleCase is .NET's ToTitleCase: a letter begins a word after anything that is neither letter, mark, digit nor
// apostrophe. lowerFirst lowers everything before; without it a word all in capitals stays as it is.
func titleCase(s string, separators string, bySeparators, lowerFirst bool) string {
	if lowerFirst {
		s = lower(s, "")
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !inWord(r, n, separators, bySeparators) {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		end := i
		for end < len(s) {
			r, n := utf8.DecodeRuneInString(s[end:])
			if !inWord(r, n, separators, bySeparators) {
				break
			}
			end += n
		}
		word := s[i:end]
		if !lowerFirst && strings.ToUpper(word) == word {
			b.WriteString(word)
		} else {
			r, n := utf8.DecodeRuneInString(word)
			if n == 1 && r == utf8.RuneError {
				b.WriteString(word[:1])
			} else {
				b.WriteString(upper(string(r), ""))
			}
			b.WriteString(lower(word[n:], ""))
		}
		i = end
	}
	return b.String()
}

func inWord(r rune, n int, separators string, bySeparators bool) bool {
	if bySeparators {
		return !strings.ContainsRune(separators, r) || n == 1 && r == utf8.RuneError
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) || r == '\''
}

// word splits at every one of the delimiter characters. Empty words do not count.
func word(s string, n int64, delimiters string) string {
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
		if n--; n == 0 {
			return w
		}
	}
	return ""
}
