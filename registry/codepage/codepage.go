// Package codepage converts between the 8-bit code pages of Windows and WTF-8, the text form of package
// registry. REGEDIT4 files are in the ANSI code page of the machine that wrote them, the output of reg query is
// in the OEM code page of its console; neither file says which.
//
// Only single-byte code pages are built in; for others (932, 936, 949, 950) implement [Page] with a library such
// as golang.org/x/text. The tables follow Microsoft's mappings at unicode.org (VENDORS/MICSFT). This package imports only
// the standard library.
package codepage

import (
	"unicode/utf8"

	"go.internal/hybridkit/registry"
)

// A Page converts one encoding whose first 128 characters are ASCII. Implementations are safe for concurrent use.
type Page interface {
	// Name returns a short stable name such as "windows-1252".
	Name() string
	// Append appends the text of b to dst as WTF-8. Bytes without a meaning become the C1 control
	// of the same number or U+FFFD, never an error.
	Append(dst, b []byte) []byte
	// Encode appends s to dst. It reports false, with dst as it was, if the page lacks a character of s.
	Encode(dst []byte, s string) ([]byte, bool)
}

// The code pages of Western and Central European, Cyrillic, Greek and Turkish Windows, and of their consoles.
func Windows1252() Page { return &page1252 }
func Windows1250() Page { return &page1250 }
func Windows1251() Page { return &page1251 }
func OEM437() Page      { return &page437 }
func OEM850() Page      { return &page850 }

// UTF8 returns the page of UTF-8 text, for files that people saved so although Windows reads them otherwise.
// Bytes that are not UTF-8 are read as Windows-1252.
func UTF8() Page { return utf8Page{} }

// ByName returns the page with the given name: windows-1252 or 1252 or cp1252, oem850 or 850 or cp850, utf-8 or
// 65001, and so on for all pages of this package.
func ByName(name string) (Page, bool) {
	for _, p := range []*table{&page1250, &page1251, &page1252, &page437, &page850} {
		if name == p.name || name == p.number || name == "cp"+p.number {
			return p, true
		}
	}
	if name == "utf-8" || name == "utf8" || name == "65001" || name == "cp65001" {
		return UTF8(), true
	}
	return nil, false
}

// A table is a single-byte page: upper holds the characters of bytes 0x80 to 0xFF.
type table struct {
	name, number string
	upper        [128]rune
	back         map[rune]byte
}

func (t *table) Name() string { return t.name }

func (t *table) Append(dst, b []byte) []byte {
	for _, c := range b {
		if c < utf8.RuneSelf {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, t.upper[c-0x80])
		}
	}
	return dst
}

func (t *table) Encode(dst []byte, s string) ([]byte, bool) {
	n := len(dst)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			dst = append(dst, s[i])
			i++
			continue
		}
		r, w := registry.DecodeWTF8(s[i:])
		c, ok := t.back[r]
		if !ok {
			return dst[:n], false
		}
		dst = append(dst, c)
		i += w
	}
	return dst, true
}

// newTable builds a page from the 128 upper characters; U+FFFD in chars stands for the C1 control of that byte.
func newTable(name, number, chars string) table {
	t := table{name: name, number: number, back: make(map[rune]byte, 128)}
	i := 0
	for _, r := range chars {
		if r == utf8.RuneError {
			r = rune(0x80 + i)
		}
		t.upper[i] = r
		t.back[r] = byte(0x80 + i)
		i++
	}
	if i != len(t.upper) {
		panic("codepage: table of " + name + " is incomplete")
	}
	return t
}

type utf8Page struct{}

func (utf8Page) Name() string { return "utf-8" }

func (utf8Page) Append(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			dst = page1252.Append(dst, b[i:i+1])
		} else {
			dst = append(dst, b[i:i+n]...)
		}
		i += n
	}
	return dst
}

func (utf8Page) Encode(dst []byte, s string) ([]byte, bool) {
	if !utf8.ValidString(s) {
		return dst, false
	}
	return append(dst, s...), true
}
