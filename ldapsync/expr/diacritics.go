package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// bareLetters are the letters that are written with marks: after the first text, every letter that Unicode
// decomposes into it and nonspacing marks (Latin-1, Latin Extended A, B and Additional). Microsoft's table under
// NormalizeDiacritics is a part of it and says "any" diacritical character.
var bareLetters = [...][2]string{
	{"A", "ÀÁÂÃÄÅĀĂĄǍǞǠǺȀȂȦḀẠẢẤẦẨẪẬẮẰẲẴẶ"},
	{"a", "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ"},
	{"B", "ḂḄḆ"},
	{"b", "ḃḅḇ"},
	{"C", "ÇĆĈĊČḈ"},
	{"c", "çćĉċčḉ"},
	{"D", "ĎḊḌḎḐḒ"},
	{"d", "ďḋḍḏḑḓ"},
	{"E", "ÈÉÊËĒĔĖĘĚȄȆȨḔḖḘḚḜẸẺẼẾỀỂỄỆ"},
	{"e", "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"},
	{"F", "Ḟ"},
	{"f", "ḟ"},
	{"G", "ĜĞĠĢǦǴḠ"},
	{"g", "ĝğġģǧǵḡ"},
	{"H", "ĤȞḢḤḦḨḪ"},
	{"h", "ĥȟḣḥḧḩḫẖ"},
	{"I", "ÌÍÎÏĨĪĬĮİǏȈȊḬḮỈỊ"},
	{"i", "ìíîïĩīĭįǐȉȋḭḯỉị"},
	{"J", "Ĵ"},
	{"j", "ĵǰ"},
	{"K", "ĶǨḰḲḴ"},
	{"k", "ķǩḱḳḵ"},
	{"L", "ĹĻĽḶḸḺḼ"},
	{"l", "ĺļľḷḹḻḽ"},
	{"M", "ḾṀṂ"},
	{"m", "ḿṁṃ"},
	{"N", "ÑŃŅŇǸṄṆṈṊ"},
	{"n", "ñńņňǹṅṇṉṋ"},
	{"O", "ÒÓÔÕÖŌŎŐƠǑǪǬȌȎȪȬȮȰṌṎṐṒỌỎỐỒỔỖỘỚỜỞỠỢ"},
	{"o", "òóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ"},
	{"P", "ṔṖ"},
	{"p", "ṕṗ"},
	{"R", "ŔŖŘȐȒṘṚṜṞ"},
	{"r", "ŕŗřȑȓṙṛṝṟ"},
	{"S", "ŚŜŞŠȘṠṢṤṦṨ"},
	{"s", "śŝşšșṡṣṥṧṩ"},
	{"T", "ŢŤȚṪṬṮṰ"},
	{"t", "ţťțṫṭṯṱẗ"},
	{"U", "ÙÚÛÜŨŪŬŮŰŲƯǓǕǗǙǛȔȖṲṴṶṸṺỤỦỨỪỬỮỰ"},
	{"u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"},
	{"V", "ṼṾ"},
	{"v", "ṽṿ"},
	{"W", "ŴẀẂẄẆẈ"},
	{"w", "ŵẁẃẅẇẉẘ"},
	{"X", "ẊẌ"},
	{"x", "ẋẍ"},
	{"Y", "ÝŶŸȲẎỲỴỶỸ"},
	{"y", "ýÿŷȳẏẙỳỵỷỹ"},
	{"Z", "ŹŻŽẐẒẔ"},
	{"z", "źżžẑẓẕ"},
	// Letters that do not decompose. All but œ without a macron are in Microsoft's table, where ø gives oe and
	// ö, ü give o, u.
	{"ae", "æǣǽ"}, {"AE", "ÆǢǼ"}, {"oe", "øǿœ"}, {"OE", "ØǾŒ"}, {"ss", "ß"}, {"l", "ł"}, {"L", "Ł"}, {"i", "ı"},
}

// bareIndex is bareLetters by letter, from U+00C0 on. It is made once and never changed.
var bareIndex = func() (out [0x1F00 - 0xC0]string) {
	for _, e := range bareLetters {
		for _, r := range e[1] {
			out[r-0xC0] = e[0]
		}
	}
	return out
}()

// normalizeDiacritics replaces letters with marks by letters without, also where the mark is a character of its
// own. Letters of other scripts, and letters with strokes that Microsoft's table does not have, stay.
func normalizeDiacritics(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	latin := i > 0 && isLetter(s[i-1]) // a mark after a Latin letter goes
	b.WriteString(s[:i])
	for _, r := range s[i:] {
		bare := ""
		if r >= 0xC0 && int(r-0xC0) < len(bareIndex) {
			bare = bareIndex[r-0xC0]
		}
		switch {
		case bare != "":
			b.WriteString(bare)
			latin = true
		case latin && r >= 0x300 && r <= 0x36F:
		default:
			b.WriteRune(r)
			latin = r < utf8.RuneSelf && unicode.IsLetter(r)
		}
	}
	return b.String()
}
