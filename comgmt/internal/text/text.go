// Package text reads text files as Windows tools write them.
package text

import (
	"bufio"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// NewReader returns a reader of UTF-8: it drops a UTF-8 byte order mark and converts UTF-16 that starts with one
// (PowerShell's > and Out-File write that). Anything else passes through unchanged. It reads ahead from r.
func NewReader(r io.Reader) io.Reader {
	br := bufio.NewReaderSize(r, 64<<10)
	head, _ := br.Peek(3) // a shorter input has no mark we know
	switch {
	case len(head) >= 3 && head[0] == 0xEF && head[1] == 0xBB && head[2] == 0xBF:
		br.Discard(3)
	case len(head) >= 2 && head[0] == 0xFF && head[1] == 0xFE:
		br.Discard(2)
		return &utf16Reader{r: br, low: 0, high: 1}
	case len(head) >= 2 && head[0] == 0xFE && head[1] == 0xFF:
		br.Discard(2)
		return &utf16Reader{r: br, low: 1, high: 0}
	}
	return br
}

// utf16Reader converts UTF-16 to UTF-8. A surrogate without its partner and a last odd byte become U+FFFD.
type utf16Reader struct {
	r         *bufio.Reader
	low, high int
	out       []byte
	held      rune // a high surrogate that waits for its partner, or 0
	err       error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill(len(p))
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) fill(want int) {
	u.out = u.out[:0]
	var unit [2]byte
	for len(u.out) < want {
		n, err := io.ReadFull(u.r, unit[:])
		if err != nil {
			if u.held != 0 || n == 1 {
				u.out = utf8.AppendRune(u.out, utf8.RuneError)
				u.held = 0
			}
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			u.err = err
			return
		}
		c := rune(unit[u.low]) | rune(unit[u.high])<<8
		if u.held != 0 {
			if r := utf16.DecodeRune(u.held, c); r != utf8.RuneError {
				u.out = utf8.AppendRune(u.out, r)
				u.held = 0
				continue
			}
			u.out = utf8.AppendRune(u.out, utf8.RuneError)
			u.held = 0
		}
		if c >= 0xD800 && c < 0xDC00 {
			u.held = c
			continue
		}
		u.out = utf8.AppendRune(u.out, c) // a lone low surrogate becomes U+FFFD
	}
}
