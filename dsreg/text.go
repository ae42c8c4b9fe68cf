package dsreg

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// An Encoding says how the bytes of an input were read.
type Encoding string

// Encodings. Windows PowerShell 5.1 redirects as UTF-16LE with a byte order
// mark; the program itself writes bytes of the ANSI code page.
const (
	UTF8      Encoding = "utf-8"
	UTF8BOM   Encoding = "utf-8-bom"
	UTF16LE   Encoding = "utf-16le"
	UTF16BE   Encoding = "utf-16be"
	CP1252    Encoding = "windows-1252"
	CP850     Encoding = "cp850"
	sniffSize          = 4096
)

// sniff looks at the first bytes of an input. skip is the length of the byte
// order mark.
func sniff(b []byte) (enc Encoding, bom bool, skip int) {
	switch {
	case len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf:
		return UTF8BOM, true, 3
	case len(b) >= 2 && b[0] == 0xff && b[1] == 0xfe:
		return UTF16LE, true, 2
	case len(b) >= 2 && b[0] == 0xfe && b[1] == 0xff:
		return UTF16BE, true, 2
	}
	// Without a mark: a capture is almost all ASCII, so in UTF-16 every second
	// byte is NUL, and in UTF-8 none is.
	if bytes.IndexByte(b, 0) < 0 {
		return UTF8, false, 0
	}
	var even, odd int
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 {
			even++
		}
		if b[i+1] == 0 {
			odd++
		}
	}
	pairs := len(b) / 2
	switch {
	case odd*3 >= pairs*2 && even*10 <= pairs:
		return UTF16LE, false, 0
	case even*3 >= pairs*2 && odd*10 <= pairs:
		return UTF16BE, false, 0
	}
	return UTF8, false, 0
}

// binaryName names a file format that is not text, so that an error can say
// what was given instead of a capture.
func binaryName(b []byte) string {
	for _, f := range [...]struct{ magic, name string }{
		{"\x89PNG", "a PNG image"}, {"\xff\xd8\xff", "a JPEG image"}, {"GIF8", "a GIF image"}, {"PK\x03\x04", "a ZIP archive or Office document"},
		{"%PDF", "a PDF document"}, {"\x1f\x8b", "gzip data"}, {"MZ", "a Windows program"}, {"\x7fELF", "an ELF program"}, {"MSCF", "a cabinet file"},
		{"ElfFile\x00", "a Windows event log"}, {"regf", "a registry hive"},
	} {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			return f.name
		}
	}
	return ""
}

// openText reads the beginning of r and returns the rest as UTF-8 (or as
// bytes of a code page, which are repaired later) without a byte order mark:
// first what is in buf, then what the reader yields.
func openText(r io.Reader) (rest io.Reader, buf []byte, enc Encoding, binary string, err error) {
	buf = make([]byte, 0, 2*sniffSize)
	for len(buf) < sniffSize && err == nil {
		var n int
		n, err = r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
	}
	if err == io.EOF {
		r, err = eofReader{}, nil
	}
	if err != nil {
		return nil, nil, UTF8, "", err
	}
	enc, _, skip := sniff(buf[:min(len(buf), sniffSize)])
	binary = binaryName(buf)
	buf = buf[skip:]
	switch enc {
	case UTF16LE, UTF16BE:
		return &utf16Reader{r: io.MultiReader(bytes.NewReader(buf), r), big: enc == UTF16BE}, nil, enc, binary, nil
	}
	return r, buf, enc, binary, nil
}

// An eofReader has nothing.
type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

// decodeText returns r as UTF-8 without a byte order mark.
func decodeText(r io.Reader) io.Reader {
	rest, buf, _, _, err := openText(r)
	if err != nil {
		return errReader{err}
	}
	return io.MultiReader(bytes.NewReader(buf), rest)
}

// An errReader fails.
type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// validText returns s as UTF-8, read in a code page where it is not.
func validText(s string) (string, Encoding) {
	if utf8.ValidString(s) {
		return s, UTF8
	}
	return repairBytes(s)
}

// A utf16Reader turns UTF-16 into UTF-8. A lone surrogate or an odd last
// byte becomes U+FFFD: the input is cut, and that is not a reason to stop.
type utf16Reader struct {
	r    io.Reader
	big  bool
	raw  [2048]byte
	have int    // bytes left over in raw
	high rune   // pending high surrogate
	out  []byte // decoded, not yet returned
	err  error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.r.Read(u.raw[u.have:])
		u.decode(u.have + n)
		if err != nil {
			u.err = err
			if u.have == 1 || u.high != 0 {
				u.out = utf8.AppendRune(u.out, utf8.RuneError)
				u.have, u.high = 0, 0
			}
		}
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) decode(n int) {
	out := u.out[:0]
	i := 0
	for ; i+1 < n; i += 2 {
		r := rune(u.raw[i]) | rune(u.raw[i+1])<<8
		if u.big {
			r = rune(u.raw[i])<<8 | rune(u.raw[i+1])
		}
		if u.high != 0 {
			if pair := utf16.DecodeRune(u.high, r); pair != utf8.RuneError {
				out = utf8.AppendRune(out, pair)
				u.high = 0
				continue
			}
			out = utf8.AppendRune(out, utf8.RuneError)
			u.high = 0
		}
		if r >= 0xd800 && r < 0xdc00 {
			u.high = r
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	u.have = copy(u.raw[:], u.raw[i:n])
	u.out = out
}

// High halves of the code pages. cp1252 differs from Latin-1 in 80–9f only.
const (
	cp1252Low = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
	cp850High = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0"
	cp437High = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"
)

func highHalf(table string, b byte) rune {
	i := int(b - 0x80)
	for _, r := range table {
		if i == 0 {
			return r
		}
		i--
	}
	return utf8.RuneError
}

func from1252(b byte) rune {
	if b < 0xa0 {
		return highHalf(cp1252Low, b)
	}
	return rune(b)
}

// repairBytes reads the bytes of s that are not UTF-8 in a code page: in the
// one of cp1252 and cp850 that makes more of them letters, because the
// program emits ANSI bytes and consoles emit OEM bytes. Valid UTF-8 in s stays.
func repairBytes(s string) (string, Encoding) {
	var table, oemTable [128]rune
	var letters, oemLetters [128]bool
	n := 0
	for _, r := range cp850High {
		oemTable[n], oemLetters[n] = r, unicode.IsLetter(r)
		n++
	}
	for i := range table {
		table[i] = from1252(byte(i) + 0x80)
		letters[i] = unicode.IsLetter(table[i])
	}
	var ansi, oem int
	eachInvalid(s, func(b byte) {
		if letters[b-0x80] {
			ansi++
		}
		if oemLetters[b-0x80] {
			oem++
		}
	})
	enc := CP1252
	if oem > ansi {
		enc, table = CP850, oemTable
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			b.WriteByte(s[i])
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteRune(table[s[i]-0x80])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String(), enc
}

func eachInvalid(s string, f func(byte)) {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			f(s[i])
		}
		i += n
	}
}

// repairValue undoes the double reading that a console makes of a value
// outside ASCII: the program writes the ANSI byte E9 for é, a console with
// code page 850 shows Ú, and "RÚpertoire par dÚfaut" is what gets pasted. It acts only
// when the value has a capital or a symbol in the middle of a lower-case word,
// and reading it backwards removes all of those. (Deduced from one published
// capture, Microsoft Q&A 753549; the repair is therefore always reported.)
func repairValue(s string) (string, bool) {
	if len(s) > 512 || !mojibake(s) {
		return s, false
	}
	for _, table := range [...]string{cp850High, cp437High} {
		if fixed, ok := reread(s, table); ok && !mojibake(fixed) {
			return fixed, true
		}
	}
	return s, false
}

func reread(s, table string) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
			continue
		}
		n, found := 0, -1
		for _, t := range table {
			if t == r {
				found = n
				break
			}
			n++
		}
		if found < 0 {
			return "", false
		}
		orig := from1252(byte(found) + 0x80)
		if !unicode.IsLetter(orig) {
			return "", false
		}
		b.WriteRune(orig)
	}
	return b.String(), true
}

// mojibake reports a rune outside ASCII that is no lower-case letter between
// a letter and a lower-case letter.
func mojibake(s string) bool {
	var before, mid rune
	for _, r := range s {
		if mid >= utf8.RuneSelf && !unicode.IsLower(mid) && unicode.IsLetter(before) && unicode.IsLower(r) && before < utf8.RuneSelf && r < utf8.RuneSelf {
			return true
		}
		before, mid = mid, r
	}
	return false
}
